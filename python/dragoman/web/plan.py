"""`Plan`: what is done for one rule and one method, decided before the first request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from dragoman.types import StartResponse
from dragoman.web.context import Context
from dragoman.web.rules import Rule

if TYPE_CHECKING:
    from dragoman.web.response import Response

__all__ = ["Answer", "Call", "Hooks", "Plan", "View"]

View: TypeAlias = Callable[..., Any]
"""A handler, as the application has written it."""

Answer: TypeAlias = Callable[[Context, StartResponse], Iterable[bytes]]


Call: TypeAlias = Callable[[Context], Any]
"""Calls a handler."""


class Hooks(NamedTuple):
    """What is called around a handler, each in the order of calling; those that are async def run in the loop then.

    before     gives None, or an answer instead of the handler's
    after      takes the answer, and gives one
    teardown   takes what was raised or None, when the answer has been made, or its stream has ended
    values     takes the endpoint and the values of the rule, and may change them
    """

    before: tuple[Callable[[], Any], ...] = ()
    after: tuple[Callable[[Any], Response], ...] = ()
    teardown: tuple[Callable[[BaseException | None], Any], ...] = ()
    values: tuple[Callable[[str | None, dict[str, Any]], Any], ...] = ()


class Plan:
    """One rule for one method.

    by_place   the handler, where the values of the path are all that it takes, and there are no hooks: then nothing
               stands in between
    call       calls the handler with what it takes of the context
    answer     does it all, where there are hooks; None where there are none, and `serving` does it
    route      the text of its rule
    names      of the rule's variables, in its order
    defaults   for parameters of the handler that are not in the rule
    scopes     the names of the blueprints that the handler is in, the innermost first
    """

    __slots__ = (
        "answer",
        "by_place",
        "call",
        "defaults",
        "endpoint",
        "hooks",
        "names",
        "route",
        "rule",
        "scopes",
        "view",
    )

    def __init__(
        self,
        rule: Rule,
        endpoint: str,
        view: View,
        *,
        defaults: Mapping[str, Any] | None = None,
        scopes: tuple[str, ...] = (),
        hooks: Hooks = Hooks(),  # noqa: B008 - it is a tuple
    ) -> None:
        self.rule = rule
        self.route = rule.text
        self.endpoint = endpoint
        self.view = view
        self.names = tuple(variable.name for variable in rule.variables)
        self.defaults = dict(defaults or {})
        self.scopes = scopes
        self.hooks = hooks
        self.by_place: View | None = None
        self.call: Call = not_compiled
        self.answer: Answer | None = None

    def named(self, values: tuple[object, ...]) -> dict[str, Any]:
        """The values of a path by name, with the defaults."""
        return {**self.defaults, **dict(zip(self.names, values, strict=False))}


def not_compiled(context: Context) -> Any:
    raise RuntimeError("this plan is of an application that has not been frozen")
