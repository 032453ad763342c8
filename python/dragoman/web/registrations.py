"""What an application or a blueprint is told before the first request: rules, hooks, handlers of exceptions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypeVar, cast

from dragoman.http.fields import is_token
from dragoman.types import WSGIApplication
from dragoman.web.errors import class_for
from dragoman.web.plan import View
from dragoman.web.typing import (
    AnyAfter,
    AnyBefore,
    AnyContext,
    AnyErrorHandler,
    AnyHandler,
    AnyTeardown,
    AnyUrlDefaults,
    AnyValues,
    ContextHook,
    ErrorHandler,
    Handler,
    TeardownHook,
    UrlDefaultsHook,
    ValuesHook,
)

__all__ = ["AnyView", "Mounted", "Registrations", "RuleOf"]

AnyView = TypeVar("AnyView", bound=Callable[..., Any])


@dataclass(frozen=True)
class RuleOf:
    """A rule as it was registered."""

    rule: str
    endpoint: str
    view: View
    methods: tuple[str, ...]
    defaults: Mapping[str, Any] | None
    strict_slashes: bool | None


@dataclass(frozen=True)
class Mounted:
    """A WSGI application at a prefix."""

    prefix: str
    app: WSGIApplication


@dataclass
class Given:
    """All that was registered, in its order."""

    rules: list[RuleOf] = field(default_factory=list)
    mounts: list[Mounted] = field(default_factory=list)
    before: list[Callable[[], Any]] = field(default_factory=list)
    # Those that are async def are called in the loop, where there is an answer before it goes on.
    after: list[Callable[..., Any]] = field(default_factory=list)
    teardown: list[TeardownHook] = field(default_factory=list)
    values: list[ValuesHook] = field(default_factory=list)
    url_defaults: list[UrlDefaultsHook] = field(default_factory=list)
    errors: list[tuple[int | type[BaseException], ErrorHandler]] = field(default_factory=list)
    context: list[ContextHook] = field(default_factory=list)


class Route(Protocol):
    """What `Registrations.route` takes, without the methods."""

    def __call__(
        self,
        rule: str,
        *,
        endpoint: str | None = None,
        defaults: Mapping[str, Any] | None = None,
        strict_slashes: bool | None = None,
    ) -> Callable[[AnyHandler], AnyHandler]: ...


class Verb:
    """`Registrations.route` for one method of HTTP."""

    def __init__(self, method: str) -> None:
        self.method = method
        self.__doc__ = f"`route` for {method}."

    def __get__(self, registrations: Registrations, owner: type[Any]) -> Route:
        return cast(Route, partial(self.route, registrations))

    def route(self, registrations: Registrations, rule: str, **options: Any) -> Callable[[AnyHandler], AnyHandler]:
        if "methods" in options:
            name = self.method.lower()
            raise TypeError(f"{name}({rule!r}, methods=…): {name} is for {self.method} alone: want route(…, methods=…)")
        return registrations.route(rule, methods=(self.method,), **options)


class Registrations:
    """What `App` and `Blueprint` have in common. Each of its methods may be used as a decorator, as in Flask."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.given = Given()
        self.is_frozen = False

    def route(
        self,
        rule: str,
        *,
        methods: Iterable[str] | None = None,
        endpoint: str | None = None,
        defaults: Mapping[str, Any] | None = None,
        strict_slashes: bool | None = None,
    ) -> Callable[[AnyHandler], AnyHandler]:
        """Answer requests for `rule` by the function below.

        rule             ``/user/<int:id>``, or ``/user/{id}`` with the type of the parameter's annotation
        methods          default GET; HEAD comes with GET, and OPTIONS is answered by itself
        endpoint         the name for `url_for`; default the function's
        defaults         values for parameters that the rule has no variable for
        strict_slashes   whether ``/a/`` is another path than ``/a``, which is then redirected to it; default the
                         setting STRICT_SLASHES, which is True
        """

        refuse_undecorated("route", rule, "'/path'")

        def registered(view: AnyHandler) -> AnyHandler:
            self.add_url_rule(rule, endpoint, view, methods=methods, defaults=defaults, strict_slashes=strict_slashes)
            return view

        return registered

    def add_url_rule(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: Handler | None = None,
        *,
        methods: Iterable[str] | None = None,
        defaults: Mapping[str, Any] | None = None,
        strict_slashes: bool | None = None,
    ) -> None:
        """The same, without a decorator. Raises TypeError without a function, ValueError for a wrong endpoint."""
        self.refuse_when_frozen("add_url_rule")
        if view_func is None or not callable(view_func):
            raise TypeError(f"rule {rule!r}: want a function that answers it, got {view_func!r}")
        name: str = endpoint or getattr(view_func, "__name__", None) or type(view_func).__name__
        if "." in name:
            raise ValueError(f"endpoint {name!r}: want a name without points: they stand between those of blueprints")
        kinds = getattr(view_func, "methods", None) if methods is None else methods
        listed = ("GET",) if kinds is None else methods_of(rule, kinds)
        self.given.rules.append(RuleOf(rule, name, view_func, listed, defaults, strict_slashes))

    get = Verb("GET")
    post = Verb("POST")
    put = Verb("PUT")
    patch = Verb("PATCH")
    delete = Verb("DELETE")

    def mount(self, prefix: str, app: WSGIApplication) -> None:
        """Give all paths at and below `prefix` that no rule is for to another WSGI application.

        No hooks are called for it, also not those of the blueprint that it is mounted in: what asks who it is has to
        be in that application, or a middleware around it.
        """
        self.refuse_when_frozen("mount")
        if not prefix.startswith("/") or prefix.endswith("/"):
            raise ValueError(f"mount({prefix!r}): want a prefix with a slash at its beginning and none at its end")
        if not callable(app):
            raise TypeError(f"mount({prefix!r}): want a WSGI application, got {app!r}")
        self.given.mounts.append(Mounted(prefix, app))

    def before_request(self, hook: AnyBefore) -> AnyBefore:
        """Call it before the handler. What it gives, if not None, is the answer."""
        return self.noted("before_request", self.given.before, hook)

    def after_request(self, hook: AnyAfter) -> AnyAfter:
        """Call it with each answer, errors among them; it gives that one or another. The last one comes first."""
        return self.noted("after_request", self.given.after, hook)

    def teardown_request(self, hook: AnyTeardown) -> AnyTeardown:
        """Call it when the request has ended, a stream with its last block, with what was raised or None."""
        return self.noted("teardown_request", self.given.teardown, hook)

    def url_value_preprocessor(self, hook: AnyValues) -> AnyValues:
        """Call it with endpoint and values before `before_request`; it may change the values, and take some out.

        A handler whose rule is looked at so need not have parameters for all its variables. (Flask calls it for paths
        that no rule is for, too.)
        """
        return self.noted("url_value_preprocessor", self.given.values, hook)

    def url_defaults(self, hook: AnyUrlDefaults) -> AnyUrlDefaults:
        """Call it with endpoint and values in `url_for`; it may add values."""
        return self.noted("url_defaults", self.given.url_defaults, hook)

    def context_processor(self, hook: AnyContext) -> AnyContext:
        """Call it for each template that is rendered; it gives names and values for it."""
        return self.noted("context_processor", self.given.context, hook)

    def errorhandler(self, key: int | type[BaseException]) -> Callable[[AnyErrorHandler], AnyErrorHandler]:
        """Answer exceptions of a class, or answers of a status that were raised, by the function below."""

        if not isinstance(key, type):
            refuse_undecorated("errorhandler", key, "404")

        def registered(handler: AnyErrorHandler) -> AnyErrorHandler:
            self.register_error_handler(key, handler)
            return handler

        return registered

    def register_error_handler(self, key: int | type[BaseException], handler: ErrorHandler) -> None:
        """The same, without a decorator. Raises TypeError and ValueError for what is no class and no status."""
        self.refuse_when_frozen("errorhandler")
        class_for(key)
        self.given.errors.append((key, handler))

    def noted(self, what: str, listed: list[Any], hook: AnyView) -> AnyView:
        self.refuse_when_frozen(what)
        if not callable(hook):
            raise TypeError(f"{what}: want a function, got {hook!r}")
        listed.append(hook)
        return hook

    def refuse_when_frozen(self, what: str) -> None:
        if self.is_frozen:
            raise RuntimeError(
                f"{what}: {self.name!r} has answered its first request, and takes no more rules, hooks or converters;"
                " register them where the module is imported"
            )


def methods_of(rule: str, given: Iterable[str]) -> tuple[str, ...]:
    """The methods of a rule, each once. Raises TypeError for what is no list of texts, ValueError for no method."""
    if isinstance(given, str):
        raise TypeError(f"rule {rule!r}: methods={given!r}: want a list: [{given!r}]")
    listed = list(given)
    for method in listed:
        if not isinstance(method, str):
            raise TypeError(f"rule {rule!r}: methods={listed!r}: {method!r} is no text: want a list such as ['GET']")
        # RFC 9110 §9.1
        if not is_token(method):
            raise ValueError(f"rule {rule!r}: methods={listed!r}: {method!r} is no method: want a token such as 'GET'")
    if not listed:
        raise ValueError(f"rule {rule!r}: methods={listed!r}: want one at least; without methods=… it is GET")
    return tuple(dict.fromkeys(method.upper() for method in listed))


def refuse_undecorated(decorator: str, given: object, example: str) -> None:
    """Raises TypeError where a decorator that takes arguments stands without them: it would register nothing."""
    if callable(given):
        name = getattr(given, "__name__", "a function")
        raise TypeError(f"{decorator} got {name} itself: it takes arguments first, such as @app.{decorator}({example})")
