"""`AccessLog`: one line for each request, with the bytes and the time that it has taken to its very end."""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

from dragoman.middleware.exchange import size_of
from dragoman.middleware.layer import Layer
from dragoman.middleware.passing import Headers, editing, following, is_file_response
from dragoman.middleware.paths import PathTable, path_of
from dragoman.middleware.proxy_headers import FORWARDED
from dragoman.middleware.request_id import REQUEST_ID
from dragoman.middleware.targets import target_of
from dragoman.types import Environ, StartResponse, WSGIApplication

__all__ = ["AccessLog", "Record"]

log = logging.getLogger("dragoman.middleware")

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# What would end a line, a field, or the reader's trust in it.
UNSAFE = re.compile(r'[^\x20-\x7e]|["\\]')


class Record(NamedTuple):
    """One request, as it has ended.

    time          when it began, in seconds since the epoch
    peer          the address of the nearest proxy, where `ProxyHeaders` has believed one, else as `client`
    client        ``REMOTE_ADDR``
    user          ``REMOTE_USER`` as the application has left it, or None
    target        path and query
    status        as it was sent; 500 where the application raised before that
    body_bytes    bytes of the body that were handed to the server; None where it sends a file of unknown length itself
    duration_us   microseconds to `close()`
    error         what was raised, or None
    """

    time: float
    peer: str
    client: str
    user: str | None
    method: str
    target: str
    protocol: str
    status: int
    body_bytes: int | None
    duration_us: int
    referer: str | None
    user_agent: str | None
    request_id: str | None
    error: BaseException | None


Format: TypeAlias = Callable[[Record], str]


class AccessLog(Layer):
    """Writes a line for each request when it has ended.

    format   ``"combined"``, ``"common"``, ``"json"``, or a function that takes a `Record` and gives the line
    to       where lines go: a function that takes the text, a `logging.Logger` (level info), or None: standard output
    exempt   paths that are not logged, such as health checks
    force    whether it writes under Dragoman, too, whose own log (--access-logfile) has what was really sent, and costs
             the application nothing. By default nothing is done there, and the log says so once

    Raises ValueError for a format that there is not.

        app = AccessLog(app, format="json", exempt=["/livez"])
    """

    def __init__(
        self,
        app: WSGIApplication | None = None,
        *,
        format: str | Format = "combined",
        to: Callable[[str], object] | logging.Logger | None = None,
        exempt: Sequence[str] = (),
        force: bool = False,
    ) -> None:
        super().__init__(app)
        if not callable(format) and format not in FORMATS:
            raise ValueError(f"format: want {', '.join(FORMATS)} or a function, got {format!r}")
        if to is not None and not callable(to) and not isinstance(to, logging.Logger):
            raise ValueError(f"to: want a function, a logger or None, got {to!r}")
        self.format: Format = FORMATS[format] if isinstance(format, str) else format
        self.write: Callable[[str], object] = to.info if isinstance(to, logging.Logger) else to or to_standard_output
        self.exempt = PathTable.of(exempt, "exempt")
        self.force = force

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer the request, and write its line when it has ended."""
        if not self.force and str(environ.get("SERVER_SOFTWARE", "")).startswith("dragoman"):
            say_once()
            return self.app(environ, start_response)
        if self.exempt and self.exempt.has(path_of(environ)):
            return self.app(environ, start_response)
        going = Going(self, environ)
        try:
            result = self.app(environ, editing(start_response, going.started, going.passed))
        except BaseException as error:
            going.ended(error)
            raise
        if is_file_response(environ, result):
            going.body_bytes = going.declared
        return following(environ, result, going.passed, going.ended)


class Going:
    """One request under way. What it was is noted at the beginning: the application may change its environ."""

    def __init__(self, layer: AccessLog, environ: Environ) -> None:
        self.layer = layer
        self.environ = environ
        self.began = time.time()
        self.clock = time.perf_counter_ns()
        self.method = str(environ.get("REQUEST_METHOD", ""))
        self.target = target_of(environ)
        self.status: int | None = None
        self.body_bytes: int | None = 0
        self.declared: int | None = None

    def started(self, status: str, headers: Headers) -> tuple[str, Headers]:
        """The head goes out, perhaps in place of one before."""
        self.status = int(status[:3]) if status[:3].isdigit() else None
        length = next((value for name, value in headers if name.lower() == "content-length"), "")
        self.declared = int(length) if length.isascii() and length.isdigit() else None
        return status, headers

    def passed(self, block: bytes) -> None:
        """A block goes out."""
        self.body_bytes = (self.body_bytes or 0) + size_of(block)

    def ended(self, error: BaseException | None) -> None:
        """Write the line. What goes wrong with that is no reason to fail the request."""
        environ = self.environ
        # What raises before anything was sent is answered by the server, whatever head had been meant.
        has_failed = self.status is None or (error is not None and not self.body_bytes)
        status = 500 if has_failed or self.status is None else self.status
        is_bodiless = self.method == "HEAD" or status in (204, 304)
        forwarded = environ.get(FORWARDED)
        client = str(environ.get("REMOTE_ADDR", ""))
        record = Record(
            time=self.began,
            peer=forwarded.peer if forwarded is not None else client,
            client=client,
            user=environ.get("REMOTE_USER"),
            method=self.method,
            target=self.target,
            protocol=str(environ.get("SERVER_PROTOCOL", "")),
            status=status,
            body_bytes=0 if is_bodiless else self.body_bytes,
            duration_us=(time.perf_counter_ns() - self.clock) // 1000,
            referer=environ.get("HTTP_REFERER"),
            user_agent=environ.get("HTTP_USER_AGENT"),
            request_id=environ.get(REQUEST_ID),
            error=error,
        )
        try:
            self.layer.write(self.layer.format(record))
        except Exception:
            log.exception("AccessLog: the line of %s %s could not be written", self.method, self.target)


said: list[bool] = []


def say_once() -> None:
    if not said:
        said.append(True)
        log.warning(
            "AccessLog does nothing: Dragoman writes the access log itself (--access-logfile -); force=True writes both"
        )


def to_standard_output(line: str) -> None:
    # One write for one line, so that threads do not write into each other's.
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def common(record: Record) -> str:
    """A line as NCSA httpd has it, in UTC."""
    moment = time.gmtime(record.time)
    stamp = time.strftime(f"%d/{MONTHS[moment.tm_mon - 1]}/%Y:%H:%M:%S +0000", moment)
    size = "-" if record.body_bytes is None else record.body_bytes
    request = f"{safe(record.method)} {safe(record.target)} {safe(record.protocol)}"
    # A blank in a name would begin the next column.
    user = safe(record.user).replace(" ", r"\x20")
    return f'{safe(record.client)} - {user} [{stamp}] "{request}" {record.status} {size}'


def combined(record: Record) -> str:
    """The same with Referer and User-Agent."""
    return f'{common(record)} "{safe(record.referer)}" "{safe(record.user_agent)}"'


def as_json(record: Record) -> str:
    """One object with the keys of Dragoman's own log, and the id of the request where there is one."""
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.time))
    found: dict[str, Any] = {
        "time": f"{moment}.{int(record.time * 1000) % 1000:03d}Z",
        "peer": record.peer or None,
        "client": record.client or None,
        "method": record.method,
        "target": record.target,
        "protocol": record.protocol,
        "status": record.status,
        "bytes": record.body_bytes,
        "duration_us": record.duration_us,
        "referer": record.referer,
        "user_agent": record.user_agent,
    }
    if record.request_id is not None:
        found["request_id"] = record.request_id
    if record.error is not None:
        found["error"] = type(record.error).__name__
    return json.dumps(found, separators=(",", ":"))


FORMATS: dict[str, Format] = {"combined": combined, "common": common, "json": as_json}


def safe(text: str | None) -> str:
    r"""`text` with what is not printable, quotes and backslashes as ``\x0a``; "-" without any."""
    return UNSAFE.sub(lambda match: f"\\x{ord(match[0]):02x}", text) if text else "-"
