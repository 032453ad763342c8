"""`ServerTiming`: tells a browser's developer tools where the time of a request went."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from dragoman.http.fields import quote
from dragoman.middleware.insiders import Allow, Insiders
from dragoman.middleware.layer import Layer
from dragoman.middleware.passing import Headers, editing
from dragoman.types import Environ, StartResponse, WSGIApplication

__all__ = ["TIMING", "ServerTiming", "Timing", "timed"]

TIMING = "dragoman.timing"
"""The environ's key for the request's `Timing`."""

MOST_ENTRIES = 100
TOTAL = "total"
# RFC 9110 §5.6.2, §5.6.4.
NO_TOKEN = re.compile(r"[^A-Za-z0-9!#$%&'*+.^_`|~-]")
UNQUOTABLE = re.compile(r"[^\t\x20-\x7e\x80-\xff]")
DEFAULT_ALLOW = ("127.0.0.1", "::1")


class Timing(Protocol):
    """What takes the times of one request. Of clients that may not see them, and behind the head, it takes none."""

    def timed(self, name: str, description: str | None = None) -> AbstractContextManager[None]:
        """A context manager that measures what is done in it; the times of one name are added up."""

    def add(self, name: str, seconds: float, description: str | None = None) -> None:
        """Add a time that was measured already."""


class ServerTiming(Layer):
    """Adds ``Server-Timing`` to responses: all the time until the head, that of each layer, and what `timed` measured.

    allow     who gets it: addresses and networks, ``"*"`` for everybody, or a function of the environ. Times tell
              strangers which user exists, and what is cached
    layers    whether layers that stand inside of this one in a `stack` are measured, and the application
    origins   origins whose pages may read the times of their requests here (``Timing-Allow-Origin``): a list, or
              ``"*"``

    ``environ["dragoman.timing"]`` has `timed` and `add`. Raises ValueError for what is no network or no origin.
    Source: W3C Server Timing; W3C Resource Timing section 4.5.1.

        app = stack(app, ServerTiming(allow=["10.0.0.0/8"]), Compress(), Sessions(secret=…))
    """

    def __init__(
        self,
        app: WSGIApplication | None = None,
        *,
        allow: Allow = DEFAULT_ALLOW,
        layers: bool = True,
        origins: Sequence[str] | str = (),
    ) -> None:
        super().__init__(app)
        self.insiders = Insiders(allow)
        self.layers = layers
        self.origins = checked_origins(origins)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer the request, with its times for those who may see them."""
        if not self.insiders.have_sent(environ):
            # Nobody else's may be there either: a layer outside would show it.
            environ.setdefault(TIMING, UNTIMED)
            return self.app(environ, start_response)
        timing = Taken()
        environ[TIMING] = timing

        def edit(status: str, headers: Headers) -> tuple[str, Headers]:
            headers.append(("Server-Timing", timing.field_value()))
            if self.origins:
                headers.append(("Timing-Allow-Origin", self.origins))
            return status, headers

        return self.app(environ, editing(start_response, edit))

    def around_inner(self, app: WSGIApplication, name: str) -> WSGIApplication:
        """`app` with its time taken."""
        return Watched(app, name) if self.layers else app


class Untimed:
    """Takes no times."""

    def timed(self, name: str, description: str | None = None) -> AbstractContextManager[None]:
        """A context manager that does nothing."""
        return nothing

    def add(self, name: str, seconds: float, description: str | None = None) -> None:
        """Does nothing."""


class Nothing(AbstractContextManager[None]):
    """A context manager that does nothing, for any number of threads."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, *error: object) -> None:
        return None


nothing = Nothing()
UNTIMED = Untimed()


class Taken:
    """The times of one request."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.seconds: dict[str, float] = {}
        self.descriptions: dict[str, str] = {}
        # Those of layers, and of layers the name of the one that each was called by.
        self.inside: list[str] = []

    @contextmanager
    def timed(self, name: str, description: str | None = None) -> Iterator[None]:
        """See `Timing`."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.add(name, time.perf_counter() - began, description)

    def add(self, name: str, seconds: float, description: str | None = None) -> None:
        """See `Timing`."""
        name = NO_TOKEN.sub("-", name) or "-"
        if name in self.seconds or len(self.seconds) < MOST_ENTRIES:
            self.seconds[name] = self.seconds.get(name, 0.0) + seconds
            if description is not None:
                self.descriptions[name] = quote(UNQUOTABLE.sub("?", description))

    def field_value(self) -> str:
        """The field, as of now."""
        rows = {**self.seconds}
        rows[TOTAL] = time.perf_counter() - self.began
        return ", ".join(
            f"{name};dur={max(0.0, seconds) * 1000:.3f}"
            + (f";desc={self.descriptions[name]}" if name in self.descriptions else "")
            for name, seconds in rows.items()
        )


class Watched:
    """A layer or an application whose time is taken: from its call until its head comes out, without what is inside."""

    def __init__(self, app: WSGIApplication, name: str) -> None:
        self.app = app
        self.name = name

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer the request as `app` does."""
        timing = environ.get(TIMING)
        if not isinstance(timing, Taken):
            return self.app(environ, start_response)
        name = self.name
        outer = timing.inside[-1] if timing.inside else None
        timing.inside.append(name)
        began = time.perf_counter()
        is_open = True

        def started(status: str, headers: Headers, exc_info: Any = None, /) -> Any:
            nonlocal is_open
            if is_open:
                is_open = False
                seconds = time.perf_counter() - began
                timing.add(name, seconds)
                if outer is not None:
                    # It is inside of the other's time, which ends later.
                    timing.add(outer, -seconds)
            return start_response(status, headers) if exc_info is None else start_response(status, headers, exc_info)

        try:
            return self.app(environ, started)
        finally:
            timing.inside.pop()


def timed(environ: Environ, name: str, description: str | None = None) -> AbstractContextManager[None]:
    """Measures what is done in it, where `ServerTiming` is there and the client may see it.

    environ       of the request: ``with timed(environ, "db"):``
    name          what a field can not hold as a name becomes "-"
    description   a text for people; what a field cannot hold becomes "?"
    """
    timing: Timing = environ.get(TIMING, UNTIMED)
    return timing.timed(name, description)


def checked_origins(origins: Sequence[str] | str) -> str:
    """The value of Timing-Allow-Origin."""
    if isinstance(origins, str) and origins != "*":
        raise ValueError(f'origins: want a list of origins or "*", got the text {origins!r}')
    for origin in origins:
        scheme, separator, host = origin.partition("://")
        is_origin = separator and scheme in ("http", "https") and host and host.isascii() and host.isprintable()
        if origin != "*" and (not is_origin or set(host) & set("/?#@, ")):
            raise ValueError(f"origins: want origins such as https://shop.example, got {origin!r}")
    return ", ".join(origins)
