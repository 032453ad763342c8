"""One field of a form: the beginning of the body is read for it, and the application still gets all of it."""

from __future__ import annotations

import functools
import io
import logging
from typing import Any

from dragoman.http.forms import field_in_beginning
from dragoman.http.media_types import parse_media_type
from dragoman.middleware.request_bodies import declared_length
from dragoman.types import Environ

__all__ = ["field_in_form"]

log = logging.getLogger("dragoman.middleware")

FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


def field_in_form(environ: Environ, name: str, most_bytes: int) -> str | None:
    """The field's value, if it is whole in the first `most_bytes` of a form; None without it, or where no form came.

    ``wsgi.input`` is replaced by a stream that begins with what was read here.
    """
    content_type = environ.get("CONTENT_TYPE", "")
    media_type = parse_media_type(content_type)
    # Any other body stays as it is.
    if media_type is None or media_type.essence not in FORMS:
        return None
    beginning, is_whole = read_beginning(environ, most_bytes)
    try:
        return field_in_beginning(beginning, content_type, name, is_whole=is_whole)
    except ImportError as error:
        tell(str(error))
        return None


@functools.cache
def tell(error: str) -> None:
    """Tell the operator once: a client that sends another kind of form is no reason to fail."""
    log.warning("forms: a field is not looked for in a form that is multipart: %s", error)


def read_beginning(environ: Environ, most_bytes: int) -> tuple[bytes, bool]:
    """What the body begins with, and whether that is all of it; it is put back."""
    stream = environ["wsgi.input"]
    try:
        length = declared_length(environ)
    except ValueError:
        length = None
    if length is None and not environ.get("wsgi.input_terminated"):
        # Without a length a body has an end only where the server says so; else there is none.
        length = 0
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
