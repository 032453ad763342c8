"""What became of every request of a load: answered, or failed in one of six ways, by the step that was under way."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum

QUIET = "no step yet"
EXAMPLES = 12
"""Failures that are kept with their words."""


class Failure(Enum):
    """How a request failed, in the words of the report."""

    REFUSED = "refused"
    NO_BYTE = "no byte"
    CUT = "cut"
    RACE = "keep-alive race"
    WRONG = "wrong"
    TIMEOUT = "timeout"


MEANINGS = {
    Failure.REFUSED: "the connection was refused",
    Failure.NO_BYTE: "the connection ended before any byte of the answer",
    Failure.CUT: "the connection ended in the middle of the answer",
    Failure.RACE: "a kept connection ended without `Connection: close`, and the next request was on its way: the server"
    " had closed it as idle, or has lost the request; a client cannot tell",
    Failure.WRONG: "another status than 200, another body than the request's, or no HTTP",
    Failure.TIMEOUT: "no whole answer within 10 s",
}


def failure_of(*, is_late: bool, is_connected: bool, is_first: bool, is_pipelined: bool, received: int) -> Failure:
    """The way in which a request failed whose connection ended.

    is_late        the client has ended the connection itself, after its patience
    is_first       no request of this connection has been answered before
    is_pipelined   another request was under way on the connection when this one was sent: it was not idle
    received       bytes of this answer, >= 0
    """
    if is_late:
        return Failure.TIMEOUT
    if not is_connected:
        return Failure.REFUSED
    if received:
        return Failure.CUT
    return Failure.NO_BYTE if is_first or is_pipelined else Failure.RACE


@dataclass
class Row:
    """What happened between the beginning of a step and that of the next one; steps of a kind are added up."""

    times: int = 0
    answered: int = 0
    failures: Counter[Failure] = field(default_factory=Counter)
    killed: int = 0
    """Failed in the hands of the worker that was killed."""
    turned_away: int = 0
    """On connections that were begun after TERM, and refused."""
    reset_at_door: int = 0
    """On connections that were begun after TERM, which the kernel completed and nobody accepted."""
    left_behind: int = 0
    """Pipelined requests behind an answer with ``Connection: close``; RFC 9112 §9.6: the client may send them again."""
    seconds: list[float] = field(default_factory=list)
    """Each timed request's, from the beginning of its connection or of its sending to its last byte."""

    @property
    def failed(self) -> int:
        """Failures but the killed worker's."""
        return self.failures.total()

    def percentile(self, share: float) -> float | None:
        """Seconds within which that share of the timed requests was answered; None without any."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else None

    def add(self, other: Row) -> None:
        """Count what `other` counts, too."""
        self.times += other.times
        self.answered += other.answered
        self.failures += other.failures
        self.killed += other.killed
        self.turned_away += other.turned_away
        self.reset_at_door += other.reset_at_door
        self.left_behind += other.left_behind
        self.seconds += other.seconds


class Tally:
    """The account of a load. A failure belongs to the last step that had begun when it was seen."""

    def __init__(self) -> None:
        self.rows = {QUIET: Row(times=1)}
        self.row = self.rows[QUIET]
        self.step = QUIET
        self.workers: dict[int, int] = {}
        """Each process that has answered, and its parent then."""
        self.examples: list[str] = []

    def begin(self, step: str) -> None:
        """From now on, all that happens belongs to `step`."""
        self.step = step
        self.row = self.rows.setdefault(step, Row())
        self.row.times += 1

    def answered(self, worker: int, supervisor: int, seconds: float | None) -> None:
        """A whole and right answer; `seconds` where the request is a timed one."""
        self.row.answered += 1
        self.workers[worker] = supervisor
        if seconds is not None:
            self.row.seconds.append(seconds)

    def failed(self, failure: Failure, what: str, row: Row, *, is_killed: bool) -> None:
        """A request that failed.

        what   the request and what happened, for the examples
        row    the one that was current when the request was sent: a timeout is seen long after its cause
        """
        row = row if failure is Failure.TIMEOUT else self.row
        if is_killed:
            row.killed += 1
            return
        row.failures[failure] += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(f"{failure.value}, {self.step}: {what}")

    def total(self) -> Row:
        """All steps together."""
        total = Row()
        for row in self.rows.values():
            total.add(row)
        return total
