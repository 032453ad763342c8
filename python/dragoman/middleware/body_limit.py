"""`BodyLimit`: request bodies that are too large are refused, before they are read where that can be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dragoman.middleware.answer import Answer, plain
from dragoman.middleware.layer import Layer
from dragoman.middleware.paths import PathTable, path_of
from dragoman.middleware.request_bodies import Refusal, declared_length, guarded, has_unknown_length
from dragoman.types import Environ, StartResponse, WSGIApplication

__all__ = ["BodyLimit"]

BAD_LENGTH = plain("400 Bad Request", "Content-Length is no number.")


class BodyLimit(Layer):
    """Answers 413 to requests with a larger body than is wanted.

    max_bytes   the largest body; None is for any
    by_path     other limits for some paths, with all below them: ``{"/upload": 100 << 20, "/import": None}``

    A declared length is judged before anything is read. A body without one is counted while the application reads it:
    past the limit `BodyRefused` is raised there, and 413 is answered whatever the application makes of it.
    Raises ValueError for what is no number of bytes.
    Source: RFC 9110, section 15.5.14.

        app = BodyLimit(app, max_bytes=1 << 20, by_path={"/upload": 100 << 20})
    """

    def __init__(
        self,
        app: WSGIApplication | None = None,
        *,
        max_bytes: int | None = 1 << 20,
        by_path: Mapping[str, int | None] | None = None,
    ) -> None:
        super().__init__(app)
        for name, value in (
            ("max_bytes", max_bytes),
            *((f"by_path[{path!r}]", one) for path, one in (by_path or {}).items()),
        ):
            if value is not None and (type(value) is not int or value < 0):
                raise ValueError(f"{name}: want a number of bytes, 0 or more, or None for any, got {value!r}")
        self.max_bytes = max_bytes
        self.by_path = PathTable(by_path or {}, "by_path")

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer the request, or refuse its body."""
        if not environ.get("CONTENT_LENGTH") and not has_unknown_length(environ):
            return self.app(environ, start_response)
        limit = self.max_bytes
        if self.by_path:
            limit = self.by_path.find(path_of(environ), limit)
        if limit is None:
            return self.app(environ, start_response)
        try:
            length = declared_length(environ)
        except ValueError:
            return BAD_LENGTH(environ, start_response)
        if length is not None and length > limit:
            return too_large(limit)(environ, start_response)
        # Beside a Transfer-Encoding a length says nothing, should a server hand on both. RFC 9112, section 6.3.
        if length is None or "HTTP_TRANSFER_ENCODING" in environ:
            refusal = Refusal()
            environ["wsgi.input"] = Counting(environ["wsgi.input"], limit, refusal)
            return guarded(self.app, environ, start_response, refusal)
        return self.app(environ, start_response)


def too_large(limit: int) -> Answer:
    return plain("413 Content Too Large", f"The body is larger than {limit} bytes.")


class Counting:
    """``wsgi.input``, counted. What is past the limit is never asked for, but for the one byte that shows it."""

    def __init__(self, source: Any, limit: int, refusal: Refusal) -> None:
        self.source = source
        self.limit = limit
        self.left = limit
        self.refusal = refusal

    def read(self, size: int | None = -1, /) -> bytes:
        """At most `size` bytes, all that is left by default."""
        return self.counted(self.source.read(self.most(size)))

    def readline(self, size: int | None = -1, /) -> bytes:
        """Up to and with the next line end."""
        return self.counted(self.source.readline(self.most(size)))

    def readlines(self, hint: int | None = -1, /) -> list[bytes]:
        """The lines that are left; no further one once `hint` bytes have come."""
        lines: list[bytes] = []
        count = 0
        for line in self:
            lines.append(line)
            count += len(line)
            if hint is not None and 0 < hint <= count:
                break
        return lines

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")

    def most(self, size: int | None) -> int:
        """How much is asked of the source: one byte more than is allowed tells that there is more."""
        return self.left + 1 if size is None or size < 0 else min(size, self.left + 1)

    def counted(self, data: bytes) -> bytes:
        self.left -= len(data)
        if self.left < 0:
            self.refusal.refuse(too_large(self.limit))
        return data
