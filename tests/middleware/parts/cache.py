"""`Cache` under servers."""

from __future__ import annotations

from dragoman.middleware import Cache
from tests.middleware.part import Part, Probe
from tests.support.wire import Response


def is_the_answer(response: Response) -> None:
    assert (response.status, response.body) == (200, b"Hello, you")
    assert any(text in (response.value("Cache-Status") or "") for text in ("stored", "hit", "collapsed", "detail="))


def is_whole(response: Response) -> None:
    # Whether it comes from the application or from the cache depends on what came before; the bytes do not.
    assert (response.status, response.body) == (200, b"Hello, cache")


def has_no_body(response: Response) -> None:
    assert (response.status, response.body) == (200, b"")


def is_echoed(response: Response) -> None:
    assert (response.status, response.body) == (200, b"a body")
    assert response.value("Cache-Status") == "dragoman; fwd=method"


def is_empty(response: Response) -> None:
    assert (response.status, response.body) == (204, b"")


PARTS = [
    Part(
        "cache",
        lambda: Cache(default="max-age=600, stale-while-revalidate=60"),
        (
            Probe("/hello", is_the_answer),
            Probe("/hello?name=cache", is_whole),
            Probe("/hello?name=cache", is_whole, fields={"Range": "lines=1-2"}),
            Probe("/hello?name=cache", has_no_body, "HEAD"),
            Probe("/hello?name=cache", is_whole),
            Probe("/echo", is_echoed, "POST", body=b"a body"),
            Probe("/empty", is_empty),
        ),
    )
]
