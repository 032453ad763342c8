"""`Watched`: a store as a part uses it: an outage is told once, and is not waited for by every request."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from dragoman.middleware.outage import Outage
from dragoman.middleware.stores.base import Store, Stored, StoreDown

__all__ = ["Watched"]

Result = TypeVar("Result")

PAUSE_S = 0.5


class Watched:
    """`store`, with its outages told through `Outage(what, means)`.

    pause_s   after a failure nobody asks the store for so long, and then one request alone; the others hear at once
              that it is away. So a store that says nothing costs one request its timeout, not all of them.
    """

    def __init__(
        self,
        store: Store,
        part: str,
        means: str,
        *,
        pause_s: float = PAUSE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store = store
        self.what = store.what
        self.is_shared = store.is_shared
        self.outage = Outage(f"{part}: {store.what}", means)
        self.pause_s = pause_s
        self.clock = clock
        self.lock = threading.Lock()
        # Until when the store is left alone; 0 while all is well.
        self.paused_until = 0.0

    def get(self, key: str) -> Stored | None:
        """What is stored under `key`."""
        return self.watching(lambda: self.store.get(key))

    def put(self, key: str, value: bytes, ttl_s: float) -> bytes:
        """Store it, whatever was there."""
        return self.watching(lambda: self.store.put(key, value, ttl_s))

    def swap(self, key: str, value: bytes, ttl_s: float, expected: bytes | None) -> bytes | None:
        """Store it, if what is there has the version `expected`."""
        return self.watching(lambda: self.store.swap(key, value, ttl_s, expected))

    def delete(self, key: str, expected: bytes | None = None) -> bool:
        """Take it away."""
        return self.watching(lambda: self.store.delete(key, expected))

    def watching(self, act: Callable[[], Result]) -> Result:
        if self.paused_until:
            with self.lock:
                now = self.clock()
                if now < self.paused_until:
                    raise StoreDown(f"{self.what} could not be reached a moment ago")
                # This request asks; the others wait for what it hears.
                if self.paused_until:
                    self.paused_until = now + self.pause_s
        try:
            result = act()
        except StoreDown as error:
            with self.lock:
                self.paused_until = self.clock() + self.pause_s
            self.outage.failed(error)
            raise
        if self.paused_until:
            with self.lock:
                self.paused_until = 0.0
        self.outage.worked()
        return result
