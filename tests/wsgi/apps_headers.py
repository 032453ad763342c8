"""An application that answers with the status, fields and body that the request's body names."""

from __future__ import annotations

import json
from collections.abc import Iterable

from tests.support.routing import Environ, StartResponse


def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The request's body is JSON: {"status": str, "fields": [[name, value], ...], "body": str}."""
    answer = json.loads(environ["wsgi.input"].read())
    start_response(answer.get("status", "200 OK"), [tuple(field) for field in answer.get("fields", [])])
    return [answer.get("body", "body").encode()]


def hints(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Sends the early hints that the request's body lists, one 103 for each list of fields."""
    for fields in json.loads(environ["wsgi.input"].read()):
        environ["wsgi.early_hints"]([tuple(field) for field in fields])
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"final"]
