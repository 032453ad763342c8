"""What a request has done to its session, so that it can be done again to what others have stored meanwhile."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, NamedTuple, TypeAlias

__all__ = ["Changes", "call", "refuse_other_than_json"]

Function: TypeAlias = Callable[[Any], Any]


class Mark:
    """A value that no session holds."""


KEPT = Mark()
ABSENT = Mark()


class Change(NamedTuple):
    """What becomes of one key: `base` (or what is there, or nothing), and then each function of it in turn."""

    base: Any
    functions: tuple[tuple[Function, Any], ...] = ()


class Changes:
    """Changes by key. Keys that are not in it stay as they are found: so two requests can change two keys at once."""

    __slots__ = ("by_key", "is_cleared")

    def __init__(self) -> None:
        self.by_key: dict[str, Change] = {}
        self.is_cleared = False

    def __bool__(self) -> bool:
        return self.is_cleared or bool(self.by_key)

    def set(self, key: str, value: Any) -> None:
        """`key` becomes `value`, whatever is there."""
        self.by_key[key] = Change(value)

    def remove(self, key: str) -> None:
        """`key` goes."""
        self.by_key[key] = Change(ABSENT)

    def apply(self, key: str, function: Function, default: Any) -> None:
        """`key` becomes the function of what is there, or of `default`."""
        before = self.by_key.get(key, Change(KEPT))
        self.by_key[key] = Change(before.base, (*before.functions, (function, default)))

    def clear(self) -> None:
        """Everything goes; what is set later stays."""
        self.is_cleared = True
        self.by_key.clear()

    def applied(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """`data` with the changes; it stays as it is itself."""
        made = {} if self.is_cleared else dict(data)
        for key, change in self.by_key.items():
            value = made.get(key, ABSENT) if change.base is KEPT else change.base
            for function, default in change.functions:
                value = call(function, default if value is ABSENT else value)
            if value is ABSENT:
                made.pop(key, None)
            else:
                made[key] = value
        return made


def call(function: Function, value: Any) -> Any:
    """The function of a copy of `value`: it may change what it is given, and is called again with the same."""
    return function(deepcopy(value) if isinstance(value, list | dict) else value)


def refuse_other_than_json(value: object, where: str) -> None:
    """Raise TypeError for what JSON cannot hold, naming the place: ``session["cart"][0]``. Tuples become lists."""
    if value is None or isinstance(value, str | bool | int):
        return
    if isinstance(value, float):
        if not math.isfinite(value):
            raise TypeError(f"{where}: JSON has no {value!r}")
    elif isinstance(value, list | tuple):
        for index, one in enumerate(value):
            refuse_other_than_json(one, f"{where}[{index}]")
    elif isinstance(value, dict):
        for key, one in value.items():
            if not isinstance(key, str):
                raise TypeError(f"{where}: want keys of text, got {key!r}: JSON would make text of it")
            refuse_other_than_json(one, f"{where}[{key!r}]")
    else:
        raise TypeError(
            f"{where}: want what JSON holds (text, numbers, bool, None, lists and dicts of them),"
            f" got {type(value).__name__}"
        )
