"""The answer of another WSGI application, as a response."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice
from types import TracebackType
from typing import Any, TypeAlias

from dragoman.middleware.passing import close_of
from dragoman.types import Environ, Write, WSGIApplication
from dragoman.web.response import Response

__all__ = ["response_from"]

ExcInfo: TypeAlias = "tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]"


def response_from(app: WSGIApplication, environ: Environ) -> Response:
    """Calls `app`, and gives what it answers; its body is not read further than to where it has begun.

    Raises RuntimeError for an application that never begins its answer, and what it raises.
    """
    call = Call()
    result = app(environ, call.start_response)
    try:
        blocks: Iterable[bytes] = result
        if not call.head:
            # PEP 3333: it may be called as late as when the first block is asked for.
            iterator = iter(result)
            blocks = chain(list(islice(iterator, 1)), iterator)
        if not call.head:
            raise RuntimeError(f"{app!r} has not called start_response before its first block")
        return call.response(blocks, result, environ.get("wsgi.file_wrapper"))
    except BaseException:
        close_of(result)
        raise


class Call:
    """One call of an application: the head that it gives, until that is taken, and what it writes."""

    def __init__(self) -> None:
        self.head: list[Any] = []
        self.is_taken = False
        self.written: list[bytes] = []

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None, /) -> Write:
        """As PEP 3333 has it. The head is taken when `response` is made: then an exception cannot replace it."""
        if exc_info is not None and exc_info[1] is not None and self.is_taken:
            try:
                raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        if exc_info is None and self.head:
            raise AssertionError("start_response was called twice without exc_info")
        self.head = [status, headers]
        return self.written.append

    def response(self, blocks: Iterable[bytes], result: object, wrapper: object) -> Response:
        """What has been answered.

        result    what the application gave, which has to be closed
        wrapper   the server's file wrapper: what is of it goes out as it is
        """
        self.is_taken = True
        status, headers = self.head
        response = Response(None, status, headers)
        if not any(name.lower() == "content-type" for name, _ in headers):
            del response.headers["Content-Type"]
        if type(result) is list and blocks is result and not self.written:
            response.response = result
        elif isinstance(wrapper, type) and isinstance(result, wrapper) and not self.written:
            response.stream = result  # type: ignore[assignment]
            response.is_passthrough = True
        else:
            response.stream = Blocks(self.written, blocks, result)
        return response


class Blocks:
    """What an application writes and gives, in that order, block by block."""

    def __init__(self, written: list[bytes], blocks: Iterable[bytes], result: object) -> None:
        self.written = written
        self.blocks = blocks
        self.result = result

    def __iter__(self) -> Iterator[bytes]:
        for block in self.blocks:
            yield from self.taken()
            yield block
        yield from self.taken()

    def taken(self) -> list[bytes]:
        written = self.written[:]
        self.written.clear()
        return written

    def close(self) -> None:
        """Close what they are of."""
        close_of(self.result)
