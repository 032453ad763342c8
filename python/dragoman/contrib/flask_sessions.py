"""`EnvironSessions`: makes Flask's ``session`` the one that `dragoman.middleware.Sessions` gives each request."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from flask import Flask, Request, Response
from flask.sessions import SessionInterface, SessionMixin

from dragoman.middleware.sessions import SESSION, Session

__all__ = ["EnvironSession", "EnvironSessions"]


class EnvironSession(SessionMixin):
    """Flask's view of the middleware's session: the same keys, and `rotate` and `change`.

    ``session.permanent`` and ``session.modified`` may be set, and need not be: how long a session is kept is said to
    `Sessions`, and changes in lists and dicts are seen.
    """

    def __init__(self, inner: Session) -> None:
        self.inner = inner

    @property
    def new(self) -> bool:  # type: ignore[override]
        """Whether no session came with the request."""
        return self.inner.is_new

    @property
    def modified(self) -> bool:
        """Whether there is something to store."""
        return self.inner.is_changed

    @modified.setter
    def modified(self, value: bool) -> None:
        """Nothing: it is seen."""

    @property
    def accessed(self) -> bool:
        """Whether it was used."""
        return self.inner.is_touched

    @accessed.setter
    def accessed(self, value: bool) -> None:
        """Nothing: Flask sets it at every look at ``flask.session``, the session knows when it is asked something."""

    @property
    def permanent(self) -> bool:
        """As Flask has it by default."""
        return False

    @permanent.setter
    def permanent(self, value: bool) -> None:
        """Nothing: ``Sessions(persistent=…, idle_s=…)`` says it for all."""

    def rotate(self) -> None:
        """Give it a new id: at a login."""
        self.inner.rotate()

    def change(self, key: str, function: Callable[[Any], Any], default: Any = None) -> Any:
        """Set `key` to the function of what is there, so that of parallel requests each counts."""
        return self.inner.change(key, function, default)

    def clear(self) -> None:
        """End it."""
        self.inner.clear()

    def __getitem__(self, key: str) -> Any:
        return self.inner[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.inner[key] = value

    def __delitem__(self, key: str) -> None:
        del self.inner[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.inner)

    def __len__(self) -> int:
        return len(self.inner)

    def __contains__(self, key: object) -> bool:
        return key in self.inner

    def __repr__(self) -> str:
        return repr(self.inner)


class EnvironSessions(SessionInterface):
    """What ``app.session_interface`` is set to.

        app = Flask(__name__)
        app.session_interface = EnvironSessions()
        app.wsgi_app = Sessions(app.wsgi_app, store=RedisStore("redis://127.0.0.1/0"))

    Raises RuntimeError at a request that has not come through `Sessions`.
    """

    def open_session(self, app: Flask, request: Request) -> EnvironSession:
        """The session of the request."""
        inner = request.environ.get(SESSION)
        if not isinstance(inner, Session):
            raise RuntimeError("no dragoman.session in the environ: write app.wsgi_app = Sessions(app.wsgi_app, …)")
        return EnvironSession(inner)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Nothing: the middleware stores it, and sets the cookie and Vary."""
