"""The application's iterable as the outside has it under a checker: the same, and watched."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from dragoman.contract.transcript import Transcript

__all__ = ["Blocks", "kind_of"]

# By the type of what an application returns; bounded, should types be made up.
KIND_OF: dict[type, type[Blocks] | None] = {}
KINDS_AT_MOST = 1000


def kind_of(result: object) -> type[Blocks] | None:
    """The class by which `result` is watched: it has a length, close() and __next__ where the result has.

    None: it cannot be iterated over as blocks, and is passed on for the server to fail at.
    """
    of = type(result)
    try:
        return KIND_OF[of]
    except KeyError:
        is_fit = (hasattr(of, "__iter__") or hasattr(of, "__getitem__")) and not issubclass(of, (str, bytes))
        # An attribute of the object itself is rare, and then no other of its type need have it.
        has_close = hasattr(result, "close")
        kind = KINDS[hasattr(of, "__len__"), hasattr(of, "__next__"), has_close] if is_fit else None
        if len(KIND_OF) < KINDS_AT_MOST and has_close == hasattr(of, "close"):
            KIND_OF[of] = kind
        return kind


class Blocks:
    """An iterable of blocks."""

    has_close = False
    has_len = False

    def __init__(self, iterable: Any, transcript: Transcript) -> None:
        self._iterable = iterable
        self._transcript = transcript

    def __iter__(self) -> Iterator[Any]:
        if self._transcript.has_iterated:
            self._transcript.iterated_again()
        return Steps(iter(self._iterable), self)

    def size(self) -> int | None:
        """What len() says of it, where it has one."""
        return None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._iterable, name)


class Steps:
    """One iteration over `Blocks`."""

    def __init__(self, iterator: Any, blocks: Blocks) -> None:
        self._iterator = iterator
        # Kept alive: that nobody holds the blocks any more is what tells that they are not closed.
        self._blocks = blocks

    def __iter__(self) -> Steps:
        return self

    def __next__(self) -> Any:
        return step(self._iterator, self._blocks)


def step(iterator: Any, blocks: Blocks) -> Any:
    """The next block, watched."""
    transcript = blocks._transcript
    if transcript.has_closed:
        transcript.asked_late()
    transcript.has_iterated = True
    transcript.enter()
    try:
        block = next(iterator)
    except StopIteration:
        transcript.leave()
        transcript.exhausted(iterator, blocks.size())
        if not blocks.has_close:
            # Nobody will tell the end.
            transcript.end()
        raise
    except BaseException as error:
        transcript.leave()
        transcript.failed(error)
        raise
    transcript.leave()
    transcript.gave(block, iterator)
    if transcript.blocks > 1 and blocks.has_len:
        # A server that takes len() for the number of blocks may not ask for the rest.
        transcript.compare_length(iterator, blocks.size(), is_end=False)
    return block


class Closing(Blocks):
    """With close()."""

    has_close = True

    def close(self) -> Any:
        transcript = self._transcript
        transcript.closed()
        close = getattr(self._iterable, "close", None)
        try:
            if close is not None:
                transcript.enter()
                try:
                    return close()
                finally:
                    transcript.leave()
        except BaseException as error:
            transcript.close_raised(error)
            raise
        finally:
            transcript.end()
        return None

    def __del__(self) -> None:
        if not sys.is_finalizing():
            self._transcript.left_open()


class Sized(Blocks):
    """With a length."""

    has_len = True

    def __len__(self) -> int:
        return len(self._iterable)

    def size(self) -> int | None:
        return len(self._iterable)


class Itself(Blocks):
    """An iterator: `iter()` of it is itself, and it may be asked for blocks without."""

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return step(self._iterable, self)


def kind(*traits: type[Blocks]) -> type[Blocks]:
    """The class with these traits."""
    return type("Blocks", traits or (Blocks,), {})


KINDS = {
    (has_len, is_iterator, has_close): kind(*([Itself] * is_iterator), *([Sized] * has_len), *([Closing] * has_close))
    for has_len in (False, True)
    for is_iterator in (False, True)
    for has_close in (False, True)
}
