"""Which requests are made: the catalogue, those of the application's routes, and those that were asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from dragoman.check.catalogue import CATALOGUE, NOWHERE
from dragoman.check.request import FORM, SAFE, Client, Origin, Request
from dragoman.check.routes import Route, Routes
from dragoman.check.samples import marker

__all__ = ["Plan", "make_plan"]

# How many of the requests are repeated; the routes' come first.
REPEATED_AT_MOST = 120
JSON = (("Content-Type", "application/json"),)


@dataclass(frozen=True)
class Plan:
    """What is to be done, in this order.

    repeated   requests that should have the same answer each time
    held_back  what changes the application's data, and was not asked for
    """

    once: tuple[Request, ...]
    repeated: tuple[Request, ...]
    held_back: tuple[Request, ...] = ()
    counts: dict[Origin, int] = field(default_factory=dict)


def make_plan(routes: Routes, asked: Sequence[Request], *, is_unsafe: bool) -> Plan:
    """The plan for an application.

    asked      requests by --request, and those of --openapi, which are held back like the routes' own
    is_unsafe  methods other than GET, HEAD and OPTIONS may be used on the application's routes
    """
    of_routes = [request for number, route in enumerate(routes) for request in of_route(route, number)]
    wanted = [*asked, *of_routes, *CATALOGUE]
    # A route for every path gets what is meant for none.
    is_caught = {method for method in ("POST", "PUT", "PATCH", "DELETE") if routes.view_place(method, NOWHERE)}
    once: list[Request] = []
    held_back: list[Request] = []
    for request in wanted:
        is_at_route = request.origin in (Origin.ROUTE, Origin.OPENAPI) or request.method in is_caught
        is_meant = request.method in SAFE or request.origin is Origin.NAMED or is_unsafe or not is_at_route
        (once if is_meant else held_back).append(request)
    repeated = [request for request in once if request.is_repeatable and is_worth_repeating(request)]
    return Plan(
        tuple(once),
        tuple(numbered(repeated[:REPEATED_AT_MOST])),
        tuple(held_back),
        {origin: sum(request.origin is origin for request in once) for origin in Origin},
    )


def is_worth_repeating(request: Request) -> bool:
    """Of the catalogue only the plain ones: the odd ones are answered by the same few pages."""
    return request.origin is not Origin.CATALOGUE or request.name in ("get", "get-nowhere", "query")


def numbered(requests: Sequence[Request]) -> Iterator[Request]:
    """Each with a word of its own in its User-Agent."""
    for number, request in enumerate(requests):
        word = request.marker or marker(100 + number)
        yield replace(request, name=f"{request.name} ({word})", marker=word)


def of_route(route: Route, number: int) -> Iterator[Request]:
    """The requests for the route of this number."""
    plain = Request(route.name, path=route.path, origin=Origin.ROUTE)
    if "GET" in route.methods:
        yield plain
        if route.other:
            yield replace(plain, name=f"{route.name}, other values", path=route.other)
        word = marker(900_000 + number)
        yield replace(
            plain, name=f"{route.name}, a query", query=f"name={word}&q={word}&page=1", marker=word,
            headers=(("Cookie", f"dragoman={word}"),),
        )  # fmt: skip
        yield replace(plain, name=f"{route.name}, HEAD", method="HEAD")
        yield replace(plain, name=f"{route.name}, left at once", blocks=0)
        yield replace(plain, name=f"{route.name}, left after one block", blocks=1)
        yield replace(
            plain, name=f"{route.name}, a range, no file_wrapper", headers=(("Range", "bytes=0-3"),),
            environ={"wsgi.file_wrapper": None},
        )  # fmt: skip
        yield replace(
            plain, name=f"{route.name}, conditions", headers=(("If-None-Match", "*"), ("Accept-Encoding", "gzip")),
        )  # fmt: skip
    for method in sorted(route.methods - SAFE):
        yield from of_unsafe(replace(plain, method=method))


def of_unsafe(plain: Request) -> Iterator[Request]:
    """Those that bring a body."""
    name = f"{plain.name}, {plain.method}"
    form, json = (("Content-Type", FORM),), JSON
    yield replace(plain, name=name)
    if plain.method == "DELETE":
        return
    yield replace(plain, name=f"{name}, a form", headers=form, body=b"name=sample&q=sample")
    yield replace(plain, name=f"{name}, JSON", headers=json, body=b'{"name": "sample"}')
    yield replace(plain, name=f"{name}, broken JSON", headers=json, body=b'{"name": ')
    yield replace(plain, name=f"{name}, gone in the body", headers=form, body=b"name=sample", client=Client.GONE)
    yield replace(plain, name=f"{name}, left at once", headers=form, body=b"name=sample", blocks=0)
