"""Every kind of handler that there is."""

import io
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple, TypedDict
from uuid import UUID

import msgspec

from dragoman.types import Environ, StartResponse, WSGIApplication
from dragoman.web import App, Blueprint, Headers, Request, Response, abort, jsonify, redirect, send_file, url_for
from dragoman.web.typing import ResponseValue

app = App(__name__)
part = Blueprint("part", __name__, url_prefix="/part")


@dataclass
class Point:
    x: int
    y: int


class User(msgspec.Struct):
    name: str
    age: int = 0


class Row(TypedDict):
    id: int


class Pair(NamedTuple):
    text: str
    code: int


@app.get("/text")
def text() -> str:
    return "text"


@app.get("/bytes")
def some_bytes() -> bytes:
    return b"bytes"


@app.get("/dict")
def of_dict() -> dict[str, int]:
    return {"a": 1}


@app.get("/mapping")
def of_mapping() -> Mapping[str, object]:
    return {"a": 1}


@app.get("/list")
def of_list() -> list[Point]:
    return [Point(1, 2)]


@app.get("/typed-dict")
def of_typed_dict() -> Row:
    return {"id": 1}


@app.get("/dataclass")
def of_dataclass() -> Point:
    return Point(1, 2)


@app.post("/struct")
def of_struct(user: User) -> User:
    return user


@app.get("/response")
def of_response() -> Response:
    return redirect(url_for("text"))


@app.get("/json")
def of_jsonify() -> Response:
    return jsonify(a=1)


@app.get("/iterator")
def of_iterator() -> Iterator[str]:
    yield "a"


@app.get("/generator")
def of_generator() -> Generator[bytes, None, None]:
    yield b"a"


@app.get("/file")
def of_file() -> IO[bytes]:
    return Path(__file__).open("rb")


@app.get("/memory")
def of_memory() -> io.BytesIO:
    return io.BytesIO(b"a")


@app.get("/path")
def of_path() -> Path:
    return Path(__file__)


@app.get("/sent")
def of_sent() -> Response:
    return send_file(Path(__file__))


@app.get("/wsgi")
def of_wsgi() -> WSGIApplication:
    return inner


def inner(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    start_response("204 No Content", [])
    return []


@app.get("/app")
def of_app() -> App:
    return App("other")


@app.get("/status")
def with_status() -> tuple[str, int]:
    return "created", 201


@app.get("/line")
def with_status_line() -> tuple[dict[str, str], str]:
    return {}, "201 Made"


@app.get("/headers")
def with_headers() -> tuple[bytes, dict[str, str]]:
    return b"", {"X-Part": "1"}


@app.get("/all")
def with_all() -> tuple[Response, int, list[tuple[str, str]]]:
    return Response(), 201, [("X-Part", "1")]


@app.get("/fields")
def with_fields() -> tuple[str, int, Headers]:
    return "", 204, Headers({"X-Part": "1"})


@app.get("/named")
def of_named_tuple() -> Pair:
    return Pair("teapot", 418)


@app.get("/either/<int:id>")
def either(id: int) -> str | tuple[str, int]:
    if id < 0:
        return "negative", 400
    return str(id)


@app.get("/declared")
def declared(request: Request) -> ResponseValue:
    if "a" in request.args:
        return "a", 200, {"X-Part": "1"}
    if "b" in request.args:
        return {"b": 1}
    return Point(1, 2)


@app.get("/never")
def never() -> str:
    abort(404)


@app.get("/any")
def anything() -> Any:
    return object()


@app.get("/coroutine")
async def coroutine() -> str:
    return "a"


@app.get("/coroutine/tuple")
async def coroutine_of_tuple() -> tuple[dict[str, int], int]:
    return {}, 201


@app.get("/async-generator")
async def async_generator() -> AsyncGenerator[str, None]:
    yield "a"


@app.get("/async-iterator")
async def async_iterator() -> AsyncIterator[bytes]:
    yield b"a"


@app.route("/options", methods=["GET", "POST"], endpoint="named", defaults={"page": 1}, strict_slashes=False)
@part.get("/", endpoint="index", strict_slashes=True)
def with_options(page: int = 1) -> str:
    return str(page)


@part.put("/<uuid:key>")
@part.patch("/<uuid:key>")
@part.delete("/<uuid:key>")
def by_key(request: Request, key: UUID) -> str:
    return str(key)


class View:
    """A handler that is an object."""

    def __call__(self) -> str:
        return "view"


app.add_url_rule("/view", "view", View())
app.add_url_rule("/lambda", "lambda", lambda: "text")
app.mount("/inner", inner)
app.register_blueprint(part)

# What is decorated is what it was.
kept: Callable[[int], str | tuple[str, int]] = either
answer: str | tuple[str, int] = either(id=1)
made: Point = of_dataclass()
