"""`TestResponse`: the answer to a test, with what was asked and how it came to it."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import ClassVar, Protocol, TypeVar

from dragoman.web.request import Request
from dragoman.web.response import Response

__all__ = ["Stream", "TestResponse"]

Self = TypeVar("Self", bound="TestResponse")


class Stream(Protocol):
    """The blocks of an answer, one by one as they are made, until it is closed."""

    def __iter__(self) -> Iterator[bytes]: ...

    def close(self) -> None:
        """End it."""


class TestResponse(Response):
    """An answer. Beside what every `Response` has:

    request   what was asked, after redirects the last one
    history   the answers that led on to it, with ``follow_redirects=True``

    Of one that was asked for with ``buffered=False`` the blocks come as they are made: ``for block in response``; then
    `close` it, or use it in a ``with`` block.
    """

    # pytest takes classes with such names for tests.
    __test__: ClassVar[bool] = False

    request: Request
    history: tuple[TestResponse, ...] = ()

    def __init__(self, status: str, headers: list[tuple[str, str]], body: bytes | Stream, request: Request) -> None:
        super().__init__(body, status, headers)
        if not any(name.lower() == "content-type" for name, _ in headers):
            del self.headers["Content-Type"]
        self.request = request

    def iter_encoded(self) -> Iterator[bytes]:
        """The blocks of the body."""
        return iter([self.body] if self.stream is None else self.stream)

    def __iter__(self) -> Iterator[bytes]:
        return self.iter_encoded()

    def close(self) -> None:
        """End a stream: the application's own close() runs."""
        self.close_stream()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
