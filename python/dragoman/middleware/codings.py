"""Content codings: what each one compresses and unpacks with, and whether it is there."""

from __future__ import annotations

import importlib
import importlib.util
import zlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from dragoman.middleware.extras import lacking

__all__ = ["CODINGS", "UNPACKERS", "BrokenBody", "Coding", "Compressor", "Unpacker", "is_installed", "refuse_missing"]

# RFC 8878, section 3.1.1.1.2: a decoder should take windows of 8 MiB, and may refuse larger ones.
LARGEST_WINDOW_BYTES = 8 << 20
# 4 bytes of zstd may make 128 KiB, and its library has no bound for what comes of one piece: so it is 4 MiB at most.
ZSTD_PIECE_BYTES = 128


class BrokenBody(ValueError):
    """The bytes are not of the coding that they are said to be of."""


class Compressor(Protocol):
    """Compresses a stream of blocks."""

    def block(self, data: bytes, /) -> bytes:
        """What stands for `data`, and can be unpacked without anything behind it."""

    def end(self) -> bytes:
        """What the stream ends with."""


class Unpacker(Protocol):
    """Unpacks a stream, never more at a time than it is asked for by much."""

    is_done: bool
    """The end of the stream has come."""

    def unpack(self, data: bytes, most_bytes: int, /) -> bytes:
        """Bytes of what `data` and what was kept of earlier data holds, at most about `most_bytes`.

        b"" says that it wants more data. Raises BrokenBody for what is none.
        """


class Coding(NamedTuple):
    """How a coding is made: its levels, the one that is taken unless another is asked for, and two ways to use them."""

    name: str
    level: int
    levels: range
    whole: Callable[[bytes, int], bytes]
    compressor: Callable[[int], Compressor]


class Zlib:
    """gzip (RFC 1952)."""

    def __init__(self, level: int) -> None:
        self.stream = zlib.compressobj(level, zlib.DEFLATED, 31)

    def block(self, data: bytes, /) -> bytes:
        return self.stream.compress(data) + self.stream.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        return self.stream.flush()


class Brotli:
    """br (RFC 7932)."""

    def __init__(self, level: int) -> None:
        self.stream = importlib.import_module("brotli").Compressor(quality=level)

    def block(self, data: bytes, /) -> bytes:
        made: bytes = self.stream.process(data) + self.stream.flush()
        return made

    def end(self) -> bytes:
        made: bytes = self.stream.finish()
        return made


class Zstd:
    """zstd (RFC 8878)."""

    def __init__(self, level: int) -> None:
        self.library = importlib.import_module("zstandard")
        self.stream = self.library.ZstdCompressor(level=level).compressobj()

    def block(self, data: bytes, /) -> bytes:
        made: bytes = self.stream.compress(data) + self.stream.flush(self.library.COMPRESSOBJ_FLUSH_BLOCK)
        return made

    def end(self) -> bytes:
        made: bytes = self.stream.flush()
        return made


def gzip_whole(data: bytes, level: int) -> bytes:
    stream = zlib.compressobj(level, zlib.DEFLATED, 31)
    return stream.compress(data) + stream.flush()


def brotli_whole(data: bytes, level: int) -> bytes:
    made: bytes = importlib.import_module("brotli").compress(data, quality=level)
    return made


def zstd_whole(data: bytes, level: int) -> bytes:
    made: bytes = importlib.import_module("zstandard").ZstdCompressor(level=level).compress(data)
    return made


class UnpackZlib:
    """gzip, also of several members (RFC 1952, section 2.2)."""

    members = True

    def __init__(self) -> None:
        self.stream: Any = None
        self.kept = b""
        self.is_done = False

    def begin(self, data: bytes) -> Any:
        """A decompressor for what begins with `data`; None to wait for more."""
        return zlib.decompressobj(31)

    def unpack(self, data: bytes, most_bytes: int, /) -> bytes:
        data = self.kept + data
        while data or self.stream is not None:
            if self.stream is None or self.stream.eof:
                if not data:
                    break
                if self.is_done and not self.members:
                    raise BrokenBody("there are bytes behind its end")
                self.stream = self.begin(data)
                if self.stream is None:
                    self.kept = data
                    return b""
                self.is_done = False
            try:
                made: bytes = self.stream.decompress(data, most_bytes)
            except zlib.error as error:
                raise BrokenBody(str(error)) from None
            self.is_done = self.stream.eof
            data = self.kept = self.stream.unused_data if self.is_done else self.stream.unconsumed_tail
            if made or not (self.is_done and data):
                return made
        self.kept = b""
        return b""


class UnpackDeflate(UnpackZlib):
    """deflate: in a zlib stream (RFC 1950) as RFC 9110 has it, or bare, as many have sent it."""

    members = False

    def begin(self, data: bytes) -> Any:
        if len(data) < 2:
            return None
        has_zlib_head = data[0] & 0x0F == 8 and (data[0] << 8 | data[1]) % 31 == 0
        return zlib.decompressobj(15 if has_zlib_head else -15)


class UnpackBrotli:
    """br."""

    def __init__(self) -> None:
        self.library = importlib.import_module("brotli")
        self.stream = self.library.Decompressor()
        self.kept = b""
        self.is_done = False

    def unpack(self, data: bytes, most_bytes: int, /) -> bytes:
        self.kept += data
        if self.is_done:
            if self.kept:
                raise BrokenBody("there are bytes behind its end")
            return b""
        given = b""
        if self.stream.can_accept_more_data():
            given, self.kept = self.kept, b""
        try:
            made: bytes = self.stream.process(given, output_buffer_limit=most_bytes)
        except self.library.error as error:
            raise BrokenBody(str(error)) from None
        self.is_done = self.stream.is_finished()
        return made


class UnpackZstd:
    """zstd, also of several frames (RFC 8878, section 3)."""

    def __init__(self) -> None:
        self.library = importlib.import_module("zstandard")
        # One for all frames: to make it costs more than to unpack a small frame.
        self.reader = self.library.ZstdDecompressor(max_window_size=LARGEST_WINDOW_BYTES)
        self.stream: Any = None
        self.kept = b""
        self.is_done = False

    def unpack(self, data: bytes, most_bytes: int, /) -> bytes:
        kept, place = self.kept + data, 0
        while place < len(kept):
            if self.stream is None or self.stream.eof:
                self.stream = self.reader.decompressobj()
            piece = kept[place : place + ZSTD_PIECE_BYTES]
            place += len(piece)
            try:
                made: bytes = self.stream.decompress(piece)
            except self.library.ZstdError as error:
                raise BrokenBody(str(error)) from None
            self.is_done = self.stream.eof
            if self.is_done:
                place -= len(self.stream.unused_data)
            if made:
                self.kept = kept[place:]
                return made
        self.kept = b""
        return b""


MODULES = {"br": "brotli", "zstd": "zstandard"}
"""What is needed beyond the standard library."""

CODINGS: Mapping[str, Coding] = {
    "br": Coding("br", 4, range(12), brotli_whole, Brotli),
    "zstd": Coding("zstd", 3, range(1, 23), zstd_whole, Zstd),
    "gzip": Coding("gzip", 6, range(1, 10), gzip_whole, Zlib),
}
"""What responses are compressed with, the favourite first. Not deflate: what it means is understood in two ways."""

UNPACKERS: Mapping[str, Callable[[], Unpacker]] = {
    "gzip": UnpackZlib,
    "deflate": UnpackDeflate,
    "br": UnpackBrotli,
    "zstd": UnpackZstd,
}
"""What requests are unpacked with."""


def is_installed(name: str) -> bool:
    """Whether what the coding needs is there."""
    return name not in MODULES or importlib.util.find_spec(MODULES[name]) is not None


def refuse_missing(name: str, part: str) -> None:
    """Raise ImportError where what the coding needs is not there. `part` is who asks for it."""
    if not is_installed(name):
        raise lacking(f"{part} with {name}", MODULES[name], "compress")
