"""`ErrorPages`: a page for what has failed, as HTML, JSON or text, whichever the client likes best."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from dragoman.http.fields import add_token, put
from dragoman.http.statuses import status_line
from dragoman.middleware.development import is_development
from dragoman.middleware.error_forms import KINDS, Failure, form_of
from dragoman.middleware.exchange import EXCEPTION
from dragoman.middleware.layer import Layer
from dragoman.middleware.passing import Headers, close_of, is_file_response
from dragoman.middleware.paths import path_of
from dragoman.middleware.request_id import REQUEST_ID
from dragoman.types import Environ, ExcInfo, StartResponse, Write, WSGIApplication

__all__ = ["ErrorPages", "Failure"]

log = logging.getLogger("dragoman.middleware")

# What the body that is replaced was described with.
OF_THE_BODY = {
    "content-type", "content-length", "content-encoding", "content-language", "content-range", "etag", "last-modified",
    "accept-ranges", "content-md5", "digest", "repr-digest", "content-digest",
}  # fmt: skip
# How servers call it when a client goes away in mid-request: nobody is left to see a page, and nothing has failed.
CLIENT_IS_GONE = {"ClientDisconnected", "NoMoreData"}


ERROR = re.compile(r"[45][0-9]{2}(?: |\Z)")

Raised: TypeAlias = ExcInfo | tuple[None, None, None] | None


class ErrorPages(Layer):
    """Answers an exception of the application, and an answer of status 4xx or 5xx without a body, with a page.

    html      function that makes the HTML page of a `Failure`, in the place of the library's own
    statuses  exception type → status; any other exception is 500
    empty     whether 4xx and 5xx answers without a body get a page; their other fields stay
    first     ``"html"``, ``"json"`` or ``"text"``: what a client gets that takes all alike
    debug     whether the page shows the traceback; None: under ``dragoman --dev`` alone
    reraise   True, or exception types: passed on to the server as they are, not logged and without a page

    Exceptions are logged with their traceback by the logger ``dragoman.middleware``, those with a status below 500 as
    one line. A page can only take the place of an answer of which nothing has been sent: an exception in mid-body is
    logged and passed on, and the server cuts the connection. JSON is RFC 9457's; the id of the request is shown where
    there is one.
    Raises ValueError for what is no status or form, TypeError for what is no exception type.
    Source: PEP 3333, "Error Handling"; RFC 9457; RFC 9110, section 12.5.1.

        app = ErrorPages(app, statuses={PermissionError: 403})
    """

    def __init__(
        self,
        app: WSGIApplication | None = None,
        *,
        html: Callable[[Failure], str] | None = None,
        statuses: Mapping[type[Exception], int] | None = None,
        empty: bool = True,
        first: str = "html",
        debug: bool | None = None,
        reraise: bool | Iterable[type[BaseException]] = False,
    ) -> None:
        super().__init__(app)
        if html is not None and not callable(html):
            raise ValueError(f"html: want a function that takes a Failure, got {html!r}")
        if first not in KINDS:
            raise ValueError(f"first: want one of {', '.join(KINDS)}, got {first!r}")
        for kind, status in (statuses or {}).items():
            check_exception(kind, "statuses")
            if isinstance(status, bool) or status not in range(400, 600):
                raise ValueError(f"statuses: {kind.__name__}: want a status from 400 to 599, got {status!r}")
        types = () if isinstance(reraise, bool) else tuple(reraise)
        for type_ in types:
            check_exception(type_, "reraise")
        self.html = html
        self.statuses = dict(statuses or {})
        self.empty = empty
        self.first = first
        self.debug = is_development() if debug is None else debug
        self.reraise = (BaseException,) if reraise is True else types

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer the request, with a page if it fails."""
        going = Going(self, environ, start_response)
        try:
            result = self.app(environ, going.started)
        except Exception as error:
            return [going.page_of(error)]
        return going.passed_on(result)

    def status_of(self, error: BaseException) -> int:
        """The status that stands for an exception; of its types the nearest counts."""
        return next((self.statuses[kind] for kind in type(error).__mro__ if kind in self.statuses), 500)


class Head(NamedTuple):
    """A head that has not been passed on yet."""

    status: str
    headers: Headers
    exc_info: Raised


class Going:
    """One request under way."""

    def __init__(self, layer: ErrorPages, environ: Environ, start_response: StartResponse) -> None:
        self.layer = layer
        self.environ = environ
        self.start_response = start_response
        # The head of an error, for as long as nobody knows whether it has a body.
        self.held: Head | None = None
        # The server's write() for a head that was held.
        self.write: Write | None = None
        # Whether something of the body has gone out, so that the head cannot be replaced any more.
        self.has_body = False

    def started(self, status: str, headers: Headers, exc_info: Raised = None, /) -> Write:
        """The start_response for the inside."""
        is_replaced = self.held is None or exc_info is not None
        if not is_replaced:
            # A second head without exc_info is the application's mistake, and the server's to say.
            self.release()
        # What has gone out already cannot be replaced: then it is the server's to raise what the application came with.
        if is_replaced and not self.has_body and self.layer.empty and self.is_error(status, headers):
            self.held = Head(status, headers, exc_info)
            return self.written
        self.held = None
        write = pass_head(self.start_response, status, headers, exc_info)

        def written(block: bytes, /) -> object:
            self.has_body = self.has_body or bool(block)
            return write(block)

        return written

    def is_error(self, status: object, headers: object) -> bool:
        """Whether an answer with that head may get a page."""
        return (
            isinstance(status, str)
            and isinstance(headers, list)
            and ERROR.match(status) is not None
            and self.environ.get("REQUEST_METHOD") != "HEAD"
        )

    def written(self, block: bytes, /) -> object:
        """The write() of a head that is held."""
        self.has_body = self.has_body or bool(block)
        self.release()
        return self.write(block) if self.write is not None else None

    def release(self) -> None:
        """Pass on the head that is held."""
        head, self.held = self.held, None
        if head is not None:
            self.write = pass_head(self.start_response, *head)

    def passed_on(self, result: Iterable[bytes]) -> Iterable[bytes]:
        """The result of the application, or a page in its place."""
        if type(result) in (list, tuple):
            # All of it is here, and nothing of it can raise.
            if self.held is not None and not any(result):
                return [self.page_of_status()]
            self.release()
            return result
        if is_file_response(self.environ, result):
            self.release()
            return result
        # The number of blocks is kept where it is known: from one alone a server makes the Content-Length.
        return SizedGuarded(self, result) if hasattr(result, "__len__") else Guarded(self, result)

    def page_of(self, error: Exception) -> bytes:
        """The body of the page for an exception, its head passed on. Raises it where no page can be given."""
        if isinstance(error, self.layer.reraise) or CLIENT_IS_GONE & {kind.__name__ for kind in type(error).__mro__}:
            raise error
        status = self.layer.status_of(error)
        self.tell(error, status)
        if self.has_body:
            raise error
        self.held = None
        # For those outside that count or record it.
        self.environ[EXCEPTION] = error
        headers: Headers = [("Cache-Control", "no-store")]
        return self.page(status_line(status), headers, sys.exc_info(), error)

    def page_of_status(self) -> bytes:
        """The body of the page for the head that is held, which is passed on with its other fields."""
        head, self.held = self.held, None
        assert head is not None
        headers = [field for field in head.headers if field[0].lower() not in OF_THE_BODY]
        return self.page(head.status, headers, head.exc_info, None)

    def page(self, status: str, headers: Headers, exc_info: Any, error: BaseException | None) -> bytes:
        request_id = self.environ.get(REQUEST_ID)
        failure = Failure(int(status[:3]), status[4:], request_id, path_of(self.environ), error, self.layer.debug)
        kind, body = form_of(failure, self.environ.get("HTTP_ACCEPT"), self.layer.first, self.layer.html)
        put(headers, "Content-Type", kind)
        put(headers, "Content-Length", str(len(body)))
        add_token(headers, "Vary", "Accept")
        pass_head(self.start_response, status, headers, exc_info)
        self.has_body = True
        return body if self.environ.get("REQUEST_METHOD") != "HEAD" else b""

    def tell(self, error: BaseException, status: int) -> None:
        """Log an exception: a fault with all that is known, what stands for a 4xx as one line."""
        request_id = self.environ.get(REQUEST_ID, "-")
        what = (self.environ.get("REQUEST_METHOD"), path_of(self.environ), request_id)
        if status < 500:
            # Quoted: a line break in it, which may be the client's, would begin a line of its own.
            log.info("%r %r (request %s): %d, by %s: %r", *what, status, type(error).__name__, str(error))
        else:
            log.error("%r %r (request %s) has failed", *what, exc_info=error)


class Guarded:
    """The blocks of the application; a page where they fail before the first of them."""

    def __init__(self, going: Going, result: Iterable[bytes]) -> None:
        self.going = going
        self.result = result
        self.blocks: Iterator[bytes] | None = None
        self.is_over = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self.is_over:
            raise StopIteration
        going = self.going
        try:
            if self.blocks is None:
                self.blocks = iter(self.result)
            block = next(self.blocks)
        except StopIteration:
            self.is_over = True
            if going.held is not None:
                return going.page_of_status()
            raise
        except Exception as error:
            self.is_over = True
            return going.page_of(error)
        if going.held is not None:
            if not block and is_declared_empty(going.held.headers):
                self.is_over = True
                return going.page_of_status()
            going.release()
        going.has_body = going.has_body or bool(block)
        return block

    def close(self) -> None:
        """Close what is inside."""
        close_of(self.result)


class SizedGuarded(Guarded):
    """The same, with the number of blocks."""

    def __len__(self) -> int:
        # Where a page will come in the place of none, it is one.
        return len(self.result) or int(self.going.held is not None)  # type: ignore[arg-type]


def pass_head(start_response: StartResponse, status: str, headers: Headers, exc_info: Raised) -> Write:
    # PEP 3333: the third argument is an optional one, and there are servers that tell None from none.
    if exc_info is None:
        return start_response(status, headers)
    return start_response(status, headers, exc_info)


def is_declared_empty(headers: Headers) -> bool:
    return any(field[0].lower() == "content-length" and field[1].strip() == "0" for field in headers)


def check_exception(kind: object, what: str) -> None:
    if not (isinstance(kind, type) and issubclass(kind, BaseException)):
        raise TypeError(f"{what}: want types of exceptions, got {kind!r}")
