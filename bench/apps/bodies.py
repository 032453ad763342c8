"""Bodies of known content in both directions: echo, upload, download, stream, JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from pattern import PATTERN

CHUNKS = 64
CHUNK_BYTES = 1024
TEXT = ("Content-Type", "text/plain")


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """``/echo``, ``/upload``, ``/download``, ``/stream`` and ``/json``; the size is the query string."""
    path = environ["PATH_INFO"]
    if path == "/echo":
        return _whole(start_response, environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    if path == "/upload":
        return _whole(start_response, b"%d\n" % _drain(environ["wsgi.input"], int(environ["CONTENT_LENGTH"])))
    if path == "/download":
        return _whole(start_response, PATTERN[: int(environ["QUERY_STRING"])])
    if path == "/stream":
        start_response("200 OK", [TEXT])
        return _stream()
    if path == "/json":
        document = {"message": "Hello, world!", "items": [1, 2, 3], "ok": True}
        return _whole(start_response, json.dumps(document).encode(), "application/json")
    start_response("404 Not Found", [TEXT, ("Content-Length", "0")])
    return []


def _whole(start_response: Any, body: bytes, content_type: str = "text/plain") -> list[bytes]:
    start_response("200 OK", [("Content-Type", content_type), ("Content-Length", str(len(body)))])
    return [body]


def _drain(body: Any, length: int) -> int:
    taken = 0
    while taken < length and (piece := body.read(min(65536, length - taken))):
        taken += len(piece)
    return taken


def _stream() -> Iterator[bytes]:
    for start in range(0, CHUNKS * CHUNK_BYTES, CHUNK_BYTES):
        yield PATTERN[start : start + CHUNK_BYTES]
