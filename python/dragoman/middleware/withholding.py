"""A response whose head waits until it is known what its body is: the result, or its first block."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from dragoman.http.fields import get
from dragoman.middleware.passing import Headers, close_of, is_file_response, is_head
from dragoman.types import Environ, ExcInfo, StartResponse, Write, WSGIApplication

__all__ = ["Body", "Handling", "Held"]


class Body(NamedTuple):
    """What is known of a body when its head has to go out.

    block      the first block; b"" when nothing has come
    is_whole   it is all that will come
    is_file    the server sends it by itself, and no block passes here
    """

    block: bytes
    is_whole: bool = False
    is_file: bool = False


class Handling(NamedTuple):
    """What goes out in the place of a response.

    block     makes a block of each block that is not empty; None leaves them as they are
    end       makes what is sent behind the last one
    instead   the whole body, if it is to be another one: the application's is closed without being asked for more
    """

    status: str
    headers: Headers
    block: Callable[[bytes], bytes] | None = None
    end: Callable[[], bytes] | None = None
    instead: bytes | None = None


class Held:
    """One response on its way out; a part says in a class of its own what becomes of it.

    A response of one known block keeps its length, and what the server sends by itself is passed on as it is. A head
    that is no list of fields is passed on at once: the server says what is wrong with it.
    """

    # Class attributes are what a response begins with: most of them stay as they are.
    head: tuple[str, Headers, ExcInfo | None] | None = None
    handling = Handling("", [])
    # The head went out at once, and nothing is done to the body.
    is_passed = False
    is_committed = False
    # The application's own result has been returned: nobody would give out a head that waits.
    is_given_back = False
    write: Write | None = None

    def __init__(self, start_response: StartResponse) -> None:
        self.start_response = start_response

    def wants(self, status: str, headers: Headers) -> Headers | None:
        """The fields that go out at once, or None to see the body first. The list is not to be changed."""
        raise NotImplementedError

    def decide(self, status: str, headers: Headers, body: Body) -> Handling:
        """What goes out when the body is known. The list is the caller's own."""
        raise NotImplementedError

    def answer(self, app: WSGIApplication, environ: Environ) -> Iterable[bytes]:
        """The answer of `app`, one block for each of its blocks; heads that are not passed on at once wait."""
        return self.deliver(environ, app(environ, self.started))

    def deliver(self, environ: Environ, result: Iterable[bytes]) -> Iterable[bytes]:
        """What is returned for the `result` of an application that had `started`."""
        if self.is_passed:
            self.is_given_back = True
            return result
        if self.head is not None and is_file_response(environ, result):
            self.commit(Body(b"", is_file=True))
            if self.handling.instead is None and self.handling.block is None:
                self.is_given_back = True
                return result
        return HeldBlocks(self, result)

    def started(self, status: str, headers: Headers, exc_info: Any = None, /) -> Write:
        """The start_response for the inside."""
        if exc_info is not None or self.is_passed or self.head is not None or self.is_committed:
            return self.started_again(status, headers, exc_info)
        if type(status) is not str or not isinstance(headers, list):
            return self.pass_on(status, headers, exc_info)
        try:
            passed = self.wants(status, headers)
        except Exception:
            # Asked only now, as in `passing.editing`.
            if is_head(status, headers):
                raise
            passed = headers
        if passed is None:
            self.head = (status, headers[:], None)
            return self.written
        self.is_passed = True
        return self.start_response(status, passed)

    def started_again(self, status: str, headers: Headers, exc_info: Any) -> Write:
        """A call that is not the first one, or comes with an exception."""
        if exc_info is None:
            # It is the server's to refuse, and it has to have had the first one for that.
            if self.head is not None:
                self.commit(Body(b""))
            return self.start_response(status, headers)
        if type(status) is not str or not isinstance(headers, list):
            return self.pass_on(status, headers, exc_info)
        if self.is_committed:
            return self.recommit(status, headers, exc_info)
        passed = self.wants(status, headers)
        if passed is not None or self.is_given_back:
            return self.pass_on(status, headers if passed is None else passed, exc_info)
        self.is_passed = False
        self.head = (status, headers[:], exc_info)
        return self.written

    def pass_on(self, status: str, headers: Headers, exc_info: Any) -> Write:
        self.head = None
        self.is_passed = True
        # PEP 3333: the third argument is an optional one, and there are servers that tell None from none.
        return (
            self.start_response(status, headers) if exc_info is None else self.start_response(status, headers, exc_info)
        )

    def commit(self, body: Body) -> None:
        """Decide about the head that waits, and give it out."""
        assert self.head is not None
        (status, headers, exc_info), self.head = self.head, None
        self.is_committed = True
        try:
            self.handling = handling = self.decide(status, headers, body)
        except Exception:
            if is_head(status, headers):
                raise
            self.handling = handling = Handling(status, headers)
        if exc_info is None:
            self.write = self.start_response(handling.status, handling.headers)
        else:
            self.write = self.start_response(handling.status, handling.headers, exc_info)

    def recommit(self, status: str, headers: Headers, exc_info: ExcInfo) -> Write:
        self.handling = handling = self.decide(status, headers[:], Body(b""))
        self.write = self.start_response(handling.status, handling.headers, exc_info)
        return self.written

    def written(self, block: bytes, /) -> object:
        """The write() for the inside."""
        if self.head is not None:
            self.commit(Body(block))
        assert self.write is not None
        made = self.made(block)
        return self.write(made) if made else None

    def made(self, block: bytes) -> bytes:
        """What goes out for a block."""
        if self.handling.instead is not None:
            return b""
        return block if self.handling.block is None or not block else self.handling.block(block)


class HeldBlocks:
    """The blocks of a response whose head waits, or may come to wait when the first one is asked for."""

    def __init__(self, held: Held, result: Iterable[bytes]) -> None:
        self.held = held
        self.result = result
        self.blocks: Iterator[bytes] | None = None
        self.is_over = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        held = self.held
        if self.is_over:
            raise StopIteration
        if held.is_committed and held.handling.instead is not None:
            return self.last(held.handling.instead)
        try:
            if self.blocks is None:
                self.blocks = iter(self.result)
            block = next(self.blocks)
        except StopIteration:
            if held.head is not None:
                held.commit(Body(b"", is_whole=True))
                if held.handling.instead is not None:
                    return self.last(held.handling.instead)
            return self.last(held.handling.end() if held.handling.end is not None else b"")
        if held.head is not None:
            held.commit(Body(block, is_whole(held.head[1], self.result, block)))
        if held.handling.instead is not None:
            return self.last(held.handling.instead)
        return held.made(block)

    def last(self, block: bytes) -> bytes:
        """The block behind which nothing comes."""
        self.is_over = True
        if not block:
            raise StopIteration
        return block

    def close(self) -> None:
        """Close what is inside."""
        close_of(self.result)


def is_whole(headers: Headers, result: Any, block: bytes) -> bool:
    """Whether `block` is known to be the whole body: by its declared length, or by the number of blocks."""
    declared = get(headers, "Content-Length")
    if declared is not None:
        return declared == str(len(block))
    try:
        return hasattr(result, "__len__") and len(result) == 1
    except Exception:
        return False
