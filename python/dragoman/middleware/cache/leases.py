"""Who makes an answer, among the processes that share a store: one has the lease of it, the others wait for its end."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from dragoman.middleware.stores.base import StoreDown
from dragoman.middleware.stores.watched import Watched

__all__ = ["Leases"]

# So long one is good at most: who has it may have died.
LEASE_S = 10.0
LOOK_EVERY_S = 0.05


class Leases:
    """Leases in a store. In one that no other process sees there is nobody to wait for, and each is given."""

    def __init__(self, store: Watched, prefix: str) -> None:
        self.store = store
        self.prefix = prefix

    def take(self, key: str) -> Callable[[], None] | None:
        """What gives the lease of an answer back, once it is made; None when another process has it."""
        if not self.store.is_shared:
            return nothing
        name = self.name_of(key)
        try:
            version = self.store.swap(name, b"", LEASE_S, None)
        except StoreDown:
            # Whoever makes it, nobody will see.
            return nothing
        if version is None:
            return None

        def give_back() -> None:
            with suppress(StoreDown):
                self.store.delete(name, version)

        return give_back

    def wait(self, key: str, most_s: float) -> None:
        """Wait until the lease of an answer is given back, or for so long."""
        name = self.name_of(key)
        until = time.monotonic() + most_s
        with suppress(StoreDown):
            while time.monotonic() < until and self.store.get(name) is not None:
                time.sleep(LOOK_EVERY_S)

    def name_of(self, key: str) -> str:
        return f"{self.prefix}l:{key}"


def nothing() -> None:
    """What is to be given back of no lease."""
