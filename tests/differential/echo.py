"""The application behind every server: it says in a field what was read, so that HEAD is answered in full too."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from typing import Any


def seen(method: str, target: str, body: bytes) -> bytes:
    """Value of `X-Seen` for a request that was read."""
    digest = hashlib.sha256(body).hexdigest()[:16]
    return json.dumps({"method": method, "target": target, "length": len(body), "digest": digest}).encode()


def app(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Reads the whole body. A body that turns out broken is a refusal that comes as an exception."""
    try:
        body = environ["wsgi.input"].read()
        value = seen(environ["REQUEST_METHOD"], target_of(environ), body).decode()
    except Exception as error:
        value = json.dumps({"broken": type(error).__name__})
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "0"), ("X-Seen", value)])
    return []


def target_of(environ: dict[str, Any]) -> str:
    """The target as it was sent, where the server tells it."""
    return str(environ.get("RAW_URI") or environ.get("REQUEST_URI") or environ["PATH_INFO"])
