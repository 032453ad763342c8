"""The application's iterable as the outside has it under a checker: the same, and watched."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from typing import Any

from dragoman.contract.transcript import Transcript

__all__ = ["WHOLE", "Blocks", "kind_of"]

WHOLE = frozenset({list, tuple})
"""What holds all of its blocks: they are judged as it is returned, and it is passed on itself, for any use."""

# By the type of what an application returns, and whether it has a close(): that may be an attribute of the object.
# Bounded, should types be made up.
KIND_OF: dict[tuple[type, bool], type[Blocks] | None] = {}
KINDS_AT_MOST = 1000


def kind_of(result: object) -> type[Blocks] | None:
    """The class by which `result` is watched: it has a length, close() and __next__ where the result has.

    None: it cannot be iterated over as blocks, and is passed on for the server to fail at.
    """
    of, has_close = type(result), hasattr(result, "close")
    try:
        return KIND_OF[of, has_close]
    except KeyError:
        is_fit = (hasattr(of, "__iter__") or hasattr(of, "__getitem__")) and not issubclass(of, (str, bytes))
        traits = (hasattr(of, "__next__"), hasattr(of, "__len__"), has_close)
        kind = KINDS[traits] if is_fit else None
        if len(KIND_OF) < KINDS_AT_MOST:
            KIND_OF[of, has_close] = kind
        return kind


# What each of them has by itself, however little of it has been made yet.
OWN = frozenset({"_iterable", "_transcript"})


class Watched:
    """What the parts of this have in common."""

    has_close = False
    has_len = False
    _iterable: Any
    _transcript: Transcript

    def size(self) -> int | None:
        """What len() says of the iterable, where it has one."""
        return None

    def begin(self) -> Any:
        """iter() of the iterable, which may be the application's code."""
        transcript = self._transcript
        transcript.enter()
        try:
            iterator = iter(self._iterable)
        except BaseException as error:
            transcript.leave()
            transcript.failed(error)
            raise
        transcript.leave()
        return iterator


class Iterating(Watched):
    """What is asked for blocks, one by one."""

    def __next__(self) -> Any:
        transcript = self._transcript
        if transcript.has_closed:
            transcript.asked_late()
        transcript.has_iterated = True
        transcript.enter()
        iterator = self._iterable
        try:
            block = next(iterator)
        except StopIteration:
            transcript.leave(is_last=True)
            transcript.exhausted(iterator, self.size())
            if not self.has_close:
                # Nobody will tell the end.
                transcript.end()
            raise
        except BaseException as error:
            transcript.leave()
            transcript.failed(error)
            raise
        transcript.leave()
        transcript.gave(block, iterator)
        if self.has_len and transcript.blocks > 1:
            # A server that takes len() for the number of blocks may not ask for the rest.
            transcript.compare_length(iterator, self.size(), is_end=False)
        return block


class Blocks(Watched):
    """An iterable of blocks, with whatever further attributes it has."""

    def __init__(self, iterable: Any, transcript: Transcript) -> None:
        self._iterable = iterable
        self._transcript = transcript

    def __iter__(self) -> Iterator[Any]:
        if self._transcript.has_iterated:
            self._transcript.iterated_again()
        return Steps(self.begin(), self)

    def __getattr__(self, name: str) -> Any:
        if name in OWN:
            # A copy in the making has nothing to ask yet.
            raise AttributeError(name)
        return getattr(self._iterable, name)


class Steps(Iterating):
    """One iteration over `Blocks`."""

    def __init__(self, iterator: Any, blocks: Blocks) -> None:
        self._iterable = iterator
        self._transcript = blocks._transcript
        self.has_close = blocks.has_close
        self.has_len = blocks.has_len
        # Kept alive: that nobody holds the blocks any more is what tells that they are not closed.
        self._blocks = blocks

    def __iter__(self) -> Steps:
        return self

    def size(self) -> int | None:
        return self._blocks.size()


class Closing(Blocks):
    """With close()."""

    has_close = True

    def close(self, *args: Any, **kwargs: Any) -> Any:
        transcript = self._transcript
        transcript.closed()
        try:
            if hasattr(self._iterable, "close"):
                transcript.enter()
                try:
                    return self._iterable.close(*args, **kwargs)
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

    _size: int | None = None

    def __len__(self) -> int:
        return len(self._iterable)

    def size(self) -> int | None:
        # Once: it may be dear, and it may raise, which is for who asks by itself to see.
        if self._size is None:
            try:
                self._size = len(self._iterable)
            except Exception:
                return None
        return self._size


class Itself(Iterating, Blocks):
    """An iterator: `iter()` of it is itself, and it may be asked for blocks without."""

    def __iter__(self) -> Iterator[Any]:
        iterator = self.begin()
        # Most are their own iterators; one that is not is asked for its blocks by that.
        return self if iterator is self._iterable else Steps(iterator, self)


TRAITS: tuple[type[Blocks], ...] = (Itself, Sized, Closing)
KINDS: dict[tuple[bool, ...], type[Blocks]] = {
    chosen: type("Blocks", tuple(itertools.compress(TRAITS, chosen)) or (Blocks,), {})
    for chosen in itertools.product((False, True), repeat=len(TRAITS))
}
