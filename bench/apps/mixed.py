"""Everything that the mixed load asks for; each answer names the request that it belongs to."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.parse import parse_qs

from pattern import PATTERN

Environ = dict[str, Any]
Headers = list[tuple[str, str]]
STREAM_BYTES = 4096


def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Look the path up in ``ROUTES``; the ``X-Request`` field comes back, so that swapped answers are seen."""
    headers: Headers = [("Content-Type", "text/plain")]
    if "HTTP_X_REQUEST" in environ:
        headers.append(("X-Request", environ["HTTP_X_REQUEST"]))
    route = ROUTES.get(environ["PATH_INFO"])
    if route is None:
        return _whole(start_response, headers, b"no such path\n", "404 Not Found")
    return route(environ, start_response, headers)


def text(environ: Environ, start_response: Any, headers: Headers) -> Iterable[bytes]:
    """A slice of the pattern with its length."""
    return _whole(start_response, headers, _slice(environ))


def stream(environ: Environ, start_response: Any, headers: Headers) -> Iterable[bytes]:
    """A slice of the pattern, generated piece by piece, with no length."""
    start_response("200 OK", headers)
    return _pieces(_slice(environ))


def write(environ: Environ, start_response: Any, headers: Headers) -> Iterable[bytes]:
    """A slice of the pattern through the ``write`` callable, its last piece returned."""
    body = _slice(environ)
    headers.append(("Content-Length", str(len(body))))
    push: Callable[[bytes], object] = start_response("200 OK", headers)
    half = len(body) // 2
    if half:
        push(body[:half])
    return [body[half:]]


def empty(environ: Environ, start_response: Any, headers: Headers) -> Iterable[bytes]:
    """204: no body."""
    start_response("204 No Content", headers[1:])
    return []


def echo(environ: Environ, start_response: Any, headers: Headers) -> Iterable[bytes]:
    """The request's body, read in the way that the query names."""
    source = environ["wsgi.input"]
    how = _query(environ).get("read", "all")
    if how == "lines":
        # Joined, since each block goes out by itself and a line of the pattern is eight bytes.
        pieces = [b"".join(source)]
    elif how == "pieces":
        pieces = list(iter(lambda: source.read(8000), b""))
    else:
        pieces = [source.read()]
    headers.append(("Content-Length", str(sum(map(len, pieces)))))
    start_response("200 OK", headers)
    return pieces


def crc(environ: Environ, start_response: Any, headers: Headers) -> Iterable[bytes]:
    """Length and CRC-32 of the request's body."""
    body = environ["wsgi.input"].read()
    return _whole(start_response, headers, b"%d %08x\n" % (len(body), zlib.crc32(body)))


def ignore(environ: Environ, start_response: Any, headers: Headers) -> Iterable[bytes]:
    """An answer without reading the body."""
    return _whole(start_response, headers, b"ignored\n")


def sleep(environ: Environ, start_response: Any, headers: Headers) -> Iterable[bytes]:
    """Wait without the GIL."""
    time.sleep(int(_query(environ)["ms"]) / 1000)
    return _whole(start_response, headers, b"rested\n")


def spin(environ: Environ, start_response: Any, headers: Headers) -> Iterable[bytes]:
    """Compute with the GIL."""
    end = time.thread_time() + int(_query(environ)["ms"]) / 1000
    while time.thread_time() < end:
        pass
    return _whole(start_response, headers, b"rested\n")


ROUTES = {
    "/text": text,
    "/stream": stream,
    "/write": write,
    "/empty": empty,
    "/echo": echo,
    "/crc": crc,
    "/ignore": ignore,
    "/sleep": sleep,
    "/spin": spin,
}


def _whole(start_response: Any, headers: Headers, body: bytes, status: str = "200 OK") -> list[bytes]:
    start_response(status, [*headers, ("Content-Length", str(len(body)))])
    return [body]


def _pieces(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), STREAM_BYTES):
        yield body[start : start + STREAM_BYTES]


def _slice(environ: Environ) -> bytes:
    query = _query(environ)
    start = int(query["start"])
    return PATTERN[start : start + int(query["length"])]


def _query(environ: Environ) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
