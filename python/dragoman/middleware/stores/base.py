"""What each store can do: bytes by key, with an expiry and a version to compare when writing."""

from __future__ import annotations

import os
from typing import NamedTuple, Protocol

__all__ = ["VERSION_BYTES", "Store", "StoreDown", "Stored", "new_version", "refuse_ttl"]

VERSION_BYTES = 8


class StoreDown(Exception):
    """The store cannot be reached, or did not answer in time. Its cause is the client library's error."""


class Stored(NamedTuple):
    """What is stored under a key. No two writes give the same version, also not to a key that was away meanwhile."""

    value: bytes
    version: bytes


class Store(Protocol):
    """Any number of threads use one store. Every method raises `StoreDown` when it is away, and none waits long.

    what        names it in the log, without secrets
    is_shared   whether other processes see what is written
    """

    what: str
    is_shared: bool

    def get(self, key: str) -> Stored | None:
        """What is stored under `key`; None without it, and when it has expired."""

    def put(self, key: str, value: bytes, ttl_s: float) -> bytes:
        """Store it for `ttl_s` seconds, whatever was there. Gives its version."""

    def swap(self, key: str, value: bytes, ttl_s: float, expected: bytes | None) -> bytes | None:
        """Store it if the version there is `expected`; None: if nothing is there. Gives its version, None if not."""

    def delete(self, key: str, expected: bytes | None = None) -> bool:
        """Take it away, if its version is `expected` or that is None. Whether something was taken away."""


def new_version() -> bytes:
    """A version that no other write has: random, so that no store need count."""
    return os.urandom(VERSION_BYTES)


def refuse_ttl(ttl_s: float) -> None:
    """Raise ValueError when it is no time that something could be kept for."""
    if not 0 < ttl_s < float("inf"):
        raise ValueError(f"ttl_s: want seconds above 0, got {ttl_s!r}")
