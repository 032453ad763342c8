"""Where a handler's parameter comes from, as its annotation says: `Query`, `HeaderFields`, `Body`."""

from __future__ import annotations

import dataclasses
import types
import typing
from enum import Enum
from typing import Annotated, Any, NamedTuple, TypeAlias, TypeVar

import msgspec

__all__ = [
    "Body",
    "HeaderFields",
    "Input",
    "Query",
    "Source",
    "constraints_of",
    "input_of",
    "is_record",
    "plain",
    "rest_of",
]

T = TypeVar("T")


class Source(Enum):
    """A part of a request; the value is OpenAPI's name for it."""

    BODY = "body"
    QUERY = "query"
    HEADERS = "header"


Body: TypeAlias = Annotated[T, Source.BODY]
"""``user: Body[list[int]]``: the body, of a type that does not stand for one by itself, as records do."""

Query: TypeAlias = Annotated[T, Source.QUERY]
"""``search: Query[Search]``: the query as a record. ``page: Query[int] = 1``: its value of the parameter's name."""

HeaderFields: TypeAlias = Annotated[T, Source.HEADERS]
"""``sent: HeaderFields[Sent]``: header fields as a record; its ``api_key`` is the field Api-Key."""

UNIONS = (typing.Union, types.UnionType)
# A name that Python 3.12 gives a type: "type Page = list[Item]".
ALIAS: Any = getattr(typing, "TypeAliasType", ())
CONTAINERS = (list, tuple, dict, set, frozenset)
# What of msgspec.Meta says which values are taken; the rest describes.
CONSTRAINTS = ("gt", "ge", "lt", "le", "multiple_of", "pattern", "min_length", "max_length", "tz")


class Input(NamedTuple):
    """What a parameter is given: of which part of the request, and as which type."""

    source: Source
    wanted: Any


def input_of(annotation: Any) -> Input | None:
    """What an annotation asks for; None where it names no part of a request."""
    annotation = unaliased(annotation)
    found = marked(annotation)
    if found is None and is_body(annotation):
        return Input(Source.BODY, annotation)
    return found


def marked(annotation: Any) -> Input | None:
    if typing.get_origin(annotation) in UNIONS:
        # Python 3.10 makes Optional of what has the default None, around the mark.
        inner = [one for one in map(marked, typing.get_args(annotation)) if one is not None]
        return inner[0]._replace(wanted=inner[0].wanted | None) if len(inner) == 1 else None
    sources = [one for one in getattr(annotation, "__metadata__", ()) if isinstance(one, Source)]
    if not sources:
        return None
    return Input(sources[0], rest_of(annotation))


def rest_of(annotation: Any) -> Any:
    """The type with what else is said of it."""
    rest = [one for one in annotation.__metadata__ if not isinstance(one, Source)]
    wanted = annotation.__origin__
    for one in rest:
        wanted = Annotated[wanted, one]
    return wanted


def plain(annotation: Any) -> Any:
    """The type without what else is said of it, and without a name of its own (`typing.NewType`)."""
    annotation = unaliased(annotation)
    kind = annotation.__origin__ if typing.get_origin(annotation) is Annotated else annotation
    return plain(kind.__supertype__) if isinstance(kind, typing.NewType) else kind


def unaliased(annotation: Any) -> Any:
    """What an alias stands for."""
    while isinstance(annotation, ALIAS):
        annotation = annotation.__value__
    return annotation


def constraints_of(annotation: Any) -> list[str]:
    """The names of what `msgspec.Meta` says of the values, in an annotation."""
    metas = [one for one in getattr(annotation, "__metadata__", ()) if isinstance(one, msgspec.Meta)]
    return [name for meta in metas for name in CONSTRAINTS if getattr(meta, name) is not None]


def is_body(annotation: Any) -> bool:
    """Whether a type stands for the body by itself: a record, or a container or a union with one in it."""
    annotation = plain(annotation)
    if typing.get_origin(annotation) in (*CONTAINERS, *UNIONS):
        return any(is_body(one) for one in typing.get_args(annotation))
    return is_record(annotation)


def is_record(annotation: Any) -> bool:
    """Whether it is a type with named fields: a dataclass, TypedDict, msgspec.Struct, or class of attrs."""
    kind = typing.get_origin(annotation) or annotation
    return isinstance(kind, type) and (
        dataclasses.is_dataclass(kind)
        or issubclass(kind, msgspec.Struct)
        or typing.is_typeddict(kind)
        or hasattr(kind, "__attrs_attrs__")
    )
