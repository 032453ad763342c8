"""The fleet: successors before farewells, bounds, a reload that fails, and random events that keep its invariants."""

from collections.abc import Collection

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from dragoman.supervisor.fleet import SURGE, Drain, Fleet, Loss, Member, Order, Start, State


def carry_out(fleet: Fleet, resting: Collection[int] = (), *, is_loading: bool = False) -> list[Order]:
    """Follow the fleet's orders as a supervisor does; returns those that it could follow.

    is_loading   the application of the current generation cannot be had yet, that of the generation before can
    """
    followed: list[Order] = []
    while obeyed := [order for order in fleet.orders(resting) if obey(fleet, order, is_loading)]:
        followed += obeyed
    return followed


def obey(fleet: Fleet, order: Order, is_loading: bool) -> bool:
    match order:
        case Start(number) if is_loading:
            if fleet.staying(number) or not fleet.before:
                return False
            fleet.started(number, fleet.before)
        case Start(number):
            fleet.started(number)
        case Drain(key):
            fleet.drained(key)
    return True


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


def test_a_place_whose_workers_die_again_and_again_does_not_hold_up_the_others() -> None:
    fleet = serving(3)
    fleet.reload()
    carry_out(fleet)
    fleet.ready(4)
    assert fleet.gone(1) is Loss.DIED
    carry_out(fleet)
    assert fleet.gone(4) is Loss.DIED
    fleet.ready(5)
    assert carry_out(fleet, resting=(1,)) == [Drain(2), Start(3)]
    fleet.ready(6)
    assert carry_out(fleet, resting=(1,)) == [Drain(3)]


def test_a_worker_that_hangs_at_its_start_has_a_successor_of_the_next_generation() -> None:
    fleet = serving(2)
    fleet.gone(1)
    assert carry_out(fleet) == [Start(1)]
    fleet.reload()
    assert carry_out(fleet) == [Start(1)]
    fleet.ready(4)
    assert carry_out(fleet) == [Drain(3), Start(2)]


def test_a_reload_at_the_start_that_fails_leaves_those_that_are_still_starting() -> None:
    fleet = Fleet(1)
    carry_out(fleet)
    fleet.reload()
    assert carry_out(fleet) == [Start(1)]
    assert fleet.gone(2) is Loss.RELOAD_FAILED
    fleet.ready(1)
    assert carry_out(fleet) == []
    assert fleet.is_settled


def test_a_generation_that_has_failed_is_not_named_again() -> None:
    fleet = serving(1)
    fleet.reload()
    failed = fleet.generation
    carry_out(fleet)
    fleet.gone(2)
    fleet.reload()
    assert fleet.generation > failed


def test_an_empty_place_is_filled_by_the_generation_before_while_the_next_one_is_loaded() -> None:
    fleet = serving(2)
    fleet.reload()
    assert carry_out(fleet, is_loading=True) == []
    fleet.gone(2)
    assert carry_out(fleet, is_loading=True) == [Start(2)]
    assert shown(fleet) == [(1, 1, "READY"), (2, 1, "STARTING")]
    fleet.ready(3)
    assert carry_out(fleet) == [Start(1)]
    fleet.ready(4)
    assert carry_out(fleet) == [Drain(1), Start(2)]


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
        self.resting: set[tuple[int, int]] = set()  # generation and number, as the supervisor keeps them
        self.is_loading = False
        self.follow()

    def at_rest(self) -> set[int]:
        return {number for generation, number in self.resting if generation == self.fleet.generation}

    def follow(self) -> None:
        """Carry out the orders, and hold that none of them takes a place its only worker."""
        ready = self.ready_numbers()
        carry_out(self.fleet, self.at_rest(), is_loading=self.is_loading)
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
    def a_worker_ends_and_its_place_rests(self, choice: int) -> None:
        if one := self.pick(choice, State.STARTING, State.READY):
            self.fleet.gone(one.key)
            self.resting.add((one.generation, one.number))
            self.follow()

    @rule()
    def the_rests_are_over(self) -> None:
        self.resting.clear()
        self.follow()

    @rule()
    def the_next_application_takes_its_time(self) -> None:
        self.is_loading = True

    @rule()
    def the_next_application_is_loaded(self) -> None:
        self.is_loading = False
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
        self.resting.clear()
        self.is_loading = False
        self.let_start()
        assert self.fleet.is_settled
        assert sorted(one.number for one in self.fleet.members.values() if one.is_staying) == list(self.fleet.numbers)

    @precondition(lambda self: self.fleet.wanted > 0)
    @rule()
    def a_reload_with_the_fix_replaces_those_that_die_and_those_that_hang(self) -> None:
        """What rests, and what never becomes ready, is of the generation before: all places have the next one."""
        hanging = {one.key for one in self.fleet.members.values() if one.state is State.STARTING}
        self.is_loading = False
        self.fleet.reload()
        self.let_start(but=hanging)
        assert self.fleet.is_settled

    @precondition(lambda self: self.fleet.wanted > 0)
    @rule(choice=st.integers(0, 99))
    def a_place_that_nobody_can_serve_at_holds_up_no_other(self, choice: int) -> None:
        number = choice % self.fleet.wanted + 1
        self.is_loading = False
        self.fleet.reload()
        self.let_start(at_rest=number)
        for other in set(self.fleet.numbers) - {number}:
            assert [one.generation for one in self.fleet.staying(other)] == [self.fleet.generation]
        # Nor does it lose what it has.
        assert not any(one.generation == self.fleet.generation for one in self.fleet.staying(number))

    def let_start(self, but: Collection[int] = (), at_rest: int = 0) -> None:
        """All that starts serves, and all that is to leave does, but for the keys `but` and what is `at_rest`."""
        for _ in range(100):
            if at_rest:
                self.resting.add((self.fleet.generation, at_rest))
            self.follow()
            changed = [
                one for one in self.fleet.members.values() if one.state is not State.READY and one.key not in but
            ]
            # Those that hang leave when they are told to.
            changed += [one for one in self.fleet.members.values() if one.key in but and not one.is_staying]
            if not changed:
                break
            for one in changed:
                if one.state is State.STARTING:
                    self.fleet.ready(one.key)
                else:
                    self.fleet.gone(one.key)

    @invariant()
    def nobody_is_missing(self) -> None:
        waiting = self.at_rest()
        # A later generation than the next one has nobody to send, and no generation before it to ask.
        if not (self.is_loading and not self.fleet.before):
            assert all(self.fleet.staying(number) or number in waiting for number in self.fleet.numbers)

    @invariant()
    def never_more_than_the_bound(self) -> None:
        staying = [one for one in self.fleet.members.values() if one.is_staying]
        assert len(staying) <= self.fleet.wanted + SURGE
        assert all(len(self.fleet.staying(number)) <= 2 for number in self.fleet.numbers)


TestRandomEvents = pytest.mark.timeout(300)(Events.TestCase)
TestRandomEvents.settings = hypothesis_settings(max_examples=1000, stateful_step_count=20, deadline=None)
