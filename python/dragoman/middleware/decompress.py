"""`Decompress`: compressed request bodies are unpacked, within bounds, before or while the application reads them."""

from __future__ import annotations

import io
import logging
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import IO, Any, NoReturn

from dragoman.http.fields import split_list
from dragoman.middleware.answer import Answer, plain
from dragoman.middleware.codings import UNPACKERS, BrokenBody, Unpacker, is_installed, refuse_missing
from dragoman.middleware.layer import Layer
from dragoman.middleware.passing import following
from dragoman.middleware.request_bodies import BodyRefused, Refusal, declared_length, guarded, has_unknown_length
from dragoman.types import Environ, StartResponse, WSGIApplication

__all__ = ["Decompress"]

log = logging.getLogger("dragoman.middleware")

# Each coding over another one multiplies what a small body may become.
CODINGS_AT_MOST = 2
PIECE_BYTES = 8192
IN_MEMORY_BYTES = 1 << 20
# So much may come of any body: a few bytes of blanks shrink by more than any ratio that a large body has.
RATIO_FROM_BYTES = 1 << 20
ALIASES = {"x-gzip": "gzip"}

NO_ROOM = plain("507 Insufficient Storage", "There is no room for the body, unpacked.")
BAD_LENGTH = plain("400 Bad Request", "Content-Length is no number.")


class Decompress(Layer):
    """Unpacks request bodies whose Content-Encoding is gzip, deflate, br or zstd.

    codings     which are taken; by default all whose packages are installed. Any other one is answered 415.
    max_bytes   the largest body, unpacked; a larger one is answered 413
    max_ratio   how many times its size a body may become, past the first mebibyte; more is answered 413
    stream      False: the body is unpacked before the call, into memory and past a mebibyte into a file, and
                CONTENT_LENGTH is its length. True: while the application reads; it has to read a body without a
                CONTENT_LENGTH, by ``wsgi.input_terminated``, as Flask does and Django does not.

    The application sees no Content-Encoding any more. A body that is broken is answered 400, one that there is no room
    for on the disk 507.
    Raises ValueError for settings that make no sense, ImportError for a coding whose package is missing.
    Source: RFC 9110, sections 8.4, 12.5.3 and 15.5.16.

        app = Decompress(app, max_bytes=10 << 20)
    """

    def __init__(
        self,
        app: WSGIApplication | None = None,
        *,
        codings: Sequence[str] | None = None,
        max_bytes: int = 10 << 20,
        max_ratio: float = 100,
        stream: bool = False,
    ) -> None:
        super().__init__(app)
        self.codings = chosen_codings(codings)
        if type(max_bytes) is not int or max_bytes < 0:
            raise ValueError(f"max_bytes: want a number of bytes, 0 or more, got {max_bytes!r}")
        if not max_ratio >= 1:
            raise ValueError(f"max_ratio: want a number, 1 or more, got {max_ratio!r}")
        self.max_bytes = max_bytes
        self.max_ratio = max_ratio
        self.stream = stream
        self.unknown = plain(
            "415 Unsupported Media Type",
            f"Content-Encoding: want {' or '.join(self.codings)}.",
            ("Accept-Encoding", ", ".join(self.codings)),
        )

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer the request, with its body unpacked."""
        given = environ.get("HTTP_CONTENT_ENCODING")
        if given is None:
            return self.app(environ, start_response)
        try:
            length = declared_length(environ)
        except ValueError:
            return BAD_LENGTH(environ, start_response)
        if length == 0 or (length is None and not has_unknown_length(environ)):
            return self.app(environ, start_response)
        names = [ALIASES.get(name, name) for one in split_list(given) if (name := one.lower()) != "identity"]
        if len(names) > CODINGS_AT_MOST or not all(name in self.codings for name in names):
            return self.unknown(environ, start_response)
        del environ["HTTP_CONTENT_ENCODING"]
        if not names:
            return self.app(environ, start_response)
        refusal = Refusal()
        source: Any = environ["wsgi.input"]
        for name in reversed(names):
            source = io.BufferedReader(Unpacked(source, length, UNPACKERS[name](), self, refusal), PIECE_BYTES)
            length = None
        return (
            self.streamed(environ, start_response, source, refusal)
            if self.stream
            else self.whole(environ, start_response, source)
        )

    def streamed(
        self, environ: Environ, start_response: StartResponse, source: IO[bytes], refusal: Refusal
    ) -> Iterable[bytes]:
        """Let the application read what is unpacked on the way."""
        environ.pop("CONTENT_LENGTH", None)
        environ["wsgi.input"] = source
        environ["wsgi.input_terminated"] = True
        return guarded(self.app, environ, start_response, refusal)

    def whole(self, environ: Environ, start_response: StartResponse, source: IO[bytes]) -> Iterable[bytes]:
        """Unpack all of it, then call the application."""
        try:
            body, length = unpacked_whole(source)
        except BodyRefused as refused:
            return refused.answer(environ, start_response)
        environ["CONTENT_LENGTH"] = str(length)
        environ["wsgi.input"] = body
        environ["wsgi.input_terminated"] = True
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        if isinstance(body, io.BytesIO):
            return self.app(environ, start_response)
        try:
            result = self.app(environ, start_response)
        except BaseException:
            body.close()
            raise
        return following(environ, result, None, lambda error: body.close())


class Unpacked(io.RawIOBase):
    """What comes of a compressed stream, counted as it comes."""

    def __init__(
        self, source: Any, length: int | None, unpacker: Unpacker, limits: Decompress, refusal: Refusal
    ) -> None:
        self.source = source
        # Compressed bytes that are still to come; None where the source has an end of its own.
        self.left = length
        self.unpacker = unpacker
        self.limits = limits
        self.refusal = refusal
        self.taken = self.made = 0
        self.is_at_end = False
        self.over = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = self.over or self.more(len(buffer))
        count = min(len(data), len(buffer))
        buffer[:count] = data[:count]
        self.over = data[count:]
        return count

    def more(self, most_bytes: int) -> bytes:
        """The next bytes, b"" at the end."""
        made = self.unpack(b"", most_bytes)
        while not made and not self.is_at_end:
            piece = self.source.read(PIECE_BYTES if self.left is None else min(PIECE_BYTES, self.left))
            self.taken += len(piece)
            if self.left is not None:
                self.left -= len(piece)
            if piece:
                made = self.unpack(piece, most_bytes)
            else:
                self.is_at_end = True
        if not made and self.taken and not self.unpacker.is_done:
            self.refusal.refuse(plain("400 Bad Request", "The compressed body ends too early."))
        return made

    def unpack(self, data: bytes, most_bytes: int) -> bytes:
        try:
            made = self.unpacker.unpack(data, most_bytes)
        except BrokenBody as error:
            self.refusal.refuse(plain("400 Bad Request", f"The compressed body is broken: {error}."))
        self.made += len(made)
        limits = self.limits
        if self.made > limits.max_bytes:
            self.refusal.refuse(too_large(f"is larger than {limits.max_bytes} bytes"))
        if self.made > RATIO_FROM_BYTES and self.made > limits.max_ratio * self.taken:
            self.refusal.refuse(too_large(f"becomes more than {limits.max_ratio:g} times as large"))
        return made


def unpacked_whole(source: IO[bytes]) -> tuple[IO[bytes], int]:
    """The whole of `source` and its length: in memory, or in a file where it is large."""
    body = Spool()
    try:
        while piece := source.read(1 << 16):
            body.write(piece)
        return body.rewound(), body.length
    except BaseException:
        body.discard()
        raise


class Spool:
    """A body as it comes, in memory, and past a mebibyte in a file."""

    def __init__(self) -> None:
        self.file: IO[bytes] = io.BytesIO()
        self.length = 0

    def write(self, piece: bytes) -> None:
        self.length += len(piece)
        try:
            if self.length > IN_MEMORY_BYTES and isinstance(self.file, io.BytesIO):
                begun = self.file.getvalue()
                self.file = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the request ends
                self.file.write(begun)
            self.file.write(piece)
        except OSError as error:
            self.refuse(error)

    def rewound(self) -> IO[bytes]:
        """The body, to be read from its beginning."""
        try:
            # What is in a buffer still is written now.
            self.file.seek(0)
        except OSError as error:
            self.refuse(error)
        return self.file

    def refuse(self, error: OSError) -> NoReturn:
        log.error("Decompress: there is no room for a body that is unpacked: %s", error)
        raise BodyRefused(NO_ROOM) from error

    def discard(self) -> None:
        # A full disk refuses what is in the buffer once more; it is closed all the same.
        with suppress(OSError):
            self.file.close()


def too_large(what: str) -> Answer:
    return plain("413 Content Too Large", f"The body {what} when it is unpacked.")


def chosen_codings(names: Sequence[str] | None) -> tuple[str, ...]:
    if names is None:
        return tuple(name for name in UNPACKERS if is_installed(name))
    if isinstance(names, str) or not names:
        raise ValueError(f"codings: want a list of {', '.join(UNPACKERS)}, got {names!r}")
    for name in names:
        if name not in UNPACKERS:
            raise ValueError(f"codings: want some of {', '.join(UNPACKERS)}, got {name!r}")
        refuse_missing(name, "Decompress")
    return tuple(names)
