"""The body of a request: never past its end, and never more than is allowed."""

from __future__ import annotations

from collections.abc import Iterator

from dragoman.types import Environ, InputStream
from dragoman.web.errors import BadRequest, ContentTooLarge

__all__ = ["Body", "body_stream", "declared_length", "read_body"]

BLOCK_BYTES = 64 << 10


def declared_length(environ: Environ) -> int | None:
    """What Content-Length says; None without it. Raises BadRequest where it is no number."""
    text = environ.get("CONTENT_LENGTH") or ""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise BadRequest(f"Content-Length: {text!r}: want a number.")
    return int(text)


def body_stream(environ: Environ, most_bytes: int) -> InputStream:
    """The body; a client that declares more than `most_bytes` is refused at once, one that sends more there."""
    length = declared_length(environ)
    if length is not None and length > most_bytes:
        raise ContentTooLarge(f"The body has {length} bytes; at most {most_bytes} are taken.")
    if length is None and not environ.get("wsgi.input_terminated"):
        # Of such a server nobody knows where the body ends, so by RFC 3875 §4.2 there is none.
        length = 0
    return Body(environ["wsgi.input"], length, most_bytes)


def read_body(stream: InputStream) -> bytes:
    """All of it."""
    return b"".join(iter(lambda: stream.read(BLOCK_BYTES), b""))


class Body:
    """A stream that ends with the body, whatever the server's own would do.

    length   bytes that come; None: up to the end of `stream`
    """

    __slots__ = ("left", "most_bytes", "stream", "taken")

    def __init__(self, stream: InputStream, length: int | None, most_bytes: int) -> None:
        self.stream = stream
        self.left = length
        self.most_bytes = most_bytes
        self.taken = 0

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes, all that is left by default; ``b""`` at the end."""
        if size is None or size < 0:
            return read_body(self)
        if size == 0:
            return b""
        return self.counted(self.stream.read(self.bounded(size)))

    def readline(self, size: int = -1, /) -> bytes:
        """Up to and with the next line end, at most `size` bytes of it; ``b""`` at the end."""
        # A line has no bound of its own, so it gets that of the body.
        wanted = self.most_bytes + 1 - self.taken if size is None or size < 0 else size
        return self.counted(self.stream.readline(self.bounded(wanted)))

    def readlines(self, hint: int = -1, /) -> list[bytes]:
        """The lines that are left; no further one once `hint` bytes have come."""
        lines: list[bytes] = []
        total = 0
        for line in self:
            lines.append(line)
            total += len(line)
            if 0 < hint <= total:
                break
        return lines

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")

    # What `io.BufferedReader` and `io.TextIOWrapper` ask for besides.

    closed = False

    def readinto(self, room: bytearray | memoryview, /) -> int:
        """Put bytes that come into `room`, as many as it takes at most; how many they are, 0 at the end."""
        block = self.read(len(room))
        room[: len(block)] = block
        return len(block)

    def readable(self) -> bool:
        """True."""
        return True

    def writable(self) -> bool:
        """False."""
        return False

    def seekable(self) -> bool:
        """False: it is read once."""
        return False

    def flush(self) -> None:
        """Nothing waits to be written."""

    def close(self) -> None:
        """It is the server's, and stays open: a reader around it that is thrown away closes it."""

    def bounded(self, size: int) -> int:
        return size if self.left is None else min(size, self.left)

    def counted(self, block: bytes) -> bytes:
        self.taken += len(block)
        if self.left is not None:
            self.left -= len(block)
            if not block and self.left:
                raise BadRequest("The body has ended before its Content-Length.")
        if self.taken > self.most_bytes:
            raise ContentTooLarge(f"The body is longer than {self.most_bytes} bytes, the most that is taken.")
        return block
