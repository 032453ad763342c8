"""Where tests look into an application: at its innermost entry, whatever layers are around it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from dragoman.middleware.passing import close_of
from dragoman.middleware.sessions import SESSION, Session, SessionUnavailable
from dragoman.types import Environ, StartResponse, WSGIApplication
from dragoman.web.app import App
from dragoman.web.context import CURRENT, ENVIRON, Context
from dragoman.web.request import Request
from dragoman.web.response import Response
from dragoman.web.sessioning import NO_SECRET, NoSession

__all__ = ["HOOK", "keeping", "observe", "read_session", "transaction"]

HOOK = "dragoman.web.testing"
"""The environ's key for a `Hook`."""

Hook: TypeAlias = Callable[[WSGIApplication, Environ, StartResponse], Iterable[bytes]]
"""Called in the place of the application, which is its first argument."""


class Entry:
    """The entry of an application that tests look into; requests without a hook pass."""

    def __init__(self, inner: WSGIApplication) -> None:
        self.inner = inner

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        hook: Hook | None = environ.get(HOOK)
        if hook is None:
            return self.inner(environ, start_response)
        return hook(self.inner, environ, start_response)


def observe(app: App) -> None:
    """Have `app` ask for hooks from now on: it costs applications nothing that no test has looked into."""
    app.freeze()
    if not isinstance(app.own_entry, Entry):
        entry = Entry(app.own_entry)
        is_unwrapped = app.entry is app.own_entry
        app.own_entry = entry
        if is_unwrapped:
            app.entry = entry


def keeping(contexts: list[Context]) -> Hook:
    """A hook that notes the context of the request, when its head goes out."""

    def kept(app: WSGIApplication, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        def started(*head: Any) -> Any:
            context = CURRENT.get()
            if context is not None:
                contexts[:] = [context]
            return start_response(*head)

        return app(environ, started)

    return kept


def read_session(context: Context) -> None:
    """Read the session of a layer, which after the request refuses a first look; what is in it may be looked at."""
    session = context[ENVIRON].get(SESSION)
    if isinstance(session, Session) and not session.is_touched:
        session.is_sealed = False
        try:
            session.touch()
        except SessionUnavailable:
            pass
        session.is_sealed = True


@contextmanager
def transaction(app: App, environ: Environ, take: Callable[[str], None]) -> Generator[Any, None, None]:
    """The session that a request would have, stored at the end as the end of a request does.

    take   gets each Set-Cookie field that comes of it
    Raises RuntimeError where a layer around the application answers without it.
    """
    observe(app)
    pending: list[Pending] = []
    head: list[Any] = []

    def begun(inner: WSGIApplication, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        pending[:] = [Pending(app, environ, start_response)]
        return pending[0]

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Any:
        head[:] = [status, headers]
        return lambda data: None

    result = app({**environ, HOOK: begun}, start_response)
    try:
        if not pending:
            raise RuntimeError(
                f"session_transaction: a layer around the application has answered {''.join(head[:1])} itself;"
                " give what it wants, as for a request: session_transaction('/path', headers=…)"
            )
        session = pending[0].request.session
        if isinstance(session, NoSession):
            raise RuntimeError(NO_SECRET)
        yield session
        for _ in result:
            pass
    finally:
        close_of(result)
    for name, value in head[1] if head else ():
        if name.lower() == "set-cookie":
            take(value)


class Pending:
    """An answer whose head goes out when its first block is asked for: until then the session may change."""

    def __init__(self, app: App, environ: Environ, start_response: StartResponse) -> None:
        self.app = app
        self.request: Request = app.request_class(environ, [app, environ, None, None, ()])
        self.start_response = start_response
        self.is_sent = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self.is_sent:
            raise StopIteration
        self.is_sent = True
        response = Response(b"", 200, content_type="text/plain")
        if "session" in self.request.made:
            self.app.save_session(self.request, response)
        response(self.request.environ, self.start_response)
        return b""
