"""The questions of `bench/web.py` answered by bare WSGI: what nobody can be cheaper than."""

from __future__ import annotations

import json
from typing import Any

HTML = ("Content-Type", "text/html; charset=utf-8")


def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Answers by the path, without a router."""
    path = environ["PATH_INFO"]
    if path == "/":
        body, field = b"Hello, world!\n", HTML
    elif path == "/json":
        body, field = (
            json.dumps({"id": 7, "name": "Ada", "tags": ["a", "b"]}).encode(),
            ("Content-Type", "application/json"),
        )
    else:
        body, field = f"user {int(path[6:])}".encode(), HTML
    start_response("200 OK", [field, ("Content-Length", str(len(body)))])
    return [body]
