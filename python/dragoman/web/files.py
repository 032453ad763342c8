"""Files as answers: whole, conditional, or the range that is asked for; sent by the server itself where it can."""

from __future__ import annotations

import io
import mimetypes
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from dragoman.http.conditionals import if_range_holds
from dragoman.http.ranges import ByteRange, Multipart, Piece, content_range, parse_ranges, unsatisfied
from dragoman.middleware.pieces import BLOCK_BYTES, Pieces
from dragoman.types import Environ
from dragoman.web.context import APP, CURRENT, ENVIRON, current_context
from dragoman.web.errors import NotFound, RangeNotSatisfiable
from dragoman.web.response import Response
from dragoman.web.response_fields import seconds_of

if TYPE_CHECKING:
    from dragoman.web.app import App

__all__ = ["safe_join", "send_file", "send_from_directory"]

PLAIN_FILES = (io.FileIO, io.BufferedReader, io.BufferedRandom)


def send_file(
    path_or_file: str | os.PathLike[str] | IO[bytes],
    mimetype: str | None = None,
    as_attachment: bool = False,
    download_name: str | None = None,
    conditional: bool = True,
    etag: bool | str = True,
    last_modified: float | datetime | None = None,
    max_age: int | None = None,
    *,
    environ: Environ | None = None,
) -> Response:
    """A file as an answer.

    path_or_file    a path that you trust (`send_from_directory` takes one of a client), relative to the application's
                    root_path; or a binary file, which is sent from where it stands, and closed
    mimetype        else guessed from the name; a charset is added where it is text
    as_attachment   whether browsers save it instead of showing it, as `download_name`
    conditional     whether 304, 412, 206 and 416 are answered as RFC 9110 has it
    etag            True: of size and time of change; a text: that one
    last_modified   seconds since 1970, else the file's
    max_age         seconds for caches; default the setting SEND_FILE_MAX_AGE_DEFAULT, and without it they ask again
    Raises FileNotFoundError, PermissionError, IsADirectoryError of a path, ValueError for a file that is closed.
    """
    if environ is None:
        environ = current_context("send_file")[ENVIRON]
    source = opened(path_or_file)
    file, name, size, modified = source[:4]
    try:
        name = download_name or name
        response = Response(None, mimetype=mimetype or guessed_type(name))
        if as_attachment and not name:
            raise TypeError("send_file: an attachment wants a name: download_name='report.pdf'")
        if as_attachment or download_name:
            response.headers["Content-Disposition"] = disposition("attachment" if as_attachment else "inline", name)
        modified = seconds_of(last_modified) if last_modified is not None else modified
        if modified is not None:
            response.last_modified = modified
        if isinstance(etag, str):
            response.set_etag(etag)
        elif etag and size is not None and modified is not None and name:
            response.set_etag(f"{int(modified * 1e6):x}-{size:x}")
        if max_age is None:
            max_age = default_max_age(name)
        response.headers["Cache-Control"] = "no-cache" if max_age is None else f"public, max-age={max_age}"
        if size is not None:
            response.headers["Content-Length"] = size
            if conditional:
                response.headers["Accept-Ranges"] = "bytes"
        fill(response, source, modified, environ, conditional)
    except BaseException:
        file.close()
        raise
    return response


class Source(NamedTuple):
    """An open file as it is sent: from `start` on.

    name, size_bytes, modified   as far as they are known
    is_plain    whether a server that sends it by its descriptor begins at `start` too
    """

    file: IO[bytes]
    name: str = ""
    size_bytes: int | None = None
    modified: float | None = None
    start: int = 0
    is_plain: bool = True


def default_max_age(name: str) -> int | None:
    context = CURRENT.get()
    app: App | None = None if context is None else context[APP]
    return None if app is None else app.get_send_file_max_age(name or None)


def fill(response: Response, source: Source, modified: float | None, environ: Environ, conditional: bool) -> None:
    """Give the response its blocks, or the status that conditions and ranges come to."""
    size = source.size_bytes
    if conditional:
        response.make_conditional(environ)
        if response.status_code != 200:
            source.file.close()
            return
        ranges = wanted_ranges(response, size, modified, environ)
        if ranges is not None:
            partial(response, source, ranges, size or 0)
            return
    wrapper = environ.get("wsgi.file_wrapper")
    if isinstance(wrapper, type) and size is not None and source.is_plain:
        response.stream = wrapper(source.file, BLOCK_BYTES)
        response.is_passthrough = True
    elif size is None:
        response.stream = ToItsEnd(source.file)
    else:
        response.stream = Pieces(source.file, [Piece(b"", 0, size)], source.start)


def wanted_ranges(
    response: Response, size: int | None, modified: float | None, environ: Environ
) -> list[ByteRange] | None:
    """The ranges to send; [] where there are none in it, None for the whole."""
    if size is None or environ["REQUEST_METHOD"] != "GET" or "HTTP_RANGE" not in environ:
        return None
    if not if_range_holds(environ.get("HTTP_IF_RANGE"), response.get_etag(), modified):
        return None
    return parse_ranges(environ["HTTP_RANGE"], size)


def partial(response: Response, source: Source, ranges: list[ByteRange], size: int) -> None:
    if not ranges:
        # RFC 9110 §15.5.17
        raise RangeNotSatisfiable(f"The file has {size} bytes.", headers=[("Content-Range", unsatisfied(size))])
    response.status_code = 206
    if len(ranges) == 1:
        [one] = ranges
        response.headers["Content-Range"] = content_range(one, size)
        response.headers["Content-Length"] = one.count
        response.stream = Pieces(source.file, [Piece(b"", one.start, one.count)], source.start)
        return
    body = Multipart(ranges, size, response.content_type or "", os.urandom(16).hex())
    response.headers["Content-Type"] = body.media_type
    response.headers["Content-Length"] = body.length_bytes
    response.stream = Pieces(source.file, body.pieces(), source.start)


class ToItsEnd:
    """A file whose size is not known, block by block; close() closes it."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.file.read(BLOCK_BYTES), b"")

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def opened(given: Any) -> Source:
    """The open file, and what is known of it."""
    if isinstance(given, str | os.PathLike):
        file: IO[bytes] = Path(beside_application(given)).open("rb")  # noqa: SIM115 - the response closes it
        status = os.fstat(file.fileno())
        return Source(file, os.path.basename(given), status.st_size, status.st_mtime)
    if isinstance(given, io.TextIOBase):
        raise TypeError("send_file: the file is open as text; want one opened with mode 'rb'")
    if getattr(given, "closed", False):
        raise ValueError("send_file: the file is closed already: give it out of no with block; the answer closes it")
    if isinstance(given, io.BytesIO):
        start = given.tell()
        return Source(given, size_bytes=max(0, len(given.getbuffer()) - start), start=start)
    # A descriptor alone proves nothing: GzipFile has that of the packed file.
    plain = getattr(given, "file", given)
    raw = getattr(plain, "raw", plain)
    if type(plain) in PLAIN_FILES and type(raw) is io.FileIO and given.seekable():
        status = os.fstat(given.fileno())
        name, start = getattr(given, "name", ""), given.tell()
        name = os.path.basename(name) if isinstance(name, str) else ""
        # What a buffer has read ahead moves the descriptor's own place, which gunicorn goes by.
        is_plain = os.lseek(given.fileno(), 0, os.SEEK_CUR) == start
        return Source(given, name, max(0, status.st_size - start), status.st_mtime, start, is_plain)
    return Source(given)


def beside_application(path: str | os.PathLike[str]) -> str:
    """The path, from the application's root_path where there is one at hand and it is relative."""
    context = CURRENT.get()
    return os.fspath(path) if context is None else os.path.join(context[APP].root_path, path)


def send_from_directory(directory: str | os.PathLike[str], path: str, **options: Any) -> Response:
    """A file below `directory`, by a path that a client may have chosen.

    directory   from the application's root_path
    options   those of `send_file`
    Raises NotFound for what is no file there: also for ``..``, absolute paths and symbolic links that lead elsewhere.
    """
    found = safe_join(beside_application(directory), path)
    if found is None or path.endswith("/") or not os.path.isfile(found):
        raise NotFound
    try:
        return send_file(found, **options)
    except (FileNotFoundError, PermissionError):
        raise NotFound from None


def safe_join(directory: str | os.PathLike[str], path: str) -> str | None:
    """The path of `path` below `directory`; None where it would be elsewhere."""
    if "\0" in path or "\\" in path or os.path.isabs(path):
        return None
    root = os.path.realpath(directory)
    joined = os.path.realpath(os.path.join(root, path))
    return joined if joined.startswith(root.rstrip(os.sep) + os.sep) else None


def guessed_type(name: str) -> str:
    kind, coding = mimetypes.guess_type(name)
    if kind is None or coding is not None:
        return "application/octet-stream" if coding is None else f"application/{coding}"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") or kind == "application/javascript" else kind


def disposition(kind: str, name: str) -> str:
    """Content-Disposition, RFC 6266: the name in ASCII, and as it is."""
    name = name.replace("\r", " ").replace("\n", " ")
    plain = "".join(one if one.isascii() and one.isprintable() and one not in '"\\%' else "_" for one in name)
    if plain == name:
        return f'{kind}; filename="{name}"'
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
