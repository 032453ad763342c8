"""Counts the requests that fail while servers are reloaded, upgraded, recycled, hurt and ended under constant load."""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness import peers as peer_table
from harness.callers import KINDS, Load
from harness.paths import OUT, PEERS, ROOT, VENV
from harness.peers import HOST, OURS, Peer
from harness.process import Server, ServerFailed, end_by_exception, free_port
from harness.scenario import Site, Step, carry_out, plan
from harness.tally import MEANINGS, QUIET, Failure, Row, Tally

APP = "rolling:app"
PAGE = ROOT / "docs" / "rolling.md"
BEGIN, END = "<!-- Written by bench/rolling.py. -->", "<!-- End of what bench/rolling.py writes. -->"
WORKERS = 2
QUIET_S = 3.0
"""Of load alone, before the first step."""
PR_SET_CHILD_SUBREAPER = 36
"""linux/prctl.h"""


@dataclass(frozen=True)
class Run:
    """A start of the server, what is done to it, and how often."""

    question: str
    steps: Mapping[Step, int]
    max_requests: int = 0
    seconds: float = 0.0
    """Of load after the steps but for TERM."""


STEPS = {Step.RELOAD: 20, Step.UPGRADE: 3, Step.MORE: 3, Step.KILL: 1}
RUNS = {
    "steps": Run("Every step, at random times.", STEPS),
    "recycling": Run("Workers that are replaced after 200 requests each.", {}, max_requests=200, seconds=20.0),
    "together": Run(
        "All of it together; the effect of a step is seen less surely, because workers also come and go without one.",
        STEPS,
        max_requests=200,
    ),
}


@dataclass(frozen=True)
class Manner:
    """How a server of `peers.toml` is run here.

    flags       more flags for its command; {pid} is the pid file
    instead     values of flags that the command has already
    recycling   flags that replace a worker after {max_requests}; none where the server cannot
    cannot      steps that it does not know, with what stands for them
    """

    peer: str
    flags: tuple[str, ...]
    recycling: tuple[str, ...] = ()
    cannot: Mapping[Step, str] = field(default_factory=dict)
    instead: Mapping[str, str] = field(default_factory=dict)
    ends_old: bool = False

    def command(self, peer: Peer, port: int, run: Run, pid_file: Path) -> list[str]:
        """The command line of `peer` for the run."""
        words = peer.arguments(APP, port, is_waiting=True, workers=WORKERS)
        for flag, value in self.instead.items():
            words[words.index(flag) + 1] = value
        more = [*self.flags, *(self.recycling if run.max_requests else ())]
        return [*words, *(word.format(pid=pid_file, max_requests=run.max_requests) for word in more)]


RECYCLING = ("--max-requests", "{max_requests}", "--max-requests-jitter", "20")
MANNERS = {
    OURS: Manner(OURS, ("--pid", "{pid}"), RECYCLING),
    "gunicorn-gthread": Manner("gunicorn-gthread", ("--pid", "{pid}"), RECYCLING, ends_old=True),
    "gunicorn-sync": Manner(
        "gunicorn-gthread",
        ("--pid", "{pid}"),
        RECYCLING,
        # With more threads than one gunicorn makes a gthread worker of it.
        instead={"--worker-class": "sync", "--threads": "1"},
        ends_old=True,
    ),
    "granian": Manner(
        "granian",
        ("--respawn-failed-workers",),
        cannot={
            Step.UPGRADE: "it has no USR2",
            Step.MORE: "it has no TTIN and TTOU",
        },
    ),
}


@dataclass
class Outcome:
    """What one run of one server came to."""

    server: str
    run: str
    tally: Tally
    site: Site
    status: int | None = None
    failure: str = ""
    """Why it could not be measured."""
    witness: str = ""

    @property
    def faults(self) -> list[str]:
        """What was wrong besides failed requests."""
        faults = [self.failure] if self.failure else list(self.site.faults)
        if not self.failure and self.status != 0:
            faults.append(f"it ended with status {self.status}")
        return faults


def main() -> int:
    """0: of ours no request failed but in the killed worker's hands, and each step had its effect. 1: not so.

    2: it could not be measured.
    """
    end_by_exception()
    options = _parser().parse_args()
    known = peer_table.load(Path(options.peers))
    runs = options.runs.split(",")
    servers, missing = _servers(options, known)
    if unknown := [name for name in runs if name not in RUNS]:
        return _refuse(f"no such run: {', '.join(unknown)}; there are {', '.join(RUNS)}")
    for reason in missing:
        print(f"MISSING: {reason}", file=sys.stderr)
    if not servers:
        return _refuse("no server is installed; run python3 bench/setup.py")
    if options.witness and shutil.which("wrk") is None:
        return _refuse("--witness needs wrk; on Debian and Ubuntu: apt-get install wrk")
    # The successor of an upgrade becomes our child when the old supervisor ends, and tells us its exit status.
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    outcomes = []
    for run in runs:
        for name, peer in servers.items():
            if RUNS[run].max_requests and not MANNERS[name].recycling:
                continue
            began = time.monotonic()
            outcome = _measure(name, peer, run, options)
            outcomes.append(outcome)
            total = outcome.tally.total()
            print(
                f"{run:<10}{name:<18}{total.answered:>8,} answered{total.failed:>7,} failed"
                f"{total.killed:>5} killed{time.monotonic() - began:>7.0f} s  {'; '.join(outcome.faults)}",
                file=sys.stderr,
                flush=True,
            )
    text = _report(outcomes, servers, missing, options)
    OUT.mkdir(parents=True, exist_ok=True)
    target = OUT / f"rolling-{time.strftime('%Y%m%d-%H%M%S')}.md"
    target.write_text(text)
    if options.write_docs:
        page = PAGE.read_text()
        PAGE.write_text(page.partition(BEGIN)[0] + BEGIN + "\n\n" + text + "\n" + END + page.partition(END)[2])
    print(text)
    print(f"written to {target}", file=sys.stderr)
    ours = [outcome for outcome in outcomes if outcome.server == OURS]
    if OURS in options.servers.split(",") and not ours:
        return 2
    return int(any(outcome.faults or outcome.tally.total().failed for outcome in ours))


def _servers(options: argparse.Namespace, known: Mapping[str, Peer]) -> tuple[dict[str, Peer], list[str]]:
    """The servers that are installed, in the environment that the options name, and why the others are missing."""
    servers, missing = {}, []
    for name in options.servers.split(","):
        if name not in MANNERS:
            missing.append(f"{name} (no such server here; there are {', '.join(MANNERS)})")
            continue
        venv = options.venv if name == OURS else options.peers_venv or options.venv
        peer = known[MANNERS[name].peer].in_venv(name, Path(venv))
        if peer.installed_version():
            servers[name] = peer
        else:
            missing.append(f"{name} (not installed in {peer.venv.name})")
    return servers, missing


def _measure(name: str, peer: Peer, run: str, options: argparse.Namespace) -> Outcome:
    """A fresh server, the load, the steps."""
    manner, port = MANNERS[name], free_port()
    outcome = Outcome(name, run, Tally(), Site(0, port, WORKERS, ends_old=manner.ends_old))
    outcome.site.is_recycling = RUNS[run].max_requests > 0
    with tempfile.TemporaryDirectory(prefix="rolling-") as directory:
        pid_file = Path(directory) / "pid"
        command = manner.command(peer, port, RUNS[run], pid_file)
        try:
            with Server(f"rolling-{run}-{name}", command, port) as server:
                assert server.process is not None
                outcome.site.supervisor = server.process.pid
                outcome.site.pid_file = pid_file
                asyncio.run(_drive(outcome, RUNS[run], options))
                if outcome.site.ended_s is not None:
                    outcome.status = _status_of(outcome.site.supervisor)
        except ServerFailed as error:
            outcome.failure = str(error)
    return outcome


async def _drive(outcome: Outcome, run: Run, options: argparse.Namespace) -> None:
    """Load, quiet at first; then the steps; TERM at last."""
    manner, site = MANNERS[outcome.server], outcome.site
    counts = {step: count for step, count in run.steps.items() if step not in manner.cannot}
    if options.quick:
        counts = {step: min(count, 3) for step, count in counts.items()}
    # Who pauses for seconds does so to meet idle connections that are being closed, at any pace.
    kinds = [kind if kind.think_s > 1 else replace(kind, think_s=kind.think_s / options.pace) for kind in KINDS]
    async with Load((HOST, site.port), outcome.tally, options.seed, kinds) as load:
        if not run.max_requests:
            await asyncio.sleep(QUIET_S)
        else:
            outcome.tally.begin(f"replaced after {run.max_requests} requests")
        with _witness(outcome, site.port, options.witness):
            await carry_out(plan(options.seed, counts), site, load, outcome.tally)
            await asyncio.sleep(run.seconds)
        if run.seconds and len(outcome.tally.workers) <= WORKERS:
            site.faults.append(f"no worker has been replaced after {run.max_requests} requests")
        await carry_out(plan(options.seed, {Step.TERM: 1}), site, load, outcome.tally)


@contextmanager
def _witness(outcome: Outcome, port: int, is_wanted: bool) -> Iterator[None]:
    """Another program's count of failed requests, up to TERM; it drives the server as fast as it goes."""
    if not is_wanted:
        yield
        return
    command = ["wrk", "--threads", "1", "--connections", "8", "--duration", "1h", "--timeout", "10s"]
    wrk = subprocess.Popen([*command, f"http://{HOST}:{port}/page/wrk"], stdout=subprocess.PIPE, text=True)
    try:
        yield
    finally:
        wrk.send_signal(signal.SIGINT)  # it prints its account then
        told, _ = wrk.communicate(timeout=30)
        outcome.witness = _account_of_wrk(told)


def _account_of_wrk(told: str) -> str:
    """The lines of wrk's output that count; it says nothing of errors when there are none."""
    requests = re.search(r"(\d+) requests in", told)
    errors = re.findall(r"^ *(Socket errors: .*|Non-2xx or 3xx responses: .*)$", told, re.MULTILINE)
    return f"{int(requests[1]) if requests else 0:,} requests; {'; '.join(errors) or 'no errors'}"


def _status_of(pid: int) -> int:
    """The exit status of a supervisor that has ended and is our child; it stays to be reaped by its owner."""
    ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert ended is not None
    return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status


def _report(
    outcomes: list[Outcome], servers: Mapping[str, Peer], missing: list[str], options: argparse.Namespace
) -> str:
    """Markdown."""
    clients = ", ".join(f"{kind.count} {kind.name}" for kind in KINDS)
    lines = [
        f"{WORKERS} workers; {sum(kind.count for kind in KINDS)} clients ({clients}); seed {options.seed}. Server and",
        f"clients shared {os.cpu_count()} processors. Linux {platform.release()}, Python {platform.python_version()}.",
        "",
    ]
    for run in dict.fromkeys(outcome.run for outcome in outcomes):
        of_run = [outcome for outcome in outcomes if outcome.run == run]
        lines += [f"### {run}", "", RUNS[run].question, "", *_summary(of_run), ""]
        for name in (name for name in MANNERS if RUNS[run].max_requests and not MANNERS[name].recycling):
            lines += [f"{name} is left out: it cannot replace a worker by requests.", ""]
        for outcome in of_run:
            lines += [f"#### {run}: {outcome.server}", "", *_steps(outcome), ""]
    lines += [*(f"- *{failure.value}*: {meaning}" for failure, meaning in MEANINGS.items()), ""]
    lines += ["| server | version | command |", "| --- | --- | --- |"]
    for name, peer in servers.items():
        command = MANNERS[name].command(peer, 8000, Run("", {}), Path("PID"))
        words = " ".join([Path(command[0]).name, *command[1:]]).replace(f"{ROOT}/", "")
        lines.append(f"| {name} | {peer.installed_version()} | `{words}` |")
    lines += [f"\nMissing: {', '.join(missing)}."] if missing else []
    return "\n".join(lines) + "\n"


COUNTS = ("answered", "failed", *(failure.value for failure in Failure), "killed worker's", "p99 ms", "longest ms")


def _summary(outcomes: list[Outcome]) -> list[str]:
    """One line for each server."""
    lines = [f"| server | {' | '.join(COUNTS)} |", f"| --- |{' ---: |' * len(COUNTS)}"]
    for outcome in outcomes:
        lines.append(f"| {outcome.server} | {_cells(outcome.tally.total())} |")
    return lines


def _steps(outcome: Outcome) -> list[str]:
    """One line for each kind of step, then what else is to be told."""
    manner = MANNERS[outcome.server]
    lines = [f"| step | times | {' | '.join(COUNTS)} |", f"| --- |{' ---: |' * (len(COUNTS) + 1)}"]
    for name, row in outcome.tally.rows.items():
        if row.answered or row.failed or name != QUIET:
            lines.append(f"| {name} | {row.times} | {_cells(row)} |")
    total, site = outcome.tally.total(), outcome.site
    supervisors = len(set(outcome.tally.workers.values()))
    workers = len(outcome.tally.workers)
    said = [
        f"{workers} workers of {supervisors} supervisors have answered, {total.answered // max(1, workers):,} each."
    ]
    if site.ended_s is not None:
        said.append(f"After TERM it ended within {site.ended_s:.1f} s, with status {outcome.status}.")
    if total.turned_away:
        said.append(f"{total.turned_away} requests that came after TERM were refused.")
    if total.reset_at_door:
        said.append(f"{total.reset_at_door} that came after TERM were let in by the kernel alone, and got no byte.")
    if total.left_behind:
        said.append(f"{total.left_behind} pipelined requests stood behind an answer with `Connection: close`.")
    said += [f"No {step.value}: {reason}." for step, reason in manner.cannot.items() if RUNS[outcome.run].steps]
    lines += ["", " ".join(said)]
    lines += [f"- **{fault}**" for fault in outcome.faults]
    if outcome.witness:
        lines += [
            "",
            f"wrk beside it: {outcome.witness}. A killed worker held {site.killed_of_others} of its connections.",
        ]
    if outcome.tally.examples:
        lines += ["", *(f"    {example}" for example in outcome.tally.examples[:5])]
    return lines


def _cells(row: Row) -> str:
    counts = [row.answered, row.failed, *(row.failures[failure] for failure in Failure), row.killed]
    times = [row.percentile(0.99), row.percentile(1.0)]
    return " | ".join([*(f"{count:,}" for count in counts), *(f"{s * 1000:,.0f}" if s else "" for s in times)])


def _refuse(sentence: str) -> int:
    print(f"bench: {sentence}", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench/rolling.py", description=__doc__)
    parser.add_argument("--servers", default=",".join(MANNERS), help=f"default: {','.join(MANNERS)}")
    parser.add_argument("--runs", default=",".join(RUNS), help=f"default: {','.join(RUNS)}")
    parser.add_argument("--quick", action="store_true", help="each step three times at most")
    parser.add_argument("--seed", type=int, default=1, help="of the order of the steps; a seed repeats it")
    parser.add_argument("--pace", type=float, default=1.0, help="2.0: clients pause half as long (default 1)")
    parser.add_argument("--witness", action="store_true", help="also let wrk drive the server and count its failures")
    parser.add_argument("--venv", default=str(VENV), help="the environment of the servers (default bench/.venv)")
    parser.add_argument("--peers-venv", help="… of the others, where it is another one")
    parser.add_argument("--peers", default=str(PEERS), help="another table of servers")
    parser.add_argument("--write-docs", action="store_true", help="also write the tables into docs/rolling.md")
    return parser


if __name__ == "__main__":
    sys.exit(main())
