"""Responses that `wsgi.file_wrapper` has made: what can be known of them without reading the file."""

from __future__ import annotations

import gc
import io
import os
import stat
import sys
import weakref
from typing import TYPE_CHECKING

from dragoman.contract.judge import shown
from dragoman.contract.places import attribute, entry_of

if TYPE_CHECKING:
    from dragoman.contract.transcript import Transcript

__all__ = ["returned_file"]

# As the wrappers of servers have it.
NAMES = ("filelike", "file")
ON_DISK = (io.BufferedReader, io.FileIO)
# close() of these, and nothing else, closes them.
PLAIN = (*ON_DISK, io.BufferedRandom, io.BytesIO, io.StringIO, io.TextIOWrapper)


def returned_file(transcript: Transcript, made: object) -> None:
    """The application has returned what was made of a file, and the server sends that by itself."""
    file = file_in(made)
    size, where = size_left(file), entry_of(transcript.checker.app)
    if isinstance(file, io.TextIOBase):
        transcript.breach("body-not-bytes", {"value": shown(file), "got_type": "str"}, where)
    if not transcript.is_started:
        transcript.breach("start-response-missing", {}, where)
    elif size != 0:
        transcript.begin_body(file, ())
        declared = transcript.declared
        # Less of it than there is may be sent.
        if size is not None and declared is not None and size < declared:
            transcript.breach("body-too-short", {"declared": declared, "sent": size}, where)
    try:
        transcript.made_alive = weakref.ref(made, lambda _: dropped_file(transcript, file))
    except TypeError:
        pass


def dropped_file(transcript: Transcript, file: object) -> None:
    """The object is gone: through it nobody can close the file any more."""
    if sys.is_finalizing():
        return
    transcript.made_alive = None
    transcript.has_close = is_left_open(file)
    transcript.left_open()
    # What is outside may not have come to its end: then it is told there that this was left open.
    if transcript.outer is None or not transcript.has_close:
        transcript.end()


def file_in(made: object) -> object:
    """The file that it was made of; None where the object does not tell."""
    named = [attribute(made, name) for name in NAMES]
    # A type in C may tell nobody but the collector.
    found = [file for file in (*named, *gc.get_referents(made)) if isinstance(file, io.IOBase)]
    return found[0] if found else None


def size_left(file: object) -> int | None:
    """How many bytes there are from where it stands to its end; None where only reading tells."""
    try:
        if type(file) is io.BytesIO:
            with file.getbuffer() as buffer:
                return max(0, len(buffer) - file.tell())
        if type(file) in ON_DISK:
            found = os.fstat(file.fileno())  # type: ignore[attr-defined]
            # Files that the kernel makes up have no size.
            if stat.S_ISREG(found.st_mode) and found.st_size:
                return max(0, found.st_size - file.tell())  # type: ignore[attr-defined,no-any-return]
    except (OSError, ValueError):
        pass
    return None


def is_left_open(file: object) -> bool:
    """Whether close() was certainly not called."""
    return type(file) in PLAIN and not file.closed  # type: ignore[attr-defined]
