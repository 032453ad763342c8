"""`Response`: a status, header fields and a body, of one block or a stream of blocks; a WSGI application itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextvars import Context as VarContext
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import msgspec

from dragoman.http import cookies
from dragoman.http.cookies import SameSite
from dragoman.http.dates import parse_http_date
from dragoman.http.fields import Headers as Pairs
from dragoman.http.fields import is_field_value
from dragoman.http.media_types import parse_media_type
from dragoman.http.statuses import is_bodiless, status_line
from dragoman.middleware.passing import close_of
from dragoman.types import Environ, StartResponse
from dragoman.web.headers import GivenHeaders, Headers
from dragoman.web.late import Late
from dragoman.web.response_fields import ResponseFields, seconds_of

if TYPE_CHECKING:
    from dragoman.http import conditionals
    from dragoman.http.conditionals import ETag
    from dragoman.middleware import unmodified
    from dragoman.web.request import Request
else:
    conditionals = Late("dragoman.http.conditionals")
    unmodified = Late("dragoman.middleware.unmodified")

__all__ = ["HTML", "JSON", "OK", "Response", "StreamedBody"]

AtEnd: TypeAlias = Callable[[BaseException | None], object]

HTML = "text/html; charset=utf-8"
JSON = "application/json"
OK = "200 OK"
STATUS_LINE = re.compile(r"([2-9][0-9]{2})(?: (.*))?")


class Response(ResponseFields):
    r"""An answer.

    response      text, bytes, an iterable of either, or None for nothing. A generator is sent block by block.
    status        a number, or a line such as ``"404 Not Found"``
    headers       fields as a mapping or as pairs
    mimetype      of the body; a charset is added where it is text
    content_type  the same as a whole; default ``text/html; charset=utf-8``

    It is a WSGI application: ``response(environ, start_response)`` sends it.

    >>> Response("hello", mimetype="text/plain").headers["Content-Type"]
    'text/plain; charset=utf-8'
    """

    default_mimetype: ClassVar[str] = "text/html"

    __slots__ = ("__dict__", "__weakref__", "body", "closing", "line", "pairs", "passes", "stream")

    line: str
    """The status line."""
    pairs: Pairs | tuple[tuple[str, str], ...]
    """The header fields themselves, of which `headers` is a view; a tuple, which others may have, until then."""
    body: bytes
    stream: Iterable[Any] | None
    passes: bool
    """`is_passthrough` of a stream; not there without one."""
    closing: tuple[Callable[[], object], ...]

    def __init__(
        self,
        response: str | bytes | bytearray | memoryview | Iterable[str] | Iterable[bytes] | None = None,
        status: int | str | None = None,
        headers: GivenHeaders | None = None,
        mimetype: str | None = None,
        content_type: str | None = None,
    ) -> None:
        self.pairs = [] if headers is None else Headers(headers).pairs
        self.line = OK if status is None else line_of(status)
        self.body = b""
        self.stream = None
        self.passes = False
        self.closing = ()
        if content_type is not None:
            self.headers["Content-Type"] = content_type
        elif mimetype is not None or "Content-Type" not in self.headers:
            self.mimetype = mimetype or self.default_mimetype
        if isinstance(response, str):
            self.body = response.encode()
        elif isinstance(response, bytes | bytearray | memoryview):
            self.body = bytes(response)
        elif response is not None:
            self.response = response

    # Status

    @property
    def status(self) -> Any:
        """The status as a line: ``"404 Not Found"``."""
        return self.line

    @status.setter
    def status(self, status: int | str) -> None:
        self.line = line_of(status)

    @property
    def status_code(self) -> int:
        """The status as a number."""
        return int(self.line[:3])

    @status_code.setter
    def status_code(self, code: int) -> None:
        self.line = line_of(code)

    # Fields

    @property
    def headers(self) -> Headers:
        """The header fields."""
        pairs = self.pairs
        if not isinstance(pairs, list):
            pairs = self.pairs = list(pairs)
        return Headers.of(pairs)

    @headers.setter
    def headers(self, given: GivenHeaders) -> None:
        self.pairs = Headers(given).pairs

    @property
    def content_type(self) -> str | None:
        """The field Content-Type."""
        return self.headers.get("Content-Type")

    @content_type.setter
    def content_type(self, value: str) -> None:
        self.headers["Content-Type"] = value

    @property
    def mimetype(self) -> str:
        """The type without parameters."""
        media_type = parse_media_type(self.content_type or "")
        return "" if media_type is None else media_type.essence

    @mimetype.setter
    def mimetype(self, value: str) -> None:
        is_text = value.startswith("text/") or value in ("application/javascript", "application/xml")
        self.headers["Content-Type"] = f"{value}; charset=utf-8" if is_text and "charset" not in value else value

    @property
    def mimetype_params(self) -> dict[str, str]:
        """The type's parameters."""
        media_type = parse_media_type(self.content_type or "")
        return {} if media_type is None else dict(media_type.parameters)

    # Body

    @property
    def response(self) -> Iterable[Any]:
        """The body's blocks."""
        return [self.body] if self.stream is None else self.stream

    @response.setter
    def response(self, blocks: Iterable[Any]) -> None:
        self.is_passthrough = False
        if isinstance(blocks, list | tuple):
            self.stream = None
            self.body = b"".join(as_bytes(block) for block in blocks)
        elif isinstance(blocks, Iterable):
            self.body = b""
            self.stream = blocks
        else:
            raise TypeError(f"a body is {type(blocks).__name__}: want text, bytes, or an iterable of either")

    @property
    def is_passthrough(self) -> bool:
        """Whether the stream is the server's own file wrapper, which goes out as it is."""
        return self.stream is not None and self.passes

    @is_passthrough.setter
    def is_passthrough(self, value: bool) -> None:
        self.passes = value

    @property
    def is_streamed(self) -> bool:
        """Whether the blocks come one by one, so that their number and length are not known."""
        return self.stream is not None

    @property
    def is_sequence(self) -> bool:
        """Whether the body is in memory, so that its length is known."""
        return self.stream is None

    def make_sequence(self) -> None:
        """Read a stream to its end, so that the body is in memory."""
        self.get_data()

    def calculate_content_length(self) -> int | None:
        """Bytes of the body; None for a stream."""
        return len(self.body) if self.stream is None else None

    def iter_encoded(self) -> Iterator[bytes]:
        """The body's blocks as bytes; a stream is read by that."""
        return map(as_bytes, self.response)

    @property
    def data(self) -> bytes:
        """The body in memory; a stream is read to its end for it."""
        body: bytes = self.get_data()
        return body

    @data.setter
    def data(self, value: str | bytes) -> None:
        self.set_data(value)

    def get_data(self, as_text: bool = False) -> Any:
        """The body, as bytes or as text of UTF-8; a stream is read to its end."""
        if self.stream is not None:
            stream, self.stream = self.stream, None
            try:
                self.body = b"".join(as_bytes(block) for block in stream)
            finally:
                close_of(stream)
        return self.body.decode("utf-8", "replace") if as_text else self.body

    def set_data(self, value: str | bytes) -> None:
        """Replace the body."""
        self.stream = None
        self.body = as_bytes(value)
        if "Content-Length" in self.headers:
            self.headers["Content-Length"] = len(self.body)

    @property
    def text(self) -> str:
        """The body as text."""
        text: str = self.get_data(as_text=True)
        return text

    @property
    def json(self) -> Any:
        """What the body says in JSON."""
        return self.get_json()

    def get_json(self, force: bool = False, silent: bool = False) -> Any:
        """The same; None for another type than JSON, unless `force`; `silent`: None for what is no JSON, too."""
        if not (force or self.is_json):
            return None
        try:
            return msgspec.json.decode(self.get_data())
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            if silent:
                return None
            raise

    @property
    def is_json(self) -> bool:
        """Whether the type says JSON."""
        media_type = parse_media_type(self.content_type or "")
        return media_type is not None and media_type.is_json

    @property
    def content_length(self) -> int | None:
        """Bytes of the body, by the field or by what there is; None for a stream. The field is set when it is sent."""
        value = self.headers.get("Content-Length")
        return self.calculate_content_length() if value is None else int(value)

    @content_length.setter
    def content_length(self, value: int) -> None:
        self.headers["Content-Length"] = value

    # Fields

    def set_cookie(
        self,
        key: str,
        value: str = "",
        max_age: int | timedelta | None = None,
        expires: float | datetime | None = None,
        path: str | None = "/",
        domain: str | None = None,
        secure: bool = False,
        httponly: bool = True,
        samesite: SameSite | None = "Lax",
        partitioned: bool = False,
    ) -> None:
        """Set a cookie; scripts do not see it and other sites' forms do not send it, unless you say so.

        value   any text; what a cookie cannot hold is escaped, and `Request.cookies` gives it unescaped only through
                `dragoman.http.cookies.decode_value`
        Raises ValueError for what browsers would drop.
        """
        if not isinstance(value, str):
            raise TypeError(f"cookie {key}: want a text as its value, got {type(value).__name__}")
        field = cookies.set_cookie(
            key,
            value if cookies.COOKIE_VALUE.fullmatch(value) else cookies.encode_value(value),
            max_age=int(max_age.total_seconds()) if isinstance(max_age, timedelta) else max_age,
            expires=seconds_of(expires),
            path=path,
            domain=domain,
            secure=secure,
            http_only=httponly,
            same_site=samesite,
            partitioned=partitioned,
        )
        self.headers.add("Set-Cookie", field)

    def delete_cookie(
        self,
        key: str,
        path: str | None = "/",
        domain: str | None = None,
        secure: bool = False,
        httponly: bool = True,
        samesite: SameSite | None = "Lax",
        partitioned: bool = False,
    ) -> None:
        """End a cookie; path and domain are those that it was set with."""
        self.headers.add(
            "Set-Cookie",
            cookies.delete_cookie(
                key,
                path=path,
                domain=domain,
                secure=secure,
                http_only=httponly,
                same_site=samesite,
                partitioned=partitioned,
            ),
        )

    def get_etag(self) -> ETag | None:
        """The field ETag, read."""
        return conditionals.parse_etag(self.headers.get("ETag", "") or "")

    def set_etag(self, etag: str, weak: bool = False) -> None:
        """Set the field ETag; `etag` is what stands between the quotes."""
        self.headers["ETag"] = str(conditionals.ETag(etag, is_weak=weak))

    def add_etag(self) -> None:
        """Set an ETag of the body's digest, where there is none and the body is no stream."""
        if "ETag" not in self.headers and self.stream is None:
            import hashlib  # noqa: PLC0415

            self.set_etag(hashlib.blake2b(self.body, digest_size=16).hexdigest())

    def make_conditional(self, request_or_environ: Request | Environ) -> Response:
        """Become 304 or 412 where the request's conditions say so, by ETag and Last-Modified. Gives the same object."""
        environ = request_or_environ if isinstance(request_or_environ, dict) else request_or_environ.environ
        if not 200 <= self.status_code < 300:
            return self
        modified = parse_http_date(self.headers.get("Last-Modified", "") or "")
        outcome = unmodified.outcome_of(environ, self.get_etag(), modified)
        if outcome is not conditionals.Outcome.PROCEED:
            self.close_stream()
            self.status = outcome.value
            self.set_data(b"")
            for name in ("Content-Length", "Content-Type"):
                del self.headers[name]
        return self

    # Sending

    def call_on_close(self, function: Callable[[], object]) -> Callable[[], object]:
        """Have `function` called when the answer has been sent, or never will be.

        A hook that puts another response in its place takes that over.
        """
        self.closing = (*self.closing, function)
        return function

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Send it, as PEP 3333 has it."""
        return self.sent(environ["REQUEST_METHOD"], start_response)

    def sent(
        self,
        method: str,
        start_response: StartResponse,
        context: VarContext | None = None,
        at_end: AtEnd | None = None,
    ) -> Iterable[bytes]:
        """The same.

        context   in which the blocks of a stream are made, so that they see what the handler saw
        at_end    called when a stream has ended, with what was raised meanwhile or None
        """
        if self.line == OK and self.stream is None and not self.closing:
            # As most are: what is below comes to the same.
            for name, _ in self.pairs:
                if name.lower() == "content-length":
                    break
            else:
                body = self.body
                start_response(OK, [*self.pairs, length_field(len(body))])
                return [body] if body and method != "HEAD" else []
        has_body = method != "HEAD" and (self.line == OK or not is_bodiless(self.status_code))
        source = self.stream
        if source is None:
            source = [self.body] if has_body and self.body else []
            if not self.closing:
                start_response(self.line, self.fields(method))
                return source
        blocks = StreamedBody(source, self.closing, context, at_end)
        try:
            start_response(self.line, self.fields(method))
        except BaseException as error:
            blocks.raised = error
            blocks.close()
            raise
        if not has_body:
            # It is there for being closed.
            blocks.blocks = iter(())
        elif self.is_passthrough and at_end is None and not self.closing:
            return source
        return blocks

    def fields(self, method: str) -> Pairs:
        """The header fields as they are sent. The length of a body in memory is what it is, whatever has been said."""
        pairs = self.pairs
        if self.line != OK and is_bodiless(self.status_code):
            return [pair for pair in pairs if pair[0].lower() not in ("content-length", "content-type")]
        if self.stream is not None:
            return list(pairs)
        length = length_field(len(self.body))
        for name, _ in pairs:
            if name.lower() == "content-length":
                break
        else:
            return [*pairs, length]
        if method == "HEAD" and not self.body:
            # A handler for HEAD alone says what GET would give.
            return list(pairs)
        return [*(pair for pair in pairs if pair[0].lower() != "content-length"), length]

    def close_stream(self) -> None:
        """Close the blocks, which nobody will send."""
        stream, self.stream = self.stream, None
        close_of(stream)

    def close(self) -> None:
        """Close the blocks, and call what waits for the end, once: for who has a response and does not send it."""
        blocks = StreamedBody(() if self.stream is None else self.stream, self.closing)
        self.closing, self.stream = (), None if self.stream is None else ()
        blocks.close()

    def __repr__(self) -> str:
        size = "streamed" if self.stream is not None else f"{len(self.body)} bytes"
        return f"<Response {size} [{self.status}]>"


class StreamedBody:
    """Blocks that are made one by one, each in the context of the handler; close() ends all that belongs to them."""

    __slots__ = ("at_end", "blocks", "closing", "context", "raised", "source")

    def __init__(
        self,
        source: Iterable[Any],
        closing: tuple[Callable[[], object], ...],
        context: VarContext | None = None,
        at_end: AtEnd | None = None,
    ) -> None:
        self.source = source
        self.closing = closing
        self.context = context
        self.at_end = at_end
        self.blocks: Iterator[Any] | None = None
        self.raised: BaseException | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self.context is not None:
            return self.context.run(self.step)
        return self.step()

    def step(self) -> bytes:
        try:
            if self.blocks is None:
                self.blocks = iter(self.source)
            return as_bytes(next(self.blocks))
        except StopIteration:
            raise
        except BaseException as error:
            self.raised = error
            raise

    def close(self) -> None:
        """Close the blocks, and then call what waits for that, whatever either raises; the first time."""
        close = getattr(self.source, "close", None)
        tasks = [close, *self.closing] if close is not None else self.closing
        if self.at_end is not None:
            tasks = [*tasks, partial(self.tell, self.at_end)]
        self.source, self.closing, self.at_end = (), (), None
        self.run(iter(tasks))

    def run(self, tasks: Iterator[Callable[[], object]]) -> None:
        try:
            for task in tasks:
                task() if self.context is None else self.context.run(task)
        except BaseException as error:
            self.raised = self.raised or error
            self.run(tasks)
            raise

    def tell(self, at_end: AtEnd) -> None:
        at_end(self.raised)


def length_field(length_bytes: int) -> tuple[str, str]:
    """The field that says how long a body is."""
    return ("Content-Length", str(length_bytes))


def as_bytes(block: object) -> bytes:
    if isinstance(block, bytes):
        return block
    if isinstance(block, str):
        return block.encode()
    if isinstance(block, bytearray | memoryview):
        return bytes(block)
    raise TypeError(f"a block of a body is {type(block).__name__}: want str or bytes")


def line_of(status: object) -> str:
    """The line of a status, which is a number or a line already."""
    if isinstance(status, int) and 200 <= status <= 999:
        return status_line(int(status))
    if isinstance(status, str) and is_field_value(status) and (line := STATUS_LINE.fullmatch(status)):
        return status if line[2] else status_line(int(line[1]))
    raise ValueError(
        f"status {status!r}: want a number from 200 to 999, or a line such as '404 Not Found'; 1xx are no answers"
    )
