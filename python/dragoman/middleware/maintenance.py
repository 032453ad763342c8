"""`Maintenance`: 503 for everybody but those who work on it, as long as a file is there or a function says so."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from dragoman.middleware.answer import Answer
from dragoman.middleware.insiders import Allow, Insiders
from dragoman.middleware.layer import Layer
from dragoman.middleware.outage import Outage
from dragoman.middleware.paths import PathTable, path_of
from dragoman.types import Environ, StartResponse, WSGIApplication

__all__ = ["Maintenance"]


class Maintenance(Layer):
    """Answers 503 with Retry-After while `when` holds.

    when           the path of a file: it holds while there is one; or a function that takes the environ
    retry_after_s  seconds that clients are told to wait
    page           the text of the answer, or the path of a file with it; HTML where it begins with ``<``
    exempt         paths that are answered all the same, such as health checks
    allow          who is let through: addresses and networks, ``"*"``, or a function of the environ; by address nobody
                   who comes by a proxy that is not believed
    every_s        seconds for which one look at the file holds

    A function that raises counts as false, and is told of in the log once.
    Raises ValueError for what is no path, number or network.
    Source: RFC 9110, sections 15.6.4 and 10.2.3.

        app = Maintenance(app, when="/run/shop/maintenance", exempt=["/livez"], allow=["10.0.0.0/8"])
    """

    def __init__(
        self,
        app: WSGIApplication | None = None,
        *,
        when: str | os.PathLike[str] | Callable[[Environ], object],
        retry_after_s: int = 300,
        page: str | os.PathLike[str] = "We are working on this and will be back soon.\n",
        exempt: Sequence[str] = (),
        allow: Allow = (),
        every_s: float = 1.0,
    ) -> None:
        super().__init__(app)
        if isinstance(retry_after_s, bool) or not isinstance(retry_after_s, int) or retry_after_s < 0:
            raise ValueError(f"retry_after_s: want seconds, got {retry_after_s!r}")
        if isinstance(when, (str, os.PathLike)):
            if not os.fspath(when):
                raise ValueError("when: want the path of a file or a function, got ''")
            self.holds = Flag(os.fspath(when), every_s).is_up
        elif callable(when):
            self.holds = Told(when).holds
        else:
            raise ValueError(f"when: want the path of a file or a function, got {when!r}")
        self.exempt = PathTable.of(exempt, "exempt")
        self.insiders = Insiders(allow)
        self.answer = answer_of(page, retry_after_s)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer 503, or pass the request on."""
        if not self.holds(environ) or self.is_let_through(environ):
            return self.app(environ, start_response)
        return self.answer(environ, start_response)

    def is_let_through(self, environ: Environ) -> bool:
        """Whether this request is answered although work is going on."""
        if self.exempt and self.exempt.has(path_of(environ)):
            return True
        return self.insiders.have_sent(environ)


class Flag:
    """A file that is there or not, looked for at most once in `every_s`."""

    def __init__(self, path: str, every_s: float) -> None:
        if every_s < 0:
            raise ValueError(f"every_s: want seconds, got {every_s!r}")
        self.path = path
        self.every_s = every_s
        # One value, since two threads may look at once: until when the look holds, and what was seen.
        self.seen = (0.0, False)

    def is_up(self, environ: Environ) -> bool:
        """Whether the file is there."""
        now = time.monotonic()
        until, is_there = self.seen
        if now >= until:
            is_there = os.path.exists(self.path)
            self.seen = (now + self.every_s, is_there)
        return is_there


class Told:
    """A function of the operator's that decides."""

    def __init__(self, function: Callable[[Environ], object]) -> None:
        self.function = function
        self.outage = Outage("maintenance: the function `when`", "requests are answered as usual")

    def holds(self, environ: Environ) -> bool:
        """What the function says."""
        try:
            verdict = bool(self.function(environ))
        except Exception as error:
            self.outage.failed(error)
            return False
        self.outage.worked()
        return verdict


def answer_of(page: str | os.PathLike[str], retry_after_s: int) -> Answer:
    if isinstance(page, os.PathLike) or (page.startswith(("/", "./")) and "\n" not in page):
        try:
            page = Path(page).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"page: want a text, or the path of a file in UTF-8: {error}") from None
    kind = "text/html" if page.lstrip().startswith("<") else "text/plain"
    fields = (
        ("Retry-After", str(retry_after_s)),
        ("Content-Type", f"{kind}; charset=utf-8"),
        ("Cache-Control", "no-store"),
    )
    return Answer("503 Service Unavailable", fields, page.encode())
