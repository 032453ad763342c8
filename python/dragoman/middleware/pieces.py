"""Pieces of a file as the blocks of a body."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import IO

from dragoman.http.ranges import Piece

__all__ = ["BLOCK_BYTES", "Pieces"]

BLOCK_BYTES = 64 << 10


class Pieces:
    """Pieces of a file, block by block; close() closes it.

    start   where the representation begins in the file: its byte 0
    """

    def __init__(self, file: IO[bytes], pieces: Iterable[Piece], start: int = 0) -> None:
        self.file = file
        self.start = start
        self.blocks = self.read(pieces)

    def read(self, pieces: Iterable[Piece]) -> Iterator[bytes]:
        for head, start, count in pieces:
            if head:
                yield head
            self.file.seek(self.start + start)
            left = count
            while left > 0 and (block := self.file.read(min(BLOCK_BYTES, left))):
                left -= len(block)
                yield block
            if left > 0:
                # It was cut off meanwhile: the client must not take what it got for the whole.
                raise OSError(f"{getattr(self.file, 'name', 'the file')!r} has become shorter while it was sent")

    def __iter__(self) -> Iterator[bytes]:
        return self.blocks

    def close(self) -> None:
        """Close the file."""
        self.blocks.close()  # type: ignore[attr-defined]
        self.file.close()
