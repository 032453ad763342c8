"""`Conditional`: an ETag for responses that have none, and 304 for clients that have them already."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from dragoman.http.conditionals import Outcome, evaluate, parse_etag
from dragoman.http.dates import parse_http_date
from dragoman.http.fields import has
from dragoman.middleware.answer import plain
from dragoman.middleware.layer import Layer
from dragoman.middleware.passing import Headers
from dragoman.middleware.paths import PathTable, path_of
from dragoman.middleware.unmodified import NOT_MODIFIED, not_modified
from dragoman.middleware.withholding import Body, Handling, Held
from dragoman.types import Environ, StartResponse, WSGIApplication

__all__ = ["Conditional"]

# RFC 9110, section 13.1: what makes a GET or HEAD conditional.
CONDITIONS = ("HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_MATCH", "HTTP_IF_UNMODIFIED_SINCE")
# What `validators` finds where the application gives none.
NONE = (None, None)
UNCONDITIONAL = [None] * len(CONDITIONS)
FAILED = plain("412 Precondition Failed", "What is there is not what the request is about.")


class Conditional(Layer):
    """Answers 304 where the client has the response already.

    etags       whether responses to GET that have no ETag get one, made of their body. Only a body of one known block
                is looked at: a stream goes through as it is.
    max_bytes   larger bodies get no ETag
    exempt      paths (with all below them) whose responses are left alone

    The ETag and the Last-Modified of the application count where it sets them. The application runs all the same: what
    is saved is the way to the client. Responses with ``Cache-Control: no-store`` get no ETag.
    Raises ValueError for settings that make no sense.
    Source: RFC 9110, sections 8.8 and 13.

        app = Conditional(app)
    """

    def __init__(
        self,
        app: WSGIApplication | None = None,
        *,
        etags: bool = True,
        max_bytes: int = 1 << 20,
        exempt: Iterable[str] = (),
    ) -> None:
        super().__init__(app)
        if type(max_bytes) is not int or max_bytes < 0:
            raise ValueError(f"max_bytes: want a number of bytes, 0 or more, got {max_bytes!r}")
        self.etags = etags
        self.max_bytes = max_bytes
        self.exempt = PathTable.of(exempt, "exempt")

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer the request, in full or with 304."""
        method = environ.get("REQUEST_METHOD", "")
        if method not in ("GET", "HEAD"):
            return self.app(environ, start_response)
        if self.exempt.rows:
            is_exempt = self.exempt.find(path_of(environ), False)
            if is_exempt:
                return self.app(environ, start_response)
        return Judging(start_response, self, environ, method).answer(self.app, environ)

    def is_fit(self, headers: Headers) -> bool:
        """Whether such a response may get an ETag, should its body be of one block."""
        for given, value in headers:
            name = given.lower()
            if name == "cache-control" and "no-store" in value.lower():
                return False
            if name == "content-length" and not (value.isdecimal() and int(value) <= self.max_bytes):
                return False
        return True


class Judging(Held):
    """A response to GET or HEAD."""

    def __init__(self, start_response: StartResponse, layer: Conditional, environ: Environ, method: str) -> None:
        self.start_response = start_response
        self.layer = layer
        self.method = method
        self.conditions = [environ.get(name) for name in CONDITIONS]
        self.is_conditional = self.conditions != UNCONDITIONAL

    def wants(self, status: str, headers: Headers) -> Headers | None:
        if not status.startswith("200"):
            return headers
        found = validators(headers)
        if found is None:
            return headers
        if found != NONE:
            return None if self.is_conditional and self.judged(found) else headers
        is_to_get_one = self.layer.etags and self.method == "GET" and self.layer.is_fit(headers)
        return None if is_to_get_one else headers

    def decide(self, status: str, headers: Headers, body: Body) -> Handling:
        found = validators(headers) or NONE
        if found == NONE:
            if not body.is_whole or len(body.block) > self.layer.max_bytes:
                return Handling(status, headers)
            found = f'"{digest(body.block)}"', None
            headers.append(("ETag", found[0]))
            if not has(headers, "Content-Length"):
                headers.append(("Content-Length", str(len(body.block))))
        outcome = self.judged(found) if self.is_conditional else 0
        if outcome == Outcome.NOT_MODIFIED.value:
            return Handling(NOT_MODIFIED, not_modified(headers), instead=b"")
        if outcome:
            fields = [*FAILED.headers, ("Content-Length", str(len(FAILED.body)))]
            return Handling(FAILED.status, fields, instead=b"" if self.method == "HEAD" else FAILED.body)
        return Handling(status, headers)

    def judged(self, found: tuple[str | None, str | None]) -> int:
        """The status that the request's conditions come to; 0 for the response as it is."""
        none_match, modified_since, match, unmodified_since = self.conditions
        tag, last_modified = found
        return evaluate(
            self.method,
            if_match=match,
            if_none_match=none_match,
            if_modified_since=modified_since,
            if_unmodified_since=unmodified_since,
            etag=None if tag is None else parse_etag(tag),
            last_modified=None if last_modified is None else parse_http_date(last_modified),
        ).value


def validators(headers: Headers) -> tuple[str | None, str | None] | None:
    """ETag and Last-Modified; None where the fields are none, and the server says so."""
    tag = last_modified = None
    try:
        for given, value in headers:
            name = given.lower()
            if name == "etag":
                tag = value
            elif name == "last-modified":
                last_modified = value
    except (AttributeError, TypeError, ValueError):
        return None
    return tag, last_modified


def digest(block: bytes) -> str:
    return hashlib.blake2b(block, digest_size=16).hexdigest()
