"""Whatever the type, and whatever came: what is refused is told whole, each fault at a place that there is."""

from __future__ import annotations

import datetime
import decimal
import enum
import uuid
from typing import Annotated, Any, Literal

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta

from dragoman.web.leaves import REFUSALS
from dragoman.web.misfits import MOST_TOLD, misfits_in
from dragoman.web.wanted import nodes_in


class Size(enum.Enum):
    SMALL = "s"
    LARGE = 2


LEAVES: list[Any] = [
    Annotated[float, Meta(gt=0, multiple_of=0.5)],
    Annotated[int, Meta(ge=0, le=9)],
    Annotated[str, Meta(min_length=1, max_length=3, pattern="^a")],
    Any,
    Literal["x", 1, None],
    Size,
    bool,
    bytes,
    datetime.date,
    datetime.datetime,
    datetime.time,
    datetime.timedelta,
    decimal.Decimal,
    int,
    str,
    type(None),
    uuid.UUID,
]
NAMES = ["a", "b", "type", "S", "1", "sNaN"]
TEXTS = [
    "",
    "a",
    "abcd",
    "x",
    "s",
    "1",
    "1.5",
    "nan",
    "on",
    "253402300800",
    "2024-01-01",
    "12:00:00",
    "PT1S",
    "YQ==",
    "S",
]


@st.composite
def structs(draw: st.DrawFn, parts: st.SearchStrategy[Any]) -> Any:
    """A Struct of up to three fields, any of which may have a default."""
    kinds = draw(st.lists(parts, max_size=3))
    needed = draw(st.integers(0, len(kinds)))
    fields = [(name, kind) if index < needed else (name, kind, None)
              for index, (name, kind) in enumerate(zip("abc", kinds, strict=False))]  # fmt: skip
    return msgspec.defstruct(
        "S", fields, array_like=draw(st.booleans()), forbid_unknown_fields=draw(st.booleans()),
        tag=draw(st.sampled_from([None, True])),
    )  # fmt: skip


def containers(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        structs(parts),
        parts.map(lambda kind: list[kind]),  # type: ignore[valid-type]
        parts.map(lambda kind: kind | None),
        st.tuples(parts, parts).map(lambda kinds: tuple[kinds]),  # type: ignore[valid-type]
        st.tuples(st.sampled_from([str, int, uuid.UUID]), parts).map(lambda kinds: dict[kinds]),  # type: ignore[valid-type]
        st.sampled_from([set[int], set[str], frozenset[tuple[int, str]]]),
    )


TYPES = st.recursive(st.sampled_from(LEAVES), containers, max_leaves=5)
VALUES = st.recursive(
    st.sampled_from([None, True, 0, 1, -1, 1.5, 10**25, *TEXTS]),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.sampled_from(NAMES), parts, max_size=3),
    max_leaves=8,
)


def reached(value: Any, path: tuple[str | int, ...]) -> bool:
    """Whether there is such a place, or could be: a name of an object that has come, a place in a list."""
    for index, part in enumerate(path):
        is_last = index == len(path) - 1
        if isinstance(value, dict) and (part in value or is_last):
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and (part < len(value) or is_last):
            value = value[part] if part < len(value) else None
        else:
            return False
    return True


@settings(max_examples=300)
@given(TYPES, VALUES, st.booleans())
def test_what_is_refused_is_told_whole_at_places_that_there_are(kind: Any, value: Any, strict: bool) -> None:
    try:
        node = msgspec.inspect.type_info(kind)
    except TypeError:
        return  # a union that msgspec does not know, say
    try:
        msgspec.convert(value, kind, strict=strict, str_keys=True)
    except REFUSALS as error:
        found = misfits_in(value, node, strict=strict, error=error)
    else:
        return
    assert found.misfits and (found.is_all or len(found.misfits) == MOST_TOLD)
    for one in found.misfits:
        assert reached(value, one.path), (one, value)
        assert one.code != "invalid" and one.wanted, one
        assert "msgspec" not in one.told("the body") and "`" not in one.told("the body")


@given(TYPES)
def test_a_type_is_gone_through_once(kind: Any) -> None:
    try:
        nodes = list(nodes_in(msgspec.inspect.type_info(kind)))
    except TypeError:
        return
    assert len({id(one) for one in nodes}) == len(nodes)
