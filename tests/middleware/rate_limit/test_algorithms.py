"""The three algorithms, by what they promise over any run of requests."""

from __future__ import annotations

import doctest
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.middleware.rate_limit import algorithms, limit
from dragoman.middleware.rate_limit.algorithms import ALGORITHMS, State, Taken, fixed_window, sliding_window
from dragoman.middleware.rate_limit.limit import Limit, parse_limits

START = 1_790_000_000.0
pauses = st.lists(st.floats(0, 200, allow_nan=False), max_size=60)
amounts = st.integers(1, 12)
windows = st.sampled_from([1, 7, 60])
names = st.sampled_from(sorted(ALGORITHMS))


def run(name: str, amount: int, window_s: int, moments: Sequence[float], costs: Sequence[int] = ()) -> list[Taken]:
    state: State | None = None
    taken = []
    for index, now in enumerate(moments):
        made, one = ALGORITHMS[name](state, now, amount, window_s, costs[index] if costs else 1)
        state = made or state
        taken.append(one)
    return taken


def moments_of(pauses: list[float]) -> list[float]:
    now = START
    return [now := now + pause for pause in pauses]


def allowed(moments: Sequence[float], taken: Sequence[Taken]) -> list[float]:
    return [now for now, one in zip(moments, taken, strict=True) if one.is_allowed]


@pytest.mark.parametrize("module", [algorithms, limit])
def test_the_examples_are_true(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


@given(names, amounts, windows)
def test_so_many_at_once_are_allowed_and_no_more(name: str, amount: int, window_s: int) -> None:
    # In the middle of a window: at its very beginning the one before would count in full.
    taken = run(name, amount, window_s, [START] * (amount + 3))
    assert [one.is_allowed for one in taken] == [True] * amount + [False] * 3
    assert [one.remaining for one in taken] == [*range(amount - 1, -1, -1), 0, 0, 0]


@given(amounts, windows, pauses)
def test_a_fixed_window_allows_no_more_than_its_amount_from_its_first_request_on(
    amount: int, window_s: int, pauses: list[float]
) -> None:
    moments = moments_of(pauses)
    times = allowed(moments, run("fixed-window", amount, window_s, moments))
    first = 0
    for index, now in enumerate(times):
        if now - times[first] >= window_s:
            first = index
        assert index - first < amount


@given(amounts, windows, pauses)
def test_a_token_bucket_allows_what_it_holds_and_what_flows_in(amount: int, window_s: int, pauses: list[float]) -> None:
    moments = moments_of(pauses)
    times = allowed(moments, run("token-bucket", amount, window_s, moments))
    for first in range(len(times)):
        for last in range(first, len(times)):
            assert last - first + 1 <= amount + (times[last] - times[first]) * amount / window_s + 0.01


@given(amounts, windows, pauses)
def test_a_sliding_window_never_allows_its_amount_twice_in_its_time(
    amount: int, window_s: int, pauses: list[float]
) -> None:
    moments = moments_of(pauses)
    times = allowed(moments, run("sliding-window", amount, window_s, moments))
    # Two counters are an approximation; this is its bound: the amount in each window of the clock.
    for number in {now // window_s for now in times}:
        assert sum(now // window_s == number for now in times) <= amount


def test_around_the_end_of_a_window_a_fixed_one_lets_twice_the_amount_through_and_a_sliding_one_one_more() -> None:
    end = START // 60 * 60 + 60
    moments = [end - 60.0] + [end - 1.0] * 9 + [end + 1.0] * 10
    assert sum(one.is_allowed for one in run("fixed-window", 10, 60, moments)) == 20
    # A second into the new window 59 sixtieths of the old one count: 9.8, and 9.8 is not yet 10.
    assert sum(one.is_allowed for one in run("sliding-window", 10, 60, moments)) == 11


@given(names, amounts, windows, pauses, st.integers(1, 12))
def test_who_waits_as_long_as_he_is_told_is_let_in(
    name: str, amount: int, window_s: int, pauses: list[float], cost: int
) -> None:
    state: State | None = None
    for now in moments_of(pauses) or [START]:
        made, _ = ALGORITHMS[name](state, now, amount, window_s, 1)
        state = made or state
    _, asked = ALGORITHMS[name](state, now, amount, window_s, cost)
    assert 0 <= asked.wait_s <= 2 * window_s * max(1, cost)
    assert asked.is_allowed == (asked.wait_s == 0) or cost > amount
    if not asked.is_allowed and cost <= amount:
        _, later = ALGORITHMS[name](state, now + asked.wait_s + 0.001, amount, window_s, cost)
        assert later.is_allowed


@given(names, amounts, windows, pauses)
def test_after_the_reset_there_is_more(name: str, amount: int, window_s: int, pauses: list[float]) -> None:
    state: State | None = None
    for now in moments_of(pauses) or [START]:
        made, taken = ALGORITHMS[name](state, now, amount, window_s, 1)
        state = made or state
    assert 0 <= taken.reset_s <= 2 * window_s
    assert 0 <= taken.remaining < amount or name == "sliding-window"
    _, later = ALGORITHMS[name](state, now + taken.reset_s + 0.001, amount, window_s, 0)
    assert later.remaining > taken.remaining or taken.remaining == amount


@given(names, amounts, windows, pauses)
def test_asking_changes_nothing(name: str, amount: int, window_s: int, pauses: list[float]) -> None:
    state: State | None = None
    for now in moments_of(pauses):
        assert ALGORITHMS[name](state, now, amount, window_s, 0)[0] is None
        made, _ = ALGORITHMS[name](state, now, amount, window_s, 1)
        state = made or state


@given(names, st.integers(1, 12), st.integers(1, 12))
def test_a_cost_that_is_refused_takes_nothing(name: str, amount: int, cost: int) -> None:
    taken = run(name, amount, 60, [START, START], [cost, 1])
    assert taken[0].is_allowed == (cost <= amount)
    assert taken[1].is_allowed == (cost < amount or cost > amount)


def test_asking_a_bucket_counts_nothing() -> None:
    state, _ = ALGORITHMS["token-bucket"](None, START, 2, 60, 1)
    for now in (START, START - 3600, START - 3599):
        made, taken = ALGORITHMS["token-bucket"](state, now, 2, 60, 0)
        assert taken.remaining == 1
        state = made or state


@pytest.mark.parametrize("name", sorted(ALGORITHMS))
def test_a_clock_that_is_set_back_locks_nobody_out_for_longer_than_a_window(name: str) -> None:
    state: State | None = None
    for _ in range(5):
        made, _ = ALGORITHMS[name](state, START, 5, 60, 1)
        state = made or state
    a_day_ago = START - 86_400
    made, taken = ALGORITHMS[name](state, a_day_ago, 5, 60, 1)
    assert taken.wait_s <= 60
    _, taken = ALGORITHMS[name](made or state, a_day_ago + taken.wait_s, 5, 60, 1)
    assert taken.is_allowed


def test_states_of_two_windows_ago_count_for_nothing() -> None:
    assert sliding_window(State(0.0, 5.0, (1.0, 5.0, 5.0)), 190.0, 5, 60, 1)[1].remaining == 4
    assert fixed_window(State(100.0, 5.0, (5.0, 0.0, 0.0)), 100.0, 5, 60, 1)[1].remaining == 4


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("10/second", [(10, 1, "second")]),
        ("10 per second", [(10, 1, "second")]),
        ("100/2 minutes", [(100, 2, "minute")]),
        ("1000/hour; 10/second", [(10, 1, "second"), (1000, 1, "hour")]),
        ("5/Day,1/second", [(1, 1, "second"), (5, 1, "day")]),
    ],
)
def test_limits_are_read_the_shortest_window_first(text: str, limits: list[tuple[int, int, str]]) -> None:
    assert list(parse_limits(text, "limits")) == [Limit(*one) for one in limits]


@pytest.mark.parametrize(
    "text", ["", "10", "0/second", "10/fortnight", "-1/second", "10/second;", "1/0 seconds", "1/second; 2/second", 10]
)
def test_what_is_no_limit_is_refused_with_what_would_be_one(text: object) -> None:
    with pytest.raises(ValueError, match=r"^limits: "):
        parse_limits(text, "limits")  # type: ignore[arg-type]
