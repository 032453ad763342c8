"""Contexts that are entered by hand, in tests, shells and commands; and what is done with that of the request."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, MutableMapping
from contextvars import Token
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from dragoman.types import Environ
from dragoman.web.answers import ended
from dragoman.web.background import called_in_loop
from dragoman.web.context import (
    APP,
    CURRENT,
    ENVIRON,
    PLACES_OF_STREAM,
    PLAN,
    REQUEST,
    VALUES,
    Context,
    NoRequest,
    current_context,
    has_request,
    request_of,
)
from dragoman.web.request import Request
from dragoman.web.response import Response
from dragoman.web.serving import Lookup

if TYPE_CHECKING:
    from dragoman.web.app import App
    from dragoman.web.plan import Plan

__all__ = [
    "AppContext",
    "RequestContext",
    "after_this_request",
    "copy_current_request_context",
    "preprocessed",
    "stream_with_context",
]

AnyCallable = TypeVar("AnyCallable", bound=Callable[..., Any])
AfterHook = TypeVar("AfterHook", bound=Callable[[Response], Any])
Stream = TypeVar("Stream")
Self = TypeVar("Self", bound="Entered")


class Entered:
    """A context that is entered and left by hand: ``with``, or push() and pop()."""

    def __init__(self, app: App, context: Context) -> None:
        self.app = app
        self.context = context
        self.tokens: list[Token[Context | None]] = []

    @property
    def g(self) -> Any:
        """The room of this context."""
        return request_of(self.context).g

    def push(self) -> None:
        """Enter it."""
        self.tokens.append(CURRENT.set(self.context))

    def pop(self, error: BaseException | None = None) -> None:
        """Leave it; the teardown functions are called with what was raised, or with None."""
        if not self.tokens:
            raise RuntimeError("pop() of a context that was not entered: want push() before it")
        token = self.tokens.pop()
        try:
            if not self.tokens:
                ended(self.context, tuple(self.teardown()), error)
        finally:
            CURRENT.reset(token)

    def teardown(self) -> Iterable[Callable[[BaseException | None], Any]]:
        """What is called at its end."""
        raise NotImplementedError

    def __enter__(self: Self) -> Self:
        self.push()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.pop(error)


class AppContext(Entered):
    """An application in hand: `current_app`, a `g` of its own, `url_for` by the settings.

    Entered within a request of the application it keeps that request in hand.
    """

    def __init__(self, app: App) -> None:
        super().__init__(app, alone(app))

    def push(self) -> None:
        """Enter it."""
        if not self.tokens:
            outer = CURRENT.get()
            is_within = outer is not None and outer[APP] is self.app and has_request(outer)
            self.context = apart(outer) if is_within and outer is not None else alone(self.app)
        super().push()

    def teardown(self) -> Iterable[Callable[[BaseException | None], Any]]:
        """Those of `App.teardown_appcontext`."""
        return map(called_in_loop, self.app.context_teardown[::-1])


class RequestContext(Entered):
    """A request in hand, of an environ that nobody has sent. Entering it decides the application's rules.

    app, request, g, session   what the handler would see
    """

    def __init__(self, app: App, environ: Environ) -> None:
        super().__init__(app, [app, environ, None, None, ()])

    @property
    def request(self) -> Request:
        """The request."""
        return request_of(self.context)

    @property
    def session(self) -> MutableMapping[str, Any]:
        """Its session."""
        return self.request.session

    def push(self) -> None:
        """Enter it."""
        if self.context[PLAN] is None:
            _, self.context[PLAN], self.context[VALUES] = Lookup(self.app, self.app.freeze()).search(
                self.context[ENVIRON]
            )
        super().push()

    def teardown(self) -> Iterable[Callable[[BaseException | None], Any]]:
        """Those of the handler that the path has."""
        plan: Plan = self.context[PLAN]
        return plan.hooks.teardown


def alone(app: App) -> Context:
    return [app, NoRequest(), None, None, ()]


class Apart(dict[str, Any]):
    """What was worked out of a request that is in hand a second time: all as of the first, with room of its own."""

    def __init__(self, request: Request) -> None:
        super().__init__()
        self.request = request

    def __missing__(self, name: str) -> Any:
        if name == "g":
            raise KeyError(name)
        return getattr(self.request, name)


def apart(context: Context) -> Context:
    """The same request with a `g` of its own."""
    made: Context = [*context]
    request = made[REQUEST] = type(request_of(context))(context[ENVIRON], made)
    request.made = Apart(request_of(context))
    return made


def after_this_request(hook: AfterHook) -> AfterHook:
    """Call it with the answer to the request in hand, before the hooks of `after_request`.

    It gives the response, or another one; None stands for the same. An error's answer comes by it too.
    Raises RuntimeError in a stream, whose head has gone out.
    """
    context = in_hand("after_this_request")
    if len(context) >= PLACES_OF_STREAM:
        raise RuntimeError(
            "after_this_request: the head of the answer has gone out. A handler that is a generator runs after that"
            " from its first line on: call it in one that is none and gives the generator"
        )
    request_of(context).after.append(hook)
    return hook


def copy_current_request_context(function: AnyCallable) -> AnyCallable:
    """`function`, to be called in a thread of your own with the request in hand.

    It has a `g` of its own there, and teardown functions are called at its end, so that a connection to a database is
    opened and closed by the thread that uses it. Read what you need of the body before: files of forms are closed when
    the request has ended.
    """
    context = in_hand("copy_current_request_context")
    called = called_in_loop(function)

    @functools.wraps(function)
    def within(*args: Any, **kwargs: Any) -> Any:
        copy = Copied(context[APP], apart(context))
        with copy:
            return called(*args, **kwargs)

    return cast(AnyCallable, within)


class Copied(RequestContext):
    """A request in hand a second time."""

    def __init__(self, app: App, context: Context) -> None:
        Entered.__init__(self, app, context)


def stream_with_context(stream: Stream) -> Stream:
    """`stream`, or the function that makes it, as it is: streams see the request in hand anyway. (Flask: they do not.)

    It is here for those who come from Flask; nothing is lost by leaving it out.
    """
    return stream


def preprocessed(context: Context) -> Any:
    """Call the hooks that come before the handler, and give the answer of the first that has one, else None."""
    plan: Plan = context[PLAN]
    for hook in plan.hooks.values:
        named = plan.named(context[VALUES])
        hook(plan.endpoint or None, named)
        context[VALUES] = tuple(named.get(name) for name in plan.names)
    for check in plan.hooks.before:
        result = check()
        if result is not None:
            return result
    return None


def in_hand(what: str) -> Context:
    """The context of the request in hand. Raises RuntimeError where there is none."""
    context = current_context(what)
    if not has_request(context):
        raise RuntimeError(f"{what} is for a request, and there is an application alone in hand here")
    return context
