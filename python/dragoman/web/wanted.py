"""What a type wants, and what a value is, in words for those who have sent it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import inspect

__all__ = ["is_row", "kind_of", "nodes_in", "own_kinds", "row_bounds", "unwrapped", "wanted_words"]

SIMPLE: dict[type[Any], str] = {
    inspect.AnyType: "anything",
    inspect.BoolType: "true or false",
    inspect.ByteArrayType: "base64",
    inspect.BytesType: "base64",
    inspect.DateType: "a date such as 2024-01-31",
    inspect.DecimalType: "a decimal number",
    inspect.MemoryViewType: "base64",
    inspect.NoneType: "null",
    inspect.RawType: "anything",
    inspect.TimeDeltaType: "a duration such as PT1H30M",
    inspect.UUIDType: "a UUID",
}
OBJECTS = (
    inspect.DataclassType,
    inspect.DictType,
    inspect.FrozenDictType,
    inspect.StructType,
    inspect.TypedDictType,
)
LISTS = (
    inspect.CollectionType,
    inspect.FrozenSetType,
    inspect.ListType,
    inspect.NamedTupleType,
    inspect.SetType,
    inspect.TupleType,
    inspect.VarTupleType,
)
# Where msgspec has the nodes within a node, besides fields.
PARTS = ("types", "item_type", "item_types", "key_type", "value_type")
# How many of several values are told.
MOST_CHOICES = 20


def unwrapped(node: Any) -> Any:
    """The node of a type, without what only describes it."""
    while isinstance(node, inspect.Metadata):
        node = node.type
    return node


def nodes_in(node: Any) -> Iterator[Any]:
    """The nodes that a type is made of, each once: a record may be within itself."""
    seen: set[int] = set()
    waiting = [node]
    while waiting:
        one = unwrapped(waiting.pop())
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        for name in PARTS:
            part = getattr(one, name, ())
            waiting += part if isinstance(part, tuple) else [part]
        waiting += [field.type for field in getattr(one, "fields", ())]


def wanted_words(node: Any) -> str:
    """What a type wants, such as ``a whole number of at least 1``.

    node   as `msgspec.inspect.type_info` gives it
    """
    node = unwrapped(node)
    kind = type(node)
    if kind in SIMPLE:
        return SIMPLE[kind]
    if is_row(node):
        return "a list" + bounds_words(*row_bounds(node), "item")
    match node:
        case inspect.IntType():
            return "a whole number" + range_words(node)
        case inspect.FloatType():
            return "a number" + range_words(node)
        case inspect.StrType():
            form = "" if node.pattern is None else f" that matches {node.pattern}"
            return "a text" + length_words(node, "character") + form
        case inspect.DateTimeType():
            return "a date and time such as 2024-01-31T12:00:00" + ("Z" if node.tz is not False else "")
        case inspect.TimeType():
            return "a time such as 12:00:00" + ("Z" if node.tz else "")
        case inspect.EnumType():
            return choice_words([one.value for one in node.cls])
        case inspect.LiteralType():
            return choice_words(node.values)
        case inspect.TupleType():
            return f"a list of {len(node.item_types)}"
        case inspect.UnionType():
            words = [wanted_words(one) for one in node.types if not isinstance(one, inspect.NoneType)]
            words += ["null"] if len(words) < len(node.types) else []
            return " or ".join(dict.fromkeys(words))
        case inspect.CustomType():
            return "a file" if node.cls.__name__ == "UploadedFile" else f"a {node.cls.__name__}"
    if kind in LISTS:
        return "a list" + length_words(node, "item")
    if kind in OBJECTS:
        return "an object" + length_words(node, "member")
    return "another value"


def is_row(node: Any) -> bool:
    """Whether it is a record whose fields come in a row: a named tuple, or a Struct with ``array_like=True``."""
    return isinstance(node, inspect.NamedTupleType) or bool(getattr(node, "array_like", False))


def row_bounds(node: Any) -> tuple[int, int | None]:
    """How many items such a list has at least and at most, a tag among them. None: others are passed over."""
    is_tagged = getattr(node, "tag_field", None) is not None
    needed = [index for index, field in enumerate(node.fields, 1 + is_tagged) if field.required]
    is_open = not getattr(node, "forbid_unknown_fields", True)
    return max(needed, default=int(is_tagged)), None if is_open else len(node.fields) + is_tagged


def range_words(node: Any) -> str:
    least = f" of at least {node.ge}" if node.ge is not None else f" above {node.gt}" if node.gt is not None else ""
    most = f" of at most {node.le}" if node.le is not None else f" below {node.lt}" if node.lt is not None else ""
    if node.ge is not None and node.le is not None:
        least, most = f" from {node.ge} to {node.le}", ""
    both = f"{least} and{most}" if least and most else least + most
    return both + ("" if node.multiple_of is None else f", a multiple of {node.multiple_of}")


def length_words(node: Any, unit: str) -> str:
    return bounds_words(getattr(node, "min_length", None), getattr(node, "max_length", None), unit)


def bounds_words(least: int | None, most: int | None, unit: str) -> str:
    if least is None and most is None:
        return ""
    if least == most:
        return f" of {counted(most, unit)}"
    if least is not None and most is not None:
        return f" of {least} to {counted(most, unit)}"
    return f" of at least {counted(least, unit)}" if most is None else f" of at most {counted(most, unit)}"


def counted(number: Any, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def choice_words(values: Any) -> str:
    shown = sorted((repr(one) if isinstance(one, str) else str(one) for one in values if one is not None), key=str)
    shown += ["null"] if None in values else []
    if len(shown) > MOST_CHOICES:
        shown = [*shown[:MOST_CHOICES], "…"]
    return shown[0] if len(shown) == 1 else f"one of {', '.join(shown)}"


def kind_of(value: Any) -> str:
    """What a value is, in the words of JSON; never the value."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list() | tuple():
            return "a list"
        case dict():
            return "an object"
    return "a file" if type(value).__name__ == "UploadedFile" else "something else"


def own_kinds(node: Any) -> frozenset[str]:
    """The kinds, as `kind_of` names them, that a type takes or reads."""
    node = unwrapped(node)
    if isinstance(node, inspect.UnionType):
        return frozenset().union(*map(own_kinds, node.types))
    if isinstance(node, inspect.IntType | inspect.FloatType):
        return frozenset({"a number"})
    if isinstance(node, inspect.DecimalType):
        return frozenset({"a number", "a text"})
    if isinstance(node, inspect.EnumType):
        return frozenset(kind_of(one.value) for one in node.cls)
    if isinstance(node, inspect.LiteralType):
        return frozenset(map(kind_of, node.values))
    if isinstance(node, inspect.NoneType | inspect.BoolType):
        return frozenset({kind_of(None if isinstance(node, inspect.NoneType) else True)})
    if is_row(node):
        return frozenset({"a list"})
    if isinstance(node, OBJECTS):
        return frozenset({"an object"})
    if isinstance(node, LISTS):
        return frozenset({"a list"})
    if isinstance(node, inspect.CustomType):
        return frozenset({"a file"})
    return frozenset({"a text"})
