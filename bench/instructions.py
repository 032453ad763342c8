"""Counts a server's user-space instructions for one request by callgrind: ``python bench/instructions.py --help``."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path

from harness import callgrind, peers, workloads
from harness.measure import load, read_groups
from harness.paths import CLIENT, OUT
from harness.peers import OURS, Peer
from harness.process import Server, ServerFailed, end_by_exception, free_port
from harness.workloads import Workload

SLOWDOWN = 50
"""About what callgrind costs; our scheduler's tick is multiplied by it, else every request looks slow."""
TICK_SCALE = "DRAGOMAN_TICK_SCALE"


def main() -> int:
    """0: counted. 1: an answer was wrong. 2: something is missing."""
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
                _count(peer, version, workload, options)
            except (ServerFailed, RuntimeError) as error:
                print(f"FAILED: {peer.name}, {workload.name}: {error}", file=sys.stderr)
                status = 1
    return status


def _count(peer: Peer, version: str, workload: Workload, options: argparse.Namespace) -> None:
    """Two runs, and their difference: start-up, loading and shutdown are in both and drop out."""
    low = _run(peer, workload, options.low)
    high = _run(peer, workload, options.high)
    requests = options.high - options.low
    rows = callgrind.difference(high, low, requests)
    total = (high.total() - low.total()) / requests
    print(f"\n{peer.name} {version}, {workload.name}: {total:,.0f} instructions/request", flush=True)
    print(
        f"  from {options.low} and {options.high} requests: {low.total():,} and {high.total():,}; by function (self):"
    )
    for count, function, object_file in rows[: options.functions]:
        print(f"  {count:10,.1f}  {count / total:6.1%}  {function[:90]}  [{Path(object_file).name}]")


def _run(peer: Peer, workload: Workload, requests: int) -> callgrind.Profile:
    """One run of exactly ``requests`` requests under callgrind, children included."""
    port = free_port()
    environ = {"PYTHONHASHSEED": "0", TICK_SCALE: os.environ.get(TICK_SCALE, str(SLOWDOWN))}
    with tempfile.TemporaryDirectory(prefix="bench-callgrind-") as directory:
        command = [
            "valgrind",
            "--tool=callgrind",
            "--trace-children=yes",
            f"--callgrind-out-file={directory}/%p.out",
            *peer.arguments(workload.app, port, workload.is_waiting),
        ]
        with Server(peer.name, command, port, environ=environ, start_timeout_s=300, stop_timeout_s=120) as server:
            answer = load(port, workload.arguments(), ["--requests", str(requests)], timeout_s=1800)
            server.stop()
        for group in read_groups(answer).values():
            if group.first_breach:
                raise RuntimeError(f"a wrong answer: {group.first_breach}")
        outputs = [path for path in Path(directory).iterdir() if path.stat().st_size]
        if not outputs:
            raise RuntimeError(f"callgrind wrote nothing:\n{server.log_end()}")
        return callgrind.read(outputs)


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
