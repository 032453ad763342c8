"""`MemoryStore`: in this process alone, bounded by bytes; what was used longest ago makes room."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from dragoman.middleware.stores.base import Stored, new_version, refuse_ttl

__all__ = ["MemoryStore"]

ENTRY_BYTES = 400
"""What an entry costs beside its key and value: dict slot, list node and objects, measured on CPython 3.11."""


class Entry(NamedTuple):
    stored: Stored
    expires: float
    size_bytes: int


class MemoryStore:
    """Keeps values in this process, `limit_bytes` of them at most, their bookkeeping counted.

    A full store forgets what was used longest ago. What is larger than the whole store is not kept.
    Another process sees nothing of it, and a restart empties it: for development, and for one process.
    Raises ValueError for a limit below 64 KiB.

        store = MemoryStore(limit_bytes=64 << 20)
    """

    what = "memory"
    is_shared = False

    def __init__(self, *, limit_bytes: int = 32 << 20, clock: Callable[[], float] = time.monotonic) -> None:
        if type(limit_bytes) is not int or limit_bytes < 1 << 16:
            raise ValueError(f"limit_bytes: want a whole number of bytes, 65536 at least, got {limit_bytes!r}")
        self.limit_bytes = limit_bytes
        self.clock = clock
        self.lock = threading.Lock()
        self.entries: OrderedDict[str, Entry] = OrderedDict()
        self.held_bytes = 0

    def get(self, key: str) -> Stored | None:
        """What is stored under `key`."""
        with self.lock:
            entry = self.live(key)
            if entry is None:
                return None
            self.entries.move_to_end(key)
            return entry.stored

    def put(self, key: str, value: bytes, ttl_s: float) -> bytes:
        """Store it, whatever was there."""
        refuse_ttl(ttl_s)
        with self.lock:
            return self.write(key, value, ttl_s)

    def swap(self, key: str, value: bytes, ttl_s: float, expected: bytes | None) -> bytes | None:
        """Store it, if what is there has the version `expected`."""
        refuse_ttl(ttl_s)
        with self.lock:
            entry = self.live(key)
            if (entry and entry.stored.version) != expected:
                return None
            return self.write(key, value, ttl_s)

    def delete(self, key: str, expected: bytes | None = None) -> bool:
        """Take it away."""
        with self.lock:
            entry = self.live(key)
            if entry is None or expected not in (None, entry.stored.version):
                return False
            self.drop(key)
            return True

    def live(self, key: str) -> Entry | None:
        entry = self.entries.get(key)
        if entry is not None and entry.expires <= self.clock():
            self.drop(key)
            return None
        return entry

    def write(self, key: str, value: bytes, ttl_s: float) -> bytes:
        if key in self.entries:
            self.drop(key)
        entry = Entry(Stored(value, new_version()), self.clock() + ttl_s, len(key) + len(value) + ENTRY_BYTES)
        self.entries[key] = entry
        self.held_bytes += entry.size_bytes
        while self.held_bytes > self.limit_bytes:
            self.drop(next(iter(self.entries)))
        return entry.stored.version

    def drop(self, key: str) -> None:
        self.held_bytes -= self.entries.pop(key).size_bytes
