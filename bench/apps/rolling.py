"""Answers that name their request and the process that gave them: for clients that watch reloads and restarts."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from typing import Any

SLOW_S = 0.3
STREAM_PIECES = 5
STREAM_PAUSE_S = 0.01
LINES = 40


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """``/page/N``, ``/slow/N`` and ``/stream/N`` repeat N; ``/upload/N`` tells N, length and SHA-256 of the body."""
    _, kind, name = f"{environ['PATH_INFO']}//".split("/")[:3]
    # The process of the answer, and its parent: a supervisor's successor is seen by its workers.
    fields = [
        ("Content-Type", "text/plain"),
        ("X-Worker", str(os.getpid())),
        ("X-Supervisor", str(os.getppid())),
    ]
    line = f"{name}\n".encode()
    if kind == "stream":
        start_response("200 OK", fields)
        return _stream(line)
    if kind == "slow":
        time.sleep(SLOW_S)
    body = _account(name, environ["wsgi.input"]) if kind == "upload" else line * LINES
    start_response("200 OK", [*fields, ("Content-Length", str(len(body)))])
    return [body]


def _stream(line: bytes) -> Iterator[bytes]:
    """Pieces with time between them, and no length: a worker can leave in the middle."""
    for _ in range(STREAM_PIECES):
        yield line * (LINES // STREAM_PIECES)
        time.sleep(STREAM_PAUSE_S)


def _account(name: str, stream: Any) -> bytes:
    digest, taken = hashlib.sha256(), 0
    while piece := stream.read(65536):
        digest.update(piece)
        taken += len(piece)
    return f"{name} {taken} {digest.hexdigest()}\n".encode()
