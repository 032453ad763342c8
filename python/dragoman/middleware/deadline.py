"""`Deadline`: a time by which each request should be answered, and who is still at work then."""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from dragoman.middleware.answer import plain
from dragoman.middleware.layer import Layer
from dragoman.middleware.passing import following
from dragoman.middleware.paths import PathTable, path_of
from dragoman.middleware.watchdog import WATCHDOG, Overrun, Seldom, name_of
from dragoman.types import Environ, StartResponse, Write, WSGIApplication

__all__ = ["DEADLINE", "Deadline", "seconds_left"]

DEADLINE = "dragoman.deadline"
"""The environ's key for when a request should be answered, by ``time.monotonic()``."""

STATUSES = {503: "503 Service Unavailable", 504: "504 Gateway Timeout"}
# What proxies write: seconds with a fraction, milliseconds, microseconds, with "t=" before them or not.
START = re.compile(r"(?:t=)?([0-9]{1,20}(?:\.[0-9]{1,9})?)")
YEAR_3000_S = 32_503_680_000
UNITS = (1.0, 1e3, 1e6, 1e9)
# A request that seems to have waited longer than this has another clock.
QUEUED_AT_MOST_S = 3600.0


class Deadline(Layer):
    """Gives each request a time by which it should be answered, and refuses those that come too late for it.

    budget_s       seconds from when the request came until the head of its answer; None: only `by_path` has deadlines
    by_path        seconds by path, the longest prefix that fits wins; None: no deadline
    start_header   the field in which a proxy says when the request came to it; None: the time begins here. Anybody may
                   send it, but can only shorten his own time.
    status         503 or 504, for requests whose time is over before the application is called
    log_overruns   whether a request that is not answered in time is told, with where its thread is at that moment

    The time is ``environ["dragoman.deadline"]``; `seconds_left` says how much of it there is. An application that is at
    work cannot be stopped in WSGI, and is not: it should ask, and hand the time on to what it waits for.
    Raises ValueError for what is no time, no path or no field.

        app = Deadline(app, budget_s=10, by_path={"/reports": 120, "/events": None})
    """

    def __init__(
        self,
        app: WSGIApplication | None = None,
        *,
        budget_s: float | None = None,
        by_path: Mapping[str, float | None] | None = None,
        start_header: str | None = "X-Request-Start",
        status: Literal[503, 504] = 503,
        log_overruns: bool = True,
    ) -> None:
        super().__init__(app)
        for what, seconds in (
            ("budget_s", budget_s),
            *((f"by_path: {path}", s) for path, s in (by_path or {}).items()),
        ):
            if seconds is not None and not (isinstance(seconds, int | float) and 0 < seconds < math.inf):
                raise ValueError(f"{what}: want seconds above 0, or None for no deadline, got {seconds!r}")
        if budget_s is None and not any(seconds is not None for seconds in (by_path or {}).values()):
            raise ValueError("Deadline: want budget_s, or by_path with seconds")
        if start_header is not None and not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", start_header):
            raise ValueError(f"start_header: want the name of a field, such as X-Request-Start, got {start_header!r}")
        if status not in STATUSES:
            raise ValueError(f"status: want 503 or 504, got {status!r}")
        self.budget_s = budget_s
        self.by_path = PathTable(by_path or {}, "by_path")
        self.start_key = None if start_header is None else f"HTTP_{start_header.upper().replace('-', '_')}"
        self.too_late = plain(
            STATUSES[status], "This request has waited for too long. Try again.", ("Retry-After", "1")
        )
        self.log_overruns = log_overruns
        self.refused = Seldom("deadline: %s was refused, it had waited for %.1f s of the %.1f s that it has")

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer the request, or refuse it when its time is over already."""
        budget_s = self.budget_s
        if self.by_path:
            budget_s = self.by_path.find(path_of(environ), budget_s)
        outer: float | None = environ.get(DEADLINE)
        if budget_s is None:
            return self.app(environ, start_response)
        waited_s = self.waited(environ)
        now = time.monotonic()
        until = now - waited_s + budget_s
        if outer is not None and outer < until:
            until = outer
        environ[DEADLINE] = until
        if until <= now:
            self.refused.tell(name_of(environ), waited_s, budget_s)
            return self.too_late(environ, start_response)
        if not self.log_overruns:
            return self.app(environ, start_response)
        overrun = Overrun(until, now - waited_s, threading.get_ident(), environ)
        return self.watched(overrun, environ, start_response)

    def watched(self, overrun: Overrun, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Call the application, watched until it has given its head."""

        def started(*arguments: Any) -> Write:
            WATCHDOG.leave(overrun)
            return start_response(*arguments)

        WATCHDOG.watch(overrun)
        try:
            result = self.app(environ, started)
        except BaseException:
            WATCHDOG.leave(overrun)
            raise
        if overrun.is_over:
            return result
        # A generator gives its head when its first block is asked for, by whatever thread.
        return following(environ, result, lambda block: WATCHDOG.leave(overrun), lambda error: WATCHDOG.leave(overrun))

    def waited(self, environ: Environ) -> float:
        """How many seconds ago the request came to the first proxy that says so; 0 when that cannot be told."""
        given = environ.get(self.start_key) if self.start_key is not None else None
        if given is None:
            return 0.0
        started = start_of(given)
        waited_s = 0.0 if started is None else time.time() - started
        return waited_s if 0 < waited_s <= QUEUED_AT_MOST_S else 0.0


def seconds_left(environ: Environ, default: float | None = None) -> float | None:
    """How many seconds a request has left, 0 at least; `default` for one without a deadline.

    requests.get(url, timeout=seconds_left(environ, 30))
    """
    until: float | None = environ.get(DEADLINE)
    return default if until is None else max(0.0, until - time.monotonic())


def start_of(text: str) -> float | None:
    """Seconds since 1970 that an X-Request-Start field says, in whatever unit; None when it says none.

    >>> start_of("t=1790000000.25"), start_of("1790000000250"), start_of("t=1790000000250000"), start_of("now")
    (1790000000.25, 1790000000.25, 1790000000.25, None)
    """
    match = START.fullmatch(text.strip())
    if match is None:
        return None
    number = float(match[1])
    return next((number / unit for unit in UNITS if number / unit < YEAR_3000_S), None)
