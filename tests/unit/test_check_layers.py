"""`dragoman check` puts a checker before each application that another one holds, and before nothing else."""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from dragoman.check.between import Between
from dragoman.check.called import Watch
from dragoman.check.drive import Driver
from dragoman.check.layers import inner_applications, layers_checked
from dragoman.check.request import Request, Site
from dragoman.check.run import Options, asked_for, check
from dragoman.check.slots import is_application
from dragoman.contract import Finding
from dragoman.contract.report import application_name

Start = Callable[..., Any]
Found = set[tuple[str, str]]

# What each inner application below does wrong, and whose doing it is when a checker stands before it.
INSIDE = ("header-hop-by-hop", "application")


def answer(begin: Start) -> Iterable[bytes]:
    begin("200 OK", [("Connection", "close"), ("Content-Length", "0")])
    return []


def broken(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
    return answer(start_response)


def unnamed(request: dict[str, Any], begin: Start) -> Iterable[bytes]:
    return answer(begin)


def clean(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"Hello"]


class Instance:
    def __call__(self, environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        return answer(start_response)


class Body:
    """A class as an application: its instances are the bodies."""

    def __init__(self, environ: dict[str, Any], start_response: Start) -> None:
        answer(start_response)

    def __iter__(self) -> Iterator[bytes]:
        return iter([])


class Middleware:
    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __call__(self, environ: dict[str, Any], start_response: Start) -> Any:
        return self.inner(environ, start_response)


class Slotted:
    __slots__ = ("__wrapped",)

    def __init__(self, wrapped: Any) -> None:
        self.__wrapped = wrapped

    def __call__(self, environ: dict[str, Any], start_response: Start) -> Any:
        return self.__wrapped(environ, start_response)


@dataclass(frozen=True)
class Frozen:
    inner: Any

    def __call__(self, environ: dict[str, Any], start_response: Start) -> Any:
        return self.inner(environ, start_response)


class InAList:
    def __init__(self, inner: Any) -> None:
        self.tried = [inner]

    def __call__(self, environ: dict[str, Any], start_response: Start) -> Any:
        return self.tried[0](environ, start_response)


class InARoute:
    def __init__(self, inner: Any) -> None:
        self.routes = {"GET": ((r"^/", inner, "name"),)}

    def __call__(self, environ: dict[str, Any], start_response: Start) -> Any:
        return self.routes["GET"][0][1](environ, start_response)


class Mounts(dict[str, Any]):
    """A dispatcher that is the dictionary of its applications."""

    def __init__(self, inner: Any) -> None:
        self["/"] = inner

    def __call__(self, environ: dict[str, Any], start_response: Start) -> Any:
        return self["/"](environ, start_response)


def of_class(inner: Any) -> Any:
    class OfClass:
        held: Any = None

        def __call__(self, environ: dict[str, Any], start_response: Start) -> Any:
            return type(self).held(environ, start_response)

    # A function would become a method.
    OfClass.held = Middleware(inner)
    return OfClass()


def decorated(inner: Any) -> Any:
    @functools.wraps(inner)
    def middleware(*args: Any, **kwargs: Any) -> Any:
        return inner(*args, **kwargs)

    return middleware


def streaming(inner: Any) -> Any:
    def middleware(environ: dict[str, Any], start_response: Start) -> Any:
        yield from inner(environ, start_response)

    return middleware


def by_default(inner: Any) -> Any:
    def middleware(environ: dict[str, Any], start_response: Start, app: Any = inner) -> Any:
        return app(environ, start_response)

    return middleware


def handed_on(inner: Any, environ: dict[str, Any], start_response: Start) -> Any:
    return inner(environ, start_response)


def by_name(environ: dict[str, Any], start_response: Start, *, inner: Any) -> Any:
    return inner(environ, start_response)


class Framework:
    """As Flask's: middleware is put around a method of what holds it."""

    def __init__(self, inner: Any) -> None:
        self.view = inner
        self.wsgi_app = Middleware(self.wsgi_app)  # type: ignore[method-assign, assignment]

    def wsgi_app(self, environ: dict[str, Any], start_response: Start) -> Any:
        return self.view(environ, start_response)

    def __call__(self, environ: dict[str, Any], start_response: Start) -> Any:
        return self.wsgi_app(environ, start_response)


def in_module(code: str) -> Callable[[Any], Any]:
    """A middleware whose inner application is a global of its module."""

    def wrap(inner: Any) -> Any:
        module = types.ModuleType("shop_of_test")
        vars(module).update(app=inner, shop=module)
        exec(code, vars(module))
        return vars(module)["application"]

    return wrap


OF_MODULE = in_module("""
def application(environ, start_response):
    return app(environ, start_response)
""")
OF_ANOTHER_MODULE = in_module("""
def application(environ, start_response):
    return shop.app(environ, start_response)
""")
IN_A_TABLE = in_module("""
table = [("/", app)]
class Application:
    def __call__(self, environ, start_response):
        return self.route(environ, start_response)
    def route(self, environ, start_response):
        return table[0][1](environ, start_response)
application = Application()
""")
MADE_LATE = in_module("""
make, app = (lambda app=app: app), None
def application(environ, start_response):
    global app
    if app is None:
        app = make()
    return app(environ, start_response)
""")
IN_A_GENERATOR = in_module("""
def application(environ, start_response):
    def blocks():
        yield from app(environ, start_response)
    return blocks()
""")

WAYS: dict[str, Callable[[Any], Any]] = {
    "attribute": Middleware,
    "slot": Slotted,
    "frozen": Frozen,
    "list": InAList,
    "table of routes": InARoute,
    "dictionary itself": Mounts,
    "class attribute": of_class,
    "decorator": decorated,
    "decorators": lambda app: decorated(decorated(Middleware(decorated(app)))),
    "generator": streaming,
    "default": by_default,
    "partial": lambda app: functools.partial(handed_on, app),
    "partial by name": lambda app: functools.partial(by_name, inner=app),
    "partial in an attribute": lambda app: Middleware(functools.partial(handed_on, app)),
    "bound method": lambda app: Framework(app).wsgi_app,
    "method that is wrapped": Framework,
    "global": OF_MODULE,
    "global of another module": OF_ANOTHER_MODULE,
    "global table": IN_A_TABLE,
    "global that is made late": MADE_LATE,
    "global in a generator": IN_A_GENERATOR,
    "all of it": lambda app: Middleware(OF_MODULE(Slotted(functools.partial(handed_on, decorated(app))))),
}


def found_in(stack: Any) -> Found:
    report = check(stack, Options(time_s=20, rules=["header-hop-by-hop"], threads=1))
    assert report.answered
    return {(finding.rule, finding.party) for _, finding in report.findings()}


@pytest.mark.parametrize("inner", [broken, unnamed, Instance(), Body], ids=["named", "unnamed", "instance", "class"])
@pytest.mark.parametrize("way", WAYS)
def test_a_breach_inside_is_the_applications_however_it_is_held(way: str, inner: Any) -> None:
    assert found_in(WAYS[way](inner)) == {INSIDE}
    found: list[Finding] = []
    driver = Driver(Site(), lambda finding, request: found.append(finding))
    stack, watch = WAYS[way](inner), Watch()
    driver.call(watch.watched(stack), Request("a"))
    with layers_checked(stack, "stack", watch.called, on_finding=driver.found) as checked:
        driver.call(checked, Request("a"))
    # The innermost checker has seen it, and there is one.
    assert {finding.layer for finding in found if finding.rule == INSIDE[0]} == {application_name(inner)}


def adding(inner: Any) -> Any:
    def middleware(environ: dict[str, Any], start_response: Start) -> Any:
        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            return start_response(status, [*headers, ("Keep-Alive", "5")], *([exc_info] if exc_info else []))

        return inner(environ, start)

    return middleware


@pytest.mark.parametrize("way", WAYS)
def test_a_breach_of_a_middleware_is_laid_to_it_however_it_is_held(way: str) -> None:
    assert found_in(WAYS[way](adding(clean))) == {("header-hop-by-hop", "middleware")}


@pytest.mark.parametrize("way", [way for way in WAYS if way != "global that is made late"])
def test_everything_is_as_it_was_behind_the_check(way: str) -> None:
    inner = Instance()
    stack = WAYS[way](inner)
    before = [id(one) for one, _ in inner_applications(stack)]
    assert any(one is inner for one, _ in inner_applications(stack))
    with layers_checked(stack, "stack"):
        assert any(isinstance(one, Between) for one, _ in inner_applications(stack))
    assert [id(one) for one, _ in inner_applications(stack)] == before


def test_what_the_application_has_replaced_meanwhile_stays() -> None:
    stack = Middleware(broken)
    with layers_checked(stack, "stack"):
        stack.inner = clean
    assert stack.inner is clean


def test_what_stands_in_the_place_is_the_application_for_whoever_looks() -> None:
    inner = Mounts(clean)
    stack = Middleware(inner)
    with layers_checked(stack, "stack"):
        held = stack.inner
        assert (
            held is not inner
            and held == inner
            and isinstance(held, Mounts)
            and held["/"]({**Watched.environ()}, lambda *args: None)
        )
        held["/a"], held.attribute = broken, "set"
        assert callable(held) and len(held) == 2 and held.__doc__ == Mounts.__doc__
    assert inner["/a"] is broken and vars(inner) == {"attribute": "set"}


def test_a_class_in_the_place_is_a_class() -> None:
    stack = OF_MODULE(Body)
    with layers_checked(stack, "stack"):
        held = stack.__globals__["app"]
        assert held is not Body and isinstance(Body(Watched.environ(), lambda *args: None), held)


class Watched:
    @staticmethod
    def environ() -> dict[str, Any]:
        from dragoman.check.request import make_environ

        return make_environ(Request("a"), Site())


# What is no application.


def test_a_wsgi_application_is_known_by_the_names_of_its_arguments() -> None:
    assert is_application(clean) and is_application(Middleware(clean)) and is_application(Body)
    assert is_application(lambda env, start: None)
    for other in (
        lambda first, second: None,
        lambda query, start: None,
        lambda environ, name: None,
        lambda environ, start_response, more: None,
        lambda start_response: None,
        Middleware,
        len,
    ):
        assert not is_application(other)


def untouched(stack: Any, look: Callable[[], Any]) -> None:
    """Requests are made, with checkers wherever there should be some; what `look` sees stays the same all the time."""
    driver = Driver(Site(), lambda finding, request: None)
    watch = Watch()
    driver.call(watch.watched(stack), Request("a"))
    before = look()
    with layers_checked(stack, "stack", watch.called, on_finding=driver.found) as checked:
        assert look() is before
        assert driver.call(checked, Request("a")).status == "200 OK"
    assert look() is before


def test_no_checker_is_put_before_other_callables() -> None:
    class Paged(Middleware):
        def __init__(self) -> None:
            super().__init__(clean)
            self.page = lambda items, start: items[start:]
            self.header = lambda environ, name: environ.get(name)
            self.on_end = lambda environ, callback: callback()

        def __call__(self, environ: dict[str, Any], start_response: Start) -> Any:
            self.page([1], 0)
            self.header(environ, "HTTP_HOST")
            return self.inner(environ, start_response)

    stack = Paged()
    for name in ("page", "header", "on_end"):
        untouched(stack, functools.partial(getattr, stack, name))


HELPERS = {
    "refuses": """
def helper(environ, start_response):
    if environ["PATH_INFO"] == "/closed":
        start_response("403 Forbidden", [("Content-Type", "text/plain")])
        return [b"closed"]

def application(environ, start_response):
    return helper(environ, start_response) or app(environ, start_response)
""",
    "gives text": """
def helper(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return "text"

def application(environ, start_response):
    return [helper(environ, start_response).encode()]
""",
    "prepares": """
def helper(environ, begin):
    return {"start_response": begin}

def application(environ, start_response):
    helper(environ, start_response)["start_response"]("200 OK", [("Content-Type", "text/plain")])
    return []
""",
}


@pytest.mark.parametrize("code", HELPERS.values(), ids=HELPERS)
def test_a_function_that_only_helps_is_none_whatever_its_arguments_are_called(code: str) -> None:
    stack = in_module(code)(Middleware(clean))
    untouched(stack, lambda: stack.__globals__["helper"])
    report = check(stack, Options(time_s=20, threads=1))
    assert report.is_clean, [str(finding) for _, finding in report.findings()]


def test_a_helper_that_no_request_has_shown_to_be_one_is_not_reported() -> None:
    """As werkzeug's `responder`: what it decorates is called with environ and start_response, and gives a response."""

    def responder(function: Any) -> Any:
        def call(environ: dict[str, Any], start_response: Start) -> Any:
            if environ["PATH_INFO"] != "/late":
                return clean(environ, start_response)
            return function(environ, start_response)(environ, start_response)

        return call

    def view(environ: dict[str, Any], start_response: Start) -> Any:
        return clean

    for target in ("GET /late", "HEAD /late"):
        report = check(responder(view), Options(time_s=20, threads=1, asked=asked_for([target])))
        assert report.is_clean, [str(finding) for _, finding in report.findings()]


def test_an_inner_application_that_gives_no_body_is_reported() -> None:
    def forgets(environ: dict[str, Any], start_response: Start) -> Any:
        start_response("200 OK", [("Content-Type", "text/plain")])

    report = check(Middleware(Middleware(forgets)), Options(time_s=20, threads=1))
    assert {(one.rule, one.party, one.layer) for _, one in report.findings()} == {
        ("body-not-iterable", "application", application_name(forgets))
    }


def test_an_inner_application_that_raises_is_one_all_the_same() -> None:
    def raises(one: Any, two: Any) -> Any:
        raise LookupError("inside")

    class Catches(Middleware):
        def __call__(self, environ: dict[str, Any], start_response: Start) -> Any:
            try:
                return self.inner(environ, start_response)
            except LookupError:
                return clean(environ, start_response)

    watch = Watch()
    Driver(Site(), lambda finding, request: None).call(watch.watched(Catches(raises)), Request("a"))
    assert is_application(raises, watch.called)


def test_a_proxy_for_what_is_not_there_now_is_left_alone() -> None:
    class Proxy:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("working outside of a request")

        def __call__(self) -> None:
            raise RuntimeError("working outside of a request")

    stack = Middleware(clean)
    stack.proxy = Proxy()  # type: ignore[attr-defined]
    untouched(stack, functools.partial(vars(stack).get, "proxy"))


def test_a_profiler_that_was_there_is_there_again() -> None:
    def profiler(*args: Any) -> None:
        return None

    before = sys.getprofile()
    sys.setprofile(profiler)
    try:
        Driver(Site(), lambda finding, request: None).call(Watch().watched(streaming(clean)), Request("a"))
        assert sys.getprofile() is profiler
    finally:
        sys.setprofile(before)


def test_who_is_inside_is_known_of_a_middleware_that_has_not_called_it() -> None:
    class Refuses(Middleware):
        def __call__(self, environ: dict[str, Any], start_response: Start) -> Any:
            return broken(environ, start_response)

    found: list[Finding] = []
    driver = Driver(Site(), lambda finding, request: found.append(finding))
    with layers_checked(Refuses(clean), "stack", on_finding=driver.found) as checked:
        driver.call(checked, Request("a"))
    assert [(finding.rule, finding.party) for finding in found] == [("header-hop-by-hop", "middleware")]
