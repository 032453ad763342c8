"""Counts a server's user-space instructions for one request by callgrind: ``python bench/instructions.py --help``."""

from __future__ import annotations

import argparse
import math
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from harness import callgrind, counters, peers, workloads
from harness.measure import load, read_groups
from harness.paths import APPS, CLIENT, LAUNCH, OUT
from harness.peers import OURS, Peer
from harness.process import Server, ServerFailed, end_by_exception, free_port
from harness.workloads import Workload

TICK_SCALE = "DRAGOMAN_TICK_SCALE"
"""Multiplies our scheduler's tick and thresholds: under callgrind every request looks slow else."""
CALL_COST_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Run:
    """What one run under callgrind gave."""

    profile: callgrind.Profile
    threads: int
    """Threads of the server after the last answer."""
    counters: Counter[str]
    """The server's own; empty for a peer."""


def main() -> int:
    """0: counted. 1: an answer was wrong, or a request looked slow to our scheduler. 2: something is missing."""
    end_by_exception()
    options = _parser().parse_args()
    if shutil.which("valgrind") is None:
        return _refuse("valgrind is missing (Debian: apt-get install valgrind)")
    if not CLIENT.exists():
        return _refuse("the load client is not built; run: python3 bench/setup.py")
    if options.low >= options.high or options.low < 1:
        return _refuse("want 1 <= --low < --high")
    known = peers.load()
    if unknown := [name for name in options.servers.split(",") if name not in known]:
        return _refuse(f"no server {', '.join(unknown)} in peers.toml; there are {', '.join(known)}")
    try:
        chosen = workloads.by_name(options.workloads.split(","))
    except ValueError as error:
        return _refuse(str(error))
    status = 0
    OUT.mkdir(parents=True, exist_ok=True)
    for peer in (known[name] for name in options.servers.split(",")):
        version = peer.installed_version()
        if version is None:
            print(f"MISSING: {peer.name} is not installed", file=sys.stderr)
            status = 2
            continue
        for workload in chosen:
            try:
                status = max(status, _count(peer, version, workload, options))
            except (ServerFailed, RuntimeError) as error:
                print(f"FAILED: {peer.name}, {workload.name}: {error}", file=sys.stderr)
                status = 1
    return status


def _count(peer: Peer, version: str, workload: Workload, options: argparse.Namespace) -> int:
    """Two runs, and their difference: start-up, loading and shutdown are in both and drop out. The exit status."""
    scale = _slowdown(peer, workload) if peer.name == OURS else 1
    low = _run(peer, workload, options.low, scale)
    high = _run(peer, workload, options.high, scale)
    requests = options.high - options.low
    rows = callgrind.difference(high.profile, low.profile, requests)
    first, second = low.profile.total(), high.profile.total()
    total = (second - first) / requests
    print(f"\n{peer.name} {version}, {workload.name}: {total:,.0f} instructions/request", flush=True)
    print(f"  from {options.low} and {options.high} requests: {first:,} and {second:,}, of all {high.threads} threads")
    status = _judge(low, high) if peer.name == OURS else 0
    print("  by function (self):")
    for count, function, object_file in rows[: options.functions]:
        print(f"  {count:10,.1f}  {count / total:6.1%}  {function[:90]}  [{Path(object_file).name}]")
    return status


def counted(peer: Peer, workload: Workload, low: int, high: int) -> float:
    """Instructions of a request, of `high` - `low` of them. Raises RuntimeError where one looked slow to us."""
    scale = _slowdown(peer, workload)
    first, second = (_run(peer, workload, requests, scale) for requests in (low, high))
    if peer.name == OURS and _judge(first, second):
        raise RuntimeError(f"{workload.name}: a request looked slow; try on a quieter machine")
    return (second.profile.total() - first.profile.total()) / (high - low)


def _judge(low: Run, high: Run) -> int:
    """Prints what the scheduler did in both runs; 1 unless it took every request for as quick as it is."""
    faults = 0
    for run in (low, high):
        named = ", ".join(f"{name} {run.counters[name]}" for name in ("requests", *counters.QUIET))
        print(f"  the server's counters: {named}")
        faults += sum(run.counters[name] for name in counters.QUIET)
    if faults:
        print(
            "  FAULT: a request looked slow to the scheduler, and its detour is in the count: try on a quieter machine"
        )
    return 1 if faults else 0


def _slowdown(peer: Peer, workload: Workload) -> int:
    """How many times as long callgrind makes a call of this very application, which is what our scheduler watches.

    Not the cost of whole requests: callgrind does not slow the kernel's half of them.
    """
    group = workload.groups[0].request
    path = group[group.index("--path") + 1] if "--path" in group else "/"
    call = [str(peer.venv / "bin" / "python"), str(LAUNCH / "call_cost.py"), workload.app, path]
    native_ns = _printed_number(call)
    slow_ns = _printed_number(["valgrind", "--quiet", "--tool=callgrind", "--callgrind-out-file=/dev/null", *call])
    scale = max(1, math.ceil(slow_ns / native_ns))
    print(
        f"\n{peer.name}, {workload.name}: a call takes {native_ns / 1000:,.1f} µs, and {slow_ns / 1000:,.1f} µs under "
        f"callgrind; tick and thresholds × {scale}",
        flush=True,
    )
    return scale


def _printed_number(command: list[str]) -> int:
    run = subprocess.run(command, cwd=APPS, capture_output=True, text=True, timeout=CALL_COST_TIMEOUT_S, check=False)
    if run.returncode != 0 or not run.stdout.strip().isdigit():
        raise RuntimeError(f"the slowdown cannot be measured: {run.stderr.strip()[-500:]}")
    return int(run.stdout)


def _run(peer: Peer, workload: Workload, requests: int, scale: int) -> Run:
    """One run of exactly ``requests`` requests under callgrind: children and all threads are in its profile."""
    port = free_port()
    environ = {"PYTHONHASHSEED": "0", TICK_SCALE: str(scale)}
    with tempfile.TemporaryDirectory(prefix="bench-callgrind-") as directory:
        command = [
            "valgrind",
            "--tool=callgrind",
            "--trace-children=yes",
            f"--callgrind-out-file={directory}/%p.out",
            *peer.arguments(workload.app, port, workload.is_waiting),
            *(["--log-level", "debug"] if peer.name == OURS else []),
        ]
        with Server(peer.name, command, port, environ=environ, start_timeout_s=300, stop_timeout_s=120) as server:
            _load(port, workload, requests)
            threads = server.usage().threads
            server.stop()
        outputs = [path for path in Path(directory).iterdir() if path.stat().st_size]
        if not outputs:
            raise RuntimeError(f"callgrind wrote nothing:\n{server.log_end()}")
        found = counters.read(server.log.read_text(errors="replace")) if peer.name == OURS else Counter[str]()
        if peer.name == OURS and not set(counters.QUIET) <= set(found):
            raise RuntimeError(f"no line with {counters.MARK!r} in {server.log}, so that nobody knows what was counted")
        return Run(callgrind.read(outputs), threads, found)


def _load(port: int, workload: Workload, requests: int) -> None:
    answer = load(port, workload.arguments(), ["--requests", str(requests)], timeout_s=1800)
    for group in read_groups(answer).values():
        if group.first_breach:
            raise RuntimeError(f"a wrong answer: {group.first_breach}")


def _refuse(sentence: str) -> int:
    print(f"bench: {sentence}", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench/instructions.py", description="Count instructions for each request.")
    parser.add_argument("--servers", default=OURS, help=f"names from peers.toml, separated by commas (default {OURS})")
    parser.add_argument("--workloads", default="hello", help="e.g. hello,flask,django (default hello)")
    parser.add_argument("--low", type=int, default=1000, help="requests of the shorter run (default 1000)")
    parser.add_argument("--high", type=int, default=11000, help="requests of the longer run (default 11000)")
    parser.add_argument("--functions", type=int, default=40, help="rows of the profile (default 40)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
