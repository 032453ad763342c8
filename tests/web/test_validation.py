"""Handlers get parts of requests as the types of their annotations, and what does not fit is told field by field."""

from __future__ import annotations

import dataclasses
import decimal
import enum
import json
import threading
from pathlib import Path
from typing import Annotated, Any, Optional, TypedDict
from urllib.parse import urlencode

import msgspec
import pytest
from msgspec import Meta

from dragoman.web import App, Body, HeaderFields, Query, Request, UploadedFile, ValidationFailed, validated
from dragoman.web.calls import HandlerError
from tests.middleware.kit import Answered, ask

FORM = "application/x-www-form-urlencoded"
JSON = {"Content-Type": "application/json"}


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


class Item(msgspec.Struct):
    name: Annotated[str, Meta(min_length=1)]
    price: Annotated[float, Meta(ge=0)] = 0
    tags: list[str] = []
    size: Size = Size.SMALL
    count: int | None = None
    is_new: bool = False


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    name: str


class Card(msgspec.Struct, tag="card"):
    number: str


class Cash(msgspec.Struct, tag="cash"):
    amount: int


@dataclasses.dataclass
class Person:
    name: str
    friends: list[Person] = dataclasses.field(default_factory=list)


class Pair(TypedDict):
    a: int
    b: int


class Photo(msgspec.Struct):
    title: str
    photo: UploadedFile
    more: list[UploadedFile] = []


class Search(msgspec.Struct):
    q: str = ""
    page: Annotated[int, Meta(ge=1)] = 1
    tag: list[str] = []


class Sent(msgspec.Struct):
    x_api_key: str
    content_type: str = ""
    depth: int = 0


class Renamed(msgspec.Struct, rename={"request_id": "X-Request-ID"}):
    request_id: int


Items = Annotated[list[Item], Meta(max_length=2)]
Pay = Card | Cash


def app_of(handler: Any, rule: str = "/") -> App:
    app = App(__name__)
    app.route(rule, methods=["GET", "POST"])(handler)
    return app


def posted(handler: Any, body: Any, **headers: str) -> Answered:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ask(app_of(handler), "POST", "/", {**JSON, **headers}, data)


def errors_of(answer: Answered) -> list[tuple[str, str, str]]:
    assert answer.status == 422, answer.text
    assert answer.value("Content-Type") == "application/problem+json"
    problem = json.loads(answer.body)
    assert problem["status"] == 422 and problem["title"] == "Unprocessable Content"
    return [(one["in"], one["pointer"], one["detail"]) for one in problem["errors"]]


def item(item: Item) -> dict[str, Any]:
    return {"got": msgspec.to_builtins(item)}


def items(items: Items) -> dict[str, Any]:
    return {"got": len(items)}


def strict(body: Strict) -> str:
    return body.name


def person(person: Person) -> str:
    return ",".join([person.name, *(one.name for one in person.friends)])


def pair(pair: Pair) -> dict[str, int]:
    return {"sum": pair["a"] + pair["b"]}


def pay(how: Pay) -> str:
    return type(how).__name__


def perhaps(item: Item | None) -> str:
    return "none" if item is None else item.name


def older(item: Optional[Item]) -> str:  # noqa: UP045 - the older way to write it
    return "none" if item is None else item.name


STANDARD = Item("standard")


def defaulted(item: Item = STANDARD) -> str:
    return item.name


def by_name(items: dict[str, Item]) -> str:
    return ",".join(items)


def numbers(numbers: Body[list[int]]) -> dict[str, int]:
    return {"sum": sum(numbers)}


def search(search: Query[Search]) -> dict[str, Any]:
    return {"got": msgspec.to_builtins(search)}


def page(
    page: Query[Annotated[int, Meta(ge=1, le=9)]] = 1,
    tag: Query[list[str] | None] = None,
    size: Query[Size | None] = None,
) -> Any:
    return {"page": page, "tag": tag, "size": size}


def fields(sent: HeaderFields[Sent]) -> dict[str, Any]:
    return {"got": msgspec.to_builtins(sent)}


def all_parts(item: Item, search: Query[Search], sent: HeaderFields[Sent], request: Request) -> str:
    return f"{item.name} {search.page} {sent.x_api_key} {request.method}"


@pytest.mark.parametrize(
    ("handler", "body", "wanted"),
    [
        (
            item,
            {"name": "a", "price": 2},
            {"got": {"name": "a", "price": 2, "tags": [], "size": "s", "count": None, "is_new": False}},
        ),
        (items, [{"name": "a"}, {"name": "b"}], {"got": 2}),
        (pair, {"a": 1, "b": 2}, {"sum": 3}),
        (numbers, [1, 2, 3], {"sum": 6}),
    ],
)
def test_json_becomes_what_the_annotation_says(handler: Any, body: Any, wanted: Any) -> None:
    answer = posted(handler, body)
    assert answer.status == 200 and json.loads(answer.body) == wanted


@pytest.mark.parametrize(
    ("handler", "body", "text"),
    [
        (person, {"name": "a", "friends": [{"name": "b"}, {"name": "c"}]}, "a,b,c"),
        (pay, {"type": "card", "number": "1"}, "Card"),
        (pay, {"type": "cash", "amount": 1}, "Cash"),
        (perhaps, None, "none"),
        (perhaps, {"name": "a"}, "a"),
        (older, {"name": "a"}, "a"),
        (defaulted, {"name": "a"}, "a"),
        (by_name, {"x": {"name": "a"}, "y": {"name": "b"}}, "x,y"),
        (strict, {"name": "a"}, "a"),
    ],
)
def test_records_may_be_nested_optional_tagged_and_in_containers(handler: Any, body: Any, text: str) -> None:
    assert posted(handler, body).text == text


def test_every_wrong_field_is_told_with_its_place_and_what_is_wanted() -> None:
    answer = posted(items, [{"name": ""}, {"price": -1, "tags": ["a", 2], "size": "m"}, {}])
    assert errors_of(answer) == [
        ("body", "#", "the body has 3: want a list of at most 2 items"),
        ("body", "#/0/name", "[0].name is too short: want a text of at least 1 character"),
        ("body", "#/1/name", "[1].name is missing: want a text of at least 1 character"),
        ("body", "#/1/price", "[1].price is too small: want a number of at least 0"),
        ("body", "#/1/tags/1", "[1].tags[1] is a number: want a text"),
        ("body", "#/1/size", "[1].size is something else: want one of 'l', 's'"),
        ("body", "#/2/name", "[2].name is missing: want a text of at least 1 character"),
    ]
    problem = json.loads(answer.body)
    assert problem["detail"] == "The body has 7 errors."
    assert problem["errors"][1] == {
        "in": "body",
        "field": "[0].name",
        "pointer": "#/0/name",
        "code": "length",
        "wanted": "a text of at least 1 character",
        "detail": "[0].name is too short: want a text of at least 1 character",
    }


def test_what_a_field_is_worth_is_told_to_nobody() -> None:
    secret = "correct horse battery staple"
    answer = posted(item, {"name": "", "price": secret, "size": secret, "tags": secret, "count": secret})
    assert len(errors_of(answer)) == 5
    assert secret not in answer.text
    html = posted(item, {"size": secret}, Accept="text/html")
    assert html.status == 422 and secret not in html.text


def test_unknown_fields_are_passed_over_unless_the_type_forbids_them() -> None:
    assert posted(item, {"name": "a", "more": 1}).status == 200
    assert errors_of(posted(strict, {"nmae": "a"})) == [
        ("body", "#/name", "name is missing: want a text"),
        ("body", "#/nmae", "nmae is not known here: want name?"),
    ]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "application/problem+json"),
        ("*/*", "application/problem+json"),
        ("application/json", "application/problem+json"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html; charset=utf-8"),
        ("text/plain", "text/plain; charset=utf-8"),
    ],
)
def test_the_errors_come_as_the_client_likes_them(accept: str, kind: str) -> None:
    answer = posted(item, {"name": 7}, **({"Accept": accept} if accept else {}))
    assert answer.status == 422 and answer.value("Content-Type") == kind
    assert "name is a number: want a text of at least 1 character" in answer.text
    assert answer.value("Vary") == "Accept"


def test_a_page_escapes_the_names_that_a_client_has_chosen() -> None:
    answer = posted(strict, {"name": "a", "<script>": 1}, Accept="text/html")
    assert "<li>&lt;script&gt; is not known here: want one of name</li>" in answer.text
    assert "<script>" not in answer.text
    text = posted(strict, {"name": "a", "x\r\n\x1b[31m": 1}, Accept="text/plain")
    assert "\x1b" not in text.text and len(text.text.splitlines()) == 3


@pytest.mark.parametrize("data", [b"", b"{", b'{"name": "a"} x', b'{"name": "\xff"}', b"nul"])
def test_what_is_no_json_is_400(data: bytes) -> None:
    assert posted(item, data).status == 400


def test_json_that_is_nested_too_deep_is_400() -> None:
    assert posted(person, b'{"name": "a", "friends": [' * 50_000).status == 400
    assert posted(perhaps, b'{"name": "a", "more": ' + b"[" * 100_000).status == 400
    assert posted(item, b"[" * 100_000).status == 422


def test_json_that_is_wrong_and_then_broken_tells_what_is_wrong_first() -> None:
    assert errors_of(posted(item, b'{"name": 7, "x": tru}')) == [
        ("body", "#/name", "name: Expected `str`, got `int`"),
    ]


def test_of_a_huge_body_the_first_error_is_told() -> None:
    answer = posted(by_name, {"x": {"name": "a" * (1 << 20), "price": "p"}, "y": {}})
    assert [detail for _, _, detail in errors_of(answer)] == ["*.price: Expected `float`, got `str`"]
    assert json.loads(answer.body)["detail"] == "The body has at least 1 error."


def test_of_many_values_those_are_told_that_are_found_in_a_bounded_search() -> None:
    body = [{"name": "a"}] * 40_000 + [{"name": 1}, {"name": 2}]
    answer = posted(items, body)
    assert [pointer for _, pointer, _ in errors_of(answer)] == ["#/40000/name", "#"]
    assert json.loads(answer.body)["detail"] == "The body has at least 2 errors."


def test_other_types_than_json_and_forms_are_415() -> None:
    assert posted(item, b"a,b", **{"Content-Type": "text/csv"}).status == 415
    assert ask(app_of(item), "POST", "/", {}, b'{"name": "a"}').status == 415
    assert posted(item, {"name": "a"}, **{"Content-Type": "application/vnd.api+json"}).status == 200


def test_without_a_body_the_default_or_none_is_taken() -> None:
    assert ask(app_of(defaulted), "POST").text == "standard"
    assert ask(app_of(perhaps), "POST").text == "none"
    assert ask(app_of(older), "POST", headers=JSON).text == "none"
    assert ask(app_of(item), "POST").status == 415
    assert ask(app_of(item), "POST", headers=JSON).status == 400


def form(handler: Any, *pairs: tuple[str, str]) -> Answered:
    return ask(app_of(handler), "POST", "/", {"Content-Type": FORM}, urlencode(pairs).encode())


def test_a_default_that_a_handler_changes_is_new_for_each_request() -> None:
    kept = Item("kept")

    def changing(
        tags: Query[list[str]] = [],  # noqa: B006
        it: Query[Item] = kept,
        body: Body[dict[str, list[int]] | None] = {"a": []},  # noqa: B006
    ) -> str:
        assert body is not None
        tags.append("x")
        it.tags.append("y")
        it.price += 1
        body["a"].append(1)
        return f"{tags} {it.tags} {it.price} {body}"

    app = app_of(changing)
    assert [ask(app, "POST", "/").text for _ in range(2)] == ["['x'] ['y'] 1 {'a': [1]}"] * 2
    assert (kept.tags, kept.price) == ([], 0)

    def same(lock: Query[Any] = LOCK) -> str:
        return str(lock is LOCK)

    # What cannot be copied is the same for all.
    assert ask(app_of(same), "POST", "/").text == "True"


LOCK = threading.Lock()


def test_a_form_is_read_as_text_and_its_lists_may_have_one_value_or_none() -> None:
    got = json.loads(form(item, ("name", "7"), ("price", "1.5"), ("count", "3"), ("is_new", "on"), ("tags", "x")).body)
    assert got == {"got": {"name": "7", "price": 1.5, "tags": ["x"], "size": "s", "count": 3, "is_new": True}}
    got = json.loads(form(item, ("name", "a"), ("tags", "x"), ("tags", "y"), ("is_new", "true"), ("size", "l")).body)
    assert got["got"]["tags"] == ["x", "y"] and got["got"]["size"] == "l"


def test_an_input_that_nobody_has_filled_in_stands_for_nothing_unless_it_is_a_text() -> None:
    got = json.loads(form(item, ("name", "a"), ("price", ""), ("count", ""), ("size", ""), ("is_new", "")).body)["got"]
    assert got == {"name": "a", "price": 0, "tags": [], "size": "s", "count": None, "is_new": False}
    assert errors_of(form(pair, ("a", ""), ("b", "x"))) == [
        ("body", "#/a", "a is missing: want a whole number"),
        ("body", "#/b", "b cannot be read: want a whole number"),
    ]
    assert errors_of(form(item, ("name", "")))[0][2] == "name is too short: want a text of at least 1 character"


@pytest.mark.parametrize("text", ["nan", "NaN", "inf", "-Infinity", "+inf", "%2Binf", "nan%20"])
def test_what_is_not_a_number_in_json_is_none_in_a_form(text: str) -> None:
    def measured(sizes: Query[list[float]], price: Query[decimal.Decimal] = STANDARD_PRICE) -> str:
        return ""

    assert errors_of(asked(measured, f"sizes=1.5&sizes={text}&price={text}")) == [
        ("query", "#/sizes/1", "sizes[1] cannot be read: want a number"),
        ("query", "#/price", "price cannot be read: want a decimal number"),
    ]
    assert form(item, ("name", text)).status == 200


STANDARD_PRICE = decimal.Decimal(1)


def test_several_values_for_one_are_refused() -> None:
    assert errors_of(form(pair, ("a", "1"), ("a", "2"), ("b", "3"))) == [
        ("body", "#/a", "a is a list: want a whole number"),
    ]


def test_a_tagged_union_may_come_as_a_form() -> None:
    assert form(pay, ("type", "cash"), ("amount", "3")).text == "Cash"
    assert errors_of(form(pay, ("type", "gold")))[0][2] == "type is something else: want one of 'card', 'cash'"


def multipart(*parts: tuple[str, str | None, bytes]) -> tuple[dict[str, str], bytes]:
    body = b""
    for name, filename, data in parts:
        of_file = "" if filename is None else f'; filename="{filename}"\r\nContent-Type: image/png'
        body += f'--limit\r\nContent-Disposition: form-data; name="{name}"{of_file}\r\n\r\n'.encode() + data + b"\r\n"
    return {"Content-Type": "multipart/form-data; boundary=limit"}, body + b"--limit--\r\n"


def photo(photo: Photo) -> str:
    return f"{photo.title} {photo.photo.filename} {photo.photo.read().decode()} {len(photo.more)}"


def test_files_are_fields_of_their_type() -> None:
    headers, body = multipart(("title", None, b"me"), ("photo", "me.png", b"PNG"), ("more", "a.png", b"1"))
    assert ask(app_of(photo), "POST", "/", headers, body).text == "me me.png PNG 1"
    headers, body = multipart(("photo", None, b"text"), ("more", "a.png", b"1"))
    assert [one[2] for one in errors_of(ask(app_of(photo), "POST", "/", headers, body))] == [
        "title is missing: want a text",
        "photo is a text: want a file",
    ]


def test_a_record_with_files_wants_a_form() -> None:
    answer = posted(photo, {"title": "a", "photo": "b"})
    assert answer.status == 415 and "Want Content-Type: multipart/form-data" in answer.text


def asked(handler: Any, query: str = "", **headers: str) -> Answered:
    return ask(app_of(handler), "GET", f"/?{query}" if query else "/", headers)


def test_the_query_becomes_a_record() -> None:
    assert json.loads(asked(search, "q=a+b&page=2&tag=x&other=1").body) == {
        "got": {"q": "a b", "page": 2, "tag": ["x"]}
    }
    assert json.loads(asked(search).body) == {"got": {"q": "", "page": 1, "tag": []}}
    answer = asked(search, "page=0&q=a&q=b")
    assert errors_of(answer) == [
        ("query", "#/q", "q is a list: want a text"),
        ("query", "#/page", "page is too small: want a whole number of at least 1"),
    ]
    assert json.loads(answer.body)["detail"] == "The query has 2 errors."


def test_one_value_of_the_query_has_the_name_of_its_parameter() -> None:
    assert json.loads(asked(page).body) == {"page": 1, "tag": None, "size": None}
    assert json.loads(asked(page, "page=3&tag=a&size=l").body) == {"page": 3, "tag": ["a"], "size": "l"}
    assert json.loads(asked(page, "page=&size=").body) == {"page": 1, "tag": None, "size": None}
    assert [one[2] for one in errors_of(asked(page, "page=x&size=m"))] == [
        "page cannot be read: want a whole number from 1 to 9",
        "size is something else: want one of 'l', 's' or null",
    ]


def needed(number: Query[int]) -> str:
    return str(number)


def test_a_value_without_a_default_has_to_come() -> None:
    assert asked(needed, "number=5").text == "5"
    assert errors_of(asked(needed)) == [("query", "#/number", "number is missing: want a whole number")]


def test_header_fields_become_a_record() -> None:
    got = json.loads(asked(fields, **{"X-Api-Key": "k", "Depth": "3", "Content-Type": "text/plain"}).body)["got"]
    assert got == {"x_api_key": "k", "content_type": "text/plain", "depth": 3}
    assert errors_of(asked(fields, Depth="deep")) == [
        ("header", "#/x_api_key", "X-Api-Key is missing: want a text"),
        ("header", "#/depth", "Depth cannot be read: want a whole number"),
    ]


def renamed(sent: HeaderFields[Renamed]) -> str:
    return str(sent.request_id)


def test_a_header_field_may_have_the_name_that_the_type_gives_it() -> None:
    assert asked(renamed, **{"X-Request-Id": "7"}).text == "7"
    assert errors_of(asked(renamed))[0][2] == "X-Request-ID is missing: want a whole number"


def test_what_is_wrong_with_several_parts_is_told_together() -> None:
    headers = {**JSON, "X-Api-Key": "k"}
    assert ask(app_of(all_parts), "POST", "/?page=2", headers, b'{"name": "a"}').text == "a 2 k POST"
    answer = ask(app_of(all_parts), "POST", "/?page=x", JSON, b'{"name": 1}')
    assert errors_of(answer) == [
        ("body", "#/name", "name is a number: want a text of at least 1 character"),
        ("query", "#/page", "page cannot be read: want a whole number of at least 1"),
        ("header", "#/x_api_key", "X-Api-Key is missing: want a text"),
    ]
    assert json.loads(answer.body)["detail"] == "The request has 3 errors."


def test_an_error_handler_gets_the_errors() -> None:
    app = app_of(item)

    @app.errorhandler(ValidationFailed)
    def failed(error: ValidationFailed) -> tuple[dict[str, Any], int]:
        return {one["field"]: one["wanted"] for one in error.errors}, 400

    answer = ask(app, "POST", "/", JSON, b'{"price": 1}')
    assert (answer.status, json.loads(answer.body)) == (400, {"name": "a text of at least 1 character"})


def test_values_of_elsewhere_are_checked_the_same_way() -> None:
    assert validated({"a": 1, "b": 2}, Pair) == {"a": 1, "b": 2}
    with pytest.raises(ValidationFailed) as raised:
        validated({"a": "x"}, Pair)
    assert raised.value.lines == ["a is a text: want a whole number", "b is missing: want a whole number"]
    assert str(raised.value) == "422 Unprocessable Content: The body has 2 errors."


def test_records_are_seen_behind_annotated_and_every_form_of_union() -> None:
    def described(item: Annotated[Item, Meta(description="what to keep")]) -> str:
        return item.name

    def either(item: Annotated[Item, "x"] | None) -> str:
        return "none" if item is None else item.name

    assert posted(described, {"name": "a"}).text == "a"
    assert posted(either, {"name": "a"}).text == "a"
    assert posted(either, None).text == "none"


def test_a_variable_of_the_rule_may_be_described_and_its_limits_are_the_rules() -> None:
    def user(id: Annotated[int, Meta(description="of the user")]) -> str:
        return str(id + 1)

    assert ask(app_of(user, "/user/{id}"), "GET", "/user/7").text == "8"

    def limited(id: Annotated[int, Meta(ge=1)]) -> str:
        return ""

    with pytest.raises(HandlerError, match=r"Meta\(ge=…\) of 'id': .* <int\(min=1\):id>"):
        app_of(limited, "/user/{id}").freeze()


@dataclasses.dataclass
class Other:
    name: str


def test_what_cannot_be_read_is_told_at_the_start() -> None:
    def two(a: Item, b: Person) -> str:
        return ""

    def either(a: Person | Other) -> str:
        return ""

    def nothing(a: int) -> str:
        return ""

    for handler, words in (
        (two, "a and b: a request has one body"),
        (either, "more than one dataclass"),
        (nothing, "nothing gives the parameter 'a'"),
    ):
        with pytest.raises(HandlerError, match=words) as raised:
            app_of(handler).freeze()
        assert f"{handler.__name__} ({__file__}:" in str(raised.value)


def test_the_page_shows_the_answer_that_is_given() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "web" / "validation.md").read_text(encoding="utf-8")
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(text.split("```python\n")[1].split("```")[0], "validation.md", "exec", dont_inherit=True), names)
    shown = json.loads(text.split("```json\n")[1].split("```")[0])
    answer = ask(names["app"], "POST", "/items", JSON, b'{"price": -1, "tags": ["a", 2]}')
    assert json.loads(answer.body) == shown
