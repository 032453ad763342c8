"""A bounded table of counters in memory that processes share, or that one process has for itself."""

from __future__ import annotations

import hashlib
import logging
import os
import struct
import threading
import time
import zlib
from collections.abc import Callable
from mmap import mmap
from typing import Protocol, TypeVar

from dragoman.middleware.rate_limit.algorithms import State

__all__ = ["BUCKET_BYTES", "HEAD_BYTES", "SECRET_BYTES", "Table", "ThreadLock", "new_secret"]

log = logging.getLogger("dragoman.middleware")

Result = TypeVar("Result")

HEAD_BYTES = 4096
SECRET_BYTES = 16
# Digest of the key, when it expires, how much is used, three numbers of the algorithm; then a sum of all of it.
SLOT = struct.Struct("<16sddddd")
SUM = struct.Struct("<I")
SLOT_BYTES = 64
WAYS = 8
BUCKET_BYTES = WAYS * SLOT_BYTES
SUM_AT = SLOT.size
EMPTY_SLOT = bytes(SLOT_BYTES)
FULL_TOLD_EVERY_S = 60.0


class BucketLock(Protocol):
    """Keeps all others out of a bucket."""

    def acquire(self, bucket: int) -> None:
        """Raises TimeoutError when somebody else has it for too long."""

    def release(self, bucket: int) -> None:
        """Let the others in."""


class ThreadLock:
    """For a table that no other process sees."""

    def __init__(self) -> None:
        self.lock = threading.Lock()

    def acquire(self, bucket: int) -> None:
        """Keep the other threads out."""
        self.lock.acquire()

    def release(self, bucket: int) -> None:
        """Let them in."""
        self.lock.release()


class Table:
    """States by key, in `memory`: a hash table of buckets of 8 slots, which never grows.

    memory   HEAD_BYTES that are not ours, then buckets; zeros are an empty table
    secret   what keys are hashed with, so that nobody who chooses keys can choose buckets
    what     names it in the log

    A full bucket gives up the state that counts the least, of those the one that expires first: whoever comes with many
    keys pushes out his own. A slot that was being written when its process was killed has a wrong sum, and is empty.
    """

    def __init__(self, memory: mmap | bytearray, lock: BucketLock, secret: bytes, what: str) -> None:
        self.memory = memory
        self.lock = lock
        self.secret = secret
        self.what = what
        self.buckets = (len(memory) - HEAD_BYTES) // BUCKET_BYTES
        if self.buckets < 1:
            raise ValueError(f"{what}: want {HEAD_BYTES + BUCKET_BYTES} bytes at least, got {len(memory)}")
        # Live states of this process's clients that had to make room.
        self.pushed_out = 0
        self.told_at = -FULL_TOLD_EVERY_S

    def update(self, key: bytes, now: float, change: Callable[[State | None], tuple[State | None, Result]]) -> Result:
        """What `change` gives of the state of `key`, which is stored when it is not None. Nobody comes in between."""
        digest, bucket, start = self.bucket_of(key)
        self.lock.acquire(bucket)
        try:
            place = self.place_of(digest, start)
            made, result = change(None if place is None else self.read(place))
            if made is not None:
                self.write(self.room(start, now) if place is None else place, digest, made)
        finally:
            self.lock.release(bucket)
        return result

    def forget(self, key: bytes) -> None:
        """Take the state of `key` away."""
        digest, bucket, start = self.bucket_of(key)
        self.lock.acquire(bucket)
        try:
            place = self.place_of(digest, start)
            if place is not None:
                self.memory[place : place + SLOT_BYTES] = EMPTY_SLOT
        finally:
            self.lock.release(bucket)

    def clear(self, now: float) -> int:
        """Take all states away. Gives how many were live."""
        count = 0
        for bucket in range(self.buckets):
            start = HEAD_BYTES + bucket * BUCKET_BYTES
            self.lock.acquire(bucket)
            try:
                places = range(start, start + BUCKET_BYTES, SLOT_BYTES)
                count += sum((state := self.read(place)) is not None and state.expires > now for place in places)
                self.memory[start : start + BUCKET_BYTES] = bytes(BUCKET_BYTES)
            finally:
                self.lock.release(bucket)
        return count

    def bucket_of(self, key: bytes) -> tuple[bytes, int, int]:
        digest = hashlib.blake2b(key, digest_size=16, key=self.secret).digest()
        bucket = int.from_bytes(digest[:8], "little") % self.buckets
        return digest, bucket, HEAD_BYTES + bucket * BUCKET_BYTES

    def place_of(self, digest: bytes, start: int) -> int | None:
        found = self.memory.find(digest, start, start + BUCKET_BYTES)
        # Numbers may look like a digest that does not begin where slots do.
        while found != -1 and (found - start) % SLOT_BYTES:
            found = self.memory.find(digest, found + 1, start + BUCKET_BYTES)
        return None if found == -1 else found

    def read(self, place: int) -> State | None:
        slot = bytes(self.memory[place : place + SLOT_BYTES])
        if slot == EMPTY_SLOT or SUM.unpack_from(slot, SUM_AT)[0] != zlib.crc32(slot[:SUM_AT]):
            return None
        _, expires, used, *rest = SLOT.unpack_from(slot)
        return State(expires, used, (rest[0], rest[1], rest[2]))

    def write(self, place: int, digest: bytes, state: State) -> None:
        packed = SLOT.pack(digest, state.expires, state.used, *state.rest)
        self.memory[place : place + SLOT_BYTES] = (packed + SUM.pack(zlib.crc32(packed))).ljust(SLOT_BYTES, b"\0")

    def room(self, start: int, now: float) -> int:
        """A slot of the bucket to write to."""
        least: tuple[float, float, int] | None = None
        for place in range(start, start + BUCKET_BYTES, SLOT_BYTES):
            state = self.read(place)
            if state is None or state.expires <= now:
                return place
            if least is None or (state.used, state.expires) < least[:2]:
                least = (state.used, state.expires, place)
        assert least is not None
        self.pushed_out += 1
        self.tell_full()
        return least[2]

    def tell_full(self) -> None:
        at = time.monotonic()
        if at - self.told_at >= FULL_TOLD_EVERY_S:
            self.told_at = at
            log.warning(
                "%s has more clients than its %d places: those who came least often are counted from 0 again;"
                " give it a larger size",
                self.what,
                self.buckets * WAYS,
            )


def new_secret() -> bytes:
    """A secret for a new table."""
    return os.urandom(SECRET_BYTES)
