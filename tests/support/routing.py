"""Applications of many small views: one server process serves a whole test file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

Environ = dict[str, Any]
StartResponse = Callable[..., Callable[[bytes], object]]
View = Callable[[Environ, StartResponse], Any]

OCTETS = [("Content-Type", "application/octet-stream")]


class Routes:
    """A WSGI application that hands each request, untouched, to the view named by its path."""

    def __init__(self) -> None:
        self.views: dict[str, View] = {}

    def __call__(self, environ: Environ, start_response: StartResponse) -> Any:
        view = self.views.get(environ["PATH_INFO"])
        if view is None:
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"no such view"]
        return view(environ, start_response)

    def view(self, view: View) -> View:
        """Decorator: `def close_raises` answers `/close-raises`."""
        self.views["/" + view.__name__.rstrip("_").replace("_", "-")] = view
        return view


def answer_json(start_response: StartResponse, value: object) -> Iterable[bytes]:
    """200 with the value as JSON."""
    body = json.dumps(value).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def start_octets(start_response: StartResponse, *fields: tuple[str, str], status: str = "200 OK") -> Any:
    """Calls start_response with an octet-stream type and the fields."""
    return start_response(status, [*OCTETS, *fields])
