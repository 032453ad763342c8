"""Compares servers, or two builds of one, in one interleaved run: ``python bench/run.py --help``."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from harness import idle, report, static, workloads
from harness import peers as peer_table
from harness.measure import Sample, measure
from harness.paths import CLIENT, OUT, ROOT
from harness.peers import OURS, Peer
from harness.process import ServerFailed, end_by_exception
from harness.workloads import Workload

START_AND_STOP_S = 1.0


def main() -> int:
    """0: measured. 1: our own server failed or answered wrongly. 2: nothing could be measured."""
    end_by_exception()
    options = _parser().parse_args()
    if not CLIENT.exists():
        return _refuse(f"the load client is not built; run: python3 {ROOT.name}/bench/setup.py")
    if (os.cpu_count() or 1) < 2:
        return _refuse("server and client need a core each, and this machine has one")
    try:
        chosen = _workloads(options)
        candidates = _candidates(options)
        idle.allow(max(workload.idle_connections for workload in chosen))
        static.prepare()
    except ValueError as error:
        return _refuse(str(error))
    versions = {peer.name: peer.installed_version() for peer in candidates}
    present = [peer for peer in candidates if versions[peer.name]]
    absent = {peer.name: _why_absent(peer) for peer in candidates if not versions[peer.name]}
    for name, reason in absent.items():
        print(f"MISSING: {name}: {reason}", file=sys.stderr)
    if not present:
        return _refuse("no server is installed")
    rounds, seconds, warm_up_s = (2, 0.5, 0.2) if options.quick else (options.rounds, options.seconds, 0.5)
    cells = sum(
        len(range(0, rounds, workload.share))
        for workload in chosen
        for peer in present
        if peer.takes_part(workload.name)
    )
    minutes = cells * (seconds + warm_up_s + START_AND_STOP_S) / 60
    print(
        f"{len(present)} servers, {len(chosen)} workloads, {rounds} rounds: about {minutes:.1f} minutes",
        file=sys.stderr,
    )
    samples = _interleave(present, chosen, rounds, seconds, warm_up_s)
    baseline = next((peer.name for peer in present if peer.name in (OURS, "old")), present[0].name)
    conditions = report.Conditions(
        rounds,
        seconds,
        time.strftime("%Y-%m-%d"),
        baseline,
        {name: version or "" for name, version in versions.items()},
        present,
        absent,
    )
    text = report.render(chosen, samples, conditions)
    OUT.mkdir(parents=True, exist_ok=True)
    target = OUT / f"bench-{time.strftime('%Y%m%d-%H%M%S')}.md"
    target.write_text(text)
    if options.write_docs:
        page = ROOT / "docs" / "benchmarks.md"
        page.write_text(report.merged(page.read_text(), text) if page.exists() else text)
    print(text)
    print(f"written to {target}", file=sys.stderr)
    ours = [sample for (_, name), row in samples.items() if name in (OURS, "old", "new") for sample in row]
    return 0 if all(sample and not sample.breaches for sample in ours) else 1


def _interleave(
    present: list[Peer], chosen: list[Workload], rounds: int, seconds: float, warm_up_s: float
) -> dict[tuple[str, str], list[Sample | None]]:
    """Round robin, and each round begins with another server: what drifts meets all of them alike."""
    samples: dict[tuple[str, str], list[Sample | None]] = {}
    for number in range(rounds):
        shift = number % len(present)
        for workload in (one for one in chosen if number % one.share == 0):
            for peer in present[shift:] + present[:shift]:
                if peer.takes_part(workload.name):
                    sample = _try(peer, workload, seconds, warm_up_s)
                    samples.setdefault((workload.name, peer.name), []).append(sample)
                    _progress(number, workload, peer, sample)
    return samples


def _try(peer: Peer, workload: Workload, seconds: float, warm_up_s: float) -> Sample | None:
    try:
        return measure(peer, workload, seconds, warm_up_s)
    except (ServerFailed, RuntimeError) as error:
        print(f"FAILED: {peer.name}, {workload.name}: {error}", file=sys.stderr)
        return None


def _progress(number: int, workload: Workload, peer: Peer, sample: Sample | None) -> None:
    if sample is None:
        return
    groups = "  ".join(
        f"{name}: {group.per_second:,.0f}/s p99 {group.p99_us / 1000:.2f} ms" for name, group in sample.groups.items()
    )
    wrong = f"  WRONG: {sample.breaches[0]}" if sample.breaches else ""
    line = f"round {number + 1}  {workload.name:<17}{peer.name:<17}{sample.cpu_us:9.2f} µs  {groups}{wrong}"
    print(line, file=sys.stderr, flush=True)


def _workloads(options: argparse.Namespace) -> list[Workload]:
    if options.workloads:
        return workloads.by_name(options.workloads.split(","))
    return [workload for workload in workloads.TABLE if options.all or workload.is_core]


def _candidates(options: argparse.Namespace) -> list[Peer]:
    known = peer_table.load()
    if bool(options.old) != bool(options.new):
        raise ValueError("--old and --new go together: two environments with a build of dragoman each")
    if options.old:
        return [known[OURS].in_venv("old", options.old), known[OURS].in_venv("new", options.new)]
    names = options.servers.split(",") if options.servers else list(known)
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"no server {', '.join(unknown)} in peers.toml; there are {', '.join(known)}")
    return [known[name] for name in names]


def _why_absent(peer: Peer) -> str:
    where = (
        f"neither on the PATH nor to be had from Debian's {peer.package}"
        if peer.debian
        else f"not installed in {peer.venv.name}"
    )
    return where + (f"; it needs {peer.needs}" if peer.needs else "")


def _refuse(sentence: str) -> int:
    print(f"bench: {sentence}", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench/run.py", description="Compare WSGI servers in one interleaved run.")
    parser.add_argument("--servers", help="names from peers.toml, separated by commas (default: all)")
    parser.add_argument("--workloads", help="names from harness/workloads.py, separated by commas (default: the core)")
    parser.add_argument("--all", action="store_true", help="all workloads")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (default 5)")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one measurement (default 2)")
    parser.add_argument("--quick", action="store_true", help="2 rounds of half a second: does it run at all?")
    parser.add_argument(
        "--old", type=Path, metavar="VENV", help="compare two builds of dragoman: the old one's environment"
    )
    parser.add_argument("--new", type=Path, metavar="VENV", help="… and the new one's")
    parser.add_argument("--write-docs", action="store_true", help="also put the sections into docs/benchmarks.md")
    return parser


if __name__ == "__main__":
    sys.exit(main())
