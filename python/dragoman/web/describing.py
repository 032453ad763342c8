"""`describe`: what an OpenAPI document says of a handler beside what its rule and its annotations say already."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from dragoman.web.plan import View

__all__ = ["NOTHING_SAID", "Description", "describe", "description_of"]

AnyView = TypeVar("AnyView", bound=Callable[..., Any])

ATTRIBUTE = "dragoman_description"


@dataclass(frozen=True)
class Description:
    """What was said of a handler; see `describe`."""

    summary: str | None = None
    description: str | None = None
    tags: Sequence[str] | None = None
    deprecated: bool = False
    status: int | None = None
    responses: Mapping[int, Any] = field(default_factory=dict)
    operation_id: str | None = None
    include_in_schema: bool = True
    openapi_extra: Mapping[str, Any] = field(default_factory=dict)


NOTHING_SAID = Description()


def describe(
    *,
    summary: str | None = None,
    description: str | None = None,
    tags: Sequence[str] | None = None,
    deprecated: bool = False,
    status: int | None = None,
    responses: Mapping[int, Any] | None = None,
    operation_id: str | None = None,
    include_in_schema: bool = True,
    openapi_extra: Mapping[str, Any] | None = None,
) -> Callable[[AnyView], AnyView]:
    """Say more of the handler below in `App.openapi`. It stands above or below ``@app.get(…)``.

    summary, description   default: the first paragraph of the docstring, and the others; CommonMark
    tags                   default: the name of the blueprint
    status                 of the answer that the return annotation is of; default 200
    responses              by status: a text that describes it, a type that it has as JSON, or OpenAPI's own dict
    operation_id           default: the endpoint
    include_in_schema      False: leave it out
    openapi_extra          members of the operation as OpenAPI has them, put in last: ``{"security": [{"key": []}]}``
    Raises TypeError for tags that are one text, for a status that is none, and for what takes no attributes.

        @app.post("/users")
        @describe(status=201, responses={409: "There is one of this name."})
        def add_user(user: User) -> User: ...
    """
    if isinstance(tags, str):
        raise TypeError(f"describe(tags={tags!r}): want a list: [{tags!r}]")
    texts = [one for one in (responses or {}) if not isinstance(one, int)]
    if texts:
        raise TypeError(f"describe(responses={{{texts[0]!r}: …}}): want a number: {{404: …}}")
    said = Description(
        summary, description, tags, deprecated, status, dict(responses or {}), operation_id, include_in_schema,
        dict(openapi_extra or {}),
    )  # fmt: skip

    def described(view: AnyView) -> AnyView:
        try:
            setattr(view, ATTRIBUTE, said)
        except AttributeError:
            raise TypeError(f"describe: {view!r} takes no attributes; want a function") from None
        return view

    return described


def description_of(view: View) -> Description:
    """What was said of a handler."""
    said = getattr(view, ATTRIBUTE, NOTHING_SAID)
    return said if isinstance(said, Description) else NOTHING_SAID
