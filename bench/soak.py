"""Mixed or aborted requests at one server, every body checked, its memory, threads and descriptors watched."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

from harness import peers
from harness.measure import SERVER_CORE, load, read_groups
from harness.paths import CLIENT
from harness.peers import OURS
from harness.process import Server, ServerFailed, Usage, end_by_exception, free_port

APP = "mixed:app"
CLOSE_S = 10.0
"""How long the server may take to see that the client's connections are gone."""
RETIRE_S = 60.0
"""How long threads without work may stay."""
REQUESTS_AFTER_ABORTS = 1_000
GROWTH = 1.05
"""Memory at the end over memory at half-way: the first half fills caches, pools and the allocator's arenas."""


def main() -> int:
    """0: every body right, nothing grew, a clean end. 1: not so. 2: it could not run."""
    end_by_exception()
    options = _parser().parse_args()
    known = peers.load()
    if options.server not in known or not CLIENT.exists():
        print("bench: run python3 bench/setup.py first, and name a server of peers.toml", file=sys.stderr)
        return 2
    port = free_port()
    command = [*known[options.server].arguments(APP, port, is_waiting=True), *options.server_options.split()]
    server = Server(options.server, command, port, core=SERVER_CORE, stop_timeout_s=30)
    try:
        with server:
            faults = _soak(server, options)
            started = time.monotonic()
            status = server.stop()
            print(f"TERM with no connection open: status {status} after {time.monotonic() - started:.2f} s")
            if status != 0:
                faults.append(f"it ended with status {status}")
    except (ServerFailed, RuntimeError) as error:
        faults = [str(error)]
    for fault in faults:
        print(f"FAULT: {fault}")
    if faults:
        print(f"the server's log: {server.log}")
    print("clean" if not faults else f"{len(faults)} faults")
    return 1 if faults else 0


def _soak(server: Server, options: argparse.Namespace) -> list[str]:
    """Load in slices, each with another seed; returns what was wrong."""
    faults: list[str] = []
    requests, plan = (options.aborted, "--aborted") if options.aborted else (options.requests, "--mixed")
    before = server.usage()
    usages: list[Usage] = []
    answered = aborted = 0
    print("| requests | answered | aborted | requests/s | p99 ms | memory MiB | threads | descriptors |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    print(f"| 0 | | | | | {_cells(before)} |", flush=True)
    for number in range(options.slices):
        group = ["--group", "mixed", "--connections", str(options.connections), plan, str(options.seed + number)]
        limit = ["--requests", str(requests // options.slices)]
        result = read_groups(load(server.port, group, limit, timeout_s=3600))["mixed"]
        answered, aborted = answered + result.answered, aborted + result.aborted
        target = (usages[-1] if usages else before).descriptors
        usages.append(_settled(server, CLOSE_S, lambda usage, target=target: usage.descriptors <= target))  # type: ignore[misc]
        counts = f"{answered + aborted:,} | {answered:,} | {aborted:,}"
        speed = f"{result.per_second:,.0f} | {result.p99_us / 1000:.1f}"
        print(f"| {counts} | {speed} | {_cells(usages[-1])} |", flush=True)
        if result.first_breach:
            faults.append(f"wrong answers {dict(result.breaches)}, the first: {result.first_breach}")
            break
    middle, last = usages[(len(usages) - 1) // 2], usages[-1]
    later_requests = requests // options.slices * (len(usages) // 2)
    slope = (last.pss_kib - middle.pss_kib) * 1024 / later_requests if later_requests else 0.0
    print(f"memory in the second half: {slope:+.1f} bytes for each request")
    if last.pss_kib > middle.pss_kib * GROWTH:
        faults.append(f"memory grew from {middle.pss_kib} KiB at half-way to {last.pss_kib} KiB")
    if last.descriptors > middle.descriptors:
        faults.append(f"descriptors grew from {middle.descriptors} at half-way to {last.descriptors}")
    if options.aborted:
        faults += _answers_still(server, options.seed)
    started = time.monotonic()
    rested = _settled(server, RETIRE_S, lambda usage: usage.threads <= before.threads)
    rest_s = time.monotonic() - started
    print(f"after {rest_s:.1f} s without work: {rested.threads} threads ({before.threads} at the start)")
    if rested.threads > before.threads:
        faults.append(f"{rested.threads - before.threads} threads are left over")
    return faults


def _answers_still(server: Server, seed: int) -> list[str]:
    """A few mixed requests after all that was left: each must be answered, and rightly."""
    group = ["--group", "mixed", "--connections", "8", "--mixed", str(seed)]
    result = read_groups(load(server.port, group, ["--requests", str(REQUESTS_AFTER_ABORTS)]))["mixed"]
    print(
        f"afterwards {result.answered:,} of {REQUESTS_AFTER_ABORTS:,} mixed requests answered, {result.aborted:,} left"
    )
    return [f"wrong answers afterwards, the first: {result.first_breach}"] if result.first_breach else []


def _settled(server: Server, deadline_s: float, is_settled: Callable[[Usage], bool]) -> Usage:
    """The usage once ``is_settled`` holds, or after the deadline."""
    deadline = time.monotonic() + deadline_s
    usage = server.usage()
    while not is_settled(usage) and time.monotonic() < deadline:
        time.sleep(0.05)
        usage = server.usage()
    return usage


def _cells(usage: Usage) -> str:
    return f"{usage.pss_kib / 1024:.1f} | {usage.threads} | {usage.descriptors}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bench/soak.py", description="Send mixed or aborted requests and check every body."
    )
    parser.add_argument("--server", default=OURS, help=f"a name from peers.toml (default {OURS})")
    parser.add_argument("--server-options", default="", help='more options for the server, e.g. "--threads 8"')
    parser.add_argument("--requests", type=int, default=1_000_000, help="in all (default 1,000,000)")
    parser.add_argument(
        "--aborted",
        type=int,
        metavar="N",
        help="instead N requests that the client leaves at random points, by FIN or RST",
    )
    parser.add_argument("--slices", type=int, default=10, help="the usage is read after each (default 10)")
    parser.add_argument("--connections", type=int, default=64, help="at a time (default 64)")
    parser.add_argument("--seed", type=int, default=1, help="of the first slice; a seed repeats its order")
    return parser


if __name__ == "__main__":
    sys.exit(main())
