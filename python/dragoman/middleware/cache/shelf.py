"""Where a cache keeps its answers in a store: what lies under which key, and how it is taken away for all."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterable
from typing import Generic, NamedTuple, TypeVar

from dragoman.middleware.cache.entry import Entry
from dragoman.middleware.cache.key import Target, hash_of, variant_of
from dragoman.middleware.cache.policy import KEPT_AT_MOST_S, MOST_NAMES
from dragoman.middleware.stores.base import Stored
from dragoman.middleware.stores.watched import Watched
from dragoman.types import Environ

__all__ = ["Found", "Index", "Shelf"]

Value = TypeVar("Value")

# Together 4 MiB at most, beside what the store holds.
MOST_DECODED = 256
DECODED_BYTES = 16 << 10


class Index(NamedTuple):
    """What is known of a URL: by which fields its answers vary, and since which purge (a random text)."""

    generation: str
    names: tuple[str, ...]


class Found(NamedTuple):
    """What a look at the store has given. `version` is that of what is known, for who writes it anew."""

    known: Index | None
    version: bytes | None
    entry: Entry | None


class Shelf:
    """Answers in a store.

    Under a URL lies its `Index`, and under the index's generation and the values of the fields it names lies an answer.
    A purge writes a new generation: what is under way from before it finds its place gone. No process has to know of
    another.
    """

    def __init__(self, store: Watched, prefix: str, max_bytes: int) -> None:
        self.store = store
        self.prefix = prefix
        self.max_bytes = max_bytes
        self.indexes: Decoded[Index] = Decoded()
        self.entries: Decoded[Entry] = Decoded()

    def find(self, target: Target, environ: Environ) -> Found:
        """What is stored for a request. Raises StoreDown."""
        stored = self.store.get(self.index_key(target.key))
        index = None if stored is None else self.indexes.read(stored, index_from)
        if stored is None or index is None:
            return Found(None, None if stored is None else stored.version, None)
        there = self.store.get(self.entry_key(variant_of(target, index.generation, index.names, environ)))
        entry = None if there is None else self.entries.read(there, entry_from)
        if entry is not None and entry.tags and not self.is_tagged_well(entry):
            entry = None
        return Found(index, stored.version, entry)

    def keep(
        self, target: Target, found: Found, entry: Entry, names: Iterable[str], keeps_s: float, environ: Environ
    ) -> bool:
        """Store an answer, unless its URL was purged since `found`. Whether that was done. Raises StoreDown."""
        known = found.known.names if found.known else ()
        wanted = tuple(sorted({*known, *names}))
        if len(wanted) > 2 * MOST_NAMES:
            return False
        index = found.known
        if index is None or wanted != known:
            index = Index(new_generation(), wanted)
            if not self.store.swap(self.index_key(target.key), to_bytes(index), KEPT_AT_MOST_S * 2, found.version):
                return False
        for tag in entry.tags:
            # Without a note of it we do not know of earlier purges: what was asked for before now is no longer good.
            purged = math.nextafter(entry.request_time, 0.0)
            self.store.swap(self.tag_key(tag), repr(purged).encode(), KEPT_AT_MOST_S * 2, None)
        key = self.entry_key(variant_of(target, index.generation, index.names, environ))
        self.store.put(key, entry.to_bytes(), keeps_s)
        return True

    def purge(self, key: str) -> None:
        """Take away all answers of a URL, those that are just being made, too. Raises StoreDown."""
        stored = self.store.get(self.index_key(key))
        index = None if stored is None else self.indexes.read(stored, index_from)
        made = Index(new_generation(), index.names if index else ())
        self.store.put(self.index_key(key), to_bytes(made), KEPT_AT_MOST_S * 2)

    def purge_tag(self, tag: str) -> None:
        """Take away all answers that have the tag, those that are just being made, too. Raises StoreDown."""
        self.store.put(self.tag_key(tag), repr(time.time()).encode(), KEPT_AT_MOST_S * 2)

    def is_tagged_well(self, entry: Entry) -> bool:
        """Whether it was asked for after the last purge of each of its tags."""
        for tag in entry.tags:
            stored = self.store.get(self.tag_key(tag))
            if stored is None or entry.request_time <= purged_at(stored):
                return False
        return True

    def index_key(self, key: str) -> str:
        return f"{self.prefix}u:{key}"

    def entry_key(self, variant: str) -> str:
        return f"{self.prefix}e:{variant}"

    def tag_key(self, tag: str) -> str:
        return f"{self.prefix}t:{hash_of((tag,))}"


class Decoded(Generic[Value]):
    """What was read of small values, by their version, which no other write has: each of them is read once."""

    def __init__(self) -> None:
        self.by_version: dict[bytes, Value] = {}

    def read(self, stored: Stored, reader: Callable[[Stored], Value | None]) -> Value | None:
        """What `reader` makes of it, or has made of it."""
        known = self.by_version.get(stored.version)
        if known is not None:
            return known
        made = reader(stored)
        if made is not None and len(stored.value) <= DECODED_BYTES:
            if len(self.by_version) >= MOST_DECODED:
                self.by_version.clear()
            self.by_version[stored.version] = made
        return made


def entry_from(stored: Stored) -> Entry | None:
    return Entry.from_bytes(stored.value)


def purged_at(stored: Stored) -> float:
    try:
        return float(stored.value)
    except ValueError:
        return math.inf


def new_generation() -> str:
    return os.urandom(8).hex()


def to_bytes(index: Index) -> bytes:
    return json.dumps([index.generation, *index.names]).encode()


def index_from(stored: Stored) -> Index | None:
    try:
        generation, *names = json.loads(stored.value)
    except ValueError:
        return None
    return Index(str(generation), tuple(map(str, names)))
