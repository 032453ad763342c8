"""`MemoryStore`: its bound."""

from __future__ import annotations

import tracemalloc

import pytest

from dragoman.middleware.stores import MemoryStore


def test_what_was_used_longest_ago_makes_room() -> None:
    store = MemoryStore(limit_bytes=1 << 16)
    for name in ("a", "b", "c"):
        store.put(name, b"x" * 20_000, 60)
    assert store.get("a") is not None
    store.put("d", b"x" * 20_000, 60)
    assert [name for name in "abcd" if store.get(name)] == ["a", "c", "d"]
    assert store.held_bytes <= store.limit_bytes


def test_what_is_larger_than_the_store_is_not_kept() -> None:
    store = MemoryStore(limit_bytes=1 << 16)
    store.put("a", b"x" * (1 << 16), 60)
    assert store.get("a") is None
    assert (store.held_bytes, len(store.entries)) == (0, 0)


def test_the_bound_is_that_of_the_memory_that_is_used() -> None:
    store = MemoryStore(limit_bytes=4 << 20)
    tracemalloc.start()
    try:
        for number in range(50_000):
            store.put(f"session {number}", b"%020d" % number, 60)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 4.4 * (1 << 20)


@pytest.mark.parametrize("limit", [0, 65535, "1M", 1e9])
def test_a_limit_that_is_none_is_refused(limit: object) -> None:
    with pytest.raises(ValueError, match="limit_bytes: want a whole number"):
        MemoryStore(limit_bytes=limit)  # type: ignore[arg-type]
