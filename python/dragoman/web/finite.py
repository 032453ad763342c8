"""NaN and infinity are no numbers: JSON and HTML have none, and whoever bounds a number means none; texts say them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from msgspec import inspect

from dragoman.web.misfits import Misfit, Search
from dragoman.web.wanted import nodes_in

__all__ = ["has_fractions", "is_suspect", "unfinite_in"]

# Python's Decimal reads "NaN" and "Inf" in any case, with a sign, with blanks around and underscores within.
WORDS = r"n_*a_*n|i_*n_*f"
SUSPECT = re.compile(WORDS, re.IGNORECASE)
# In JSON the letters may be escaped.
SUSPECT_JSON = re.compile(rf"{WORDS}|\\u00".encode(), re.IGNORECASE)


def has_fractions(node: Any, *, strict: bool) -> bool:
    """Whether there are numbers in a type that a text may stand for: Decimals; where not `strict` also floats."""
    kinds = (inspect.DecimalType,) if strict else (inspect.DecimalType, inspect.FloatType)
    return any(isinstance(one, kinds) for one in nodes_in(node))


def is_suspect(given: bytes | Iterable[Any]) -> bool:
    """Whether there may be such a text in JSON, or among the values of a form."""
    if isinstance(given, bytes):
        return SUSPECT_JSON.search(given) is not None
    values = (one for value in given for one in (value if isinstance(value, list) else (value,)))
    return any(isinstance(one, str) and SUSPECT.search(one) for one in values)


def unfinite_in(value: Any, node: Any, *, strict: bool) -> list[Misfit]:
    """The numbers that are none in a value that is else right. Raises RecursionError for the deepest."""
    search = Numbers(strict)
    search.most_looked_at = search.most_depth = 1 << 62
    search.look(value, node, ())
    return search.found


class Numbers(Search):
    """A walk that looks at texts which may say such a number, and takes all else."""

    def fits(self, value: Any, node: Any, *, is_key: bool = False) -> bool:
        text = next(iter(value)) if is_key else value
        return not isinstance(text, str) or SUSPECT.search(text) is None or super().fits(value, node, is_key=is_key)

    def convert(self, value: Any, kind: Any, path: Any) -> None:
        """It has been converted."""
