"""A raw HTTP/1.x client that sends any bytes in any pieces and reads responses strictly by their framing."""

from __future__ import annotations

import json
import os
import re
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

DEADLINE_S = float(os.environ.get("DRAGOMAN_TEST_DEADLINE", "20"))
"""How long any single event may take. Far above what a healthy server needs, so that only a hang meets it."""

Address = tuple[str, int] | str
"""(host, port) of a TCP listener, or the path of a unix socket."""

# RFC 9112 §4: status-line; the reason may be empty, the space before it may not be missing.
_STATUS_LINE = re.compile(rb"(HTTP/1\.[01]) ([0-9]{3}) ([\t\x20-\x7e\x80-\xff]*)\Z")
# RFC 9110 §5.1 and §5.5: a token, a colon, a value without controls other than HTAB.
_FIELD_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*\Z")


class ProtocolBreach(AssertionError):
    """The server sent bytes that are no well-formed HTTP/1.x."""


class ConnectionEnded(Exception):
    """The connection ended before the response was whole. `received` is what came of the part that was being read."""

    def __init__(self, received: bytes, head: Head | None = None) -> None:
        super().__init__(f"connection ended after {received[:200]!r}")
        self.received = received
        self.head = head


@dataclass(frozen=True)
class Head:
    """Status line and fields of one response."""

    version: str
    status: int
    reason: str
    fields: tuple[tuple[str, str], ...]

    def values(self, name: str) -> list[str]:
        """Values of all fields of that name, in order."""
        return [value for field, value in self.fields if field.lower() == name.lower()]

    def value(self, name: str) -> str | None:
        """Value of the one field of that name, None without one. Two are a failure."""
        values = self.values(name)
        assert len(values) <= 1, f"{name} came {len(values)} times: {values}"
        return values[0] if values else None

    @property
    def is_chunked(self) -> bool:
        """Transfer-Encoding: chunked."""
        return self.value("Transfer-Encoding") == "chunked"


@dataclass(frozen=True)
class Response(Head):
    """A whole response, with the interim (1xx) heads that came before it."""

    body: bytes = b""
    interim: tuple[Head, ...] = ()

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.body.decode()

    def json(self) -> Any:
        """The body as JSON; a failure shows the body."""
        assert self.status == 200, f"{self.status} {self.body!r}"
        return json.loads(self.body)


class Wire:
    """One client connection. A context manager; every read has a deadline."""

    def __init__(
        self,
        address: Address,
        deadline_s: float = DEADLINE_S,
        receive_buffer: int | None = None,
        source: tuple[str, int] | None = None,
    ) -> None:
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX)
        else:
            self.socket = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(deadline_s)
        if source is not None:
            self.socket.bind(source)
        self.socket.connect(address)
        self._buffer = bytearray()

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Sending

    def send(self, data: bytes) -> None:
        """Sends the bytes as they are."""
        self.socket.sendall(data)

    def send_bytewise(self, data: bytes) -> None:
        """Sends each byte in a `send` (with TCP_NODELAY: a segment) of its own."""
        for offset in range(len(data)):
            self.socket.sendall(data[offset : offset + 1])

    def half_close(self) -> None:
        """FIN: nothing more will be sent; responses can still be read."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """RST: the connection is gone for both sides at once (SO_LINGER with 0 seconds)."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        """Ends the connection. Idempotent."""
        self.socket.close()

    # Reading

    def read_exactly(self, count: int) -> bytes:
        """The next `count` bytes."""
        while len(self._buffer) < count:
            self._fill()
        return self._take(count)

    def read_line(self) -> bytes:
        """The next line, without its CR LF. A bare LF or CR is a breach."""
        while (end := self._buffer.find(b"\r\n")) < 0:
            self._fill()
        line = self._take(end + 2)[:-2]
        if b"\n" in line or b"\r" in line:
            raise ProtocolBreach(f"bare CR or LF in {line!r}")
        return line

    def read_head(self) -> Head:
        """The next head, interim or final."""
        line = self.read_line()
        match = _STATUS_LINE.match(line)
        if match is None:
            raise ProtocolBreach(f"not a status line: {line!r}")
        fields = []
        while line := self.read_line():
            field = _FIELD_LINE.match(line)
            if field is None:
                raise ProtocolBreach(f"not a field line: {line!r}")
            fields.append((field[1].decode("latin-1"), field[2].decode("latin-1")))
        version, status, reason = match.groups()
        return Head(version.decode(), int(status), reason.decode("latin-1"), tuple(fields))

    def read_chunk(self) -> bytes:
        """The next chunk's data; b'' for the last chunk, whose empty trailer section is read with it."""
        line = self.read_line()
        if not re.fullmatch(rb"[0-9A-Fa-f]+", line):
            raise ProtocolBreach(f"not a chunk size: {line!r}")
        data = self.read_exactly(int(line, 16))
        if self.read_exactly(2) != b"\r\n":
            raise ProtocolBreach("chunk data is not followed by CR LF")
        return data

    def read_body(self, head: Head, method: str = "GET") -> bytes:
        """The body that belongs to `head`, by RFC 9112 §6.3."""
        body = bytearray()
        lengths = head.values("Content-Length")
        try:
            if method == "HEAD" or head.status < 200 or head.status in (204, 304):
                return b""
            if head.values("Transfer-Encoding"):
                if not head.is_chunked or lengths:
                    raise ProtocolBreach(f"ambiguous framing: {head}")
                while chunk := self.read_chunk():
                    body += chunk
                return bytes(body)
            if lengths:
                if len(lengths) > 1 or not lengths[0].isdecimal():
                    raise ProtocolBreach(f"ambiguous length: {head}")
                return self.read_exactly(int(lengths[0]))
            return self.read_to_close()
        except ConnectionEnded as ended:
            raise ConnectionEnded(bytes(body) + ended.received, head) from None

    def read_response(self, method: str = "GET") -> Response:
        """The next final response, whole."""
        interim = []
        while (head := self.read_head()).status < 200:
            interim.append(head)
        body = self.read_body(head, method)
        return Response(head.version, head.status, head.reason, head.fields, body, tuple(interim))

    def read_to_close(self) -> bytes:
        """Everything up to an orderly end. A reset is a failure: it may destroy what the peer has not read yet."""
        try:
            while True:
                self._fill()
        except ConnectionEnded:
            return self._take(len(self._buffer))

    def expect_close(self) -> None:
        """The server ends the connection in good order and sends nothing more."""
        rest = self.read_to_close()
        assert rest == b"", f"bytes after the last response: {rest[:200]!r}"

    def expect_end(self) -> bytes:
        """Everything up to the end of the connection, be it orderly or a reset: for responses that are cut."""
        try:
            return self.read_to_close()
        except ConnectionResetError:
            return self._take(len(self._buffer))

    # Both

    def request(
        self,
        method: str = "GET",
        target: str = "/",
        fields: Iterable[tuple[str, str]] = (),
        body: bytes | None = None,
    ) -> Response:
        """Sends a request as `request_bytes` makes it and reads its response."""
        self.send(request_bytes(method, target, fields, body))
        return self.read_response(method)

    def _fill(self) -> None:
        data = self.socket.recv(1 << 18)
        if not data:
            received = self._take(len(self._buffer))
            self._buffer[:0] = received  # what came stays readable for read_to_close
            raise ConnectionEnded(received)
        self._buffer += data

    def _take(self, count: int) -> bytes:
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data


def request_bytes(
    method: str = "GET",
    target: str = "/",
    fields: Iterable[tuple[str, str]] = (),
    body: bytes | None = None,
    version: str = "HTTP/1.1",
) -> bytes:
    """A request with `Host: test`, the fields given, and Content-Length where there is a body."""
    lines = [f"{method} {target} {version}", "Host: test"]
    lines += [f"{name}: {value}" for name, value in fields]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


def chunked_request_bytes(
    target: str, chunks: Iterable[bytes], fields: Iterable[tuple[str, str]] = (), method: str = "POST"
) -> bytes:
    """A request whose body is sent in these chunks."""
    head = request_bytes(method, target, [*fields, ("Transfer-Encoding", "chunked")])
    return head + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
