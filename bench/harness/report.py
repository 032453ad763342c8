"""Samples to a Markdown report: medians with their spread, and ratios taken round by round."""

from __future__ import annotations

import platform
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.measure import Sample
from harness.peers import Peer
from harness.workloads import Workload

FOOTPRINT = ("hello", "workers-4")
"""The workloads that start-up time and memory are taken from."""
Samples = Mapping[tuple[str, str], Sequence[Sample | None]]
"""(workload, server) → one entry for each round; ``None`` where the server failed."""


@dataclass(frozen=True)
class Conditions:
    """How the figures were got."""

    rounds: int
    seconds: float
    day: str
    baseline: str
    versions: Mapping[str, str]
    peers: Sequence[Peer]
    absent: Mapping[str, str]


def render(workloads: Iterable[Workload], samples: Samples, conditions: Conditions) -> str:
    """The whole report."""
    parts = [_head(conditions)]
    parts += [_workload(workload, samples, conditions) for workload in workloads]
    parts.append(_footprint(samples, conditions))
    parts.append(_servers(conditions))
    return "\n\n".join(part for part in parts if part) + "\n"


def merged(page: str, report: str) -> str:
    """`page` with the sections of `report` in the place of its own; those that it lacks come behind the others.

    A run of some workloads brings their sections up to date; each says when it was measured.
    """
    old, new = _sections(page), _sections(report)
    ending = ("start-up and memory", "servers")
    # These two are about servers, not about a workload: what this run had no part of stays.
    new |= {name: _with_rows(new[name], old[name]) for name in ending if name in new and name in old}
    order = [name for name in dict.fromkeys([*old, *new]) if name not in ending]
    return (
        "\n\n".join((new if name in new else old)[name] for name in [*order, *ending] if name in old or name in new)
        + "\n"
    )


def _with_rows(section: str, old: str) -> str:
    """A section with those rows of its table's old state that are of servers which it lacks."""
    lines = section.split("\n")
    names = {line.split("|")[1] for line in lines if line.startswith("|")}
    kept = [line for line in old.split("\n") if line.startswith("|") and line.split("|")[1] not in names]
    last = max(number for number, line in enumerate(lines) if line.startswith("|"))
    return "\n".join([*lines[: last + 1], *kept, *lines[last + 1 :]])


def _sections(text: str) -> dict[str, str]:
    """The parts of a report by their headings; the head has none."""
    parts = text.rstrip("\n").split("\n\n## ")
    return {"": parts[0], **{part.partition("\n")[0]: f"## {part}" for part in parts[1:]}}


def _head(conditions: Conditions) -> str:
    return f"""# Benchmarks

Interleaved rounds, as each section says; a fresh server for each figure; server and client pinned to a core each. Each
cell is the median over the rounds with [least–most]. CPU is user and system time of all processes and threads of the
server for each request. Ratios are to {conditions.baseline} in the same round: above 1 costs (or waits) more, and only
they carry over to another machine. Every body was checked.

*Client* is the share of its core that the client used: near 100 % the throughput is the client's limit, not the
server's. *Others* is what other programs took of the server's core: above a few percent, measure again on a quiet
machine.

Machine: {_cpu_model()}, Linux {platform.release()}, Python {platform.python_version()}."""


def _workload(workload: Workload, samples: Samples, conditions: Conditions) -> str:
    columns = ["server", "CPU µs/request", "ratio"]
    columns += ["CPU µs/MiB"] if workload.body_mib else []
    for group in workload.groups:
        prefix = "" if len(workload.groups) == 1 else f"{group.name} "
        columns += [f"{prefix}requests/s", f"{prefix}p99 ms", "ratio"]
    columns += ["KiB/idle connection"] if workload.idle_connections else []
    columns += ["client", "others"]
    rows, notes = [], []
    base = samples.get((workload.name, conditions.baseline), ())
    for peer in conditions.peers:
        if reason := peer.cannot.get(workload.name):
            notes.append(f"{peer.name} is left out: {reason}.")
        if not peer.takes_part(workload.name):
            continue
        rounds = samples.get((workload.name, peer.name), ())
        good = [sample for sample in rounds if sample]
        if not good:
            notes.append(f"**{peer.name} failed in every round.**")
            continue
        if breaches := [breach for sample in good for breach in sample.breaches]:
            notes.append(f"**{peer.name} answered wrongly** (first: {breaches[0]}).")
        rows.append(_row(peer.name, workload, rounds, base))
    ideal = f" The sleep alone allows {workload.ideal_per_second:,.0f} requests/s." if workload.ideal_per_second else ""
    taken = len(range(0, conditions.rounds, workload.share))
    when = f"{taken} rounds of {conditions.seconds:g} s, {conditions.day}."
    lines = [f"## {workload.name}", "", f"{workload.question}{ideal} {when}", "", _table(columns, rows)]
    return "\n".join([*lines, "", *notes] if notes else lines)


def _row(name: str, workload: Workload, rounds: Sequence[Sample | None], base: Sequence[Sample | None]) -> list[str]:
    good = [sample for sample in rounds if sample]
    cells = [name, spread([sample.cpu_us for sample in good]), _ratio(rounds, base, lambda sample: sample.cpu_us)]
    if workload.body_mib:
        cells.append(spread([sample.cpu_us / workload.body_mib for sample in good]))
    for group in workload.groups:
        cells.append(spread([sample.groups[group.name].per_second for sample in good]))
        cells.append(spread([sample.groups[group.name].p99_us / 1000 for sample in good]))
        cells.append(_ratio(rounds, base, lambda sample, key=group.name: sample.groups[key].p99_us))  # type: ignore[misc]
    if workload.idle_connections:
        cells.append(spread([sample.idle_kib or 0.0 for sample in good]))
    for share in ([sample.client_busy for sample in good], [sample.others_busy for sample in good]):
        cells.append(f"{statistics.median(share):.0%}")
    return cells


def _ratio(rounds: Sequence[Sample | None], base: Sequence[Sample | None], value: Callable[[Sample], float]) -> str:
    """The median of the ratios of each round: what drifts in both drops out."""
    pairs = zip(rounds, base, strict=False)
    ratios = [value(ours) / value(theirs) for ours, theirs in pairs if ours and theirs and value(theirs)]
    return f"{statistics.median(ratios):.2f}" if ratios else "–"


def _footprint(samples: Samples, conditions: Conditions) -> str:
    """Start-up time and memory after a load of small requests, which every measurement yields by the way."""
    rows = []
    for peer in conditions.peers:
        one, four = ([sample for sample in samples.get((name, peer.name), ()) if sample] for name in FOOTPRINT)
        if one or four:
            start_ms = spread([sample.start_s * 1000 for sample in one]) if one else "–"
            memory = [spread([sample.pss_kib / 1024 for sample in some]) if some else "–" for some in (one, four)]
            rows.append([peer.name, start_ms, *memory])
    if not rows:
        return ""
    columns = ["server", "start to first answer, ms", "1 worker, MiB (PSS)", "4 workers, MiB (PSS)"]
    return f"""## start-up and memory

How long from the start of the program to its first answer, and what do one worker and four take after a load?

{_table(columns, rows)}"""


def _servers(conditions: Conditions) -> str:
    rows = [[peer.name, conditions.versions.get(peer.name, "?"), peer.settings] for peer in conditions.peers]
    text = "## servers\n\n" + _table(["server", "version", "settings"], rows)
    for name, reason in conditions.absent.items():
        text += f"\n\n**{name} is missing from this report:** {reason}"
    return text


def spread(values: Sequence[float]) -> str:
    """``median [least–most]`` with as many digits as the size deserves."""
    median = statistics.median(values)
    digits = 0 if median >= 1000 else 1 if median >= 100 else 2
    low, high = (f"{value:,.{digits}f}" for value in (min(values), max(values)))
    return f"{median:,.{digits}f} [{low}–{high}]"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] + ["---:"] * (len(columns) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
