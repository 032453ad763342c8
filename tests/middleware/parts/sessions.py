"""`Sessions` under servers: each request counts, so that every answer has a cookie of its own or none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dragoman.middleware import Layer, Sessions
from dragoman.middleware.sessions import SESSION
from dragoman.middleware.stores import MemoryStore
from tests.middleware.part import Part, Probe
from tests.support.wire import Response

SECRET = "a secret of 32 characters, or so"


class Using(Layer):
    """Uses the session of requests whose query says so, as an application does."""

    def __init__(self, sessions: Sessions) -> None:
        super().__init__()
        self.sessions = sessions

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return self.sessions.around(self.using)(environ, start_response)

    def using(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if "name=session" in environ.get("QUERY_STRING", ""):
            environ[SESSION].change("visits", lambda count: count + 1, 0)
        return self.app(environ, start_response)


def has_a_session(response: Response) -> None:
    assert response.status == 200
    assert response.body == b"Hello, session"
    assert (response.value("Set-Cookie") or "").startswith("session=")
    assert "cookie" in (response.value("Vary") or "").lower()


def has_none(response: Response) -> None:
    assert response.body == b"Hello, you"
    assert response.value("Set-Cookie") is None


PROBES = (
    Probe("/hello?name=session", has_a_session),
    Probe("/hello?name=session", has_a_session, fields={"Cookie": "session=forged; a=b"}),
    Probe("/hello", has_none),
)
PARTS = [
    Part("sessions-cookie", lambda: Using(Sessions(secret=SECRET, secure=False)), PROBES),
    Part("sessions-store", lambda: Using(Sessions(store=MemoryStore(), secure=False)), PROBES),
    Part(
        "sessions-strict",
        lambda: Using(Sessions(store=MemoryStore(), secure=False, when_down="error")),
        PROBES,
    ),
]
