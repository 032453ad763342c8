"""The storages of `limits` that are ours, ``shm://`` among them, and a token bucket for it."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from dragoman.middleware.extras import lacking
from dragoman.middleware.rate_limit.algorithms import ALGORITHMS, State, Taken
from dragoman.middleware.rate_limit.shared_memory import DEFAULT_SIZE_BYTES, open_table
from dragoman.middleware.rate_limit.table import HEAD_BYTES, Table, ThreadLock, new_secret

try:
    from limits import RateLimitItem
    from limits.errors import ConfigurationError
    from limits.storage import SlidingWindowCounterSupport, Storage
    from limits.strategies import STRATEGIES, RateLimiter
    from limits.util import WindowStats
except ImportError as error:
    raise lacking("RateLimit", "limits", "limits") from error

__all__ = ["LocalStorage", "SharedMemoryStorage", "TableStorage", "TokenBucketRateLimiter", "TokenBucketSupport"]


class TokenBucketSupport(ABC):
    """A storage that `TokenBucketRateLimiter` works with."""

    @abstractmethod
    def acquire_tokens(self, key: str, limit: int, expiry: int, amount: int = 1) -> Taken:
        """Take `amount` of the `limit` tokens that come in `expiry` seconds. With 0 it only asks for one."""


class TokenBucketRateLimiter(RateLimiter):
    """The strategy ``token-bucket`` of `limits`: as many at once as the limit says, then evenly."""

    def __init__(self, storage: Any) -> None:
        super().__init__(storage)
        tokens: object = storage
        if not isinstance(tokens, TokenBucketSupport):
            raise NotImplementedError(f"a token bucket is not implemented for {type(storage).__name__}")
        self.tokens = tokens

    def hit(self, item: RateLimitItem, *identifiers: str, cost: int = 1) -> bool:
        """Whether `cost` tokens were taken."""
        return self.take(item, *identifiers, cost=cost).is_allowed

    def test(self, item: RateLimitItem, *identifiers: str, cost: int = 1) -> bool:
        """Whether `cost` tokens could be taken."""
        return self.take(item, *identifiers, cost=0).remaining >= cost

    def get_window_stats(self, item: RateLimitItem, *identifiers: str) -> WindowStats:
        """When there is one more token, and how many there are."""
        taken = self.take(item, *identifiers, cost=0)
        return WindowStats(time.time() + taken.reset_s, taken.remaining)

    def take(self, item: RateLimitItem, *identifiers: str, cost: int = 1) -> Taken:
        """All of it in one step."""
        return self.tokens.acquire_tokens(item.key_for(*identifiers), item.amount, item.get_expiry(), cost)


STRATEGIES.setdefault("token-bucket", TokenBucketRateLimiter)  # type: ignore[arg-type]


class TableStorage(Storage, SlidingWindowCounterSupport, TokenBucketSupport):
    """A storage of `limits` on a `Table`: bounded, and each step of it is one step for all who share it."""

    STORAGE_SCHEME: ClassVar[list[str] | None] = None  # type: ignore[misc]

    def __init__(self, table: Table, uri: str | None = None, wrap_exceptions: bool = False, **options: Any) -> None:
        super().__init__(uri, wrap_exceptions=wrap_exceptions, **options)
        self.table = table

    @property
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
        """What an operation raises."""
        return OSError

    def take(self, algorithm: str, key: str, amount: int, window_s: int, cost: int) -> Taken:
        """Count a request and hear what is left, in one step."""
        act = ALGORITHMS[algorithm]
        now = time.time()
        return self.table.update(
            f"{algorithm}\0{key}".encode(), now, lambda state: act(state, now, amount, window_s, cost)
        )

    def acquire_tokens(self, key: str, limit: int, expiry: int, amount: int = 1) -> Taken:
        """See `TokenBucketSupport`."""
        return self.take("token-bucket", key, limit, expiry, amount)

    def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """See `limits`."""
        return self.take("sliding-window", key, limit, expiry, amount).is_allowed

    def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """See `limits`: the window before, how long it counts, this window, how long that counts."""
        now = time.time()
        window = now // expiry
        state = self.state("sliding-window", key, now)
        at, before, current = state.rest if state else (window, 0.0, 0.0)
        if at == window - 1:
            before, current = current, 0.0
        elif at != window:
            before, current = 0.0, 0.0
        left_s = (window + 1) * expiry - now
        return int(before), left_s if before else 0.0, int(current), left_s + expiry

    def clear_sliding_window(self, key: str, expiry: int) -> None:
        """See `limits`."""
        self.table.forget(f"sliding-window\0{key}".encode())

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """See `limits`: here the count goes on above the limit, which this method does not know."""
        now = time.time()

        def counted(state: State | None) -> tuple[State, int]:
            is_live = state is not None and now < state.expires <= now + expiry
            count = (state.rest[0] if state is not None and is_live else 0.0) + amount
            expires = state.expires if state is not None and is_live else now + expiry
            return State(expires, count, (count, 0.0, 0.0)), int(count)

        return self.table.update(f"fixed-window\0{key}".encode(), now, counted)

    def get(self, key: str) -> int:
        """See `limits`."""
        state = self.state("fixed-window", key, time.time())
        return int(state.rest[0]) if state else 0

    def get_expiry(self, key: str) -> float:
        """See `limits`."""
        now = time.time()
        state = self.state("fixed-window", key, now)
        return state.expires if state else now

    def state(self, algorithm: str, key: str, now: float) -> State | None:
        found = self.table.update(f"{algorithm}\0{key}".encode(), now, lambda state: (None, state))
        return found if found is not None and found.expires > now else None

    def check(self) -> bool:
        """Whether it works: a lock can be had."""
        try:
            self.state("fixed-window", "check", time.time())
        except OSError:
            return False
        return True

    def reset(self) -> int | None:
        """Take all counts away."""
        return self.table.clear(time.time())

    def clear(self, key: str) -> None:
        """Take one away, however it is counted."""
        for algorithm in ALGORITHMS:
            self.table.forget(f"{algorithm}\0{key}".encode())


class LocalStorage(TableStorage):
    """Counts of this process alone, in `size_bytes` of memory. With N workers, N times the limit is let through."""

    def __init__(self, size_bytes: int = DEFAULT_SIZE_BYTES) -> None:
        super().__init__(Table(bytearray(max(size_bytes, HEAD_BYTES)), ThreadLock(), new_secret(), "memory://"))


class SharedMemoryStorage(TableStorage):
    """Counts that all processes of this user on this host share, without a server: ``shm://NAME?size=4m``.

    size   of the table, in bytes, or with k, m or g: 64 bytes for each client and limit
    dir    the directory of its file, instead of ``/dev/shm``

    It is a storage of `limits`, for whoever uses that: ``storage_from_string("shm://shop")``.
    Raises ConfigurationError for a URI that is none, OSError for a file that cannot be made or is not ours.
    """

    STORAGE_SCHEME: ClassVar[list[str] | None] = ["shm"]  # type: ignore[misc]

    def __init__(self, uri: str | None = None, wrap_exceptions: bool = False, **options: Any) -> None:
        super().__init__(table_of(uri or ""), uri, wrap_exceptions, **options)


SIZE_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def table_of(uri: str) -> Table:
    parts = urlsplit(uri)
    query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    size, directory = query.pop("size", str(DEFAULT_SIZE_BYTES)).lower(), query.pop("dir", None)
    digits = size.rstrip("kmg")
    if query or parts.path.strip("/") or not digits.isascii() or not digits.isdigit() or len(size) - len(digits) > 1:
        raise ConfigurationError(f"want shm://NAME, with ?size=4m and &dir=/a/directory where wanted, got {uri!r}")
    try:
        return open_table(parts.netloc, int(digits) * SIZE_UNITS[size[len(digits) :]], directory)
    except ValueError as error:
        raise ConfigurationError(str(error)) from error
