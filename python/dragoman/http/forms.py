"""Forms: what the body of a POST says, in fields and files (RFC 7578, and the WHATWG's URL standard)."""

import re
from binascii import unhexlify
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import IO, Any, Protocol

from dragoman.http.media_types import parse_media_type

__all__ = [
    "Form",
    "FormError",
    "FormNotKept",
    "Limits",
    "Upload",
    "field_in_beginning",
    "parse_form",
    "parse_urlencoded",
]

MOST_FIELDS = 1000
URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
CHUNK_BYTES = 1 << 16
# RFC 7578 §4.2 to §4.7 know three fields for a part.
MOST_PART_FIELDS = 8
# RFC 3986 §2.1: pct-encoded = "%" HEXDIG HEXDIG
ESCAPES = re.compile(rb"(?:%[0-9A-Fa-f]{2}){1,100}")
# RFC 2046 §5.1.1: boundary := 0*69<bchars> bcharsnospace
BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")


class Readable(Protocol):
    """What a form is read from: ``wsgi.input``, an open file."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class Limits:
    """How much of a form is taken; what has more is refused with 413.

    body_bytes          of the body as it comes
    fields, files       how many of each
    memory_bytes        names and values of all fields together; also the body of a URL-encoded form
    header_bytes        of one header field of a part: its name and file name are in there
    file_memory_bytes   of a file in memory, before the rest of it goes into a temporary file without a name
    Raises ValueError for a number below 0.
    Source: RFC 7578 §7 leaves it to the reader.

    >>> Limits(files=1).files
    1
    """

    body_bytes: int = 64 << 20
    fields: int = MOST_FIELDS
    files: int = 100
    memory_bytes: int = 2 << 20
    header_bytes: int = 4 << 10
    file_memory_bytes: int = 64 << 10

    def __post_init__(self) -> None:
        for name, most in vars(self).items():
            if most < 0:
                raise ValueError(f"{name}={most!r}: want 0 or more")


DEFAULT_LIMITS = Limits()


class FormError(Exception):
    """A form that cannot be taken: by its client's fault, or for lack of room (`FormNotKept`).

    status   to answer with: 400 for a body that is no form, 413 for one of more than its limits, 415 for another type,
             507 where there is no room
    ``str(error)`` says what was wrong, in a sentence without a final stop.
    Source: RFC 9110 §15.5.1, §15.5.14, §15.5.16.

    >>> FormError(415, "want a form").status
    415
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class FormNotKept(FormError):
    """A form whose files cannot be kept while they are read, as on a full disk: by no fault of its client's.

    Its cause is the OSError of the temporary file.
    Source: RFC 4918 §11.5.

    >>> FormNotKept().status
    507
    """

    def __init__(self) -> None:
        super().__init__(507, "there is no room for the files of the form")


@dataclass(frozen=True)
class Upload:
    """A file of a form.

    name         of the form's field
    file_name    as the client calls it, unchecked: for showing, never for a path
    media_type   as the client calls it, unchecked, without parameters: ``"image/png"``
    size_bytes   of its content
    file         the content, open for reading at its beginning
    Source: RFC 7578 §4.2, §4.4.

    >>> import io
    >>> Upload("photo", "me.png", "image/png", 3, io.BytesIO(b"abc")).file.read()
    b'abc'
    """

    name: str
    file_name: str
    media_type: str
    size_bytes: int
    file: IO[bytes]


@dataclass(frozen=True)
class Form:
    """Fields and files of a form, in their order; names may come more than once.

    In a ``with`` block its files are closed at the end, which removes what is on disk.
    Source: RFC 7578 §4.3.

    >>> form = Form([("a", "1"), ("b", "2"), ("a", "3")])
    >>> form.get("a"), form.get_all("a"), form.get("c", "none")
    ('1', ['1', '3'], 'none')
    """

    fields: list[tuple[str, str]] = field(default_factory=list)
    files: list[Upload] = field(default_factory=list)

    def get(self, name: str, default: str | None = None) -> str | None:
        """The value of the first field called `name`, else `default`."""
        return next((value for given, value in self.fields if given == name), default)

    def get_all(self, name: str) -> list[str]:
        """The values of all fields called `name`."""
        return [value for given, value in self.fields if given == name]

    def get_file(self, name: str) -> Upload | None:
        """The first file called `name`, or None."""
        return next((upload for upload in self.files if upload.name == name), None)

    def close(self) -> None:
        """Close the files."""
        for upload in self.files:
            upload.file.close()

    def __enter__(self) -> "Form":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def parse_urlencoded(data: str | bytes, *, most_fields: int = MOST_FIELDS) -> list[tuple[str, str]]:
    """The (name, value) pairs of a query string, or of a body of application/x-www-form-urlencoded, in their order.

    data          bytes, or a native string as of WSGI
    most_fields   how many pairs, empty ones between ``&`` among them
    ``+`` is a blank, escapes are bytes of UTF-8. Bytes that are not become U+FFFD; escapes that are none stay.
    Raises FormError with the status 413 for more than `most_fields`, and nothing else.
    Source: WHATWG URL, "application/x-www-form-urlencoded parsing".

    >>> parse_urlencoded("a=1&b=x+y%26&c&a=%C3%A9")
    [('a', '1'), ('b', 'x y&'), ('c', ''), ('a', 'é')]
    """
    raw = data if isinstance(data, bytes) else as_bytes(data)
    pairs = raw.split(b"&", most_fields)
    if len(pairs) > most_fields:
        raise FormError(413, f"the form has more than {most_fields} fields")
    found = []
    for pair in pairs:
        if pair:
            name, _, value = pair.partition(b"=")
            found.append((decoded(name), decoded(value)))
    return found


def parse_form(
    stream: Readable, content_type: str | None, content_length: int | None, *, limits: Limits = DEFAULT_LIMITS
) -> Form:
    """The form that a body holds, of multipart/form-data or application/x-www-form-urlencoded.

    stream           the body; read to its end
    content_type     field value; None when the field is missing
    content_length   how many bytes to read; None = up to the end of `stream`
    limits           what has more is refused
    Text is UTF-8, whatever a part says; other bytes become U+FFFD. A part with a file name is a file; one with an empty
    name and no content is an input in which nobody has chosen a file, and is left out.
    Close the form, or use it in a ``with`` block. multipart/form-data wants ``pip install 'dragoman[middleware]'``.
    Raises FormError with the status to answer (`FormNotKept` where it is our fault), and whatever `stream` raises.
    Source: RFC 7578; WHATWG HTML, "Multipart form data".

    >>> import io
    >>> parse_form(io.BytesIO(b"a=1&b=2"), "application/x-www-form-urlencoded", 7).fields
    [('a', '1'), ('b', '2')]
    """
    media_type = parse_media_type(content_type or "")
    essence = "" if media_type is None else media_type.essence
    if content_length is not None and content_length > limits.body_bytes:
        raise FormError(413, f"the form has {content_length} bytes: at most {limits.body_bytes} are taken")
    if essence == URLENCODED:
        body = b"".join(chunks(stream, content_length, min(limits.body_bytes, limits.memory_bytes)))
        return Form(parse_urlencoded(body, most_fields=limits.fields))
    if media_type is None or essence != MULTIPART:
        raise FormError(415, f"want {MULTIPART} or {URLENCODED}, not {essence or 'nothing'}")
    boundary = media_type.parameters.get("boundary", "")
    if BOUNDARY.fullmatch(boundary) is None:
        raise FormError(400, "multipart/form-data wants a boundary of 1 to 70 characters")
    reading = Reading(limits)
    try:
        read_multipart(reading, chunks(stream, content_length, limits.body_bytes), boundary)
    except BaseException:
        reading.close()
        raise
    return reading.form


def field_in_beginning(beginning: bytes, content_type: str | None, name: str, *, is_whole: bool) -> str | None:
    """The first field called `name`, if all of it is in the beginning of a form; None else.

    beginning      the bytes that a body begins with; they are read to their end
    content_type   field value; None when the field is missing
    is_whole       whether that is all of the body: else a last pair may go on, and does not count
    For those who look for one field before the application reads the body: a token against forged requests.
    Never raises for what a client sends: there is no field in what is no form, or up to where it breaks.
    Source: see `parse_form`.

    >>> kind = "application/x-www-form-urlencoded"
    >>> field_in_beginning(b"a=1&b=2", kind, "b", is_whole=True)
    '2'
    >>> field_in_beginning(b"a=1&b=2", kind, "b", is_whole=False) is None
    True
    """
    media_type = parse_media_type(content_type or "")
    essence = "" if media_type is None else media_type.essence
    if essence == URLENCODED:
        pairs = beginning if is_whole else beginning.rpartition(b"&")[0]
        try:
            return Form(parse_urlencoded(pairs)).get(name)
        except FormError:
            return None
    boundary = "" if media_type is None else media_type.parameters.get("boundary", "")
    if essence != MULTIPART or BOUNDARY.fullmatch(boundary) is None:
        return None
    # Files stay in memory, where they are already.
    reading = Reading(Limits(memory_bytes=len(beginning), file_memory_bytes=len(beginning)))
    try:
        read_multipart(reading, iter((beginning,)), boundary)
    except FormError:
        pass  # where the beginning ends, if not before; the fields up to there are whole
    finally:
        reading.close()
    return reading.form.get(name)


class Reading:
    """A form of which a part may be unfinished."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.form = Form()
        self.memory_left = limits.memory_bytes
        self.name = ""
        self.file_name: str | None = None
        self.media_type = ""
        self.value: list[bytes] = []
        self.file: IO[bytes] | None = None
        self.size_bytes = 0

    def begin(self, name: str, file_name: str | None, media_type: str) -> None:
        self.name, self.file_name, self.media_type = name, file_name, media_type
        self.value, self.file, self.size_bytes = [], None, 0
        if file_name is None:
            self.take_memory(len(name))
            if len(self.form.fields) == self.limits.fields:
                raise FormError(413, f"the form has more than {self.limits.fields} fields")

    def write(self, data: bytes) -> None:
        self.size_bytes += len(data)
        if self.file_name is None:
            self.take_memory(len(data))
            self.value.append(data)
            return
        if self.file is None:
            self.open()
        assert self.file is not None
        try:
            self.file.write(data)
        except OSError as error:
            raise FormNotKept from error

    def finish(self) -> None:
        if self.file_name is None:
            self.form.fields.append((self.name, b"".join(self.value).decode("utf-8", "replace")))
            return
        if self.file is None and not self.file_name:
            return
        if self.file is None:
            self.open()
        assert self.file is not None
        try:
            # What is in a buffer still is written now.
            self.file.seek(0)
        except OSError as error:
            raise FormNotKept from error
        self.form.files.append(Upload(self.name, self.file_name, self.media_type, self.size_bytes, self.file))
        self.file = None

    def open(self) -> None:
        if len(self.form.files) == self.limits.files:
            raise FormError(413, f"the form has more than {self.limits.files} files")
        # Most forms have no files.
        import tempfile  # noqa: PLC0415

        # 0 would mean no limit there. The form closes it.
        self.file = tempfile.SpooledTemporaryFile(max(self.limits.file_memory_bytes, 1))  # noqa: SIM115

    def take_memory(self, count: int) -> None:
        self.memory_left -= count
        if self.memory_left < 0:
            raise FormError(413, f"the fields of the form have more than {self.limits.memory_bytes} bytes")

    def close(self) -> None:
        if self.file is not None:
            # A full disk refuses what is in its buffer once more; it is closed all the same.
            with suppress(OSError):
                self.file.close()
        self.form.close()


def read_multipart(reading: Reading, body: Iterator[bytes], boundary: str) -> None:
    multipart = multipart_module()
    limits = reading.limits
    parser = multipart.PushMultipartParser(
        boundary,
        max_header_size=limits.header_bytes,
        max_header_count=MOST_PART_FIELDS,
        max_segment_count=limits.fields + limits.files,
    )
    try:
        for chunk in from_boundary(body, boundary):
            for event in parser.parse(chunk):
                if isinstance(event, bytes):
                    reading.write(event)
                elif event is None:
                    reading.finish()
                elif sum(name == "Content-Disposition" for name, _ in event.headerlist) > 1:
                    # The library takes the last, and a guard before us may have taken the first.
                    raise FormError(400, "a part of the form has two names")
                elif event.name:
                    reading.begin(event.name, event.filename, event.content_type or "application/octet-stream")
                else:
                    raise FormError(400, "a part of the form has no name")
        parser.close()
    except multipart.ParserLimitReached as error:
        raise FormError(413, f"the form is too large: {error}") from error
    except multipart.MultipartError as error:
        raise FormError(400, f"the body is no multipart/form-data: {error}") from error


def from_boundary(body: Iterator[bytes], boundary: str) -> Iterator[bytes]:
    """The body, whose first block has the whole first boundary.

    RFC 2046 §5.1.1 lets text come before it, which no form has. The library passes over it, and what it makes of the
    bytes just before the boundary depends on where the body was cut: a second reading.
    """
    delimiter = b"--" + boundary.encode("ascii")
    begun = b""
    for chunk in body:
        begun += chunk
        if len(begun) >= len(delimiter) + 2:
            break
    if not begun.removeprefix(b"\r\n").startswith(delimiter):
        raise FormError(400, "the body does not begin with its boundary")
    yield begun
    yield from body


def multipart_module() -> Any:
    """The PyPI library `multipart`, which takes part only when it is needed."""
    try:
        import multipart  # noqa: PLC0415
    except ImportError as error:
        raise ImportError(
            "multipart/form-data wants the library multipart: pip install 'dragoman[middleware]'"
        ) from error
    # Old releases of python-multipart bring another module of that name.
    if not hasattr(multipart, "PushMultipartParser"):
        raise ImportError(
            f"{multipart.__file__} is not the library multipart, or an old one: pip install 'dragoman[middleware]', and"
            " pip uninstall python-multipart if it is older than 0.0.13"
        )
    return multipart


def chunks(stream: Readable, content_length: int | None, most_bytes: int) -> Iterator[bytes]:
    read_bytes = 0
    while content_length is None or read_bytes < content_length:
        left = CHUNK_BYTES if content_length is None else content_length - read_bytes
        chunk = stream.read(min(left, CHUNK_BYTES))
        if not chunk:
            if content_length is not None:
                raise FormError(400, f"the body ends after {read_bytes} of {content_length} bytes")
            return
        read_bytes += len(chunk)
        if read_bytes > most_bytes:
            raise FormError(413, f"the form has more than {most_bytes} bytes")
        yield chunk


def as_bytes(native: str) -> bytes:
    try:
        return native.encode("latin-1")
    except UnicodeEncodeError:
        return native.encode("utf-8", "replace")


def decoded(escaped: bytes) -> str:
    # Escapes in a row are one piece of work: with an object for each a body full of them takes seconds.
    return ESCAPES.sub(unescaped, escaped.replace(b"+", b" ")).decode("utf-8", "replace")


def unescaped(run: re.Match[bytes]) -> bytes:
    return unhexlify(run[0].replace(b"%", b""))
