"""The server side of WSGI in one process: drives a program through what wraps it and records what came of it."""

import contextlib
import gc
import io
import sys
import warnings
import wsgiref.util
import wsgiref.validate
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from tests.contract.programs import Program, Request

__all__ = ["Outcome", "Server", "check", "drive", "lint", "unwrapped", "validate"]

Wrap = Callable[[Any], Any]


class Refused(AssertionError):
    """What this server raises in `start_response`; no wrapper's report."""


@dataclass
class Outcome:
    """What a client, and the operator, got to see of all requests."""

    statuses: list[Any] = field(default_factory=list)
    body: bytes = b""
    exceptions: list[BaseException] = field(default_factory=list)
    reports: list[str] = field(default_factory=list)
    """What a linter said of it, for wrappers that speak by warnings and exceptions."""


class Server:
    """One request's server. `run` serves it by the letter of PEP 3333; a program that misbehaves as a server calls the
    parts of `run` itself, after it has changed `environ` or `start_response`.
    """

    def __init__(self, request: Request, outcome: Outcome) -> None:
        self.request = request
        self.outcome = outcome
        self.environ: Any = make_environ(request)
        self.status: Any = None
        self.headers: Any = []
        self.is_head_sent = False
        self.sent_bytes = 0

    def run(self, app: Any) -> None:
        body = self.call(app)
        try:
            if body is not None:
                self.iterate(body)
        finally:
            self.close(body)

    def call(self, app: Any) -> Any:
        """What the application returned, or None after an exception."""
        with self.recording():
            return app(self.environ, self.start_response)

    def start_response(self, status: Any, headers: Any, exc_info: Any = None) -> Any:
        if exc_info:
            try:
                if self.is_head_sent:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        elif self.status is not None:
            raise Refused("start_response was called before")
        self.status, self.headers = status, headers
        return self.write

    def write(self, data: Any) -> None:
        if not isinstance(data, bytes):
            raise TypeError("a block has to be bytes")
        if self.status is None:
            raise Refused("there is no head to send before the block")
        if not data:
            return
        self.is_head_sent = True
        if not self.is_bodiless():
            limit = self.content_length()
            data = data if limit is None else data[: max(0, limit - self.sent_bytes)]
            self.outcome.body += data
        self.sent_bytes += len(data)

    def iterate(self, body: Any) -> None:
        with self.recording():
            iterator = iter(body)
            taken = 0
            while self.request.blocks is None or taken < self.request.blocks:
                try:
                    block = next(iterator)
                except StopIteration:
                    break
                surplus = self.surplus_of(block)
                self.write(block)
                taken += 1
                if (self.is_bodiless() and block) or surplus:
                    return
            if self.status is None and self.request.blocks is None:
                raise Refused("start_response was not called")

    def close(self, body: Any) -> None:
        with self.recording():
            if hasattr(body, "close"):
                body.close()

    def surplus_of(self, block: Any) -> int:
        limit = self.content_length()
        return 0 if limit is None else max(0, self.sent_bytes + len(block) - limit)

    def is_bodiless(self) -> bool:
        return self.request.method == "HEAD" or str(self.status)[:3] in ("204", "304")

    def content_length(self) -> int | None:
        try:
            return next(int(value) for name, value in self.headers if name.lower() == "content-length")
        except Exception:  # there is none, or the list is not one
            return None

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self.outcome.exceptions.append(error)


def make_environ(request: Request) -> dict[str, Any]:
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": request.script_name,
        "PATH_INFO": request.path,
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.7",
        "HTTP_HOST": "localhost",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(request.body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": wsgiref.util.FileWrapper,
    }
    if request.body:
        environ |= {"CONTENT_LENGTH": str(len(request.body)), "CONTENT_TYPE": "application/octet-stream"}
    environ |= request.environ
    return {key: value for key, value in environ.items() if value is not None}


def unwrapped(app: Any) -> Any:
    return app


def drive(program: Program, wrap: Wrap = unwrapped) -> Outcome:
    """Serves the program's requests. A middleware is wrapped on both of its sides."""
    outcome = Outcome()
    middleware, app = program.build()
    stack = wrap(app)
    if middleware is not None:
        stack = wrap(middleware(stack))
    for request in program.requests:
        server = Server(request, outcome)
        if program.misbehave is None:
            server.run(stack)
        else:
            with server.recording():
                program.misbehave(server, stack)
    # What a response that was never closed has to say, it says as it is collected: before the caller looks.
    del server, stack, middleware, app
    return outcome


def check(program: Program, *, hints: bool = False, around: Wrap = unwrapped) -> list[Any]:
    """What dragoman.contract.Checked finds. `around` stands between the program and one more checker outside of it."""
    from dragoman.contract import Checked

    findings: list[Any] = []

    def wrap(app: Any) -> Any:
        return Checked(app, findings.append, hints=hints)

    def wrap_twice(app: Any) -> Any:
        return wrap(around(wrap(app)))

    drive(program, wrap if around is unwrapped else wrap_twice)
    gc.collect()
    return findings


def validate(program: Program) -> Outcome:
    """Drives it through wsgiref.validate."""
    failed: list[str] = []

    def assert_(is_kept: Any, *arguments: Any) -> None:
        if not is_kept:
            failed.append(str(arguments[0]) if arguments else "assertion")
            raise AssertionError(*arguments)

    # Assertions are counted where they fail: a program may swallow the exception.
    with mock.patch.object(wsgiref.validate, "assert_", assert_):
        outcome = drive_warned(program, wsgiref.validate.validator, wsgiref.validate.__file__)
    outcome.reports += failed
    return outcome


def lint(program: Program) -> Outcome:
    """Drives it through werkzeug's LintMiddleware."""
    import werkzeug.middleware.lint

    return drive_warned(program, werkzeug.middleware.lint.LintMiddleware, werkzeug.middleware.lint.__file__)


def drive_warned(program: Program, wrap: Wrap, linter_file: str) -> Outcome:
    with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        warnings.filterwarnings("always", category=wsgiref.validate.WSGIWarning)
        with contextlib.suppress(ImportError):
            from werkzeug.middleware.lint import HTTPWarning, WSGIWarning

            warnings.filterwarnings("always", category=WSGIWarning)
            warnings.filterwarnings("always", category=HTTPWarning)
        with mock.patch.object(sys, "unraisablehook"):
            outcome = drive(program, wrap)
            raised = [repr(error) for error in outcome.exceptions if raised_in(error, linter_file)]
            outcome.exceptions = [error.with_traceback(None) for error in outcome.exceptions]
            gc.collect()
    outcome.reports += [str(warning.message) for warning in caught] + raised
    return outcome


def raised_in(error: BaseException, file: str) -> bool:
    """True when the exception comes from a line of that file."""
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    return traceback is not None and traceback.tb_frame.f_code.co_filename == file
