"""The fleet: successors before farewells, bounds, a reload that fails, and random events that keep its invariants."""

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dragoman.supervisor.fleet import SURGE, Drain, Fleet, Loss, Member, Order, Start, State


def carry_out(fleet: Fleet, resting: tuple[int, ...] = ()) -> list[Order]:
    """Follow the fleet's orders as a supervisor does; returns them."""
    followed: list[Order] = []
    while orders := fleet.orders(resting):
        followed += orders
        for order in orders:
            match order:
                case Start(number):
                    fleet.started(number)
                case Drain(key):
                    fleet.drained(key)
    return followed


def serving(wanted: int) -> Fleet:
    """A fleet whose workers all serve."""
    fleet = Fleet(wanted)
    carry_out(fleet)
    for key in list(fleet.members):
        fleet.ready(key)
    assert fleet.is_settled
    return fleet


def shown(fleet: Fleet) -> list[tuple[int, int, str]]:
    return [(one.number, one.generation, one.state.name) for one in fleet.members.values()]


def test_all_places_are_filled_at_once() -> None:
    fleet = Fleet(3)
    assert carry_out(fleet) == [Start(1), Start(2), Start(3)]
    assert carry_out(fleet) == []


def test_a_reload_replaces_one_worker_after_the_other_and_each_leaves_when_its_successor_serves() -> None:
    fleet = serving(2)
    fleet.reload()
    assert carry_out(fleet) == [Start(1)]
    assert carry_out(fleet) == []
    fleet.ready(3)
    assert carry_out(fleet) == [Drain(1), Start(2)]
    fleet.ready(4)
    assert carry_out(fleet) == [Drain(2)]
    assert fleet.is_settled
    assert [fleet.gone(key) for key in (1, 2)] == [Loss.LEFT, Loss.LEFT]
    assert shown(fleet) == [(1, 2, "READY"), (2, 2, "READY")]


def test_a_reload_whose_first_worker_cannot_start_leaves_those_that_serve() -> None:
    fleet = serving(2)
    fleet.reload()
    carry_out(fleet)
    assert fleet.gone(3) is Loss.RELOAD_FAILED
    assert carry_out(fleet) == []
    assert fleet.is_settled


def test_a_later_worker_of_a_reload_that_cannot_start_is_started_again() -> None:
    fleet = serving(2)
    fleet.reload()
    carry_out(fleet)
    fleet.ready(3)
    carry_out(fleet)
    assert fleet.gone(4) is Loss.UNBOOTABLE
    assert carry_out(fleet, resting=(2,)) == []
    assert carry_out(fleet) == [Start(2)]


def test_the_reload_after_one_that_failed_is_a_new_one() -> None:
    fleet = serving(1)
    fleet.reload()
    carry_out(fleet)
    fleet.gone(2)
    fleet.reload()
    carry_out(fleet)
    fleet.ready(3)
    assert carry_out(fleet) == [Drain(1)]


def test_a_reload_overtakes_the_successor_that_another_one_is_starting() -> None:
    fleet = serving(1)
    fleet.reload()
    carry_out(fleet)
    fleet.reload()
    assert carry_out(fleet) == [Drain(2)]
    assert fleet.gone(2) is Loss.LEFT
    assert carry_out(fleet) == [Start(1)]
    assert fleet.gone(3) is Loss.RELOAD_FAILED
    assert fleet.is_settled


def test_a_worker_that_retires_serves_until_its_successor_does() -> None:
    fleet = serving(2)
    fleet.retire(1, "200 requests")
    fleet.retire(2, "200 requests")
    assert carry_out(fleet) == [Start(1)]
    fleet.ready(3)
    assert carry_out(fleet) == [Drain(1), Start(2)]


def test_a_dead_worker_is_replaced_unless_its_place_rests() -> None:
    fleet = serving(2)
    assert fleet.gone(1) is Loss.DIED
    assert carry_out(fleet, resting=(1,)) == []
    assert carry_out(fleet) == [Start(1)]


def test_a_worker_that_dies_while_its_successor_starts_is_replaced_by_that_one() -> None:
    fleet = serving(1)
    fleet.retire(1, "old")
    carry_out(fleet)
    assert fleet.gone(1) is Loss.DIED
    assert carry_out(fleet) == []
    fleet.ready(2)
    assert fleet.is_settled


def test_fewer_workers_are_the_first_ones() -> None:
    fleet = serving(3)
    fleet.scale(1)
    assert carry_out(fleet) == [Drain(2), Drain(3)]
    fleet.scale(2)
    assert carry_out(fleet) == [Start(2)]


def test_no_successor_starts_while_as_many_as_are_wanted_are_leaving() -> None:
    fleet = serving(1)
    fleet.reload()
    carry_out(fleet)
    fleet.ready(2)
    assert carry_out(fleet) == [Drain(1)]
    fleet.reload()
    assert carry_out(fleet) == []
    fleet.gone(1)
    assert carry_out(fleet) == [Start(1)]


class Events(RuleBasedStateMachine):
    """Anything may happen at any time; what is ordered is carried out after each event, as the supervisor does."""

    def __init__(self) -> None:
        super().__init__()
        self.fleet = Fleet(2)
        self.most_wanted = 2
        self.served: set[int] = set()  # the places that have had a worker that serves
        self.follow()

    def follow(self) -> None:
        """Carry out the orders, and hold that none of them takes a place its only worker."""
        ready = self.ready_numbers()
        carry_out(self.fleet)
        for number in ready - self.ready_numbers():
            assert number > self.fleet.wanted, f"worker {number} was sent away without a successor"

    def ready_numbers(self) -> set[int]:
        return {one.number for one in self.fleet.members.values() if one.state is State.READY}

    def pick(self, choice: int, *states: State) -> Member | None:
        among = [one for one in self.fleet.members.values() if one.state in states]
        return among[choice % len(among)] if among else None

    @rule(choice=st.integers(0, 99))
    def a_worker_becomes_ready(self, choice: int) -> None:
        if one := self.pick(choice, State.STARTING):
            self.fleet.ready(one.key)
            self.follow()

    @rule(choice=st.integers(0, 99))
    def a_worker_ends(self, choice: int) -> None:
        if one := self.pick(choice, *State):
            self.fleet.gone(one.key)
            self.follow()

    @rule(choice=st.integers(0, 99))
    def a_worker_retires(self, choice: int) -> None:
        if one := self.pick(choice, State.READY):
            self.fleet.retire(one.key, "old")
            self.follow()

    @rule()
    def a_reload(self) -> None:
        self.fleet.reload()
        self.follow()

    @rule(wanted=st.integers(0, 5))
    def another_size(self, wanted: int) -> None:
        self.fleet.scale(wanted)
        self.most_wanted = max(self.most_wanted, wanted)
        self.follow()

    @precondition(lambda self: self.fleet.wanted > 0)
    @rule()
    def everything_starts_and_leaves_as_it_should(self) -> None:
        """From every state the fleet comes to rest with what is wanted, all of them serving."""
        for _ in range(100):
            for one in list(self.fleet.members.values()):
                if one.state is State.STARTING:
                    self.fleet.ready(one.key)
                elif one.state is State.DRAINING:
                    self.fleet.gone(one.key)
            self.follow()
            if self.fleet.is_settled:
                break
        assert self.fleet.is_settled
        assert sorted(one.number for one in self.fleet.members.values() if one.is_staying) == list(self.fleet.numbers)

    @invariant()
    def nobody_is_missing(self) -> None:
        assert all(self.fleet.staying(number) for number in self.fleet.numbers)

    @invariant()
    def never_more_than_the_bound(self) -> None:
        staying = [one for one in self.fleet.members.values() if one.is_staying]
        assert len(staying) <= self.fleet.wanted + SURGE
        assert all(len(self.fleet.staying(number)) <= 2 for number in self.fleet.numbers)


TestRandomEvents = pytest.mark.timeout(300)(Events.TestCase)
TestRandomEvents.settings = hypothesis_settings(max_examples=1000, stateful_step_count=20, deadline=None)
