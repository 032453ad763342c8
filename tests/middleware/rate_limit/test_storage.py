"""Our storages of `limits`: they do what its own memory storage does, by its own strategies."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from limits import parse
from limits.errors import ConfigurationError
from limits.storage import MemoryStorage, Storage, storage_from_string
from limits.strategies import FixedWindowRateLimiter, SlidingWindowCounterRateLimiter

from dragoman.middleware.rate_limit import storage as ours
from dragoman.middleware.rate_limit.storage import LocalStorage, SharedMemoryStorage, TokenBucketRateLimiter

NOW = 1_790_000_010.0
names = itertools.count()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Its one item is the time."""
    now = [NOW]
    monkeypatch.setattr("time.time", lambda: now[0])
    return now


def shared(directory: Path) -> Storage:
    return SharedMemoryStorage(f"shm://storage-{os.getpid()}-{next(names)}?size=64k&dir={directory}")


STORAGES: dict[str, Callable[[Path], Storage]] = {
    "shm": shared,
    "local": lambda _: LocalStorage(),
    "limits' own": lambda _: MemoryStorage(),
}


@pytest.fixture(params=STORAGES)
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    return STORAGES[request.param](tmp_path)


def test_it_counts_until_the_expiry(storage: Storage, clock: list[float]) -> None:
    assert [storage.incr("a", 10), storage.incr("a", 10, amount=3), storage.get("a")] == [1, 4, 4]
    assert storage.get_expiry("a") == NOW + 10
    assert (storage.get("b"), storage.get_expiry("b")) == (0, NOW)
    clock[0] += 10.5
    assert storage.get("a") == 0
    assert storage.incr("a", 10) == 1
    assert storage.check() is True


def test_it_forgets_what_it_is_told_to(storage: Storage, clock: list[float]) -> None:
    storage.incr("a", 10)
    storage.incr("b", 10)
    storage.clear("a")
    assert (storage.get("a"), storage.get("b")) == (0, 1)
    assert storage.reset() == 1
    assert storage.get("b") == 0


def test_the_fixed_window_of_limits_works_on_it(storage: Storage, clock: list[float]) -> None:
    strategy = FixedWindowRateLimiter(storage)
    item = parse("3/minute")
    assert [strategy.hit(item, "x") for _ in range(4)] == [True, True, True, False]
    assert strategy.test(item, "x") is False and strategy.test(item, "y") is True
    assert strategy.get_window_stats(item, "x") == (NOW + 60, 0)
    strategy.clear(item, "x")
    assert strategy.hit(item, "x") is True


def test_the_sliding_window_of_limits_works_on_it(storage: Storage, clock: list[float]) -> None:
    strategy = SlidingWindowCounterRateLimiter(storage)
    item = parse("4/minute")
    assert [strategy.hit(item, "x") for _ in range(5)] == [True] * 4 + [False]
    assert strategy.test(item, "x") is False
    stats = strategy.get_window_stats(item, "x")
    assert stats.remaining == 0 and NOW < stats.reset_time <= NOW + 60
    # In the middle of the next window half of them count.
    clock[0] = NOW // 60 * 60 + 90
    assert [strategy.hit(item, "x") for _ in range(3)] == [True, True, False]
    clock[0] += 120
    assert strategy.get_window_stats(item, "x").remaining == 4
    strategy.hit(item, "x")
    strategy.clear(item, "x")
    assert strategy.get_window_stats(item, "x").remaining == 4


def test_a_token_bucket_is_a_strategy_of_limits(clock: list[float]) -> None:
    strategy = TokenBucketRateLimiter(LocalStorage())
    item = parse("6/minute")
    assert [strategy.hit(item, "x") for _ in range(7)] == [True] * 6 + [False]
    assert strategy.get_window_stats(item, "x") == (pytest.approx(NOW + 10), 0)
    clock[0] += 10
    assert strategy.test(item, "x") is True and strategy.test(item, "x", cost=2) is False
    assert [strategy.hit(item, "x") for _ in range(2)] == [True, False]
    strategy.clear(item, "x")
    assert strategy.hit(item, "x", cost=6) is True


def test_a_storage_without_token_buckets_says_so() -> None:
    with pytest.raises(NotImplementedError, match="MemoryStorage"):
        TokenBucketRateLimiter(MemoryStorage())


def test_the_scheme_is_known_to_limits(tmp_path: Path) -> None:
    made = storage_from_string(f"shm://scheme-{os.getpid()}?size=128k&dir={tmp_path}")
    assert isinstance(made, SharedMemoryStorage)
    assert len(made.table.memory) == 128 << 10


@pytest.mark.parametrize(
    "uri",
    [
        "shm://a?size=4x",
        "shm://a?size=",
        "shm://a?siez=4m",
        "shm://a/b",
        "shm://",
        "shm://a?size=1k",
        "shm://a?size=4mm",
    ],
)
def test_a_uri_that_is_none_is_refused_with_what_is_wanted(uri: str) -> None:
    with pytest.raises(ConfigurationError, match="want"):
        storage_from_string(uri)


def test_errors_are_wrapped_when_that_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = f"shm://wrap-{os.getpid()}?size=64k&dir={tmp_path}"
    from limits.errors import StorageError

    def fail(*_: Any) -> None:
        raise TimeoutError("by plan")

    storage = SharedMemoryStorage(uri, wrap_exceptions=True)
    monkeypatch.setattr(storage.table, "update", fail)
    with pytest.raises(StorageError):
        storage.incr("a", 1)
    assert storage.check() is False
    assert ours.TableStorage.base_exceptions.fget(storage) is OSError  # type: ignore[attr-defined]
