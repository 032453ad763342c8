"""What a check has found, grouped by party and place: for a terminal, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from dragoman.check.drive import Fault
from dragoman.check.request import Origin, Request
from dragoman.contract.finding import Finding
from dragoman.contract.places import Place
from dragoman.contract.report import shortened
from dragoman.values import counted, printable

__all__ = ["Report", "Seen", "as_json", "as_text"]

# Parties in the order in which they are told of; "server" is this program, and never right.
PARTIES = ("application", "middleware", "server")


@dataclass
class Seen:
    """One breach, and the requests that have shown it; of a fault likewise."""

    what: Finding | Fault
    request: Request | None
    names: set[str] = field(default_factory=set)


@dataclass
class Report:
    """What came of a check.

    counts     requests by where they come from
    routes     how many the application has
    held_back  requests that --unsafe would have made
    left_out   requests for which there was no time
    answered   calls that gave an answer, whatever it said
    """

    name: str
    counts: dict[Origin, int]
    routes: int
    breaches: list[Seen] = field(default_factory=list)
    hints: list[Seen] = field(default_factory=list)
    faults: list[Seen] = field(default_factory=list)
    held_back: int = 0
    left_out: int = 0
    unfilled: list[str] = field(default_factory=list)
    calls: int = 0
    seconds: float = 0.0
    time_s: float = 0.0
    answered: int = 0

    def findings(self) -> list[tuple[Seen, Finding]]:
        """Breaches and hints, ordered by party and place."""
        found = [(seen, seen.what) for seen in (*self.breaches, *self.hints) if isinstance(seen.what, Finding)]
        return sorted(found, key=lambda item: order_of(item[1]))

    def all_faults(self) -> list[tuple[Seen, Fault]]:
        """What is no breach: exceptions and answers of 500."""
        return [(seen, seen.what) for seen in self.faults if isinstance(seen.what, Fault)]

    @property
    def is_clean(self) -> bool:
        """Whether there is no breach."""
        return not self.breaches


def order_of(finding: Finding) -> tuple[Any, ...]:
    where = finding.where or ("~", 0, "")
    return (finding.hint, PARTIES.index(finding.party), finding.layer, *where[:2], finding.rule)


def as_text(report: Report) -> str:
    """The whole report: groups of findings, faults, the summary."""
    lines: list[str] = []
    heading = ""
    for seen, finding in report.findings():
        if (now := heading_of(finding)) != heading:
            heading = now
            lines += [heading, ""]
        lines += [f"  {line}" for line in str(finding).splitlines()]
        lines += [f"    Seen: {seen_text(seen)}", ""]
    if report.faults:
        lines += ["errors: no breach of the contract, and no answer either", ""]
        for seen, fault in report.all_faults():
            lines += [f"  {fault_text(fault)}", f"    Seen: {seen_text(seen)}", ""]
    return "\n".join([*lines, *summary(report)])


def heading_of(finding: Finding) -> str:
    party = "a fault of dragoman check itself" if finding.party == "server" else finding.party
    if finding.hint:
        party = f"hint, {party}"
    place = f"{place_text(finding.where)}" if finding.where else printable(finding.layer)
    return f"{party}: {place}"


def place_text(where: Place) -> str:
    name = f", in {printable(where[2])}" if where[2] else ""
    return f"{printable(shortened(where[0]))}:{where[1]}{name}"


def seen_text(seen: Seen) -> str:
    count = max(1, len(seen.names))
    if seen.request is None:
        return "after a request"
    return f"in {counted(count, 'request')}, first in {seen.request} ({printable(described(seen.request))})"


def described(request: Request) -> str:
    if request.origin is Origin.NAMED:
        return "--request"
    return f"{request.origin.value}: {request.name}"


def fault_text(fault: Fault) -> str:
    where = f"  ({place_text(fault.where)})" if fault.where else ""
    what = {"exception": "raised", "500": "answered 500:", "stuck": "did not return:", "end": "ended the process:"}[
        fault.kind
    ]
    return f"{what} {printable(fault.text)}{where}"


def summary(report: Report) -> Iterable[str]:
    """What was done, and what came of it."""
    counts = report.counts
    parts = [f"{counted(counts[Origin.CATALOGUE], 'request')} of the catalogue"]
    if counts[Origin.ROUTE] or report.routes:
        parts.append(f"{counts[Origin.ROUTE]} of {counted(report.routes, 'route')}")
    for origin in (Origin.OPENAPI, Origin.NAMED):
        if counts[origin]:
            parts.append(f"{counts[origin]} of {origin.value}")
    done = f"{', '.join(parts)}; {counted(report.calls, 'call')} in {report.seconds:.1f} s"
    places = {(finding.party, finding.where) for seen, finding in report.findings() if not finding.hint}
    found = [f"{counted(len(report.breaches), 'breach', 'breaches')} in {counted(len(places), 'place')}"]
    if not report.breaches:
        found = ["no breach"]
    if report.faults:
        found.append(counted(len(report.faults), "error"))
    if report.hints:
        found.append(counted(len(report.hints), "hint"))
    yield f"{report.name}: {done}: {', '.join(found)}"
    if report.held_back:
        yield f"  {counted(report.held_back, 'request')} of unsafe methods not made: --unsafe makes them"
    if report.left_out:
        is_stuck = any(fault.kind == "stuck" for _, fault in report.all_faults())
        why = ": the call before them did not return" if is_stuck else f" in {report.time_s:g} s: --time gives more"
        yield f"  {counted(report.left_out, 'request')} not made{why}"
    if report.unfilled:
        yield f"  no values known for {', '.join(map(printable, report.unfilled[:5]))}: --request names paths"


def as_json(report: Report) -> str:
    """One object: the findings, the errors, and what was done."""
    return json.dumps(
        {
            "application": report.name,
            "breaches": [of_finding(seen, one) for seen, one in report.findings() if not one.hint],
            "hints": [of_finding(seen, one) for seen, one in report.findings() if one.hint],
            "errors": [
                {"kind": fault.kind, "text": fault.text, **of_place(fault.where), **of_seen(seen)}
                for seen, fault in report.all_faults()
            ],
            "requests": {origin.value.removeprefix("--"): count for origin, count in report.counts.items()},
            "routes": report.routes,
            "calls": report.calls,
            "seconds": round(report.seconds, 3),
            "held_back": report.held_back,
            "left_out": report.left_out,
        },
        indent=2,
    )


def of_finding(seen: Seen, finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "party": finding.party,
        "layer": finding.layer,
        **of_place(finding.where),
        "value": finding.value,
        "why": finding.why,
        "fix": finding.fix,
        "message": str(finding),
        **of_seen(seen),
    }


def of_place(where: Place | None) -> dict[str, Any]:
    if where is None:
        return {"file": None, "line": None, "function": None}
    return {"file": shortened(where[0]), "line": where[1], "function": where[2]}


def of_seen(seen: Seen) -> dict[str, Any]:
    return {
        "request": str(seen.request) if seen.request else None,
        "name": seen.request.name if seen.request else None,
        "requests": max(1, len(seen.names)),
    }
