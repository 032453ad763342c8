"""The OpenAPI document says what the application does, and is valid by the specification."""

from __future__ import annotations

import dataclasses
import enum
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict

import msgspec
import pytest
from msgspec import Meta
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from dragoman.check.openapi import read_openapi
from dragoman.check.request import Request, Site, make_environ
from dragoman.contract import Checked
from dragoman.web import App, Blueprint, Body, HeaderFields, Query, Response, UploadedFile, describe
from dragoman.web.converters import Converter, IntegerConverter

Paths = dict[str, dict[str, Any]]


class Kind(enum.Enum):
    NOTE = "note"
    TASK = "task"


class Note(msgspec.Struct):
    """What somebody has written down."""

    title: Annotated[str, Meta(min_length=1, max_length=80, description="In one line.")]
    kind: Kind = Kind.NOTE
    tags: list[str] = []
    parent: Note | None = None


@dataclasses.dataclass
class User:
    name: str
    age: Annotated[int, Meta(ge=0)]


class Count(TypedDict):
    count: int


class Circle(msgspec.Struct, tag=True):
    radius: float


class Square(msgspec.Struct, tag=True):
    side: float


class Photo(msgspec.Struct):
    title: str
    photo: UploadedFile


class Search(msgspec.Struct):
    q: Annotated[str, Meta(description="Words.")]
    page: Annotated[int, Meta(ge=1)] = 1
    kind: list[Kind] = []


class Sent(msgspec.Struct):
    x_api_key: str
    authorization: str = ""


class Hex(Converter):
    regex = "[0-9a-f]+"


class Even(Converter):
    python_type = int
    json_schema = {"type": "integer", "multipleOf": 2}


def site() -> App:
    app = App("shop")
    app.converters |= {"hex": Hex, "even": Even}

    @app.get("/")
    def index() -> str:
        """The first page.

        With *everything* on it.

        And more.
        """
        return "index"

    @app.get("/notes/<int:id>")
    def note(id: Annotated[int, Meta(description="Of the note.", examples=[7])]) -> Note:
        """A note
        by its number."""
        return Note("a")

    @app.post("/notes")
    @describe(status=201, responses={409: "There is one already.", 400: User, 202: {"description": "Later."}})
    def add_note(note: Note) -> Note:
        return note

    @app.put("/notes/<int:number>")
    def put_note(
        number: int, note: Note | None = None
    ) -> Note | tuple[User, Literal[201, 203]] | tuple[str, int] | Response:
        return note or Note("")

    @app.get("/search")
    def search(search: Query[Search], limit: Query[Annotated[int, Meta(le=100)]] = 10) -> list[Note]:
        return []

    @app.get("/secret")
    def secret(sent: HeaderFields[Sent]) -> Count:
        return {"count": 1}

    @app.post("/shapes")
    def shape(shape: Circle | Square) -> dict[str, int]:
        return {}

    @app.post("/numbers")
    def numbers(numbers: Body[list[int]]) -> Iterator[str]:
        yield "x"

    @app.post("/photos")
    def photo(photo: Photo) -> None: ...

    @app.route("/users", methods=["GET", "POST", "PURGE"])
    def users() -> list[User]:
        return []

    shop = Blueprint("shop", __name__, url_prefix="/shop")
    admin = Blueprint("admin", __name__, url_prefix="/admin")

    @shop.get("/<uuid:id>/<float(min=1, max=2):price>/<any(a, b):letter>/<path:rest>")
    def of_all_kinds(id: uuid.UUID, price: float, letter: str, rest: str) -> str:
        return ""

    @shop.get("/x/<string(length=2):code>/<string(minlength=3):name>/<int(fixed_digits=4):year>/<hex:h>/<even:e>/{n}")
    def of_more_kinds(code: str, name: str, year: int, h: str, e: int, n: int) -> str:
        return ""

    @admin.delete("/@<name>.json")
    @describe(tags=["danger"], deprecated=True, operation_id="drop", openapi_extra={"security": [{"key": []}]})
    def drop(name: str) -> tuple[str, Literal[204]]:
        return "", 204

    @admin.get("/hidden")
    @describe(include_in_schema=False)
    def hidden() -> str:
        return ""

    shop.register_blueprint(admin)
    app.register_blueprint(shop)
    return app


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    extra = {"components": {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}}}}
    made = site().openapi(
        "Shop", "1.2", description="What is sold.", servers=["https://shop.example/api"], tags={"danger": "Careful."},
        openapi_extra=extra,
    )  # fmt: skip
    return json.loads(json.dumps(made))


@pytest.fixture(scope="module")
def paths(document: dict[str, Any]) -> Paths:
    found: Paths = document["paths"]
    return found


def test_the_document_is_valid(document: dict[str, Any]) -> None:
    validate(document, cls=OpenAPIV31SpecValidator)


def test_of_an_application_without_rules_it_is_valid_too() -> None:
    made = App("empty").openapi()
    assert made == {"openapi": "3.1.0", "info": {"title": "empty", "version": "0.1.0"}, "paths": {}}
    validate(made, cls=OpenAPIV31SpecValidator)


def test_it_says_what_was_given(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert document["info"] == {"title": "Shop", "version": "1.2", "description": "What is sold."}
    assert document["servers"] == [{"url": "https://shop.example/api"}]
    assert document["components"]["securitySchemes"]["key"]["name"] == "X-Key"
    assert {"schemas", "responses"} <= document["components"].keys()


def test_each_rule_is_a_path(paths: Paths) -> None:
    assert {path: sorted(item) for path, item in paths.items()} == {
        "/": ["get"],
        "/notes": ["post"],
        "/notes/{id}": ["get", "put"],
        "/numbers": ["post"],
        "/photos": ["post"],
        "/search": ["get"],
        "/secret": ["get"],
        "/shapes": ["post"],
        "/shop/admin/@{name}.json": ["delete"],
        "/shop/x/{code}/{name}/{year}/{h}/{e}/{n}": ["get"],
        "/shop/{id}/{price}/{letter}/{rest}": ["get"],
        "/users": ["get", "post"],
    }


def test_what_the_document_cannot_tell_is_told_in_it(document: dict[str, Any]) -> None:
    assert document["x-omitted"] == ["PURGE /users: OpenAPI has no such method"]
    app = App("twice")
    app.add_url_rule("/<int:id>", "by_id", lambda id: "")
    app.add_url_rule("/<name>", "by_name", lambda name: "")
    made = app.openapi()
    assert list(made["paths"]) == ["/{id}"]
    assert made["x-omitted"] == ["GET /<name>: OpenAPI takes its paths for those of /<int:id>"]


def test_operations_have_names_of_their_own(paths: Paths) -> None:
    names = [one["operationId"] for item in paths.values() for one in item.values()]
    assert sorted(names) == [
        "add_note", "drop", "index", "note", "numbers", "photo", "put_note", "search", "secret", "shape",
        "shop.of_all_kinds", "shop.of_more_kinds", "users_get", "users_post",
    ]  # fmt: skip
    app = App("again")
    for rule in ("/a", "/b", "/c"):
        app.add_url_rule(rule, "same", named)
    assert [item["get"]["operationId"] for item in app.openapi()["paths"].values()] == ["same", "same_2", "same_3"]


def named() -> str:
    return ""


def test_the_docstring_is_summary_and_description(paths: Paths) -> None:
    assert paths["/"]["get"]["summary"] == "The first page."
    assert paths["/"]["get"]["description"] == "With *everything* on it.\n\nAnd more."
    assert paths["/notes/{id}"]["get"]["summary"] == "A note by its number."
    assert "summary" not in paths["/search"]["get"]


def test_a_blueprint_is_a_tag_and_tags_may_be_described(document: dict[str, Any], paths: Paths) -> None:
    assert paths["/shop/{id}/{price}/{letter}/{rest}"]["get"]["tags"] == ["shop"]
    assert paths["/shop/admin/@{name}.json"]["delete"]["tags"] == ["danger"]
    assert "tags" not in paths["/"]["get"]
    assert document["tags"] == [{"name": "danger", "description": "Careful."}, {"name": "shop"}]


def test_what_was_described_comes_last(paths: Paths) -> None:
    drop = paths["/shop/admin/@{name}.json"]["delete"]
    assert drop["deprecated"] is True and drop["operationId"] == "drop" and drop["security"] == [{"key": []}]


def schemas_of_path(operation: dict[str, Any]) -> dict[str, Any]:
    assert all(one["required"] for one in operation["parameters"] if one["in"] == "path")
    return {one["name"]: one["schema"] for one in operation["parameters"] if one["in"] == "path"}


def test_variables_have_the_schemas_of_their_converters(paths: Paths) -> None:
    assert schemas_of_path(paths["/shop/{id}/{price}/{letter}/{rest}"]["get"]) == {
        "id": {"type": "string", "format": "uuid"},
        "price": {"type": "number", "minimum": 1, "maximum": 2, "examples": [1.5]},
        "letter": {"type": "string", "enum": ["a", "b"]},
        "rest": {"type": "string", "minLength": 1},
    }
    assert schemas_of_path(paths["/shop/x/{code}/{name}/{year}/{h}/{e}/{n}"]["get"]) == {
        "code": {"type": "string", "minLength": 2, "maxLength": 2},
        "name": {"type": "string", "minLength": 3},
        "year": {"type": "string", "pattern": "^[0-9]{4}$"},
        "h": {"type": "string", "pattern": "^(?:[0-9a-f]+)$"},
        "e": {"type": "integer", "multipleOf": 2},
        "n": {"type": "integer", "minimum": 0},
    }


def test_variables_are_described_and_have_the_names_of_the_first_rule(paths: Paths) -> None:
    [read] = paths["/notes/{id}"]["get"]["parameters"]
    assert read == {
        "name": "id", "in": "path", "required": True, "description": "Of the note.",
        "schema": {"type": "integer", "minimum": 0, "examples": [7]},
    }  # fmt: skip
    [written] = paths["/notes/{id}"]["put"]["parameters"]
    assert (written["name"], written["schema"]) == ("id", {"type": "integer", "minimum": 0})


def test_the_query_and_the_header_are_parameters(paths: Paths) -> None:
    assert paths["/search"]["get"]["parameters"] == [
        {"name": "q", "in": "query", "required": True, "description": "Words.", "schema": {"type": "string"}},
        {"name": "page", "in": "query", "schema": {"type": "integer", "minimum": 1, "default": 1}},
        {
            "name": "kind", "in": "query",
            "schema": {"type": "array", "items": {"$ref": "#/components/schemas/Kind"}, "default": []},
        },
        {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 100, "default": 10}},
    ]  # fmt: skip
    # OpenAPI passes over a parameter called Authorization: that is for a security scheme.
    assert paths["/secret"]["get"]["parameters"] == [
        {"name": "X-Api-Key", "in": "header", "required": True, "schema": {"type": "string"}},
    ]


def test_bodies_have_the_types_that_are_taken(document: dict[str, Any], paths: Paths) -> None:
    note = {"$ref": "#/components/schemas/Note"}
    assert paths["/notes"]["post"]["requestBody"] == {
        "required": True,
        "content": {"application/json": {"schema": note}},
    }
    optional = paths["/notes/{id}"]["put"]["requestBody"]
    assert optional["required"] is False
    kinds = optional["content"]["application/json"]["schema"]["anyOf"]
    assert len(kinds) == 2 and note in kinds and {"type": "null"} in kinds
    assert list(paths["/shapes"]["post"]["requestBody"]["content"]) == [
        "application/json", "application/x-www-form-urlencoded",
    ]  # fmt: skip
    assert "discriminator" in paths["/shapes"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    numbers = {"type": "array", "items": {"type": "integer"}}
    assert paths["/numbers"]["post"]["requestBody"]["content"] == {"application/json": {"schema": numbers}}
    assert list(paths["/photos"]["post"]["requestBody"]["content"]) == ["multipart/form-data"]
    photo = document["components"]["schemas"]["Photo"]["properties"]["photo"]
    assert photo == {"type": "string", "contentMediaType": "application/octet-stream"}


def test_answers_are_what_the_annotation_says(paths: Paths) -> None:
    def contents(path: str, method: str) -> dict[str, Any]:
        return {
            status: {kind: one["schema"] for kind, one in response.get("content", {}).items()}
            for status, response in paths[path][method]["responses"].items()
            if status < "4"
        }

    note, user = {"$ref": "#/components/schemas/Note"}, {"$ref": "#/components/schemas/User"}
    assert contents("/", "get") == {"200": {"text/html": {"type": "string"}}}
    assert contents("/notes/{id}", "get") == {"200": {"application/json": note}}
    assert contents("/notes", "post") == {"201": {"application/json": note}, "202": {}}
    assert contents("/notes/{id}", "put") == {
        "200": {"application/json": note, "text/html": {"type": "string"}},
        "201": {"application/json": user},
        "203": {"application/json": user},
    }
    assert contents("/search", "get") == {"200": {"application/json": {"type": "array", "items": note}}}
    assert contents("/secret", "get") == {"200": {"application/json": {"$ref": "#/components/schemas/Count"}}}
    assert contents("/numbers", "post") == {"200": {}}
    assert contents("/shop/admin/@{name}.json", "delete") == {"204": {"text/html": {"type": "string"}}}


def test_errors_of_the_library_are_there_and_those_that_were_described(document: dict[str, Any], paths: Paths) -> None:
    refs = {status: one.get("$ref") for status, one in paths["/notes/{id}"]["put"]["responses"].items() if status > "4"}
    assert refs == {
        "400": "#/components/responses/BadRequest",
        "404": "#/components/responses/NotFound",
        "413": "#/components/responses/ContentTooLarge",
        "415": "#/components/responses/UnsupportedMediaType",
        "422": "#/components/responses/UnprocessableContent",
        "default": "#/components/responses/Error",
    }
    said = paths["/notes"]["post"]["responses"]
    assert said["409"]["description"] == "There is one already."
    assert list(said["409"]["content"]) == ["application/problem+json"]
    assert said["400"]["content"] == {"application/json": {"schema": {"$ref": "#/components/schemas/User"}}}
    assert said["202"] == {"description": "Later."}
    problem = document["components"]["responses"]["UnprocessableContent"]["content"]["application/problem+json"]
    schema = document["components"]["schemas"][problem["schema"]["$ref"].rpartition("/")[2]]
    assert {"type", "title", "status", "detail", "errors"} <= schema["properties"].keys()


def test_where_the_application_answers_an_error_itself_no_schema_is_claimed() -> None:
    app = site()
    app.register_error_handler(422, lambda error: "no")
    responses = app.openapi()["paths"]["/notes"]["post"]["responses"]
    assert responses["422"] == {"description": "Parts of the request are not as they should be."}
    assert "$ref" in responses["415"]


def test_components_that_nothing_refers_to_are_left_out(document: dict[str, Any]) -> None:
    assert "Search" not in document["components"]["schemas"]
    assert {"Note", "Kind", "User", "Circle", "Square"} <= document["components"]["schemas"].keys()


def test_types_of_one_name_are_told_apart() -> None:
    app = App("two")
    other = msgspec.defstruct("Note", [("text", str)], module="elsewhere")

    def first(note: Note) -> str:
        return ""

    def second(note: Any) -> str:
        return ""

    second.__annotations__["note"] = other
    app.add_url_rule("/1", "first", first, methods=["POST"])
    app.add_url_rule("/2", "second", second, methods=["POST"])
    made = app.openapi()
    refs = {
        item["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"] for item in made["paths"].values()
    }
    assert len(refs) == 2
    validate(made, cls=OpenAPIV31SpecValidator)


def kept_of(kind: type) -> tuple[type, type]:
    """Two classes, the second with the first in it, whose names are those of others that this function has made."""
    kept = msgspec.defstruct("Kept", [("value", kind)], module=__name__)
    return kept, msgspec.defstruct("Shelf", [("kept", list[kept])], module=__name__)  # type: ignore[valid-type]


def test_types_are_told_apart_that_one_function_has_made() -> None:
    app = App("made")
    for kind in (int, str, float):
        kept, shelf = kept_of(kind)

        def add(body: Any) -> Any:
            return body

        add.__annotations__ |= {"body": shelf, "return": list[kept]}  # type: ignore[valid-type]
        app.add_url_rule(f"/{kind.__name__}", kind.__name__, add, methods=["POST"])
    document = app.openapi()
    validate(document, cls=OpenAPIV31SpecValidator)
    components = document["components"]["schemas"]

    def behind(schema: dict[str, Any]) -> Any:
        return components[schema["$ref"].rpartition("/")[2]]["properties"]

    for kind, name in ((int, "integer"), (str, "string"), (float, "number")):
        of_kind = document["paths"][f"/{kind.__name__}"]["post"]
        given = of_kind["requestBody"]["content"]["application/json"]["schema"]
        assert behind(behind(given)["kept"]["items"])["value"] == {"type": name}
        answer = of_kind["responses"]["200"]["content"]["application/json"]["schema"]
        assert behind(answer["items"])["value"] == {"type": name}
    assert [name for name in components if name.startswith(("Kept", "Shelf"))] == [
        "Kept",
        "Kept_2",
        "Kept_3",
        "Shelf",
        "Shelf_2",
        "Shelf_3",
    ]


class Paged(msgspec.Struct):
    page: int = 1


def test_a_parameter_is_there_once_whoever_takes_it() -> None:
    app = App("twice")

    def listed(paged: Query[Paged], page: Query[int] = 1, sent: HeaderFields[Paged] = Paged()) -> str:  # noqa: B008
        return ""

    app.add_url_rule("/", "listed", listed)
    document = app.openapi()
    validate(document, cls=OpenAPIV31SpecValidator)
    assert [(one["in"], one["name"]) for one in document["paths"]["/"]["get"]["parameters"]] == [
        ("query", "page"),
        ("header", "Page"),
    ]


class Foreign:
    """What msgspec does not know."""


def test_a_type_that_msgspec_does_not_know_is_any_value() -> None:
    app = App("foreign")

    def odd() -> list[Foreign]:
        return []

    def either() -> User | Other:
        return User("", 0)

    app.add_url_rule("/odd", "odd", odd)
    app.add_url_rule("/either", "either", either)
    made = app.openapi()
    assert made["paths"]["/odd"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]["type"] == "array"
    either_schema = made["paths"]["/either"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert [one["$ref"].rpartition("/")[2] for one in either_schema["anyOf"]] == ["User", "Other"]
    validate(made, cls=OpenAPIV31SpecValidator)


@dataclasses.dataclass
class Other:
    text: str


def test_a_converter_that_derives_from_another_is_what_it_is_of() -> None:
    class Year(IntegerConverter):
        def __init__(self) -> None:
            super().__init__(min=1900)

    app = App("years")
    app.converters["year"] = Year
    app.add_url_rule("/<year:y>", "year", lambda y: "")
    [parameter] = app.openapi()["paths"]["/{y}"]["get"]["parameters"]
    assert parameter["schema"] == {"type": "integer", "minimum": 1900}


def test_describe_refuses_what_it_cannot_take() -> None:
    with pytest.raises(TypeError, match=r"tags='a'.*want a list: \['a'\]"):
        describe(tags="a")
    with pytest.raises(TypeError, match=r"responses=\{'404': …\}\): want a number: \{404: …\}"):
        describe(responses={"404": "gone"})  # type: ignore[dict-item]
    with pytest.raises(TypeError, match="takes no attributes"):
        describe(summary="x")(len)


def test_describe_stands_above_or_below_the_rule() -> None:
    app = App("order")

    @describe(summary="above")
    @app.get("/a")
    def above() -> str:
        return ""

    @app.get("/b")
    @describe(summary="below")
    def below() -> str:
        return ""

    assert [item["get"]["summary"] for item in app.openapi()["paths"].values()] == ["above", "below"]


def status_of(app: App, request: Request) -> str:
    given: list[str] = []
    findings: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Any:
        given.append(status)
        return lambda block: None

    body = Checked(app, findings.append)(make_environ(request, Site()), start_response)
    list(body)
    getattr(body, "close", lambda: None)()
    assert not findings
    return given[0][:3]


def test_requests_that_are_made_of_the_document_are_answered(tmp_path: Path) -> None:
    app = site()
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(app.openapi()))
    requests = read_openapi(str(file))
    assert len(requests) == 14
    statuses = {(one.method, one.path): status_of(app, one) for one in requests}
    # A file cannot be made up from a description, and fixed digits and hexadecimals are patterns.
    odd = {key: status for key, status in statuses.items() if status not in ("200", "204")}
    assert {path.split("/")[1] for _, path in odd} <= {"photos", "shop"}, odd
