"""All that is wrong with a value is told, and nothing that is not."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import uuid
from typing import Annotated, Any, Literal, TypedDict

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta

from dragoman.web.misfits import MOST_LOOKED_AT, MOST_TOLD, Misfit, misfits_in, misfits_of


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Cat(msgspec.Struct, tag="cat"):
    lives: Annotated[int, Meta(ge=0, le=9)]


class Dog(msgspec.Struct, tag="dog"):
    tricks: list[str]


class Strict(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    first_name: str
    last_name: str | None = None


@dataclasses.dataclass
class Span:
    first: int
    last: int

    def __post_init__(self) -> None:
        if self.first > self.last:
            raise ValueError("first comes after last")


class Abscissa(TypedDict):
    x: float


class Point(Abscissa, total=False):
    y: float


class Tree(msgspec.Struct):
    name: Annotated[str, Meta(min_length=1, max_length=5, pattern="^[a-z]+$")]
    children: list[Tree] = []


class Everything(msgspec.Struct):
    number: Annotated[float, Meta(gt=0, lt=10)] = 1
    step: Annotated[int, Meta(multiple_of=5)] = 5
    colour: Colour = Colour.RED
    choice: Literal["a", "b", 3] | None = None
    day: datetime.date | None = None
    at: datetime.datetime | None = None
    key: uuid.UUID | None = None
    price: decimal.Decimal | None = None
    raw: bytes = b""
    pair: tuple[int, str] = (1, "")
    few: Annotated[list[int], Meta(min_length=1, max_length=3)] = msgspec.field(default_factory=lambda: [1])
    counts: dict[str, int] = {}
    by_number: dict[int, bool] = {}
    pet: Cat | Dog | None = None
    spans: list[Span] = []
    point: Point | None = None
    strict: Strict | None = None
    tree: Tree | None = None
    tags: set[str] = set()
    either: int | list[int] | str | dict[str, int] = 1


def found(value: Any, kind: Any, *, strict: bool = True) -> list[Misfit] | None:
    """What is wrong; None where msgspec takes it."""
    try:
        msgspec.convert(value, kind, strict=strict, str_keys=True)
    except msgspec.ValidationError as error:
        return misfits_in(value, msgspec.inspect.type_info(kind), strict=strict, error=error).misfits
    return None


def told(value: Any, kind: Any, *, strict: bool = True) -> list[str]:
    return [one.told("the body") for one in found(value, kind, strict=strict) or ()]


@pytest.mark.parametrize(
    ("value", "kind", "sentences"),
    [
        ([], Tree, ["the body is a list: want an object with name"]),
        ({}, Tree, ["name is missing: want a text of 1 to 5 characters that matches ^[a-z]+$"]),
        ({"name": ""}, Tree, ["name is too short: want a text of 1 to 5 characters that matches ^[a-z]+$"]),
        ({"name": "abcdef"}, Tree, ["name is too long: want a text of 1 to 5 characters that matches ^[a-z]+$"]),
        ({"name": "A"}, Tree, ["name has another form: want a text of 1 to 5 characters that matches ^[a-z]+$"]),
        (
            {"name": 1, "children": [{"name": "a"}, {}, {"name": "a", "children": {}}]},
            Tree,
            [
                "name is a number: want a text of 1 to 5 characters that matches ^[a-z]+$",
                "children[1].name is missing: want a text of 1 to 5 characters that matches ^[a-z]+$",
                "children[2].children is an object: want a list",
            ],
        ),
        ({"number": 0}, Everything, ["number is too small: want a number above 0 and below 10"]),
        ({"number": 10}, Everything, ["number is too large: want a number above 0 and below 10"]),
        ({"number": "1"}, Everything, ["number is a text: want a number above 0 and below 10"]),
        ({"step": 7}, Everything, ["step is no such multiple: want a whole number, a multiple of 5"]),
        ({"step": 7.5}, Everything, ["step is no whole number: want a whole number, a multiple of 5"]),
        ({"step": True}, Everything, ["step is a boolean: want a whole number, a multiple of 5"]),
        ({"colour": "green"}, Everything, ["colour is something else: want one of 'blue', 'red'"]),
        ({"choice": "c"}, Everything, ["choice is something else: want one of 'a', 'b', 3 or null"]),
        ({"day": "31.1.2024"}, Everything, ["day cannot be read: want a date such as 2024-01-31 or null"]),
        ({"at": 5}, Everything, ["at is a number: want a date and time such as 2024-01-31T12:00:00Z or null"]),
        ({"key": "x"}, Everything, ["key cannot be read: want a UUID or null"]),
        ({"price": "x"}, Everything, ["price cannot be read: want a decimal number or null"]),
        ({"raw": "?"}, Everything, ["raw cannot be read: want base64"]),
        ({"pair": [1]}, Everything, ["pair has 1: want a list of 2"]),
        (
            {"pair": ["a", 1]},
            Everything,
            ["pair[0] is a text: want a whole number", "pair[1] is a number: want a text"],
        ),
        ({"few": []}, Everything, ["few has 0: want a list of 1 to 3 items"]),
        (
            {"few": [1, None, 3, "4"]},
            Everything,
            [
                "few has 4: want a list of 1 to 3 items",
                "few[1] is null: want a whole number",
                "few[3] is a text: want a whole number",
            ],
        ),
        ({"counts": {"a": 1, "b": "x"}}, Everything, ["counts.b is a text: want a whole number"]),
        (
            {"by_number": {"1": 1, "x": True}},
            Everything,
            [
                "by_number.1 is a number: want true or false",
                "by_number.x is no name for this: want a whole number",
            ],
        ),
        ({"pet": {}}, Everything, ["pet.type is missing: want one of 'cat', 'dog'"]),
        ({"pet": {"type": "cow"}}, Everything, ["pet.type is something else: want one of 'cat', 'dog'"]),
        (
            {"pet": {"type": "cat", "lives": 10}},
            Everything,
            ["pet.lives is too large: want a whole number from 0 to 9"],
        ),
        ({"pet": 3}, Everything, ["pet is a number: want an object or null"]),
        (
            {"spans": [{"first": 1, "last": 2}, {"first": 2, "last": 1}]},
            Everything,
            ["spans[1]: first comes after last"],
        ),
        (
            {"point": {"y": None}},
            Everything,
            [
                "point.x is missing: want a number",
                "point.y is null: want a number",
            ],
        ),
        (
            {"strict": {"firstname": "x", "zzz": 1}},
            Everything,
            [
                "strict.firstName is missing: want a text",
                "strict.firstname is not known here: want firstName?",
                "strict.zzz is not known here: want one of firstName, lastName",
            ],
        ),
        ({"either": [1, "x"]}, Everything, ["either[1] is a text: want a whole number"]),
        ({"either": {"a": "x"}}, Everything, ["either.a is a text: want a whole number"]),
        ({"either": None}, Everything, ["either is null: want a whole number or a list or a text or an object"]),
        ({"type": "dog", "lives": 1}, Cat, ["type is another: want 'cat'"]),
    ],
)
def test_what_is_wrong_is_told_in_words(value: Any, kind: Any, sentences: list[str]) -> None:
    assert told(value, kind) == sentences


@pytest.mark.parametrize(
    ("value", "kind", "sentence"),
    [
        ({"step": "x"}, Everything, "step cannot be read: want a whole number, a multiple of 5"),
        ({"step": "7"}, Everything, "step is no such multiple: want a whole number, a multiple of 5"),
        ({"number": "11"}, Everything, "number is too large: want a number above 0 and below 10"),
        ({"step": ["5", "10"]}, Everything, "step is a list: want a whole number, a multiple of 5"),
    ],
)
def test_of_texts_it_is_told_whether_they_can_be_read(value: Any, kind: Any, sentence: str) -> None:
    assert told(value, kind, strict=False) == [sentence]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 12)
    | st.floats(-3, 12)
    | st.sampled_from(["a", "red", "", "2024-01-31"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["x", "y", "1", "a"]), inner, max_size=3)
    ),
    max_leaves=8,
)
NAMES = sorted(field.name for field in msgspec.structs.fields(Everything))
PARTS = {
    "pet": st.fixed_dictionaries(
        {"type": st.sampled_from(["cat", "dog", 3])}, optional={"lives": JSON, "tricks": JSON}
    ),
    "spans": st.lists(st.fixed_dictionaries({"first": JSON, "last": st.integers(0, 3)}), max_size=3),
    "point": st.fixed_dictionaries({}, optional={"x": JSON, "y": JSON}),
    "strict": st.fixed_dictionaries({}, optional={"firstName": JSON, "lastName": JSON, "more": JSON}),
    "tree": st.fixed_dictionaries({"name": JSON}, optional={"children": JSON}),
}
OBJECTS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True).flatmap(
    lambda names: st.fixed_dictionaries({name: PARTS.get(name, JSON) | JSON for name in names})
)


@settings(deadline=None)
@given(OBJECTS, st.booleans())
def test_each_part_that_is_told_is_refused_and_each_that_is_refused_is_told(value: Any, strict: bool) -> None:
    misfits = found(value, Everything, strict=strict)
    if misfits is None or len(misfits) == MOST_TOLD:
        return
    assert misfits
    fields = {field.name: field.type for field in msgspec.structs.fields(Everything)}
    refused = {name for name in value if found(value[name], fields[name], strict=strict) is not None}
    assert {one.path[0] for one in misfits} == refused


@settings(deadline=None)
@given(st.lists(JSON, max_size=30))
def test_of_a_list_each_item_that_is_refused_is_told(items: list[Any]) -> None:
    misfits = found(items, list[int]) or []
    wrong = [index for index, one in enumerate(items) if not isinstance(one, int) or isinstance(one, bool)]
    assert [one.path[0] for one in misfits] == wrong[:MOST_TOLD]


def test_no_more_than_twenty_are_told_and_it_is_said_that_there_may_be_more() -> None:
    value: list[Any] = ["x"] * 1000
    with pytest.raises(msgspec.ValidationError) as raised:
        msgspec.convert(value, list[int])
    result = misfits_in(value, msgspec.inspect.type_info(list[int]), error=raised.value)
    assert len(result.misfits) == 20 and not result.is_all


def test_the_search_ends_after_so_many_values_and_tells_what_msgspec_has_found_behind_them() -> None:
    value: list[Any] = [[1]] * MOST_LOOKED_AT + [["x"]]
    with pytest.raises(msgspec.ValidationError) as raised:
        msgspec.convert(value, list[list[int]])
    result = misfits_in(value, msgspec.inspect.type_info(list[list[int]]), error=raised.value)
    assert [one.path for one in result.misfits] == [(MOST_LOOKED_AT, 0)] and not result.is_all


@pytest.mark.parametrize("depth", [10, 24, 26, 100, 200, 450])
def test_what_is_nested_deep_is_told_by_its_path(depth: int) -> None:
    value: Any = {"name": 1}
    for _ in range(depth):
        value = {"name": "a", "children": [value]}
    [misfit] = found(value, Tree) or ()
    assert misfit.path == ("children", 0) * depth + ("name",)


def test_each_value_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from dragoman.web import misfits

    searches = []

    class Counting(misfits.Search):
        def __init__(self, strict: bool) -> None:
            super().__init__(strict)
            searches.append(self)

    monkeypatch.setattr(misfits, "Search", Counting)
    value: Any = {"name": "A"}
    for _ in range(20):
        value = {"name": "a", "children": [value]}
    assert len(found(value, Tree) or ()) == 1
    # A node, its name, and the list of its children.
    assert searches[0].looked_at <= 3 * 21


def test_a_value_is_never_repeated() -> None:
    secret = "hunter2-hunter2"
    for value in (
        {
            "colour": secret,
            "choice": secret,
            "day": secret,
            "at": secret,
            "key": secret,
            "price": secret,
            "raw": "?!" + secret,
        },
        {"tree": {"name": secret}, "few": [secret], "counts": {"a": secret}, "pet": {"type": secret}, "point": secret},
    ):
        assert len(found(value, Everything) or ()) >= 5
        assert secret not in repr(found(value, Everything))
        for name in value:
            with pytest.raises(msgspec.ValidationError) as raised:
                msgspec.convert({name: value[name]}, Everything)
            assert secret not in repr(misfits_of(raised.value))


def test_a_pointer_is_written_as_rfc_6901_has_it() -> None:
    misfit = Misfit(("a/b", 0, "m~n", "Ü %"), "type", "is null", "a text")
    assert misfit.pointer == "#/a~1b/0/m~0n/%C3%9C%20%25"
    assert misfit.field == "a/b[0].m~n.Ü %"


def test_names_that_a_client_has_chosen_are_told_shortened() -> None:
    value = {"firstName": "x", "n" * 10_000: 1, "\ud800": 2}
    sentences = told(value, Strict)
    assert len(sentences) == 2 and all(len(one) < 200 for one in sentences)
    assert all(len(one.pointer) < 300 for one in found(value, Strict) or ())


@pytest.mark.parametrize(
    ("data", "kind", "path", "code"),
    [
        (b'{"a": {"b": [1, "x"]}}', dict[str, dict[str, list[int]]], ("*", "*", 1), "invalid"),
        (b"{}", Tree, ("name",), "missing"),
        (b'{"firstName": "", "zz": 1}', Strict, ("zz",), "unknown"),
        (b'{"name": "a", "children": [{"name": "a"}, {}]}', Tree, ("children", 1, "name"), "missing"),
        (b'{"x": 1}', dict[int, int], (), "invalid"),
    ],
)
def test_what_msgspec_tells_is_understood(data: bytes, kind: Any, path: tuple[Any, ...], code: str) -> None:
    with pytest.raises(msgspec.ValidationError) as raised:
        msgspec.json.decode(data, type=kind)
    [misfit] = misfits_of(raised.value).misfits
    assert (misfit.path, misfit.code) == (path, code)
