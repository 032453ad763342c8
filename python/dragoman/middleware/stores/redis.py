"""`RedisStore`: in Redis, Valkey or what else speaks their protocol, for any number of machines."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from dragoman.middleware.extras import lacking
from dragoman.middleware.secrets import without_password
from dragoman.middleware.stores.base import VERSION_BYTES, Stored, StoreDown, new_version, refuse_ttl

try:
    from redis import Redis
    from redis.backoff import NoBackoff
    from redis.exceptions import ConnectionError as NotConnected
    from redis.exceptions import RedisError
    from redis.retry import Retry
except ImportError as error:
    raise lacking("RedisStore", "redis", "redis") from error

__all__ = ["RedisStore"]

# A value stands behind its version. Each of them is one step of the server, since scripts are. A command whose answer
# was lost with its connection is sent once more: then our own version stands there already, and the swap is done.
SWAP = f"""
local there = redis.call('GETRANGE', KEYS[1], 0, {VERSION_BYTES - 1})
if there == string.sub(ARGV[2], 1, {VERSION_BYTES}) then return 1 end
if there ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""
DELETE = f"""
local there = redis.call('GETRANGE', KEYS[1], 0, {VERSION_BYTES - 1})
if there ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""


class RedisStore:
    """Keeps values in the Redis at `url`: ``redis://``, ``rediss://`` (TLS) or ``unix://``, as redis-py reads it.

    prefix      stands before each key
    timeout_s   how long a connection, and an answer, is waited for
    options     further arguments of ``redis.Redis.from_url``

    Connections are made when they are needed. One that has gone stale is replaced, and the command sent once more.
    Size and eviction are Redis's: ``maxmemory``, with the policy ``volatile-lru`` or ``volatile-ttl``.
    Raises ValueError for a URL of another kind.

        store = RedisStore("redis://127.0.0.1:6379/0")
    """

    is_shared = True

    def __init__(self, url: str, *, prefix: str = "dragoman:", timeout_s: float = 0.5, **options: Any) -> None:
        if urlsplit(url).scheme not in ("redis", "rediss", "unix"):
            raise ValueError(f"url: want redis://, rediss:// or unix://, got {without_password(url)!r}")
        if not 0 < timeout_s < float("inf"):
            raise ValueError(f"timeout_s: want seconds above 0, got {timeout_s!r}")
        self.what = without_password(url)
        self.prefix = prefix
        given = {"socket_timeout": timeout_s, "socket_connect_timeout": timeout_s, **options}
        # redis-py's own retries wait and take seconds. After a restart each kept connection fails once, though.
        given.setdefault("retry", Retry(NoBackoff(), 1, supported_errors=(NotConnected,)))
        self.client: Redis = Redis.from_url(url, **given)
        self.swap_script = self.client.register_script(SWAP)
        self.delete_script = self.client.register_script(DELETE)

    def get(self, key: str) -> Stored | None:
        """What is stored under `key`."""
        try:
            found: Any = self.client.get(self.prefix + key)
        except (RedisError, OSError) as error:
            raise self.down(error) from error
        return None if found is None else Stored(found[VERSION_BYTES:], found[:VERSION_BYTES])

    def put(self, key: str, value: bytes, ttl_s: float) -> bytes:
        """Store it, whatever was there."""
        refuse_ttl(ttl_s)
        version = new_version()
        try:
            self.client.set(self.prefix + key, version + value, px=milliseconds(ttl_s))
        except (RedisError, OSError) as error:
            raise self.down(error) from error
        return version

    def swap(self, key: str, value: bytes, ttl_s: float, expected: bytes | None) -> bytes | None:
        """Store it, if what is there has the version `expected`."""
        refuse_ttl(ttl_s)
        version = new_version()
        arguments: list[bytes | int] = [expected or b"", version + value, milliseconds(ttl_s)]
        try:
            is_done = self.swap_script(keys=[self.prefix + key], args=arguments)
        except (RedisError, OSError) as error:
            raise self.down(error) from error
        return version if is_done else None

    def delete(self, key: str, expected: bytes | None = None) -> bool:
        """Take it away."""
        try:
            if expected is None:
                return bool(self.client.delete(self.prefix + key))
            return bool(self.delete_script(keys=[self.prefix + key], args=[expected]))
        except (RedisError, OSError) as error:
            raise self.down(error) from error

    def down(self, error: Exception) -> StoreDown:
        return StoreDown(f"{self.what}: {type(error).__name__}: {error}")


def milliseconds(ttl_s: float) -> int:
    return max(1, int(ttl_s * 1000))
