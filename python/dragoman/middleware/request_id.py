"""`RequestId`: one id for a request, in the environ, in the response and in the application's logs."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Iterable, Sequence
from contextvars import ContextVar

from dragoman.middleware.layer import Layer
from dragoman.middleware.passing import with_fields
from dragoman.middleware.peers import Peers
from dragoman.types import Environ, StartResponse, WSGIApplication

__all__ = ["REQUEST_ID", "TRACE_ID", "RequestId", "RequestIdFilter", "uuid7"]

REQUEST_ID = "dragoman.request_id"
"""The environ's key for the id, a str."""

TRACE_ID = "dragoman.trace_id"
"""The environ's key for the trace id of ``traceparent``, 32 hexadecimal digits, where a trusted peer has sent one."""

# What an id of a peer may consist of: it goes into logs and fields as it is.
ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
# W3C Trace Context, section 3.2: version, trace id, parent id, flags; a trace id of zeros is none, version ff is none.
TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?")

current: ContextVar[str] = ContextVar("dragoman.request_id", default="-")


class RequestId(Layer):
    """Gives each request an id: that of a trusted peer, else a new one.

    header    the field that the id comes and goes in
    trusted   addresses or networks of peers whose ids are taken, such as ``["10.0.0.0/8"]``; ``"*"`` is everybody,
              and a unix socket is trusted where any is. By default none is: an id that anybody may choose is no id.
    respond   whether the response has the field, too

    The id is ``environ["dragoman.request_id"]``, the trace id of a trusted peer's ``traceparent``
    ``environ["dragoman.trace_id"]``. `RequestIdFilter` puts it into log records.
    Raises ValueError for what is no network or no field name.
    Source: RFC 9562 section 5.7 (UUIDv7); W3C Trace Context.

        app = RequestId(app, trusted=["10.0.0.0/8"])
    """

    def __init__(
        self,
        app: WSGIApplication | None = None,
        *,
        header: str = "X-Request-ID",
        trusted: Sequence[str] | str = (),
        respond: bool = True,
    ) -> None:
        super().__init__(app)
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", header):
            raise ValueError(f"header: want the name of a field, such as X-Request-ID, got {header!r}")
        self.header = header
        self.lower = header.lower()
        self.key = f"HTTP_{header.upper().replace('-', '_')}"
        self.respond = respond
        self.trusted = Peers(trusted, "trusted")

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer the request with an id in its environ."""
        given = environ.get(self.key)
        is_trusted = (given is not None or "HTTP_TRACEPARENT" in environ) and self.trusted.have_sent(environ)
        request_id = given if is_trusted and given is not None and ID.fullmatch(given) else uuid7()
        environ[REQUEST_ID] = request_id
        if is_trusted and (trace := TRACEPARENT.fullmatch(environ.get("HTTP_TRACEPARENT", ""))):
            environ[TRACE_ID] = trace[1]
        # Set for each request of the thread, so nobody need take it back.
        current.set(request_id)
        if not self.respond:
            return self.app(environ, start_response)

        field = {self.lower: (self.header, request_id)}
        return self.app(environ, with_fields(start_response, field, replaces=True))


class RequestIdFilter(logging.Filter):
    """Gives each log record `request_id`: ``%(request_id)s`` in a format.

    It is that of the thread's latest request, and "-" in a thread that has had none.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass."""
        record.request_id = current.get()
        return True


def uuid7() -> str:
    """A new id that sorts by time: 48 bits of milliseconds, then 74 random ones. RFC 9562 section 5.7."""
    # "0x1", and twelve digits: a format takes longer.
    text = hex(0x1_0000_0000_0000 | time.time_ns() // 1_000_000)
    try:
        chance = drawn.pop()
    except IndexError:
        chance = draw()
    return f"{text[3:11]}-{text[11:]}-7{chance[:3]}-{VARIANT[chance[3]]}{chance[4:7]}-{chance[7:]}"


# Random digits of the next ids: a call of the system for each would be a third of what an id costs.
drawn: list[str] = []
DIGITS = 19
DRAWN_AT_ONCE = 128
# The variant 0b10, and two bits of the digit.
VARIANT = {f"{digit:x}": f"{0x8 | digit & 0x3:x}" for digit in range(16)}
# A child would give the ids that its parent gives.
os.register_at_fork(after_in_child=drawn.clear)


def draw() -> str:
    """The digits of an id; more are put where the next ones are taken from."""
    digits = os.urandom(DIGITS * DRAWN_AT_ONCE // 2).hex()
    drawn.extend([digits[start : start + DIGITS] for start in range(DIGITS, len(digits), DIGITS)])
    return digits[:DIGITS]
