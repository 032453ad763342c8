"""Reads callgrind's output: instructions by function, summed over all processes of a run."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

RECURSION = re.compile(r"'\d+$")
Profile = Counter[tuple[str, str]]
"""Instructions executed in a function itself: (function, object file) → count."""


def read(paths: Iterable[Path]) -> Profile:
    """The profile of all files together.

    Raises ValueError when a file's costs do not sum up to the total that callgrind states in it: then this reader
    has misunderstood the format.
    Source: "Callgrind Format Specification", part of valgrind's manual.
    """
    profile: Profile = Counter()
    for path in paths:
        part, total = _read_one(path)
        if sum(part.values()) != total:
            raise ValueError(f"{path}: read {sum(part.values())} instructions where callgrind counted {total}")
        profile.update(part)
    return profile


def difference(high: Profile, low: Profile, requests: int) -> list[tuple[float, str, str]]:
    """Instructions for each request by function, (count, function, object), largest first."""
    keys = set(high) | set(low)
    rows = [((high[key] - low[key]) / requests, *key) for key in keys]
    return sorted((row for row in rows if row[0]), reverse=True)


def _read_one(path: Path) -> tuple[Profile, int]:
    profile: Profile = Counter()
    names: dict[tuple[str, str], str] = {}
    function = object_file = ""
    total = 0
    is_call_cost = False
    with path.open(errors="replace") as lines:
        for line in lines:
            first = line[:1]
            if first in "0123456789+-*":
                # The line after calls= holds the callee's inclusive cost, which its own lines hold already.
                if not is_call_cost:
                    profile[function, object_file] += int(line.split()[1])
                is_call_cost = False
            elif line.startswith("fn="):
                # 'N at the end numbers the levels of a recursion; together they are the function.
                function = RECURSION.sub("", _name(names, "fn", line[3:]))
            elif line.startswith("ob="):
                object_file = _name(names, "ob", line[3:])
            elif line.startswith("cfn="):
                _name(names, "fn", line[4:])
            elif line.startswith("cob="):
                _name(names, "ob", line[4:])
            elif line.startswith("calls="):
                is_call_cost = True
            elif line.startswith(("totals:", "summary:")):
                total = int(line.split()[1])
    return profile, total


def _name(names: dict[tuple[str, str], str], kind: str, text: str) -> str:
    """Name compression: ``(7) name`` defines number 7, a later ``(7)`` stands for it."""
    number, _, name = text.strip().partition(" ")
    if not number.startswith("("):
        return text.strip()
    if name:
        names[kind, number] = name
    return names[kind, number]
