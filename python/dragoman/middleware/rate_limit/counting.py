"""Counts requests in a storage of `limits`: which storage a setting names, and how each of them is asked."""

from __future__ import annotations

import re
import time
from typing import Any, Protocol

from dragoman.middleware.extras import lacking
from dragoman.middleware.rate_limit.algorithms import ALGORITHMS, Taken, bucket_left
from dragoman.middleware.rate_limit.limit import Limit
from dragoman.middleware.rate_limit.storage import LocalStorage, TableStorage, TokenBucketRateLimiter
from dragoman.middleware.secrets import without_password
from dragoman.middleware.shared_file import default_name
from dragoman.middleware.stores.base import StoreDown

try:
    from limits import parse
    from limits.errors import ConcurrentUpdateError, ConfigurationError, StorageError
    from limits.storage import RedisStorage, Storage, storage_from_string
    from limits.strategies import FixedWindowRateLimiter, RateLimiter, SlidingWindowCounterRateLimiter
except ImportError as error:
    raise lacking("RateLimit", "limits", "limits") from error

__all__ = ["Counter", "counter_of"]

NAMESPACE = "dragoman"
STRATEGY_OF: dict[str, type[RateLimiter]] = {
    "fixed-window": FixedWindowRateLimiter,
    "sliding-window": SlidingWindowCounterRateLimiter,
    "token-bucket": TokenBucketRateLimiter,
}
REDIS = re.compile(r"(?:redis|rediss|valkey|valkeys)(?:\+\w+)?")
# The clock is the server's: those of the machines that ask it need not agree.
TOKENS = b"""
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1000000
local amount, window, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local stored = redis.call('GET', KEYS[1])
local backlog = 0
local made = nil
if stored then
  local at, left = string.match(stored, '(%S+) (%S+)')
  backlog = math.max(0, math.min(tonumber(left), window) - math.max(0, now - tonumber(at)))
  if tonumber(at) > now then
    -- The clock was set back: time goes by from here on.
    made = backlog
  end
end
if cost > 0 and backlog + (cost - 0.000001) * window / amount <= window then
  made = backlog + cost * window / amount
end
if made then
  redis.call('SET', KEYS[1], string.format('%.6f %.9f', now, made), 'PX', math.ceil(made * 1000) + 1)
end
return string.format('%.9f', backlog)
"""


class Counter(Protocol):
    """Counts requests.

    what        names it in the log, without secrets
    is_shared   whether other processes count in it, too
    """

    what: str
    is_shared: bool

    def take(self, limit: Limit, who: str, cost: int) -> Taken:
        """Count a request of `who`; a cost of 0 only asks. Raises StoreDown when it cannot be reached."""


class TableCounter:
    """Counts in one of our tables, in one step."""

    def __init__(self, storage: TableStorage, algorithm: str) -> None:
        self.storage = storage
        self.algorithm = algorithm
        self.what = storage.table.what
        self.is_shared = not isinstance(storage, LocalStorage)

    def take(self, limit: Limit, who: str, cost: int) -> Taken:
        """Count a request."""
        try:
            key = f"{who}/{limit.name}"
            return self.storage.take(self.algorithm, key, limit.amount, limit.window_s, cost)
        except OSError as error:
            raise StoreDown(f"{self.what}: {error}") from error


class LimitsCounter:
    """Counts in any other storage, by the strategies of `limits`."""

    is_shared = True

    def __init__(self, storage: Storage, algorithm: str, what: str) -> None:
        self.storage = storage
        self.what = what
        self.faults = faults_of(storage)
        try:
            self.strategy = STRATEGY_OF[algorithm](storage)
        except NotImplementedError as error:
            raise ValueError(f"strategy: {algorithm!r} does not work with the storage {what}: {error}") from error
        self.items: dict[Limit, Any] = {}

    def take(self, limit: Limit, who: str, cost: int) -> Taken:
        """Count a request, then ask what is left."""
        item = self.items.get(limit)
        if item is None:
            item = self.items[limit] = parse(f"{limit.amount} per {limit.multiple} {limit.unit}")
            item.namespace = NAMESPACE
        try:
            if isinstance(self.strategy, TokenBucketRateLimiter):
                return self.strategy.take(item, who, cost=cost)
            hit = self.strategy.hit if cost else self.strategy.test
            is_allowed = hit(item, who, cost=max(cost, 1))
            stats = self.strategy.get_window_stats(item, who)
        except self.faults as error:
            raise StoreDown(f"{self.what}: {type(error).__name__}: {error}") from error
        reset_s = max(0.0, stats.reset_time - time.time())
        remaining = max(0, stats.remaining)
        # With nothing used there is nothing to wait for.
        left_s = reset_s if remaining < limit.amount else 0.0
        return Taken(is_allowed, remaining, left_s, 0.0 if is_allowed else reset_s)


class RedisTokens:
    """Token buckets in Redis: `limits` has none. One script, so one step."""

    is_shared = True

    def __init__(self, storage: RedisStorage, what: str) -> None:
        self.storage = storage
        self.what = what
        self.faults = faults_of(storage)
        self.script: Any = storage.get_connection().register_script(TOKENS)

    def take(self, limit: Limit, who: str, cost: int) -> Taken:
        """Count a request."""
        key = f"{self.storage.key_prefix}:{NAMESPACE}/{who}/{limit.name}/tokens"
        try:
            backlog_s = float(self.script(keys=[key], args=[limit.amount, limit.window_s, cost]))
        except self.faults as error:
            raise StoreDown(f"{self.what}: {type(error).__name__}: {error}") from error
        return bucket_left(backlog_s, limit.amount, limit.window_s, cost)[1]


def faults_of(storage: Storage) -> tuple[type[Exception], ...]:
    faults = storage.base_exceptions
    return (*(faults if isinstance(faults, tuple) else (faults,)), OSError, StorageError, ConcurrentUpdateError)


def counter_of(storage: object, algorithm: str, timeout_s: float) -> Counter:
    """The counter for a setting: a URI, or a storage of `limits` that is there already.

    Raises ValueError for what is no storage, and for an algorithm that it cannot do.
    """
    if algorithm not in ALGORITHMS:
        raise ValueError(f"strategy: want one of {', '.join(ALGORITHMS)}, got {algorithm!r}")
    if isinstance(storage, Storage):
        made, what = storage, type(storage).__name__
    elif isinstance(storage, str):
        made, what = storage_of(storage, timeout_s), without_password(storage)
    else:
        raise ValueError(f'storage: want a URI such as "shm://shop" or a storage of limits, got {storage!r}')
    if isinstance(made, TableStorage):
        return TableCounter(made, algorithm)
    if algorithm == "token-bucket" and isinstance(made, RedisStorage):
        return RedisTokens(made, what)
    return LimitsCounter(made, algorithm, what)


def storage_of(uri: str, timeout_s: float) -> Storage:
    scheme, _, rest = uri.partition("://")
    if scheme == "memory":
        return LocalStorage()
    if scheme == "shm" and rest.split("?")[0] == "":
        uri = f"shm://{default_name()}{rest}"
    options = redis_options(timeout_s) if REDIS.fullmatch(scheme) else {}
    try:
        made = storage_from_string(uri, **options)
    except (ConfigurationError, ValueError) as error:
        raise ValueError(f"storage: {error}") from error
    if not isinstance(made, Storage):
        raise ValueError(f"storage: {without_password(uri)!r} is for asynchronous applications")
    return made


def redis_options(timeout_s: float) -> dict[str, Any]:
    try:
        from redis.backoff import NoBackoff  # noqa: PLC0415
        from redis.exceptions import ConnectionError as NotConnected  # noqa: PLC0415
        from redis.retry import Retry  # noqa: PLC0415
    except ImportError as error:
        raise lacking("RateLimit in Redis", "redis", "redis") from error

    # redis-py's own retries wait and take seconds. After a restart each kept connection fails once, though.
    retry = Retry(NoBackoff(), 1, supported_errors=(NotConnected,))
    return {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s, "retry": retry}
