"""The server side in one process: one request goes through the application by the letter of PEP 3333."""

from __future__ import annotations

import contextvars
import hashlib
import logging
import os
import sysconfig
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from traceback import walk_stack, walk_tb
from types import FrameType
from typing import Any, NoReturn

from dragoman.check.request import Client, ClientDisconnected, Request, Site, make_environ
from dragoman.contract.finding import Finding
from dragoman.contract.places import Place

__all__ = ["Answer", "Driver", "Fault", "ends_recorded", "line_of_frame", "logged_exceptions"]

# A response without an end has to have one here: the client leaves.
BLOCKS_AT_MOST = 10_000
BYTES_AT_MOST = 16 << 20
SECONDS_AT_MOST = 1.0
# Of longer bodies it is only known whether they are the same.
KEPT_BYTES = 256 << 10
LIBRARIES = tuple({sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")})
# This package: its frames lead to the application.
HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep

# Findings about what was returned. If the caller has made a good answer of that, it was no application that it called.
OF_RESULT = frozenset({"body-not-iterable", "body-is-str", "body-is-bytes", "start-response-missing"})
ENDS = (SystemExit, KeyboardInterrupt)

CURRENT: contextvars.ContextVar[Exchange | None] = contextvars.ContextVar("dragoman_check_exchange", default=None)


class Refused(AssertionError):
    """What this server raises where PEP 3333 says that it is fatal."""


@dataclass(frozen=True)
class Fault:
    """What is no breach of the contract, and no answer either.

    kind    ``"exception"``: it left the application before the head was sent; ``"500"``: the application has caught it
            and answered so; ``"stuck"``: the call did not return; ``"end"``: the application wanted the process to end
    where   the application's innermost line, else the innermost of all
    """

    kind: str
    text: str
    where: Place | None
    request: Request


@dataclass(frozen=True)
class Answer:
    """What the client got. `is_whole`: it has read the body to its end."""

    status: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    digest: str = ""
    size: int = 0
    is_whole: bool = False
    fault: Fault | None = None

    @property
    def is_comparable(self) -> bool:
        """Whether there is something to hold another answer against."""
        return self.is_whole and bool(self.status)


class Driver:
    """Sends requests through an application; any thread may call it.

    on_finding  called with what the checkers find, and the request; None for the request where it is not known
    """

    def __init__(self, site: Site, on_finding: Callable[[Finding, Request | None], object]) -> None:
        self.site = site
        self.calls = 0
        # Calls that have given an answer, whatever it says.
        self.answered = 0
        self._on_finding = on_finding
        self._lock = threading.Lock()
        # By thread, what it is at.
        self.under_way: dict[int, Request] = {}
        # Called with what is under way, each time that it is something else.
        self.tell: Callable[[list[Request]], object] = lambda requests: None

    def found(self, finding: Finding) -> None:
        """Take a finding from a checker."""
        exchange = CURRENT.get()
        if exchange is not None and finding.rule in OF_RESULT:
            exchange.doubtful.append(finding)
            return
        if exchange is not None:
            exchange.is_broken |= not finding.hint
        self._on_finding(finding, exchange.request if exchange else None)

    def call(self, application: Any, request: Request) -> Answer:
        """One request and its answer. Exceptions are in the answer, all but a KeyboardInterrupt of the main thread."""
        ident = threading.get_ident()
        with self._lock:
            self.calls += 1
            self.under_way[ident] = request
            self.tell(list(self.under_way.values()))
        exchange = Exchange(request, self.site)
        ours = os.getpid()
        try:
            # As the server does it: what a request leaves in a context variable, the next one does not see.
            contextvars.copy_context().run(exchange.run, application)
        finally:
            if os.getpid() != ours:
                # What the application has forked is no second check; who has forked it may wait for its end.
                os._exit(exchange.exit_status())
            with self._lock:
                del self.under_way[ident]
                self.tell(list(self.under_way.values()))
                self.answered += exchange.status is not None
        for finding in exchange.confirmed():
            self._on_finding(finding, request)
        return exchange.answer()


@dataclass
class Exchange:
    """One request under way."""

    request: Request
    site: Site
    status: Any = None
    headers: Any = ()
    is_head_sent: bool = False
    is_whole: bool = False
    # What was returned looks like a body.
    is_body: bool = False
    # A checker has found something: an exception may be what comes of it.
    is_broken: bool = False
    sent: int = 0
    kept: list[bytes] = field(default_factory=list)
    # Findings that may be about a helper.
    doubtful: list[Finding] = field(default_factory=list)
    exception: BaseException | None = None
    # It was to be the end of the process, whatever became of the exception.
    end: BaseException | None = None
    logged: BaseException | None = None
    # The first of them came before a checker had found anything.
    is_unexcused: bool = False

    def __post_init__(self) -> None:
        self.digest = hashlib.sha256()
        self.until_s = time.monotonic() + SECONDS_AT_MOST

    def run(self, application: Any) -> None:
        """Call it, take its blocks, close them."""
        CURRENT.set(self)
        body = None
        with self.recording():
            body = application(make_environ(self.request, self.site), self.start_response)
            self.take(body)
        with self.recording():
            if hasattr(body, "close"):
                body.close()

    @contextmanager
    def recording(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            # In another thread it is none of the keyboard's.
            if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
                raise
            self.failed(error)
            self.exception = self.exception or error
            if isinstance(error, ENDS):
                self.end = self.end or error

    def failed(self, error: BaseException) -> None:
        """An exception has left the application, or is logged by it."""
        if self.exception is None and self.logged is None:
            self.is_unexcused = not (self.is_broken or self.doubtful or is_ours(error))

    def exit_status(self) -> int:
        """That of a process that has this behind it, and nothing more to do."""
        code = self.end.code if isinstance(self.end, SystemExit) else None
        return code & 0xFF if isinstance(code, int) else int(self.exception is not None)

    def start_response(self, status: Any, headers: Any, exc_info: Any = None) -> Callable[[bytes], object]:
        """PEP 3333, "The start_response() Callable"."""
        if exc_info:
            try:
                if self.is_head_sent:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        elif self.status is not None:
            raise Refused("start_response was called before, and exc_info is not given")
        # A middleware may go on to change its list.
        self.status, self.headers = status, list(headers) if isinstance(headers, (list, tuple)) else ()
        return self.write

    def write(self, data: bytes) -> None:
        """PEP 3333, "The write() Callable"."""
        if self.status is None:
            raise Refused("start_response has to be called before the first block")
        if not isinstance(data, bytes):
            raise Refused("a block has to be bytes")
        if data:
            self.is_head_sent = True
            self.digest.update(data)
            if self.sent < KEPT_BYTES:
                self.kept.append(data)
            self.sent += len(data)

    def take(self, body: Any) -> None:
        """Iterate as far as the client reads."""
        if body is None or isinstance(body, (str, bytes)):
            return
        self.is_body = True
        limit = self.request.blocks
        if limit == 0:
            return
        for taken, block in enumerate(body, 1):
            self.write(block)
            is_too_much = taken >= BLOCKS_AT_MOST or self.sent >= BYTES_AT_MOST or time.monotonic() > self.until_s
            if taken == limit or is_too_much or (self.request.method == "HEAD" and block):
                return
        self.is_whole = True

    def confirmed(self) -> list[Finding]:
        """The doubtful findings, if there was no good answer."""
        is_good = self.is_body and self.status is not None and self.exception is None
        found = [] if is_good else self.doubtful
        self.is_broken |= any(not finding.hint for finding in found)
        return found

    def answer(self) -> Answer:
        """What came of it."""
        headers = tuple(
            (str(item[0]), str(item[1])) for item in self.headers if isinstance(item, tuple) and len(item) == 2
        )
        body = b"".join(self.kept) if self.sent <= KEPT_BYTES else b""
        status = self.status if isinstance(self.status, str) else ""
        return Answer(status, headers, body, self.digest.hexdigest(), self.sent, self.is_whole, self.fault(status))

    def fault(self, status: str) -> Fault | None:
        """What went wrong besides breaches. After the head an exception is a breach itself."""
        if self.end is not None:
            return Fault("end", text_of(self.end), line_of(self.end), self.request)
        if (self.is_broken and not self.is_unexcused) or self.request.client is not Client.WHOLE:
            return None
        if self.exception is not None:
            if self.is_head_sent or is_ours(self.exception):
                return None
            return Fault("exception", text_of(self.exception), line_of(self.exception), self.request)
        if status.startswith("500"):
            text = text_of(self.logged) if self.logged else "without an exception in the log"
            return Fault("500", text, line_of(self.logged) if self.logged else None, self.request)
        return None


def is_ours(error: BaseException) -> bool:
    """Whether it comes from what this server has raised, or given no body for."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        if isinstance(one, (Refused, ClientDisconnected)):
            return True
        seen.add(id(one))
        one = one.__cause__ or one.__context__
    return False


def text_of(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:
        text = ""
    name = SystemExit.__name__ if isinstance(error, Ended) else type(error).__name__
    return f"{name}: {text.splitlines()[0]}" if text.strip() else name


def line_of(error: BaseException) -> Place | None:
    """The innermost line of its traceback that is none of a library's, else the innermost one."""
    return innermost((frame, line) for frame, line in walk_tb(error.__traceback__))


def line_of_frame(frame: FrameType | None) -> Place | None:
    """The same of where a thread is."""
    return innermost(reversed([(one, line) for one, line in walk_stack(frame)])) if frame else None


def innermost(frames: Iterable[tuple[FrameType, int]]) -> Place | None:
    own: Place | None = None
    last: Place | None = None
    for frame, line in frames:
        code = frame.f_code
        if code.co_filename.startswith((HERE, "<frozen")):
            continue
        last = (code.co_filename, line, getattr(code, "co_qualname", code.co_name))
        own = own if code.co_filename.startswith(LIBRARIES) else last
    return own or last


class Ended(SystemExit):
    """Raised by os._exit: of an end without an exception nothing could be told any more."""

    def __str__(self) -> str:
        return f"by os._exit({self.code})"


@contextmanager
def ends_recorded() -> Iterator[None]:
    """While it lasts, a request that calls os._exit has that in its answer, and the process goes on."""
    original = os._exit
    ours = os.getpid()

    def leave(status: int) -> NoReturn:
        exchange = CURRENT.get()
        # A child that the application has forked ends like that.
        if exchange is None or os.getpid() != ours:
            original(status)
        exchange.end = Ended(status)
        raise exchange.end

    os._exit = leave
    try:
        yield
    finally:
        os._exit = original


@contextmanager
def logged_exceptions(*, is_quiet: bool) -> Iterator[None]:
    """While it lasts, an exception that is logged belongs to the request under way; `is_quiet`: nothing is written."""
    original = logging.Logger.callHandlers

    def call_handlers(self: logging.Logger, record: logging.LogRecord) -> None:
        exchange = CURRENT.get()
        if exchange is not None and record.exc_info and record.exc_info[1] is not None:
            exchange.failed(record.exc_info[1])
            exchange.logged = record.exc_info[1]
        if not is_quiet:
            original(self, record)

    logging.Logger.callHandlers = call_handlers  # type: ignore[method-assign]
    try:
        yield
    finally:
        logging.Logger.callHandlers = original  # type: ignore[method-assign]
