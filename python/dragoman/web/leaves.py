"""Values without parts of their own: whether a type takes one, and what is wrong with one that it does not take."""

from __future__ import annotations

import datetime
import decimal
import math
import uuid
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec import inspect

from dragoman.web.wanted import kind_of, own_kinds, unwrapped

__all__ = ["REFUSALS", "fault_of", "is_taken", "type_of"]

# Leaves that nothing more is said of. RawType takes anything, and AnyType does.
LEAVES: Mapping[type[Any], Any] = {
    inspect.AnyType: Any,
    inspect.BoolType: bool,
    inspect.DateType: datetime.date,
    inspect.DecimalType: decimal.Decimal,
    inspect.NoneType: None,
    inspect.RawType: Any,
    inspect.TimeDeltaType: datetime.timedelta,
    inspect.UUIDType: uuid.UUID,
}
CONSTRAINED: Mapping[type[Any], tuple[type[Any], tuple[str, ...]]] = {
    inspect.IntType: (int, ("gt", "ge", "lt", "le", "multiple_of")),
    inspect.FloatType: (float, ("gt", "ge", "lt", "le", "multiple_of")),
    inspect.StrType: (str, ("min_length", "max_length", "pattern")),
    inspect.BytesType: (bytes, ("min_length", "max_length")),
    inspect.ByteArrayType: (bytearray, ("min_length", "max_length")),
    inspect.MemoryViewType: (memoryview, ("min_length", "max_length")),
    inspect.DateTimeType: (datetime.datetime, ("tz",)),
    inspect.TimeType: (datetime.time, ("tz",)),
}
# What msgspec raises for a value: by an oversight ValueError for a time out of Python's range, and TypeError for
# a signaling NaN that would be hashed.
REFUSALS = (msgspec.ValidationError, ValueError, TypeError)
# What no text of a form stands for.
NEVER_TEXT = frozenset({"a file", "a list", "an object"})


def is_taken(value: Any, node: Any, *, strict: bool, is_key: bool = False) -> bool:
    """Whether a value is one of the type.

    node     of a type without parts, as `msgspec.inspect.type_info` gives it
    strict   as `msgspec.convert` has it
    is_key   whether it is a name of an object: then `value` is a dict with that name alone
    """
    kind: Any = type_of(node)
    wanted: Any = dict[kind, Any] if is_key else kind
    try:
        made = msgspec.convert(value, wanted, strict=strict, str_keys=True)
    except REFUSALS:
        return False
    return is_finite(next(iter(made)) if is_key else made)


def fault_of(value: Any, node: Any, strict: bool) -> tuple[str, str]:
    """Code and words for a value that a type without parts does not take."""
    kind = kind_of(value)
    number = as_number(value) if not strict and isinstance(node, inspect.IntType | inspect.FloatType) else value
    kinds = own_kinds(node)
    if kind not in kinds and (strict or not isinstance(value, str) or kinds & NEVER_TEXT):
        return "type", f"is {kind}"
    if isinstance(node, inspect.EnumType | inspect.LiteralType):
        return "choice", "is something else"
    if isinstance(node, inspect.IntType | inspect.FloatType) and isinstance(number, int | float):
        if isinstance(node, inspect.IntType) and isinstance(number, float):
            return "type", "is no whole number"
        if (node.ge is not None and number < node.ge) or (node.gt is not None and number <= node.gt):
            return "small", "is too small"
        if (node.le is not None and number > node.le) or (node.lt is not None and number >= node.lt):
            return "large", "is too large"
        if node.multiple_of is not None:
            return "step", "is no such multiple"
    if isinstance(node, inspect.StrType) and isinstance(value, str):
        if node.min_length is not None and len(value) < node.min_length:
            return "length", "is too short"
        if node.max_length is not None and len(value) > node.max_length:
            return "length", "is too long"
        return "pattern", "has another form"
    return "form", "cannot be read"


def as_number(value: Any) -> Any:
    for kind in (int, float):
        try:
            return msgspec.convert(value, kind, strict=False)
        except msgspec.ValidationError:
            continue
    return None


def type_of(node: Any) -> Any:
    """The type that a node without parts was made of."""
    node = unwrapped(node)
    kind = type(node)
    if kind in LEAVES:
        return LEAVES[kind]
    if kind in CONSTRAINED:
        plain, names = CONSTRAINED[kind]
        given = {name: getattr(node, name) for name in names if getattr(node, name) is not None}
        return Annotated[plain, msgspec.Meta(**given)] if given else plain
    if isinstance(node, inspect.LiteralType):
        return Literal[tuple(node.values)]
    return getattr(node, "cls", Any)


def is_finite(value: Any) -> bool:
    """Whether it is no number, or one that JSON and HTML have, too."""
    if isinstance(value, decimal.Decimal):
        return value.is_finite()
    return not isinstance(value, float) or math.isfinite(value)
