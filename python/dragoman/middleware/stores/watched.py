"""`Watched`: a store as a part uses it: an outage is told once, and is not waited for by every request."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from dragoman.middleware.outage import Outage
from dragoman.middleware.stores.base import Store, Stored, StoreDown

__all__ = ["Watch", "Watched"]

Result = TypeVar("Result")

PAUSE_S = 0.5


class Watch:
    """Watches what is asked of a back end, and tells its outages through `Outage(what, means)`.

    what      names the part and its back end in the log, without secrets
    means     what it means for requests meanwhile
    pause_s   after a failure nobody asks it for so long, and then one request alone; the others hear at once that it is
              away. So a back end that says nothing costs one request its timeout, not all of them.
    """

    def __init__(
        self, what: str, means: str, *, pause_s: float = PAUSE_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.outage = Outage(what, means)
        self.pause_s = pause_s
        self.clock = clock
        self.lock = threading.Lock()
        # Until when it is left alone; 0 while all is well.
        self.paused_until = 0.0
        # When it was last found away, and when there again; who had asked before that has old news.
        self.failed_at = self.back_at = -math.inf

    def watching(self, act: Callable[[], Result]) -> Result:
        """What `act` gives. Raises StoreDown as it does, or when the back end was away a moment ago."""
        began = self.clock()
        if self.paused_until:
            with self.lock:
                if began < self.paused_until:
                    raise StoreDown(f"{self.outage.what} could not be reached a moment ago")
                # This request asks; the others wait for what it hears.
                if self.paused_until:
                    self.paused_until = began + self.pause_s
        try:
            result = act()
        except StoreDown as error:
            with self.lock:
                # Told within the lock, so that the log has them in their order.
                if began >= self.back_at:
                    self.failed_at = self.clock()
                    self.paused_until = self.failed_at + self.pause_s
                    self.outage.failed(error)
            raise
        if self.paused_until:
            with self.lock:
                if self.paused_until and began >= self.failed_at:
                    self.paused_until = 0.0
                    self.back_at = self.clock()
                    self.outage.worked()
        return result


class Watched(Watch):
    """`store`, watched.

    part             names who uses it in the log
    means, pause_s   see `Watch`
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
        super().__init__(f"{part}: {store.what}", means, pause_s=pause_s, clock=clock)
        self.store = store
        self.what = store.what
        self.is_shared = store.is_shared

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
