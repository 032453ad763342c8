"""What is done to a server under load, in an order that a seed gives; each step is awaited by its effect.

Runs on Python 3.10: a test uses it.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from harness.callers import Load
from harness.procfs import client_ports, is_running, is_stopped
from harness.tally import Tally

PAUSE_S = (0.1, 1.5)
"""Between the effect of a step and the next step: what the last one has left behind is often still draining."""
CRASH_LOOP_S = 6.0
"""Without a step before a kill: granian takes a death within 5.5 s of a start for a crash loop, and ends."""
EFFECT_S = 20.0
DRAIN_S = 45.0
"""For what waits for requests and idle connections: 30 s are the usual graceful timeout."""
TURN_S = 0.02


class Step(Enum):
    """One thing that an operator does, in the words of the report."""

    RELOAD = "reload (HUP)"
    UPGRADE = "upgrade (USR2)"
    MORE = "one worker more (TTIN)"
    FEWER = "one worker fewer (TTOU)"
    KILL = "kill -9 of a worker"
    TERM = "TERM"


@dataclass(frozen=True)
class Planned:
    """A step, and the seconds without one before it."""

    step: Step
    pause_s: float


def plan(seed: int, counts: Mapping[Step, int], before_kill_s: float = CRASH_LOOP_S) -> list[Planned]:
    """The steps in a random order that the seed repeats.

    counts   how often each; one worker more is followed by one worker fewer at once, because a reload and an upgrade
             go back to the configured number; TERM comes last
    """
    numbers = random.Random(seed)
    singles = [step for step, count in counts.items() if step not in (Step.FEWER, Step.TERM) for _ in range(count)]
    numbers.shuffle(singles)
    ordered = [step for single in singles for step in ((single, Step.FEWER) if single is Step.MORE else (single,))]
    ordered += [Step.TERM] * counts.get(Step.TERM, 0)
    least = {Step.KILL: before_kill_s}
    return [Planned(step, least.get(step, 0.0) + numbers.uniform(*PAUSE_S)) for step in ordered]


@dataclass
class Site:
    """The server under load, as its operator sees it.

    workers        the configured number
    ends_old       an upgrade leaves the old supervisor running until it is told to end, as gunicorn's does
    is_recycling   workers come and go without a step, too
    """

    supervisor: int
    port: int
    workers: int
    pid_file: Path | None = None
    ends_old: bool = False
    is_recycling: bool = False
    faults: list[str] = field(default_factory=list)
    """Steps that had no effect."""
    killed_of_others: int = 0
    """Connections that a killed worker held, and that are no client's of the load."""
    ended_s: float | None = None
    """From TERM to the end of the supervisor."""


async def carry_out(planned: list[Planned], site: Site, load: Load, tally: Tally) -> None:
    """Do the steps one after the other; what has no effect becomes a fault of `site`."""
    acts = {
        Step.RELOAD: _reload,
        Step.UPGRADE: _upgrade,
        Step.MORE: _more,
        Step.FEWER: _fewer,
        Step.KILL: _kill,
        Step.TERM: _term,
    }
    if fault := await _await_workers(tally, set(), site.workers):
        site.faults.append(f"before the first step: {fault}")
    for number, one in enumerate(planned, 1):
        await asyncio.sleep(one.pause_s)
        if not is_running(site.supervisor):
            site.faults.append(f"step {number}, {one.step.value}: the server has ended before it")
            return
        tally.begin(one.step.value)
        fault = await acts[one.step](site, load, tally)
        if fault:
            site.faults.append(f"step {number}, {one.step.value}: {fault}")


async def _reload(site: Site, load: Load, tally: Tally) -> str:
    known = set(tally.workers)
    os.kill(site.supervisor, signal.SIGHUP)
    return await _await_workers(tally, known, site.workers)


async def _upgrade(site: Site, load: Load, tally: Tally) -> str:
    """The successor's process id is where the pid file is, or beside it in one that ends in .2."""
    assert site.pid_file is not None
    known, old = set(tally.workers), site.supervisor
    os.kill(old, signal.SIGUSR2)
    beside = site.pid_file.with_name(f"{site.pid_file.name}.2")

    def successor() -> int:
        found = (_pid_in(path) for path in (beside, site.pid_file))
        return next((pid for pid in found if pid not in (0, old) and is_running(pid)), 0)

    if not await _until(lambda: successor() > 0):
        return "no successor has written a pid file"
    site.supervisor = successor()
    fault = await _await_workers(tally, known, site.workers, site.supervisor)
    if fault:
        return fault
    if site.ends_old:
        os.kill(old, signal.SIGTERM)
    if not await _until(lambda: not is_running(old), DRAIN_S):
        return f"the old supervisor has not ended within {DRAIN_S:g} s"
    if not await _until(lambda: _pid_in(site.pid_file) == site.supervisor):
        return "the pid file does not name the successor"
    return ""


async def _more(site: Site, load: Load, tally: Tally) -> str:
    known = set(tally.workers)
    os.kill(site.supervisor, signal.SIGTTIN)
    return await _await_workers(tally, known, 1)


async def _fewer(site: Site, load: Load, tally: Tally) -> str:
    before = _running(tally)
    os.kill(site.supervisor, signal.SIGTTOU)
    # Where workers are replaced all the time some always drain beside those that are wanted: then one has to go.
    most = len(before) - 1 if site.is_recycling else site.workers
    counted = before if site.is_recycling else tally.workers
    if await _until(lambda: sum(map(is_running, counted)) <= most, DRAIN_S):
        return ""
    return f"{len(_running(tally))} workers run after {DRAIN_S:g} s"


async def _kill(site: Site, load: Load, tally: Tally) -> str:
    """A worker that stands still holds exactly what is lost with it; what waits in a queue is not in its hands."""
    known = set(tally.workers)
    running = _running(tally)
    if not running:
        return "no worker runs that has answered"
    victim = running[-1]
    os.kill(victim, signal.SIGSTOP)
    has_stopped = await _until(lambda: is_stopped(victim))
    if has_stopped:
        ports = client_ports(victim, site.port)
        site.killed_of_others += len(ports) - load.mark_killed(ports)
    os.kill(victim, signal.SIGKILL)
    if not has_stopped:
        return f"worker {victim} has not stopped, so that nobody knows what it held"
    return await _await_workers(tally, known, 1)


async def _term(site: Site, load: Load, tally: Tally) -> str:
    load.is_closing = True
    began = time.monotonic()
    os.kill(site.supervisor, signal.SIGTERM)
    if not await _until(lambda: not is_running(site.supervisor), DRAIN_S):
        return f"the server has not ended within {DRAIN_S:g} s"
    site.ended_s = time.monotonic() - began
    if not await _until(lambda: not _running(tally)):
        return f"workers {_running(tally)} have outlived the server"
    if not await load.ended(EFFECT_S):
        return "clients are not refused though the server has ended"
    return ""


async def _await_workers(tally: Tally, known: set[int], count: int, supervisor: int | None = None) -> str:
    """Wait until so many processes have answered that are not `known`; a fault when they do not."""

    def fresh() -> int:
        return sum(
            pid not in known and (supervisor is None or parent == supervisor) for pid, parent in tally.workers.items()
        )

    if await _until(lambda: fresh() >= count):
        return ""
    return f"{fresh()} of {count} new workers have answered within {EFFECT_S:g} s"


def _running(tally: Tally) -> list[int]:
    """The workers that have answered and have not ended."""
    return [pid for pid in tally.workers if is_running(pid)]


async def _until(is_so: Callable[[], bool], seconds: float = EFFECT_S) -> bool:
    """Whether it became so in time."""
    until = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > until:
            return False
        await asyncio.sleep(TURN_S)
    return True


def _pid_in(path: Path | None) -> int:
    """0 when there is none, or not yet a whole one."""
    try:
        return int(path.read_text()) if path is not None else 0
    except (OSError, ValueError):
        return 0
