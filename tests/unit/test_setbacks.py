"""Setbacks: back-off by place and generation, and causes that are told once."""

from dragoman.supervisor.plan import BACKOFF_LEAST_S
from dragoman.supervisor.setbacks import Setbacks


def test_each_death_in_a_row_makes_the_rest_longer_and_a_settled_life_makes_it_short_again() -> None:
    setbacks = Setbacks()
    rests = []
    for has_settled in (False, False, False, True):
        setbacks.add((1, 1), has_served=True, has_settled=has_settled)
        setbacks.rest((1, 1), 100.0)
        rests.append(round(setbacks.rests(100.0)[0] - 100.0, 6))
    assert rests == [BACKOFF_LEAST_S, 2 * BACKOFF_LEAST_S, 4 * BACKOFF_LEAST_S, BACKOFF_LEAST_S]


def test_a_place_rests_for_its_own_generation_alone_and_not_for_ever() -> None:
    setbacks = Setbacks()
    setbacks.add((1, 2))
    setbacks.rest((1, 2), 100.0)
    assert setbacks.resting(1, 100.0) == {2}
    assert setbacks.resting(2, 100.0) == set()
    assert setbacks.resting(1, 100.0 + BACKOFF_LEAST_S) == set()
    assert setbacks.rests(100.0 + BACKOFF_LEAST_S) == []


def test_a_place_that_is_held_rests_until_the_next_generation() -> None:
    setbacks = Setbacks()
    setbacks.add((1, 1))
    setbacks.hold((1, 1))
    assert setbacks.resting(1, 1e12) == {1} and setbacks.resting(2, 100.0) == set()
    assert setbacks.rests(100.0) == [], "nobody need wake for it"


def test_failed_starts_are_counted_until_one_serves() -> None:
    setbacks = Setbacks()
    assert [setbacks.add((1, 1)) for _ in range(3)] == [1, 2, 3]
    assert setbacks.add((2, 1)) == 1
    assert setbacks.add((1, 1), has_served=True) == 0
    setbacks.keep_only(2)
    assert (setbacks.add((1, 1)), setbacks.add((2, 1))) == (1, 2)


def test_a_cause_is_news_once_for_each_generation_until_a_worker_serves() -> None:
    setbacks = Setbacks()
    assert [setbacks.is_news(1, "no module") for _ in range(2)] == [True, False]
    assert setbacks.is_news(2, "no module")
    assert setbacks.is_news(2, "no database")
    setbacks.served()
    assert setbacks.is_news(2, "no database")
