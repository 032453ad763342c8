"""The table: bounded, whatever keys come; and a slot that was torn is an empty one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.middleware.rate_limit.algorithms import State
from dragoman.middleware.rate_limit.table import BUCKET_BYTES, HEAD_BYTES, SLOT_BYTES, WAYS, Table, ThreadLock

NOW = 1000.0


def table_of(buckets: int) -> Table:
    return Table(bytearray(HEAD_BYTES + buckets * BUCKET_BYTES), ThreadLock(), b"s" * 16, "shm://test")


def count(table: Table, key: bytes, now: float = NOW, lasts_s: float = 60.0) -> float:
    """One more of `key`; gives how many there are."""

    def change(state: State | None) -> tuple[State, float]:
        used = (state.used if state else 0.0) + 1
        return State(now + lasts_s, used, (used, 0.0, 0.0)), used

    return table.update(key, now, change)


def test_each_key_has_its_own_count() -> None:
    table = table_of(64)
    assert [count(table, key) for key in (b"a", b"b", b"a", b"c", b"a")] == [1, 1, 2, 1, 3]


@given(st.lists(st.sampled_from([b"%d" % number for number in range(40)]), max_size=200))
def test_a_table_with_room_counts_like_a_dict(keys: list[bytes]) -> None:
    table = table_of(512)
    counts: dict[bytes, int] = {}
    for key in keys:
        counts[key] = counts.get(key, 0) + 1
        assert count(table, key) == counts[key]
    assert table.pushed_out == 0


def test_many_keys_do_not_make_it_grow() -> None:
    table = table_of(4)
    for number in range(5000):
        count(table, b"%d" % number)
    assert len(table.memory) == HEAD_BYTES + 4 * BUCKET_BYTES
    assert table.pushed_out == 5000 - 4 * WAYS


def test_who_comes_often_is_not_pushed_out_by_those_who_come_once() -> None:
    table = table_of(4)
    for _ in range(10):
        count(table, b"often")
    for number in range(5000):
        count(table, b"%d" % number)
    assert count(table, b"often") == 11


def test_an_expired_count_makes_room_first() -> None:
    table = table_of(1)
    for number in range(WAYS):
        count(table, b"%d" % number, lasts_s=5.0 if number == 3 else 60.0)
    count(table, b"new", now=NOW + 6)
    assert table.pushed_out == 0
    assert count(table, b"7", now=NOW + 6) == 2
    assert count(table, b"new", now=NOW + 6) == 2


def test_a_full_table_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    table = table_of(1)
    for number in range(100):
        count(table, b"%d" % number)
    [message] = caplog.messages
    assert message.startswith("shm://test has more clients than its 8 places") and "larger size" in message


@given(st.integers(0, SLOT_BYTES * 8 - 1))
def test_a_slot_that_was_torn_is_an_empty_one(bit: int) -> None:
    table = table_of(1)
    count(table, b"a")
    start = HEAD_BYTES
    table.memory[start + bit // 8] ^= 1 << bit % 8
    # The last four bytes are no part of a slot.
    assert count(table, b"a") == (2 if bit // 8 >= SLOT_BYTES - 4 - 8 and bit // 8 >= 60 else 1)


def test_what_is_forgotten_counts_from_the_beginning() -> None:
    table = table_of(4)
    count(table, b"a")
    count(table, b"b")
    table.forget(b"a")
    table.forget(b"nobody")
    assert (count(table, b"a"), count(table, b"b")) == (1, 2)
    assert table.clear(NOW) == 2
    assert count(table, b"b") == 1


def test_the_lock_is_given_back_when_a_change_raises() -> None:
    table = table_of(1)

    def change(state: State | None) -> tuple[State, None]:
        raise RuntimeError("by plan")

    with pytest.raises(RuntimeError):
        table.update(b"a", NOW, change)
    assert count(table, b"a") == 1
