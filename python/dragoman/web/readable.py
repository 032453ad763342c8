"""Types that no request can fill: they are told at the start, instead of to each client as its own fault."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, inspect

from dragoman.web.flat import RECORDS, parts_of
from dragoman.web.wanted import OBJECTS, PARTS, is_row, nodes_in, unwrapped

__all__ = ["refuse_unreadable"]

SETS = (inspect.SetType, inspect.FrozenSetType)
# One of each that JSON has.
JSON_VALUES: tuple[Any, ...] = (None, True, 1, 1.5, "", [], {})
UNHASHED = (inspect.DictType, inspect.ListType, inspect.SetType)


def refuse_unreadable(node: Any, *, is_flat: bool) -> None:
    """Raises TypeError for a type whose values cannot be made of what clients send.

    node      as `msgspec.inspect.type_info` gives it
    is_flat   whether they come as names with texts, and as nothing else
    """
    if is_flat:
        refuse_objects(node)
    foreign = foreign_in(node, set())
    if foreign is not None:
        raise TypeError(
            f"nothing makes a {foreign.__name__} of what a client sends; want types of JSON, records of them"
        )
    for one in nodes_in(node):
        if isinstance(one, SETS):
            item = unwrapped(one.item_type)
            if isinstance(item, UNHASHED):
                raise TypeError("a set of lists: want items that can be hashed, such as tuples")
            kind = getattr(item, "cls", None)
            if isinstance(item, inspect.TypedDictType) or is_unhashed(kind):
                raise TypeError(f"a set of {getattr(kind, '__name__', kind)}: want one that can be hashed: frozen=True")


def refuse_objects(node: Any) -> None:
    """Raises TypeError where a name would need an object as its value: a query, a header, has none."""
    records = [one for one in parts_of(node) if isinstance(one, RECORDS)]
    named = [(f"for {field.name!r} ", field.type) for one in records for field in one.fields if field.required]
    for words, kind in named if records else [("", node)]:
        inner = [item for one in parts_of(kind) for item in parts_of(getattr(one, "item_type", one))]
        if all(isinstance(one, OBJECTS) and not is_row(one) for one in inner):
            raise TypeError(
                f"an object {words}can come in a body of JSON alone; want a text, a number, a list of these"
            )


def is_unhashed(kind: Any) -> bool:
    """Whether a class says that its values have no hash; a Struct says so when it is asked for one."""
    if isinstance(kind, type) and issubclass(kind, Struct):
        config = kind.__struct_config__
        return kind.__hash__ is Struct.__hash__ and config.eq and not config.frozen
    return getattr(kind, "__hash__", True) is None


def foreign_in(node: Any, seen: set[int]) -> Any:
    """A class that msgspec does not know, where a value has to have one; None where it can do without."""
    node = unwrapped(node)
    if id(node) in seen:
        return None
    seen.add(id(node))
    if isinstance(node, inspect.CustomType):
        return None if node.cls.__name__ == "UploadedFile" or is_of_json(node.cls) else node.cls
    if isinstance(node, inspect.UnionType):
        found = [foreign_in(one, seen) for one in node.types]
        return None if None in found else found[0]
    parts = [field.type for field in getattr(node, "fields", ()) if field.required]
    for name in PARTS:
        part = getattr(node, name, ())
        parts += part if isinstance(part, tuple) else [part]
    return next((one for part in parts if (one := foreign_in(part, seen)) is not None), None)


def is_of_json(kind: Any) -> bool:
    """Whether a class stands for what JSON has: `object`, and those of `collections.abc` and `numbers`."""
    try:
        return any(isinstance(one, kind) for one in JSON_VALUES)
    except TypeError:
        return False
