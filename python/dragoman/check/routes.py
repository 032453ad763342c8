"""What an application answers to, as far as its framework tells: paths, methods, and the function behind each."""

import inspect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from dragoman.check.layers import inner_applications
from dragoman.contract.places import Place
from dragoman.contract.report import LIBRARY_PARTS

__all__ = ["Framework", "Route", "Routes", "find_routes", "place_of_view"]


@dataclass(frozen=True)
class Route:
    """One route, with its parameters filled in.

    path     the whole path as the client asks for it, as PATH_INFO; `other` with other values, "" where there are none
    methods  in capitals
    """

    name: str
    path: str
    methods: frozenset[str]
    other: str = ""


@dataclass(frozen=True)
class Framework:
    """What one framework's application tells.

    package   the framework's packages: a line in one of them is its view's doing
    view_at   the function that answers (method, path), None where none does; `path` as `Route.path`
    host      a host that it answers to; "" for any
    """

    packages: frozenset[str]
    routes: tuple[Route, ...]
    view_at: Callable[[str, str], Any]
    host: str = ""
    # Routes that no values were found for.
    unfilled: tuple[str, ...] = ()


@dataclass(frozen=True)
class Routes:
    """Those of all frameworks that are in an application, and `mounts`: where a dispatcher has something else."""

    frameworks: tuple[Framework, ...] = ()
    mounts: tuple[Route, ...] = ()
    views: dict[tuple[str, str], Place | None] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Route]:
        yield from self.mounts
        for framework in self.frameworks:
            yield from framework.routes

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @property
    def host(self) -> str:
        """A host that the application answers to; "" for any."""
        return next((one.host for one in self.frameworks if one.host), "")

    @property
    def unfilled(self) -> list[str]:
        """Routes that no values were found for."""
        return [name for framework in self.frameworks for name in framework.unfilled]

    def view_place(self, method: str, path: str) -> Place | None:
        """Where the view begins that answers."""
        key = (method, path)
        if key not in self.views:
            found = (view_of(framework, method, path) for framework in self.frameworks)
            view = next((one for one in found if one is not None), None)
            self.views[key] = None if view is None else place_of_view(view, method)
        return self.views[key]

    def is_of_framework(self, filename: str) -> bool:
        """Whether the file is one of a framework's own."""
        parts = filename.replace("\\", "/").split("/")
        packages = {name for framework in self.frameworks for name in framework.packages}
        return any(one in LIBRARY_PARTS and after in packages for one, after in pairwise(parts))


def view_of(framework: Framework, method: str, path: str) -> Any:
    try:
        return framework.view_at(method, path)
    except Exception:  # no such path, or a project's own converter fails
        return None


def find_routes(application: Any) -> Routes:
    """The routes of the applications of frameworks that `application` is, or is wrapped around."""
    # Imported late: these import each other's vocabulary from here.
    from dragoman.check.routes_django import django_routes  # noqa: PLC0415
    from dragoman.check.routes_flask import flask_routes  # noqa: PLC0415
    from dragoman.check.routes_web import web_routes  # noqa: PLC0415

    found: dict[tuple[int, str], Framework] = {}
    mounts: dict[str, Route] = {}
    for one, prefix in inner_applications(application):
        holder = getattr(one, "__self__", one)
        for read in (web_routes, flask_routes, django_routes):
            framework = read(holder, prefix)
            if framework is not None:
                # Django has one application for a process.
                found.setdefault((0 if read is django_routes else id(holder), prefix), framework)
                break
        else:
            if prefix:
                mounts[prefix] = Route(f"{prefix}/", f"{prefix}/", frozenset({"GET", "HEAD"}))
    known = {route.path for framework in found.values() for route in framework.routes}
    others = tuple(route for route in mounts.values() if route.path not in known)
    return Routes(tuple(found.values()), others)


def place_of_view(view: Any, method: str) -> Place | None:
    """Where the code of a view begins: of a class the method that answers, behind what decorates it."""
    for _ in range(20):
        kind = getattr(view, "view_class", None) or getattr(view, "cls", None)
        if isinstance(kind, type):
            names = (method.lower(), "get" if method == "HEAD" else "", "dispatch", "dispatch_request")
            view = next((found for name in names if name and (found := own_method(kind, name))), view)
        inner = getattr(view, "__wrapped__", None) or getattr(view, "func", None) or getattr(view, "__func__", None)
        if inner is None:
            break
        view = inner
    code = getattr(view, "__code__", None) or getattr(getattr(type(view), "__call__", None), "__code__", None)  # noqa: B004 - the method is meant
    if not inspect.iscode(code):
        return None
    return code.co_filename, code.co_firstlineno, getattr(code, "co_qualname", code.co_name)


def own_method(kind: type, name: str) -> Any:
    return getattr(kind, name, None)


def all_methods(methods: Iterable[str]) -> frozenset[str]:
    """The methods of a route, with HEAD where there is GET."""
    found = {method.upper() for method in methods}
    return frozenset(found | ({"HEAD"} if "GET" in found else set()))
