"""What a limit is written as: ``"10/second; 1000/hour"``."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["Limit", "parse_limits"]

UNITS_S = {
    "second": 1,
    "minute": 60,
    "hour": 3600,
    "day": 86_400,
    "month": 2_592_000,
    "year": 31_104_000,
}
"""The units of `limits`: a month is 30 days, a year 12 of them."""

ONE = re.compile(r"\s*([0-9]{1,9})\s*(?:/|\s+per\s+)\s*([0-9]{1,9})?\s*([A-Za-z]+)\s*", re.IGNORECASE)


class Limit(NamedTuple):
    """`amount` requests in `window_s` seconds. `name` tells limits from each other in fields: ``100/2 minutes``."""

    amount: int
    multiple: int
    unit: str

    @property
    def window_s(self) -> int:
        """How many seconds the amount is for."""
        return self.multiple * UNITS_S[self.unit]

    @property
    def name(self) -> str:
        """As it is written."""
        return f"{self.amount}/{self.unit}" if self.multiple == 1 else f"{self.amount}/{self.multiple} {self.unit}s"


def parse_limits(text: str, what: str) -> tuple[Limit, ...]:
    """The limits of a text, the shortest window first.

    text   amounts by time, such as ``"10/second"``, ``"100 per 2 minutes"``; several with ";" or "," between them
    what   names the setting in messages

    Raises ValueError for anything else, and for two limits of one window.

    >>> [limit.name for limit in parse_limits("1000/hour; 10 per second", "limits")]
    ['10/second', '1000/hour']
    """
    if not isinstance(text, str):
        raise ValueError(f'{what}: want limits such as "10/second; 1000/hour", got {text!r}')
    found = [parse_one(one, what) for one in re.split("[;,]", text)]
    windows = [limit.window_s for limit in found]
    if len(set(windows)) < len(windows):
        raise ValueError(f"{what}: {text!r} has two limits for one span of time")
    return tuple(sorted(found, key=lambda limit: limit.window_s))


def parse_one(text: str, what: str) -> Limit:
    match = ONE.fullmatch(text)
    unit = match[3].lower().removesuffix("s") if match else ""
    if match is None or unit not in UNITS_S:
        raise ValueError(
            f'{what}: {text.strip()!r}: want an amount by time, such as "10/second" or "100 per 2 minutes";'
            f" the units are {', '.join(UNITS_S)}"
        )
    limit = Limit(int(match[1]), int(match[2] or 1), unit)
    if limit.amount < 1 or limit.multiple < 1:
        raise ValueError(f"{what}: {text.strip()!r}: want 1 at least")
    return limit
