"""The answer of another WSGI application, as a response."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from dragoman.types import Environ, Write, WSGIApplication
from dragoman.web.response import Response

__all__ = ["response_from"]


def response_from(app: WSGIApplication, environ: Environ) -> Response:
    """Calls `app`, and gives what it answers; its body is not read further than to where it has begun."""
    head: list[Any] = []
    written: list[bytes] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Write:
        if head and exc_info is None:
            raise AssertionError("start_response was called twice without exc_info")
        head[:] = [status, headers]
        return written.append

    result = app(environ, start_response)
    blocks: Iterable[bytes] = result
    if not head:
        # PEP 3333: it may be called as late as when the first block is asked for.
        iterator = iter(result)
        first = list(first_of(iterator))
        blocks = chain(first, iterator)
    if not head:
        close(result)
        raise RuntimeError(f"{app!r} has not called start_response before its first block")
    status, headers = head
    response = Response(None, status, headers, content_type=None)
    if not any(name.lower() == "content-type" for name, _ in headers):
        del response.headers["Content-Type"]
    wrapper = environ.get("wsgi.file_wrapper")
    response.is_passthrough = isinstance(wrapper, type) and isinstance(result, wrapper) and not written
    response.stream = result if response.is_passthrough else Closing(chain(written, blocks), result)
    return response


class Closing:
    """Blocks of an iterable, with its close()."""

    def __init__(self, blocks: Iterable[bytes], result: Iterable[bytes]) -> None:
        self.blocks = blocks
        self.result = result

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.blocks)

    def close(self) -> None:
        """Close what they are of."""
        close(self.result)


def first_of(iterator: Iterator[bytes]) -> Iterator[bytes]:
    for block in iterator:
        yield block
        return


def close(result: object) -> None:
    ending = getattr(result, "close", None)
    if ending is not None:
        ending()
