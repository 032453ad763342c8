"""What both ways to keep a session have in common: what is loaded, what becomes of the cookie, and when it is over."""

from __future__ import annotations

import json
from typing import Any, NamedTuple, Protocol

from dragoman.middleware.sessions.changes import Changes

__all__ = ["Expiry", "Keeper", "Kept", "Loaded", "Verdict", "packed", "unpacked"]


class Loaded(NamedTuple):
    """A session as it was found. `key` and `version` are the store's."""

    data: dict[str, Any]
    created: float
    used: float
    key: str = ""
    version: bytes = b""


class Verdict(NamedTuple):
    """What becomes of the cookie: nothing; it goes; or it has `value`, for `max_age` seconds."""

    value: str | None = None
    max_age: int = 0
    is_removed: bool = False


Kept = Verdict()


class Keeper(Protocol):
    """Keeps sessions. Raises `StoreDown` where it stands on a store."""

    def load(self, cookie: str) -> Loaded | None:
        """The session that the cookie's value says, None without one or when it is over."""

    def save(self, loaded: Loaded | None, changes: Changes, is_rotated: bool, cookie: str) -> Verdict:
        """Store what has changed. Without changes: that it was used. `cookie` is the value that has come, or ""."""


class Expiry(NamedTuple):
    """After how many seconds a session is over: unused, and in all; None is never."""

    idle_s: float
    lifetime_s: float | None

    def is_over(self, created: float, used: float, now: float) -> bool:
        """Whether a session is over."""
        return used + self.idle_s <= now or (self.lifetime_s is not None and created + self.lifetime_s <= now)

    def left_s(self, created: float, now: float) -> float:
        """How long a session that is used now may go on unused."""
        if self.lifetime_s is None:
            return self.idle_s
        return max(1.0, min(self.idle_s, created + self.lifetime_s - now))

    def is_due(self, used: float, now: float) -> bool:
        """Whether its use is worth a write: not at every request."""
        return now - used >= self.idle_s / 10


def packed(data: dict[str, Any], created: float, used: float) -> bytes:
    """A session as JSON. Raises TypeError or ValueError for what that does not hold."""
    text = json.dumps([int(created), int(used), data], separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    # JSON that a client sends may have half of a pair of surrogates; json.loads reads such bytes.
    return text.encode("utf-8", "surrogatepass")


def unpacked(text: bytes) -> tuple[dict[str, Any], float, float] | None:
    """What was packed; None for anything else, such as another library's under the same key."""
    try:
        created, used, data = json.loads(text)
    except (ValueError, TypeError):
        return None
    is_ours = isinstance(data, dict) and isinstance(created, int) and isinstance(used, int)
    return (data, created, used) if is_ours else None
