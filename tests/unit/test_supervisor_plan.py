"""The supervisor's table: every event has an answer in every phase, and each row is what its signal promises."""

import itertools

import pytest

from dragoman.supervisor import plan
from dragoman.supervisor.plan import Action, Event, Phase, Step

LIVING = [phase for phase in Phase if phase is not Phase.ENDED]


@pytest.mark.parametrize(("phase", "event"), list(itertools.product(LIVING, Event)))
def test_every_event_is_answered_in_every_phase_that_it_can_come_in(phase: Phase, event: Event) -> None:
    of_serving = (Event.BOOT_HOPELESS, Event.BOOT_AWAITS_CHANGE)
    cannot_come = {(Phase.SERVING, Event.DEADLINE)} | set(itertools.product(LIVING[1:], of_serving))
    assert ((phase, event) in plan.PLAN) != ((phase, event) in cannot_come)


def test_term_drains_and_the_end_of_the_last_worker_ends_the_supervisor() -> None:
    expected = (Action.TERM_WORKERS, Action.CLOSE_LISTENERS)
    assert plan.step(Phase.SERVING, Event.TERM) == Step(Phase.DRAINING, expected)
    assert plan.step(Phase.DRAINING, Event.ALL_GONE) == Step(Phase.ENDED)


@pytest.mark.parametrize("event", [Event.INT, Event.QUIT])
@pytest.mark.parametrize("phase", [Phase.SERVING, Phase.DRAINING])
def test_int_and_quit_stop_at_once_also_during_a_drain(phase: Phase, event: Event) -> None:
    assert plan.step(phase, event) == Step(Phase.STOPPING, (Action.INT_WORKERS,))


@pytest.mark.parametrize(("phase", "event"), list(itertools.product([Phase.DRAINING, Phase.STOPPING], Event)))
def test_no_worker_is_started_once_the_end_has_begun(phase: Phase, event: Event) -> None:
    after = plan.step(phase, event)
    assert Action.REST not in after.actions
    assert after.phase is not Phase.SERVING


@pytest.mark.parametrize("phase", [Phase.DRAINING, Phase.STOPPING])
def test_repeated_signals_change_nothing(phase: Phase) -> None:
    assert plan.step(phase, Event.TERM) == Step(phase)


def test_a_dead_worker_is_replaced_after_a_rest_while_serving() -> None:
    assert plan.step(Phase.SERVING, Event.WORKER_DIED) == Step(Phase.SERVING, (Action.REST,))


def test_all_workers_dead_is_no_end_of_serving() -> None:
    assert plan.step(Phase.SERVING, Event.ALL_GONE) == Step(Phase.SERVING)


def test_a_hopeless_start_fails_the_run() -> None:
    assert plan.step(Phase.SERVING, Event.BOOT_HOPELESS).actions[0] is Action.FAIL


@pytest.mark.parametrize("phase", [Phase.DRAINING, Phase.STOPPING])
def test_workers_that_outlive_the_deadline_are_killed(phase: Phase) -> None:
    assert plan.step(phase, Event.DEADLINE) == Step(Phase.STOPPING, (Action.KILL_WORKERS,))


def test_every_action_is_reached_by_some_row() -> None:
    assert {action for step in plan.PLAN.values() for action in step.actions} == set(Action)


def test_an_ended_supervisor_ignores_what_comes_late() -> None:
    assert all(plan.step(Phase.ENDED, event) == Step(Phase.ENDED) for event in Event)


def test_the_first_replacement_comes_within_a_second_and_the_back_off_is_bounded() -> None:
    waits = [plan.backoff_s(deaths) for deaths in range(20)]
    assert waits[:4] == [0.1, 0.1, 0.2, 0.4]
    assert waits == sorted(waits)
    assert max(waits) == 10.0
