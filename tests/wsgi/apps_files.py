"""Applications that return wsgi.file_wrapper around files of every kind."""

from __future__ import annotations

import gzip
import io
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.support.probe import Probe
from tests.support.routing import Environ, Routes, StartResponse, start_octets

DIRECTORY = tempfile.TemporaryDirectory(prefix="dragoman-files-")
CONTENT = b"".join(b"%07d\n" % number for number in range(40_000))
"""320,000 bytes, each block of eight different."""
PATH = Path(DIRECTORY.name) / "content"
PATH.write_bytes(CONTENT)
GZIPPED = Path(DIRECTORY.name) / "content.gz"
GZIPPED.write_bytes(gzip.compress(CONTENT))

app = Routes()


class OnlyRead:
    """A file-like object with read() and nothing else."""

    def __init__(self, data: bytes) -> None:
        self._inner = io.BytesIO(data)
        self.sizes: list[Any] = []

    def read(self, size: int = -1) -> bytes:
        """Fewer bytes than asked for: allowed for any file."""
        self.sizes.append(size)
        return self._inner.read(min(size, 5000) if size >= 0 else -1)


class MisleadingDescriptor(OnlyRead):
    """Its fileno() belongs to another content."""

    def fileno(self) -> int:
        """The descriptor of a file that must not be sent."""
        return os.open(GZIPPED, os.O_RDONLY)


class Loud(io.FileIO):
    """A subclass that changes what read() gives: it is not exactly a FileIO."""

    def read(self, size: int | None = -1) -> bytes:
        """Everything in capitals."""
        return b"LOUD" if super().read(8) == CONTENT[:8] else b""


class FailsMidway(OnlyRead):
    """Raises at its third read."""

    def read(self, size: int = -1) -> bytes:
        """Two blocks, then an error."""
        if len(self.sizes) == 2:
            raise OSError("the disk has gone")
        return super().read(size)


def _buffered_at(offset: int, peeked: bool = False) -> io.BufferedReader:
    file = open(PATH, "rb")
    file.seek(offset)
    if peeked:
        file.peek(100)  # moves the descriptor's own offset beyond tell()
    return file


def _unflushed() -> Any:
    file = tempfile.TemporaryFile()
    file.write(CONTENT)
    file.seek(0)
    return file


def _named() -> Any:
    file = tempfile.NamedTemporaryFile(dir=DIRECTORY.name)
    file.write(CONTENT)
    file.flush()
    file.seek(8)
    return file


def _spooled(limit: int) -> Any:
    file = tempfile.SpooledTemporaryFile(max_size=limit)
    file.write(CONTENT)
    file.seek(16)
    return file


def _pipe() -> Any:
    reader, writer = os.pipe()
    os.write(writer, CONTENT[:1000])
    os.close(writer)
    return os.fdopen(reader, "rb")


def _grown() -> Any:
    """tell() beyond the end: nothing is left."""
    file = open(PATH, "rb")
    file.seek(len(CONTENT) + 10)
    return file


FILES: dict[str, tuple[Callable[[], Any], bytes]] = {
    "FileIO": (lambda: io.FileIO(PATH), CONTENT),
    "BufferedReader": (lambda: open(PATH, "rb"), CONTENT),
    "BufferedReader-at-an-offset": (lambda: _buffered_at(1000), CONTENT[1000:]),
    "BufferedReader-that-was-read": (lambda: _buffered_at(1000, peeked=True), CONTENT[1000:]),
    "BufferedReader-at-its-end": (lambda: _buffered_at(len(CONTENT)), b""),
    "BufferedReader-beyond-its-end": (_grown, b""),
    "BufferedRandom": (lambda: open(PATH, "r+b"), CONTENT),
    "TemporaryFile": (_unflushed, CONTENT),
    "NamedTemporaryFile": (_named, CONTENT[8:]),
    "SpooledTemporaryFile-in-memory": (lambda: _spooled(10**9), CONTENT[16:]),
    "SpooledTemporaryFile-on-disk": (lambda: _spooled(10), CONTENT[16:]),
    "BytesIO": (lambda: io.BytesIO(CONTENT), CONTENT),
    "GzipFile": (lambda: gzip.open(GZIPPED, "rb"), CONTENT),
    "pipe": (_pipe, CONTENT[:1000]),
    "only-read": (lambda: OnlyRead(CONTENT), CONTENT),
    "misleading-descriptor": (lambda: MisleadingDescriptor(CONTENT), CONTENT),
    "subclass-of-FileIO": (lambda: Loud(PATH), b"LOUD"),
    "empty": (lambda: io.BytesIO(b""), b""),
}


class Closing:
    """Any file, whose close() is told."""

    def __init__(self, file: Any, probe: Probe) -> None:
        self.read = file.read
        self.file = file
        self.probe = probe

    def close(self) -> None:
        """Closes the file where it can be closed, and tells it."""
        if hasattr(self.file, "close"):
            self.file.close()
        self.probe.tell("close")


def _parameters(environ: Environ) -> dict[str, str]:
    return dict(pair.partition("=")[::2] for pair in environ["QUERY_STRING"].split("&"))


@app.view
def wrapped(environ: Environ, start_response: StartResponse) -> Any:
    """The file that the query names, with the length and block size that it names."""
    parameters = _parameters(environ)
    fields = [("Content-Length", parameters["length"])] if "length" in parameters else []
    start_octets(start_response, *fields)
    blocks = [int(parameters["block"])] if "block" in parameters else []
    return environ["wsgi.file_wrapper"](FILES[parameters["file"]][0](), *blocks)


@app.view
def closed(environ: Environ, start_response: StartResponse) -> Any:
    """A file whose close() is told."""
    start_octets(start_response)
    return environ["wsgi.file_wrapper"](Closing(io.BytesIO(CONTENT), Probe(environ)), 8192)


@app.view
def fails(environ: Environ, start_response: StartResponse) -> Any:
    """A file whose reading fails in the middle; its close() is told."""
    start_octets(start_response)
    return environ["wsgi.file_wrapper"](Closing(FailsMidway(CONTENT), Probe(environ)), 4096)


@app.view
def middleware(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """A middleware that reads the wrapper as an iterable and closes it."""
    parameters = _parameters(environ)
    start_octets(start_response)
    inner = environ["wsgi.file_wrapper"](FILES[parameters["file"]][0](), 1000)

    def blocks() -> Iterator[bytes]:
        try:
            for block in inner:
                yield block.replace(b"\n", b"-")
        finally:
            if hasattr(inner, "close"):  # PEP 3333: only where the file has one
                inner.close()

    return blocks()


@app.view
def written_first(environ: Environ, start_response: StartResponse) -> Any:
    """write() goes out before the file."""
    start_octets(start_response)(b"before ")
    return environ["wsgi.file_wrapper"](open(PATH, "rb"))


@app.view
def unused(environ: Environ, start_response: StartResponse) -> Any:
    """A wrapper that was made and not returned."""
    environ["wsgi.file_wrapper"](open(PATH, "rb")).close()
    start_octets(start_response)
    return [b"another body"]


@app.view
def descriptors(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Number of open descriptors of this process."""
    start_octets(start_response)
    return [str(len(os.listdir("/proc/self/fd"))).encode()]


@app.view
def big(environ: Environ, start_response: StartResponse) -> Any:
    """A sparse file of ten MiB whose pages are told apart by a number at their start."""
    path = Path(DIRECTORY.name) / "big"
    if not path.exists():
        path.write_bytes(b"".join(b"%-4096d" % page for page in range(2560)))
    start_octets(start_response, *([("Content-Length", "10485760")] if "length" in environ["QUERY_STRING"] else []))
    return environ["wsgi.file_wrapper"](open(path, "rb"))
