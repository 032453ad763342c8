"""Values of one hash: those of Python's numbers can be foreseen, and a set of a million of one hash takes hours.

Texts and bytes have hashes that nobody foresees. `hash` of an int is its rest by 2**61 - 1, of a Decimal and a UUID
that of the number which it is, and of a tuple one of those of its items.
"""

from __future__ import annotations

import decimal
import functools
import operator
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import inspect

from dragoman.web.leaves import REFUSALS, type_of
from dragoman.web.misfits import Misfit, Path
from dragoman.web.wanted import is_row, nodes_in, unwrapped

__all__ = ["SMALL_BYTES", "Collisions"]

# Shorter bodies have too few values to take long.
SMALL_BYTES = 16 << 10
# Different values of one hash. By chance there are never three.
MOST_ALIKE = 100
SETS = (inspect.SetType, inspect.FrozenSetType)
FORESEEN = (inspect.DecimalType, inspect.IntType, inspect.UUIDType)
# As the type has it: a float would have lost the digits that make the hash of a Decimal.
DECODE = msgspec.json.Decoder(float_hook=decimal.Decimal).decode


class Collisions:
    """Looks for values of one hash in the sets and the names of dicts of one type.

    leading   its nodes, by identity, that have such sets within; empty where there is nothing to look for
    """

    def __init__(self, node: Any) -> None:
        self.node = node
        self.leading = {id(one) for one in nodes_in(node) if any(map(is_foreseen, nodes_in(one)))}

    def find(self, data: bytes) -> Misfit | None:
        """The first set or dict that has too many. Raises DecodeError for what is no JSON, and RecursionError."""
        for path, values, node, is_strict in self.look(DECODE(data), self.node, ()):
            if are_alike(values, type_of_item(node), is_strict):
                return Misfit(path, "invalid", "Too many values have one hash")
        return None

    def look(self, value: Any, node: Any, path: Path) -> Iterator[tuple[Path, list[Any], Any, bool]]:
        """All such sets, and all such names of dicts."""
        node = unwrapped(node)
        if not self.leads(node):
            return
        for one in getattr(node, "types", ()):
            yield from self.look(value, one, path)
        if isinstance(value, dict):
            for name, part, kind in self.members(value, node):
                yield from self.look(part, kind, (*path, name))
            if is_foreseen(node) and not isinstance(node, SETS):
                yield path, list(value), node.key_type, False
        elif isinstance(value, list):
            for index, part, kind in self.items(value, node):
                yield from self.look(part, kind, (*path, index))
            if isinstance(node, SETS) and is_foreseen(node):
                yield path, value, node.item_type, True

    def members(self, value: dict[str, Any], node: Any) -> Iterator[tuple[str, Any, Any]]:
        """Name, value and node of those that may have such sets within."""
        if hasattr(node, "value_type"):
            if self.leads(node.value_type):
                yield from ((name, part, node.value_type) for name, part in value.items())
            return
        for field in getattr(node, "fields", ()):
            if field.encode_name in value and self.leads(field.type):
                yield field.encode_name, value[field.encode_name], field.type

    def items(self, value: list[Any], node: Any) -> Iterator[tuple[int, Any, Any]]:
        """Place, value and node of those that may have such sets within."""
        if hasattr(node, "item_type"):
            if self.leads(node.item_type):
                yield from ((index, part, node.item_type) for index, part in enumerate(value))
            return
        kinds = [field.type for field in node.fields] if is_row(node) else getattr(node, "item_types", ())
        start = int(getattr(node, "tag_field", None) is not None)
        for index, (part, kind) in enumerate(zip(value[start:], kinds, strict=False), start):
            if self.leads(kind):
                yield index, part, kind

    def leads(self, node: Any) -> bool:
        return id(unwrapped(node)) in self.leading


def is_foreseen(node: Any) -> bool:
    """Whether it is a set, or a dict, whose items, or names, have hashes that can be foreseen."""
    item = getattr(node, "item_type", None) if isinstance(node, SETS) else getattr(node, "key_type", None)
    return item is not None and any(isinstance(one, FORESEEN) and not is_bounded(one) for one in nodes_in(item))


def is_bounded(node: Any) -> bool:
    # msgspec has bounds of 64 bits: within them no hash is that of more than nine numbers.
    least, most = getattr(node, "ge", None), getattr(node, "le", None)
    return (least is not None or getattr(node, "gt", None) is not None) and (
        most is not None or getattr(node, "lt", None) is not None
    )


def type_of_item(node: Any) -> Any:
    """The type of a value that can be hashed."""
    node = unwrapped(node)
    if isinstance(node, inspect.TupleType):
        return tuple[tuple(map(type_of_item, node.item_types))]  # type: ignore[misc]
    if isinstance(node, inspect.VarTupleType):
        return tuple[type_of_item(node.item_type), ...]  # type: ignore[misc]
    if isinstance(node, inspect.FrozenSetType):
        return frozenset[type_of_item(node.item_type)]  # type: ignore[misc]
    if isinstance(node, inspect.UnionType):
        return functools.reduce(operator.or_, map(type_of_item, node.types))
    return type_of(node)


def are_alike(values: list[Any], kind: Any, is_strict: bool) -> bool:
    """Whether more than `MOST_ALIKE` different ones among the values have one hash."""
    try:
        made = msgspec.convert(values, list[kind], strict=is_strict)
        hashes = list(map(hash, made))
    except REFUSALS:
        # The reading comes to the first that is wrong, and has those before it in the set by then.
        made = [found for one in values for found in converted(one, kind, is_strict)]
        hashes = list(map(hash, made))
    often = {one for one, number in Counter(hashes).items() if number > MOST_ALIKE}
    alike: dict[int, list[Any]] = {one: [] for one in often}
    for one, value in zip(hashes, made, strict=True) if often else ():
        if one in often and value not in alike[one]:
            alike[one].append(value)
            if len(alike[one]) > MOST_ALIKE:
                return True
    return False


def converted(value: Any, kind: Any, is_strict: bool) -> list[Any]:
    """The value alone; nothing for what is wrong, and for a signaling NaN, which has no hash."""
    try:
        made = msgspec.convert(value, kind, strict=is_strict)
        hash(made)
    except REFUSALS:
        return []
    return [made]
