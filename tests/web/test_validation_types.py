"""Types of handlers beside the usual ones: records in a row, classes of attrs, aliases, and what can never be read."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, NewType, TypedDict

import attrs
import msgspec
import pytest
import typing_extensions

from dragoman.web import App, Body, HeaderFields, Query, UploadedFile, inputs
from dragoman.web.calls import HandlerError
from tests.middleware.kit import Answered, ask


class Row(msgspec.Struct, array_like=True):
    a: int
    b: str = "-"


class Exact(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    a: int


class Circle(msgspec.Struct, array_like=True, tag="circle"):
    radius: float


class Box(msgspec.Struct, array_like=True, tag="box"):
    width: float
    height: float


class Place(NamedTuple):
    x: int
    y: int
    name: str = ""


class Drawing(msgspec.Struct):
    shapes: list[Circle | Box] = []
    at: Place = Place(0, 0)
    row: Row | None = None


@attrs.define
class Login:
    name: str = attrs.field(validator=attrs.validators.matches_re("[a-z]+"))
    password: str = attrs.field(validator=attrs.validators.max_len(9))
    age: int = attrs.field(default=18)

    @age.validator
    def check(self, attribute: Any, value: int) -> None:
        if value < 18:
            raise ValueError("too young")


def app_of(annotation: Any, **names: Any) -> App:
    def handler(it: Any) -> str:
        return repr(it)

    handler.__annotations__["it"] = annotation
    handler.__globals__.update(names)
    app = App(__name__)
    app.add_url_rule("/", "it", handler, methods=["POST"])
    return app


def posted(annotation: Any, body: str, target: str = "/") -> Answered:
    fields = {"Content-Type": "application/json", "Accept": "application/json"}
    return ask(app_of(annotation), "POST", target, fields, body.encode())


def told(answer: Answered) -> list[tuple[str, str]]:
    assert answer.status == 422, answer.text
    return [(one["pointer"], one["detail"]) for one in json.loads(answer.body)["errors"]]


@pytest.mark.parametrize(
    ("annotation", "body", "wanted"),
    [
        (Row, "{}", [("#", "the body is an object: want a list of at least 1 item")]),
        (Row, "[]", [("#", "the body has 0: want a list of at least 1 item")]),
        (Row, '["x", 2]', [("#/0", "[0] is a text: want a whole number"), ("#/1", "[1] is a number: want a text")]),
        (Exact, "[1, 2]", [("#", "the body has 2: want a list of 1 item")]),
        (Circle | Box, '["box", 1, "x"]', [("#/2", "[2] is a text: want a number")]),
        (Circle | Box, '["box", 1]', [("#", "the body has 2: want a list of at least 3 items")]),
        (Circle | Box, '["ball"]', [("#/0", "[0] is something else: want one of 'box', 'circle'")]),
        (Circle | Box, "[]", [("#/0", "[0] is missing: want one of 'box', 'circle'")]),
        (Circle, '["box", 1]', [("#/0", "[0] is another: want 'circle'")]),
        (Drawing, '{"at": [1]}', [("#/at", "at has 1: want a list of 2 to 3 items")]),
        (Drawing, '{"at": [1, "y"]}', [("#/at/1", "at[1] is a text: want a whole number")]),
        (Drawing, '{"row": 1}', [("#/row", "row is a number: want a list of at least 1 item or null")]),
        (Drawing, '{"shapes": [["box", true, 1]]}', [("#/shapes/0/1", "shapes[0][1] is a boolean: want a number")]),
    ],
)
def test_records_in_a_row_are_told_as_the_lists_that_they_are(
    annotation: Any, body: str, wanted: list[tuple[str, str]]
) -> None:
    assert told(posted(annotation, body)) == wanted


def test_an_object_where_a_list_may_be_is_told_as_that() -> None:
    for annotation in (Body[list[int] | None], Body[set[str] | None], Body[tuple[int, str] | None]):
        [(pointer, detail)] = told(posted(annotation, '{"a": 1}'))
        assert pointer == "#" and detail.startswith("the body is an object: want a list") and "or null" in detail


def test_records_in_a_row_are_read() -> None:
    assert posted(Row, "[1]").text == "Row(a=1, b='-')"
    assert posted(Circle | Box, '["box", 1, 2, 3]').text == "Box(width=1.0, height=2.0)"


def test_validators_of_attrs_do_not_repeat_what_came() -> None:
    right = {"name": "ann", "password": "s3cret"}
    assert posted(Login, json.dumps(right)).status == 200
    for wrong, pointer in (({"name": "S3CRET"}, "#/name"), ({"password": "S3CRET-and-more"}, "#/password")):
        answer = posted(Login, json.dumps({**right, **wrong}))
        assert [one for one, _ in told(answer)] == [pointer]
        assert "S3CRET" not in answer.text and "Attribute" not in answer.text and "15" not in answer.text
    assert told(posted(Login, json.dumps({**right, "age": 3}))) == [("#", "the body: too young")]
    # Also within others, and beside other faults.
    answer = posted(list[Login], json.dumps([{"name": "S3CRET", "password": ""}, {"name": 1, "password": ""}]))
    assert [one for one, _ in told(answer)] == ["#/0/name", "#/1/name"]


class Foreign:
    """Nothing makes one of JSON."""


class Owner(msgspec.Struct):
    name: str
    secret: Foreign


@dataclasses.dataclass
class Owners:
    owners: list[Owner]


class Lazy(msgspec.Struct):
    name: str
    made: Foreign | None = None
    kept: list[Foreign] = msgspec.field(default_factory=list)


class Tag(msgspec.Struct):
    name: str


class Tags(TypedDict):
    tags: set[Tag]


class Frozen(msgspec.Struct, frozen=True):
    name: str


def test_a_type_that_no_request_can_fill_is_told_at_the_start() -> None:
    for annotation, words in (
        (Owner, "nothing makes a Foreign of what a client sends"),
        (Owners, "nothing makes a Foreign of what a client sends"),
        (Body[complex], "nothing makes a complex of what a client sends"),
        (Body[Iterator[int]], "nothing makes a Iterator of what a client sends"),
        (Query[Foreign], "nothing makes a Foreign of what a client sends"),
        (Tags, "a set of Tag: want one that can be hashed: frozen=True"),
        (Body[set[list[int]]], "a set of lists: want items that can be hashed"),
    ):
        with pytest.raises(HandlerError, match=words) as raised:
            app_of(annotation).freeze()
        assert f"handler ({__file__}:" in str(raised.value)
    assert posted(Lazy, '{"name": "a"}').text == "Lazy(name='a', made=None, kept=[])"
    assert told(posted(Lazy, '{"name": "a", "made": 1}'))[0][1] == "made is a number: want a Foreign or null"
    assert posted(Body[set[Frozen]], '[{"name": "a"}, {"name": "a"}]').text == "{Frozen(name='a')}"
    app_of(msgspec.defstruct("Photos", [("photos", list[UploadedFile])])).freeze()
    # What JSON has is an object, and a list can be gone through.
    assert posted(Body[object], "[1]").text == posted(Body[Iterable[int]], "[1]").text == "[1]"


class Nested(msgspec.Struct):
    tag: Tag
    name: str = ""


class Loose(msgspec.Struct):
    tag: Tag | None = None
    name: str = ""


@pytest.mark.parametrize("annotation", [Query[dict[str, str]], Query[list[Tag]], Query[Nested], HeaderFields[Nested]])
def test_what_only_json_can_say_is_refused_for_queries_at_the_start(annotation: Any) -> None:
    with pytest.raises(HandlerError, match=r"handler \(.*: an object (for 'tag' )?can come in a body of JSON alone"):
        app_of(annotation).freeze()
    assert posted(Query[Loose], "", "/?name=a").text == "Loose(tag=None, name='a')"


@pytest.mark.parametrize("annotation", ["Query[Local]", "Body[list[Local]] | None", "Local", "web.HeaderFields[Local]"])
def test_an_annotation_that_nobody_can_resolve_is_told(annotation: str) -> None:
    words = "the annotation of 'it'.* names what its module does not have"
    with pytest.raises(HandlerError, match=words):
        app_of(annotation).freeze()
    if "[" in annotation:
        # Its default would be taken for ever.
        def handler(it: Any = None) -> str:
            return ""

        handler.__annotations__["it"] = annotation
        app = App(__name__)
        app.add_url_rule("/", "it", handler)
        with pytest.raises(HandlerError, match=words):
            app.freeze()


def test_a_name_in_a_type_that_nobody_knows_is_told_with_its_handler() -> None:
    lost = msgspec.defstruct("Lost", [("one", "NoSuchType")])
    with pytest.raises(HandlerError, match=r"handler \(.*: name 'NoSuchType' is not defined"):
        app_of(lost).freeze()


def test_names_for_types_are_what_they_stand_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert posted(NewType("Mine", Frozen), '{"name": "a"}').text == "Frozen(name='a')"
    alias = typing_extensions.TypeAliasType("alias", Frozen)
    page = typing_extensions.TypeAliasType("page", Query[int])
    # Of Python itself from 3.12 on: "type alias = Frozen".
    monkeypatch.setattr(inputs, "ALIAS", typing_extensions.TypeAliasType)
    assert posted(alias, '{"name": "a"}').text == "Frozen(name='a')"
    assert posted(page, "", "/?it=3").text == "3"
