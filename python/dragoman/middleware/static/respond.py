"""What a request for a file is answered: the file, a part of it, or that the client has it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable
from io import FileIO
from typing import Any

from dragoman.http.conditionals import Outcome, if_range_holds
from dragoman.http.fields import get
from dragoman.http.ranges import ByteRange, Multipart, Piece, content_range, parse_ranges, unsatisfied
from dragoman.middleware.answer import plain
from dragoman.middleware.pieces import BLOCK_BYTES, Pieces
from dragoman.middleware.static.entry import Entry, Variant
from dragoman.middleware.unmodified import NOT_MODIFIED, outcome_of
from dragoman.types import Environ, StartResponse

__all__ = ["NOT_ALLOWED", "respond"]

# Up to here a server is quicker with the bytes than with the file: a third of the time of a request for 1 KiB.
READ_BYTES = 32 << 10
NOT_ALLOWED = plain("405 Method Not Allowed", "Files can be read, not more: GET, HEAD.", ("Allow", "GET, HEAD"))
FAILED = plain("412 Precondition Failed", "The file is not the one that the request is about.")
CONDITIONS = ("HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_MATCH", "HTTP_IF_UNMODIFIED_SINCE")
# Whose wrappers begin at the file's position and end at the Content-Length. Of others it is not known; some send all.
EXACT_WRAPPERS = {
    ("dragoman._native", "FileWrapper"),
    ("gunicorn.http.wsgi", "FileWrapper"),
    ("waitress.buffers", "ReadOnlyFileBasedBuffer"),
}


def respond(
    entry: Entry, variant: Variant, file: FileIO, environ: Environ, start_response: StartResponse
) -> Iterable[bytes]:
    """Answer GET or HEAD with an open file, which is the response's to close."""
    try:
        is_get = environ["REQUEST_METHOD"] == "GET"
        for condition in CONDITIONS:
            if condition in environ:
                outcome = judged(entry, variant, environ)
                if outcome is not Outcome.PROCEED:
                    file.close()
                    return told(outcome, variant, environ, start_response)
                break
        if not is_get:
            file.close()
            start_response("200 OK", variant.headers[:])
            return []
        if "HTTP_RANGE" in environ:
            ranges = wanted_ranges(entry, variant, environ)
            if ranges is not None:
                return partial(ranges, variant, file, environ, start_response)
        if variant.size_bytes <= READ_BYTES:
            return whole(variant, file, start_response)
        start_response("200 OK", variant.headers[:])
        wrapper = environ.get("wsgi.file_wrapper")
        return Pieces(file, [Piece(b"", 0, variant.size_bytes)]) if wrapper is None else wrapped(wrapper, file)
    except BaseException:
        file.close()
        raise


def whole(variant: Variant, file: FileIO, start_response: StartResponse) -> list[bytes]:
    """Answer with all that is in the file, as one block."""
    with file:
        content = file.read(variant.size_bytes)
    if len(content) != variant.size_bytes:
        raise OSError(f"{variant.path!r} has become shorter while it was read")
    start_response("200 OK", variant.headers[:])
    return [content]


def judged(entry: Entry, variant: Variant, environ: Environ) -> Outcome:
    """What the request's conditions come to."""
    return outcome_of(environ, variant.etag, entry.last_modified)


def told(outcome: Outcome, variant: Variant, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Answer without the file."""
    if outcome is Outcome.NOT_MODIFIED:
        start_response(NOT_MODIFIED, variant.not_modified[:])
        return []
    return FAILED(environ, start_response)


def wanted_ranges(entry: Entry, variant: Variant, environ: Environ) -> list[ByteRange] | None:
    """The ranges to send; [] when there are none in it, None for the whole."""
    if_range = environ.get("HTTP_IF_RANGE")
    if if_range is not None and not if_range_holds(if_range, variant.etag, entry.last_modified, time.time()):
        return None
    return parse_ranges(environ["HTTP_RANGE"], variant.size_bytes)


def partial(
    ranges: list[ByteRange], variant: Variant, file: FileIO, environ: Environ, start_response: StartResponse
) -> Iterable[bytes]:
    """Answer with some of the file, or that there is no such part of it."""
    size = variant.size_bytes
    headers = [item for item in variant.headers if item[0] not in ("Content-Length", "Content-Type")]
    kind = get(variant.headers, "Content-Type", "")
    assert kind is not None
    if not ranges:
        file.close()
        answer = plain("416 Range Not Satisfiable", f"The file has {size} bytes.")
        kept = [
            item for item in headers if item[0] not in ("Content-Encoding", "ETag", "Last-Modified", "Cache-Control")
        ]
        return answer._replace(headers=(*answer.headers, *kept, ("Content-Range", unsatisfied(size))))(
            environ, start_response
        )
    if len(ranges) == 1:
        [one] = ranges
        headers += [
            ("Content-Type", kind),
            ("Content-Range", content_range(one, size)),
            ("Content-Length", str(one.count)),
        ]
        start_response("206 Partial Content", headers)
        wrapper = environ.get("wsgi.file_wrapper")
        if (
            wrapper is not None
            and (getattr(wrapper, "__module__", ""), getattr(wrapper, "__name__", "")) in EXACT_WRAPPERS
        ):
            file.seek(one.start)
            return wrapped(wrapper, file)
        return Pieces(file, [Piece(b"", one.start, one.count)])
    body = Multipart(ranges, size, kind, secrets.token_hex(16))
    headers += [("Content-Type", body.media_type), ("Content-Length", str(body.length_bytes))]
    start_response("206 Partial Content", headers)
    return Pieces(file, list(body.pieces()))


def wrapped(wrapper: Any, file: FileIO) -> Iterable[bytes]:
    made: Iterable[bytes] = wrapper(file, BLOCK_BYTES)
    return made
