"""One response in the place of another one: also where that one's head comes late, or never since it raised."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from dragoman.middleware.answer import Answer
from dragoman.middleware.passing import close_of
from dragoman.types import Environ, ExcInfo, StartResponse, Write, WSGIApplication

__all__ = ["Replacement"]


class Replacement:
    """`answer` for this request, if it comes to that.

    is_started    whether the application's own head went out
    is_taken      whether the answer's head did
    """

    __slots__ = ("answer", "blocks", "environ", "is_started", "is_taken", "start_response")

    def __init__(self, answer: Answer, environ: Environ, start_response: StartResponse) -> None:
        self.answer = answer
        self.environ = environ
        self.start_response = start_response
        self.is_started = False
        self.is_taken = False
        self.blocks: list[bytes] = []

    def start(self, exc_info: ExcInfo | None = None) -> Write:
        """Send the answer's head. What the application writes is dropped."""
        start_response = self.start_response

        def starting(status: str, headers: list[tuple[str, str]], _: Any = None, /) -> Write:
            return start_response(status, headers, exc_info) if exc_info else start_response(status, headers)

        if not self.is_taken or exc_info:
            self.is_taken = True
            self.blocks = self.answer(self.environ, starting)
        return len

    def of(self, app: WSGIApplication, started: StartResponse, instead_of: type[BaseException]) -> Iterable[bytes]:
        """What `app` answers, or the answer if `start` was called, or if an `instead_of` leaves it."""
        try:
            result = app(self.environ, started)
        except instead_of:
            if self.is_started:
                raise
            self.start()
            return self.blocks
        if self.is_taken:
            close_of(result)
            return self.blocks
        return result if self.is_started else Late(self, result, instead_of)


class Late:
    """An application's blocks, of which the first has to be asked for before it is known whether they are replaced."""

    def __init__(self, replacement: Replacement, result: Iterable[bytes], instead_of: type[BaseException]) -> None:
        self.replacement = replacement
        self.result = result
        self.instead_of = instead_of
        self.blocks: Iterator[bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self.blocks is None:
            self.blocks = iter(self.result)
        if self.replacement.is_started:
            return next(self.blocks)
        if self.replacement.is_taken:
            return self.next_of_answer()
        try:
            block = next(self.blocks)
        except StopIteration:
            if not self.is_taken():
                raise
            return self.next_of_answer()
        except self.instead_of:
            self.replacement.start()
            return self.next_of_answer()
        # Whether the head was replaced is known since the block came.
        return self.next_of_answer() if self.is_taken() else block

    def is_taken(self) -> bool:
        return self.replacement.is_taken

    def next_of_answer(self) -> bytes:
        if not self.replacement.blocks:
            raise StopIteration
        return self.replacement.blocks.pop(0)

    def close(self) -> None:
        """Close what is inside."""
        close_of(self.result)
