"""Which process 1 is deaf to SIGTERM: what its /proc/1/status says of caught and blocked signals."""

import pytest

from dragoman.supervisor.container import warning_of

TERM = 1 << 14


def status(caught: int, blocked: int) -> str:
    return f"Name:\tsh\nUmask:\t0022\nSigBlk:\t{blocked:016x}\nSigIgn:\t{0:016x}\nSigCgt:\t{caught:016x}\n"


@pytest.mark.parametrize(("caught", "blocked"), [(TERM, 0), (0, TERM), (TERM | 1, TERM | 2)])
def test_who_catches_term_or_waits_for_it_hears_it(caught: int, blocked: int) -> None:
    assert warning_of(status(caught, blocked)) == ""


@pytest.mark.parametrize("others", [0, TERM << 1, TERM >> 1])
def test_who_does_neither_is_told_of_by_name(others: int) -> None:
    assert warning_of(status(others, 0)).startswith("process 1 is sh, which passes no SIGTERM on to this server")
