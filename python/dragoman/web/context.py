"""What is known of the request that a thread or task has in hand: one list in one ContextVar."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

if TYPE_CHECKING:
    from dragoman.web.app import App
    from dragoman.web.request import Request

__all__ = [
    "APP",
    "CURRENT",
    "ENVIRON",
    "PLACES_OF_STREAM",
    "PLAN",
    "REQUEST",
    "VALUES",
    "Context",
    "NoRequest",
    "current_context",
    "has_request",
    "request_of",
]

Context: TypeAlias = "list[Any]"
"""The places below. A list, since most requests need nothing of it, and nothing is made faster than one."""

APP, ENVIRON, REQUEST, PLAN, VALUES = range(5)
# A sixth place is there when the head of a stream has gone out: what it says of the session stays so.
PLACES_OF_STREAM = 6

# What an application in hand is enough for.
OF_APPLICATION = frozenset(
    {"current_app", "g", "get_template_attribute", "render_template", "render_template_string", "url_for"}
)

CURRENT: ContextVar[Context | None] = ContextVar("dragoman.web.request", default=None)


def current_context(what: str) -> Context:
    """The context of here. Raises RuntimeError, which says what to do, where there is none."""
    context = CURRENT.get()
    if context is None:
        entered = "app_context" if what in OF_APPLICATION else "test_request_context"
        raise RuntimeError(
            f"{what} is that of the request in hand, and there is none here: no handler or hook is being called. Pass"
            f" what you need as an argument, or write with app.{entered}(): in a test, a script or a shell. What a"
            " thread of your own calls is decorated with copy_current_request_context"
        )
    return context


class NoRequest(dict[str, Any]):
    """Stands for the environ where an application is in hand and no request: of `App.app_context`."""

    def __missing__(self, key: str) -> NoReturn:
        raise RuntimeError(
            f"there is an application in hand here, and no request that has {key}: write with"
            " app.test_request_context(): instead of app.app_context(), or pass what you need as an argument"
        )

    def get(self, key: str, default: object = None, /) -> NoReturn:
        """Raises RuntimeError."""
        self.__missing__(key)

    def __contains__(self, key: object) -> NoReturn:
        self.__missing__(str(key))


def has_request(context: Context) -> bool:
    """Whether it is that of a request, not of an application alone."""
    return type(context[ENVIRON]) is not NoRequest


def request_of(context: Context) -> Request:
    """The request of a context, made when it is first asked for."""
    request: Request | None = context[REQUEST]
    if request is None:
        app: App = context[APP]
        request = context[REQUEST] = app.request_class(context[ENVIRON], context)
    return request
