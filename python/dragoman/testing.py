"""Serves an application in the process of a test: the real engine, on a free port of the loopback interface."""

import io
from collections.abc import Callable, Mapping
from functools import partial
from types import TracebackType
from typing import Any, TypeVar

from dragoman.embedded import BackgroundServer
from dragoman.log import LEVELS, Log
from dragoman.types import WSGIApplication
from dragoman.worker import tell_exception

__all__ = ["LiveServer"]

Self = TypeVar("Self", bound="LiveServer")

# A test asks for what it waits for: the linger of a drain is for strangers who are about to send a request.
DEFAULTS: Mapping[str, object] = {
    "bind": "127.0.0.1:0",
    "access_logfile": "none",
    "drain_linger": 0,
    "graceful_timeout": 5,
    "log_level": "warning",
}


class LiveServer:
    """A server that serves `app` between `start` and `stop`, or in a ``with`` block.

    app                a WSGI callable
    raise_exceptions   at the end, raise the first exception that has left the application
    settings           those of docs/settings.md by name, as for `dragoman.serve`: ``threads=1``, ``root_path="/shop"``,
                       ``bind="unix:/tmp/test.sock"``. The environment is not read. Without ``bind`` it takes a free
                       port of 127.0.0.1, and requests have ``graceful_timeout=5`` seconds at the end.

    Any number may run at once, started and stopped from any thread. Signal handlers, ``sys`` and the standard streams
    are left alone. Raises UsageError for a setting that cannot be, ApplicationError for what is no WSGI application.

        with LiveServer(app) as server:
            assert urllib.request.urlopen(server.url).status == 200
        assert server.log == []
    """

    def __init__(self, app: WSGIApplication, *, raise_exceptions: bool = False, **settings: object) -> None:
        self.url = ""
        """``"http://127.0.0.1:PORT"`` without a slash at its end, or ``"unix:PATH"``; empty before the first start."""
        self.host = ""
        """The address of the listener; empty for a unix socket."""
        self.port = 0
        """The port of the listener; 0 for a unix socket."""
        self.log: list[str] = []
        """What the error log would have, a message each: exceptions with their tracebacks, breaches of the contract,
        refused requests at ``log_level="info"``."""
        self.reports: list[str] = []
        """Those messages that are about breaches of the contract: ``"contract: body-not-bytes ..."``."""
        self.output = io.StringIO()
        self.exceptions: list[Exception] = []
        given = {**DEFAULTS, **settings}
        log = CapturedLog(self.log, str(given["log_level"]))
        # Nothing of this refers to self: a server that is forgotten is collected, and its threads end.
        self.server = BackgroundServer(
            app,
            given,
            {},
            log=log,
            report=partial(note_report, log, self.reports),
            # Exceptions that nobody wants to have again would keep the frames of their tracebacks.
            exception=partial(note_exception, log, self.exceptions) if raise_exceptions else None,
            errors=self.output,
        )

    @property
    def errors(self) -> str:
        """What the application has written to ``wsgi.errors``."""
        return self.output.getvalue()

    def start(self: Self) -> Self:
        """Serve from now on. Does nothing while it serves. Raises OperatorError for an address that cannot be had."""
        self.server.start()
        for listener in self.server.listeners[:1]:
            self.url = listener.url
            self.host = listener.server_name
            self.port = int(listener.server_port) if listener.kind == "tcp" else 0
        return self

    def stop(self) -> None:
        """Answer the requests under way, and end. Does nothing when it does not serve.

        After the graceful timeout connections are cut, and a call that waits for its client ends with its own. Raises
        AssertionError when one does not return even then: with the request, and with the place where it is, since its
        thread cannot be ended and goes on. With ``raise_exceptions`` the first exception that has left the application
        is raised.
        """
        left = self.server.stop()
        first, self.exceptions[:] = self.exceptions[:1], []
        if first:
            raise first[0]
        assert not left, left

    def __enter__(self: Self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


class CapturedLog(Log):
    """A log whose messages become items of `messages`."""

    def __init__(self, messages: list[str], level: str) -> None:
        # Not that of Log, which takes a descriptor.
        self.fd = -1
        self.messages = messages
        self.least = LEVELS.index(level) if level in LEVELS else 0

    def write(self, level: str, message: str, fields: Mapping[str, object] | None = None) -> None:
        """Keep `message`."""
        if level not in LEVELS or LEVELS.index(level) >= self.least:
            self.messages.append(message)


def note_report(log: Log, reports: list[str], message: str, fields: Mapping[str, object]) -> None:
    reports.append(message)
    log.error(message, fields)


def note_exception(log: Log, exceptions: list[Exception], environ: Mapping[str, Any], error: BaseException) -> None:
    # SystemExit and KeyboardInterrupt would end the test run.
    if isinstance(error, Exception):
        exceptions.append(error)
    tell_exception(log, environ, error)


LiveServerFactory = Callable[..., LiveServer]
"""Type of the fixture ``live_server_factory``: takes what `LiveServer` takes, and gives it started."""
