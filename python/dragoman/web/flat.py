"""What a form or a query says, as the values of a record: there everything is text, and nothing is a list by itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from msgspec import inspect

from dragoman.web.wanted import LISTS, unwrapped

__all__ = ["FlatField", "fields_of_record", "flat_values", "is_file"]

RECORDS = (inspect.StructType, inspect.TypedDictType, inspect.DataclassType)
TEXTS = (inspect.StrType, inspect.AnyType, inspect.RawType, inspect.BytesType, inspect.ByteArrayType)
# HTML, "valid normalized local date and time string", "valid time string": without seconds where there are none.
NO_SECONDS = re.compile(r"(?:\d{4,}-\d\d-\d\dT)?\d\d:\d\d", re.ASCII)


class FlatField(NamedTuple):
    """How the values that have come under a name become one.

    is_list       whether one of them is a list already
    takes_empty   whether an empty text is a value; else it stands for an input that nobody has filled in
    is_bool       whether ``on``, which HTML has for a box that is checked, is true
    is_time       whether it has a time of day, and is no text
    """

    is_list: bool
    takes_empty: bool
    is_bool: bool
    is_time: bool = False

    def value_of(self, values: list[Any]) -> Any:
        """The value; several values where one is wanted stay several, and are refused for it."""
        kept = [one for one in values if one != "" or self.takes_empty]
        if self.is_time:
            kept = [f"{one}:00" if isinstance(one, str) and NO_SECONDS.fullmatch(one) else one for one in kept]
        if self.is_list:
            return kept
        if self.is_bool:
            kept = [True if one == "on" else one for one in kept]
        return kept[0] if len(kept) == 1 else kept


def fields_of_record(node: Any) -> dict[str, FlatField]:
    """The fields of a record, or of all records of a union, by the names that clients use."""
    found: dict[str, FlatField] = {}
    for one in parts_of(node):
        if isinstance(one, RECORDS):
            found |= {field.encode_name: flat_field(field.type) for field in one.fields}
            tag_field: str | None = getattr(one, "tag_field", None)
            if tag_field is not None:
                found[tag_field] = FlatField(is_list=False, takes_empty=True, is_bool=False)
    return found


def flat_field(node: Any) -> FlatField:
    kinds = parts_of(node)
    lists = [one for one in kinds if isinstance(one, LISTS)]
    inner = parts_of(getattr(lists[0], "item_type", inspect.AnyType())) if lists else kinds
    takes_text = any(isinstance(one, TEXTS) for one in inner)
    return FlatField(
        is_list=bool(lists),
        takes_empty=takes_text or any("" in choices_of(one) for one in inner),
        is_bool=any(isinstance(one, inspect.BoolType) for one in kinds),
        is_time=not takes_text and any(isinstance(one, inspect.DateTimeType | inspect.TimeType) for one in inner),
    )


def choices_of(node: Any) -> list[Any]:
    if isinstance(node, inspect.EnumType):
        return [one.value for one in node.cls]
    return list(node.values) if isinstance(node, inspect.LiteralType) else []


def parts_of(node: Any) -> list[Any]:
    """The types of a union; a type that is none alone."""
    node = unwrapped(node)
    return [unwrapped(one) for one in node.types] if isinstance(node, inspect.UnionType) else [node]


def is_file(node: Any) -> bool:
    """Whether a type is that of an upload, or of a list of them."""
    return any(
        (isinstance(one, inspect.CustomType) and one.cls.__name__ == "UploadedFile")
        or (isinstance(one, LISTS) and is_file(getattr(one, "item_type", inspect.AnyType())))
        for one in parts_of(node)
    )


def flat_values(given: Mapping[str, list[Any]], fields: Mapping[str, FlatField]) -> dict[str, Any]:
    """Names and values for `msgspec.convert`.

    given    all values of each name, texts or uploads
    fields   of the record; of other names those that came once are their value, and others lists
    """
    found: dict[str, Any] = {}
    for name, values in given.items():
        field = fields.get(name)
        if field is None:
            found[name] = values[0] if len(values) == 1 else values
        elif any(one != "" for one in values) or field.takes_empty:
            found[name] = field.value_of(values)
    return found
