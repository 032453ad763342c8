"""The token in a form: the beginning of the body is read for it, and the application still gets all of it."""

from __future__ import annotations

import io
from typing import Any

from dragoman.http.forms import BOUNDARY, FormError, Limits, Reading, parse_urlencoded, read_multipart
from dragoman.http.media_types import parse_media_type
from dragoman.types import Environ

__all__ = ["field_in_form"]

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"


def field_in_form(environ: Environ, name: str, most_bytes: int) -> str | None:
    """The field's value, if it is whole in the first `most_bytes` of a form; None without it, or where no form came.

    ``wsgi.input`` is replaced by a stream that begins with what was read here.
    """
    media_type = parse_media_type(environ.get("CONTENT_TYPE", ""))
    essence = media_type.essence if media_type else ""
    if media_type is None or essence not in (URLENCODED, MULTIPART):
        return None
    beginning, is_whole = read_beginning(environ, most_bytes)
    if essence == URLENCODED:
        return in_urlencoded(beginning, name, is_whole)
    return in_multipart(beginning, name, media_type.parameters.get("boundary", ""))


def in_urlencoded(beginning: bytes, name: str, is_whole: bool) -> str | None:
    pairs = beginning if is_whole else beginning.rpartition(b"&")[0]
    try:
        return next((value for given, value in parse_urlencoded(pairs) if given == name), None)
    except FormError:
        return None


def in_multipart(beginning: bytes, name: str, boundary: str) -> str | None:
    if BOUNDARY.fullmatch(boundary) is None:
        return None
    reading = Reading(Limits(memory_bytes=len(beginning) + 1, file_memory_bytes=len(beginning) + 1))
    try:
        read_multipart(reading, iter([beginning]), boundary)
    except FormError:
        # It breaks off where the beginning ends, if not before; whole fields are fields.
        pass
    finally:
        reading.close()
    return reading.form.get(name)


def read_beginning(environ: Environ, most_bytes: int) -> tuple[bytes, bool]:
    """What the body begins with, and whether that is all of it; it is put back."""
    stream = environ["wsgi.input"]
    try:
        length: int | None = max(0, int(environ.get("CONTENT_LENGTH") or ""))
    except ValueError:
        # Without a length a body has an end only where the server says so; else there is none.
        length = None if environ.get("wsgi.input_terminated") else 0
    wanted = most_bytes if length is None else min(most_bytes, length)
    read = bytearray()
    while len(read) < wanted:
        block = stream.read(wanted - len(read))
        if not block:
            break
        read += block
    is_whole = len(read) < wanted or len(read) == length
    beginning = bytes(read)
    if is_whole:
        environ["wsgi.input"] = io.BytesIO(beginning)
    else:
        left = None if length is None else length - len(beginning)
        environ["wsgi.input"] = io.BufferedReader(Continued(beginning, stream, left))
    return beginning, is_whole


class Continued(io.RawIOBase):
    """`beginning`, then what `stream` has left, `left` bytes of it at most."""

    def __init__(self, beginning: bytes, stream: Any, left: int | None) -> None:
        self.beginning = memoryview(beginning)
        self.stream = stream
        self.left = left

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """The next bytes."""
        into = memoryview(buffer)
        if self.beginning:
            block: bytes | memoryview = self.beginning[: len(into)]
            self.beginning = self.beginning[len(block) :]
        else:
            block = self.stream.read(len(into) if self.left is None else min(len(into), self.left))
            if self.left is not None:
                self.left -= len(block)
        into[: len(block)] = block
        return len(block)
