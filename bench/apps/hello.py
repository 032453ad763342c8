"""The smallest honest WSGI application: one body, its Content-Length, nothing else."""

from __future__ import annotations

from typing import Any

BODY = b"Hello, world!\n"
HEADERS = [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))]


def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answer every request with the same 14 bytes."""
    start_response("200 OK", HEADERS[:])
    return [BODY]
