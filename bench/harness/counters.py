"""The server's own counters, from the line that each of its processes logs at its end on ``--log-level debug``."""

from __future__ import annotations

from collections import Counter

MARK = "counters: "
QUIET = ("depositions", "handoffs")
"""What must be 0 while instructions are counted: each is the cost of a request that looked slow and was not."""


def read(log: str) -> Counter[str]:
    """Name to value, summed over all such lines; empty when there is none.

    Raises ValueError for a line that is not ``counters: NAME VALUE, NAME VALUE …``.
    """
    counters: Counter[str] = Counter()
    for line in log.splitlines():
        _, mark, pairs = line.partition(MARK)
        for pair in pairs.split(", ") if mark else ():
            name, _, value = pair.strip().rpartition(" ")
            if not name or not value.isdigit():
                raise ValueError(f"not NAME VALUE in {line!r}: {pair!r}")
            counters[name] += int(value)
    return counters
