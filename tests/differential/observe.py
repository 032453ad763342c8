"""Sends a message to a server and says which requests it has read, and how it ended."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass

TAIL_TARGET = "/the-request-behind"
TAIL = f"GET {TAIL_TARGET} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()
"""Sent behind every message: a server that has found the message's end reads it, and ends the connection."""

_SEEN = re.compile(rb"\r\n[Xx]-[Ss]een: *(\{[^\r\n]*\})\r\n")
_STATUS = re.compile(rb"HTTP/1\.[01] (\d\d\d)[ \r]")


@dataclass(frozen=True)
class Read:
    """One request as the application got it."""

    method: str
    target: str
    length: int
    digest: str

    @property
    def is_tail(self) -> bool:
        """Whether it is the request that was sent behind the message."""
        return self.method == "GET" and self.target.endswith(TAIL_TARGET) and self.length == 0

    def __str__(self) -> str:
        return f"{self.method} {self.target[:60]!r} with {self.length} bytes ({self.digest[:6]})"


@dataclass(frozen=True)
class Outcome:
    """What one server made of one message."""

    requests: tuple[Read, ...]
    """Read in this order, without the one behind the message."""
    end: str
    """`tail`: the request behind was read as itself. A status: refused. `closed`. `waits`: for more."""

    def __str__(self) -> str:
        return " + ".join([*map(str, self.requests), self.end])


async def observe(port: int, data: bytes, patience_s: float, *, pipelines: bool = True) -> Outcome:
    """Outcome of the message on a connection of its own; `waits` when nothing comes for that time.

    pipelines   False for a server that looks at bytes behind a request only when more come: the request behind the
                message is then sent after the first answer, or after a moment without one.
    """
    received = bytearray()
    end = "closed"
    writer = None
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        if pipelines:
            writer.write(data + TAIL)
        else:
            writer.write(data)
            try:
                received += await asyncio.wait_for(reader.read(1 << 16), patience_s / 4)
            except (TimeoutError, asyncio.TimeoutError):
                pass  # the message may not have an end yet
            writer.write(TAIL)
        while block := await asyncio.wait_for(reader.read(1 << 16), patience_s):
            received += block
            if (requests := requests_in(received)) and isinstance(requests[-1], Read) and requests[-1].is_tail:
                break
    except (TimeoutError, asyncio.TimeoutError):
        end = "waits"
    except OSError:
        pass  # a reset is an end too
    finally:
        if writer is not None:
            writer.transport.abort()
    return outcome(bytes(received), end)


def outcome(received: bytes, end: str) -> Outcome:
    """Outcome that these bytes of a server tell of."""
    requests: list[Read] = []
    for request in requests_in(received):
        if isinstance(request, str):
            return Outcome(tuple(requests), f"broken body ({request})")
        if request.is_tail:
            return Outcome(tuple(requests), "tail")
        requests.append(request)
    # The application answers 200 alone: another final status is the server's own.
    own = [status for status in _STATUS.findall(received) if not status.startswith(b"1") and status != b"200"]
    return Outcome(tuple(requests), own[0].decode() if own else end)


def requests_in(received: bytes | bytearray) -> list[Read | str]:
    """What the application has told so far; a string for a body that broke while it was read."""
    found: list[Read | str] = []
    for value in _SEEN.findall(received):
        told = json.loads(value)
        found.append(told["broken"] if "broken" in told else Read(**told))
    return found
