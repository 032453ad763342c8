"""What handlers give back: each kind as it is sent, and what is said of those that are none."""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import functools
import gzip
import io
import json
import tempfile
import typing
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman.types import WSGIApplication
from dragoman.web import App, Headers, Response, jsonify, make_response, send_file
from tests.middleware.kit import Answered, ask, environ_of
from tests.web.kit import opened

HTML, JSON = "text/html; charset=utf-8", "application/json"


def app_of(make: Callable[[], Any]) -> App:
    app = App(__name__)
    app.add_url_rule("/", "here", make)
    return app


def answered(make: Callable[[], Any], method: str = "GET", **headers: str) -> Answered:
    return ask(app_of(make), method, "/", {name.replace("_", "-"): value for name, value in headers.items()})


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


class Struct(msgspec.Struct):
    name: str


class Text(str):
    pass


class Pairs(dict[str, Any]):
    pass


class Colour(enum.Enum):
    RED = "red"


SIMPLE: list[tuple[Callable[[], Any], str, bytes]] = [
    (lambda: "é", HTML, "é".encode()),
    (lambda: "", HTML, b""),
    (lambda: Text("a"), HTML, b"a"),
    (lambda: b"\xff", HTML, b"\xff"),
    (lambda: bytearray(b"a"), HTML, b"a"),
    (lambda: memoryview(b"a"), HTML, b"a"),
    (lambda: {"a": [1, None, "é"]}, JSON, '{"a":[1,null,"é"]}'.encode()),
    (lambda: {}, JSON, b"{}"),
    (lambda: [], JSON, b"[]"),
    (lambda: Pairs(a=1), JSON, b'{"a":1}'),
    (lambda: Point(1, 2), JSON, b'{"x":1,"y":2}'),
    (lambda: [Point(1)], JSON, b'[{"x":1,"y":0}]'),
    (lambda: Struct("n"), JSON, b'{"name":"n"}'),
    (
        lambda: {"at": datetime.date(2024, 5, 6), "d": decimal.Decimal("1.10"), "c": Colour.RED},
        JSON,
        b'{"at":"2024-05-06","d":"1.10","c":"red"}',
    ),
    (lambda: {"id": uuid.UUID(int=1)}, JSON, b'{"id":"00000000-0000-0000-0000-000000000001"}'),
    (lambda: iter(["a", b"b"]), HTML, b"ab"),
    (lambda: (one for one in ("a", "", "b")), HTML, b"ab"),
    (lambda: map(str, range(3)), HTML, b"012"),
    (lambda: Response("r", mimetype="text/plain"), "text/plain; charset=utf-8", b"r"),
    (lambda: io.BytesIO(b"file"), "application/octet-stream", b"file"),
]


@pytest.mark.parametrize(("make", "content_type", "body"), SIMPLE)
@pytest.mark.parametrize("hooks", [False, True])
def test_each_kind_is_sent_with_its_type(make: Callable[[], Any], content_type: str, body: bytes, hooks: bool) -> None:
    app = app_of(make)
    if hooks:
        app.after_request(lambda response: response)
    answer = ask(app)
    assert (answer.status, answer.value("Content-Type"), answer.body) == (200, content_type, body)
    head = ask(app, "HEAD")
    assert (head.status, head.headers, head.body) == (200, answer.headers, b"")


TUPLES: list[tuple[Callable[[], Any], int, str, dict[str, str]]] = [
    (lambda: ("a", 201), 201, "a", {}),
    (lambda: ("a", "201 Made"), 201, "a", {}),
    (lambda: ("a", "404"), 404, "a", {}),
    (lambda: ("a", {"X": "y"}), 200, "a", {"X": "y"}),
    (lambda: ("a", [("X", "y")]), 200, "a", {"X": "y"}),
    (lambda: ("a", Headers({"X": "y"})), 200, "a", {"X": "y"}),
    (lambda: ("a", 202, {"X": "y"}), 202, "a", {"X": "y"}),
    (
        lambda: ({"a": 1}, 202, {"Content-Type": "application/ld+json"}),
        202,
        '{"a":1}',
        {"Content-Type": "application/ld+json"},
    ),
    (lambda: (Response("r", 500), 201), 201, "r", {}),
    (lambda: (Response("r", headers={"X": "1"}), {"X": "2"}), 200, "r", {"X": "2"}),
    (lambda: (iter(["s"]), 202), 202, "s", {}),
    (lambda: ("a", None, {"X": "y"}), 200, "a", {"X": "y"}),
    (lambda: (None, 204), 204, "", {}),
    (lambda: ("", 204), 204, "", {}),
]


@pytest.mark.parametrize(("make", "status", "text", "fields"), TUPLES)
def test_a_tuple_has_status_and_header_fields(
    make: Callable[[], Any], status: int, text: str, fields: dict[str, str]
) -> None:
    answer = answered(make)
    assert (answer.status, answer.text) == (status, text)
    for name, value in fields.items():
        assert answer.value(name) == value


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: None, " gave None: is a return missing? For an answer without a body write return '', 204"),
        (lambda: 5, " gave int: want str, bytes, dict, list"),
        (lambda: True, " gave bool"),
        (object, " gave object"),
        (lambda: {1, 2}, " gave set"),
        (lambda: frozenset([1]), " gave frozenset"),
        (lambda: (), " gave a tuple of 0: want (result, status)"),
        (lambda: ("a",), " gave a tuple of 1"),
        (lambda: ("a", 200, {}, 1), " gave a tuple of 4"),
        (lambda: ("a", 99), "status 99: want a number from 200 to 999"),
        (lambda: ("a", "x"), "status 'x': want"),
        (lambda: (200, "x"), " gave (200, …): the body comes first, the status after it: want (body, 200)"),
        (lambda: (200, {"a": 1}), "want (body, status, headers)"),
        (lambda: (201, "x", {"X": "y"}), " gave (201, …, …): the body comes first"),
        (lambda: ("a", {"X": "a\nb"}), " gave a tuple with what cannot be sent: "),
        (lambda: ("a", 200, 5), " gave a tuple whose headers are int: want a mapping or pairs"),
        (lambda: (None, {"X": "y"}), " gave None"),
        (lambda: "\ud800", "surrogates not allowed"),
        (lambda: {"a": object()}, "object is nothing that JSON knows"),
    ],
)
def test_what_is_no_result_is_told_with_what_is_wanted(
    make: Callable[[], Any], said: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert answered(make).status == 500
    assert said in caplog.text


def nothing() -> Any:
    """A handler or a hook that gives what is no result."""
    return {1}


PLACE = f"nothing ({__file__}:{nothing.__code__.co_firstlineno})"


def test_who_gave_what_is_no_result_is_told_with_file_and_line(caplog: pytest.LogCaptureFixture) -> None:
    app = app_of(nothing)
    assert ask(app).status == 500
    assert f"{PLACE} gave set" in caplog.text
    for register in ("before_request", "errorhandler"):
        caplog.clear()
        app = app_of(lambda: {}["nothing"])
        if register == "errorhandler":
            app.register_error_handler(KeyError, functools.wraps(nothing)(lambda error: nothing()))
        else:
            app.before_request(nothing)
        assert ask(app).status == 500
        assert f"{PLACE} gave set" in caplog.text


def test_the_log_says_whose_result_json_does_not_know(caplog: pytest.LogCaptureFixture) -> None:
    def handler() -> dict[str, Any]:
        return {"a": object()}

    assert answered(handler).status == 500
    [record] = caplog.records
    assert record.getMessage() == f"exception on '/' [GET] of handler ({__file__}:{handler.__code__.co_firstlineno})"


def test_a_coroutine_that_nobody_awaits_is_told(caplog: pytest.LogCaptureFixture) -> None:
    async def forgotten() -> str:
        return "never"

    def handler() -> Any:
        made = forgotten()
        return made

    assert answered(handler).status == 500
    assert " gave coroutine: it is to be awaited" in caplog.text


def test_a_response_that_is_given_with_a_status_stays_as_it_was() -> None:
    constant = Response("constant", headers={"X": "1"})
    assert answered(lambda: (constant, 404, {"X": "2"})).status == 404
    assert (constant.status_code, constant.headers["X"]) == (200, "1")
    assert answered(lambda: constant).status == 200


def test_a_stream_with_a_wrong_status_is_closed() -> None:
    closed: list[bool] = []

    class Blocks:
        def __iter__(self) -> Iterator[bytes]:
            return iter(())

        def close(self) -> None:
            closed.append(True)

    assert answered(lambda: (Response(Blocks()), 99)).status == 500
    assert answered(lambda: (Response(Blocks()), 200, {"X": "a\nb"})).status == 500
    assert closed == [True, True]


def test_make_response_makes_what_a_handler_would() -> None:
    app = App(__name__)

    @app.get("/")
    def handler() -> Response:
        response = make_response("text", 202, {"X": "y"})
        response.set_cookie("a", "b")
        assert make_response().data == b""
        assert make_response({"a": 1}).json == {"a": 1}
        return response

    answer = ask(app)
    assert (answer.status, answer.value("X"), answer.text) == (202, "y", "text")
    with pytest.raises(RuntimeError, match="make_response is that of the request in hand"):
        make_response("text")


def test_jsonify_takes_one_value_several_or_names() -> None:
    assert jsonify(5).data == b"5"
    assert jsonify(1, 2).data == b"[1,2]"
    assert jsonify(a=1).data == b'{"a":1}'
    assert jsonify().data == b"{}"
    assert jsonify(None).data == b"null"
    with pytest.raises(TypeError, match="not both"):
        jsonify(1, a=2)


# Streams


def test_blocks_are_made_one_by_one() -> None:
    made: list[str] = []

    def blocks() -> Iterator[str]:
        for name in ("a", "b", "c"):
            made.append(name)
            yield name

    answer = opened(app_of(blocks), environ_of())
    assert made == []
    assert next(answer.blocks) == b"a"
    assert made == ["a"]
    answer.close()
    assert made == ["a"]


@pytest.mark.parametrize("bad", [1, None, ["a"], {"a": 1}])
def test_a_block_of_another_type_ends_the_stream(bad: Any) -> None:
    answer = opened(app_of(lambda: iter(["a", bad])), environ_of())
    assert next(answer.blocks) == b"a"
    with pytest.raises(TypeError, match=r"a block of a body is .*: want str or bytes"):
        next(answer.blocks)
    answer.close()


def test_an_asynchronous_generator_is_sent_block_by_block() -> None:
    ended: list[str] = []

    async def blocks() -> AsyncIterator[str]:
        try:
            yield "a"
            yield "b"
        finally:
            ended.append("closed")

    assert answered(blocks).text == "ab"
    assert ended == ["closed"]
    answer = opened(app_of(blocks), environ_of())
    assert next(answer.blocks) == b"a"
    answer.close()
    assert ended == ["closed", "closed"]


# WSGI applications


def plain(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("202 Taken", [("Content-Type", "text/plain"), ("X-A", "1"), ("X-A", "2")])
    return [b"plain"]


def writing(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    write(b"first ")

    def blocks() -> Iterator[bytes]:
        yield b"second "
        write(b"third ")
        yield b"fourth"
        write(b" last")

    return blocks()


def late(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    start_response("203 Late", [("Content-Type", "text/plain")])
    yield b""
    yield b"late"


def replacing(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    import sys

    start_response("200 OK", [("Content-Type", "text/plain"), ("X-A", "first")])
    try:
        raise ValueError("on the way")
    except ValueError:
        start_response("500 Fault", [("Content-Type", "text/plain")], sys.exc_info())
    return [b"fault"]


def empty(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("204 No Content", [])
    return []


def test_a_wsgi_application_is_a_result() -> None:
    answer = answered(lambda: plain)
    assert (answer.status, answer.reason, answer.text) == (202, "Taken", "plain")
    assert answer.values("X-A") == ["1", "2"]
    assert answered(lambda: writing).text == "first second third fourth last"
    assert (answered(lambda: late).status, answered(lambda: late).text) == (203, "late")
    assert (answered(lambda: replacing).status, answered(lambda: replacing).value("X-A")) == (500, None)
    assert (answered(lambda: empty).status, answered(lambda: empty).value("Content-Type")) == (204, None)
    assert answered(lambda: (plain, 404, {"X-A": "3"})).values("X-A") == ["3"]
    assert answered(lambda: plain, "HEAD").body == b""


def test_another_frameworks_response_is_a_result() -> None:
    from werkzeug.wrappers import Response as WerkzeugResponse

    answer = answered(lambda: WerkzeugResponse("theirs", 201, {"X": "y"}))
    assert (answer.status, answer.text, answer.value("X"), answer.value("Content-Length")) == (201, "theirs", "y", "6")


def test_another_application_is_a_result_and_has_its_own_request() -> None:
    inner = App("inner")
    inner.add_url_rule("/", "inner", lambda: {"by": "inner"})
    assert answered(lambda: inner).text == '{"by":"inner"}'


@pytest.mark.parametrize("way", ["whole", "first", "head", "raises first", "refused head", "never started"])
def test_what_an_application_gave_is_closed_once_in_every_way(way: str) -> None:
    closed: list[bool] = []

    class Blocks:
        def __iter__(self) -> Iterator[bytes]:
            if way == "raises first":
                raise ValueError("first")
            return iter([b"a", b"b"])

        def close(self) -> None:
            closed.append(True)

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        if way == "refused head":
            start_response("200 OK", [("X", "a\nb")])
        elif way not in ("raises first", "never started"):
            start_response("200 OK", [("Content-Type", "text/plain")])
        return Blocks()

    app = app_of(lambda: application)
    answer = opened(app, environ_of("HEAD" if way == "head" else "GET"))
    blocks = list(answer.blocks) if way == "whole" else next(answer.blocks, None)
    answer.close()
    assert closed == [True]
    assert blocks is not None or way == "head"
    if way in ("raises first", "refused head", "never started"):
        assert answer.heads[0][0].startswith("500")


def test_an_application_that_fails_after_its_head_gets_its_exception_back() -> None:
    import sys

    seen: list[str] = []

    def application(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])

        def blocks() -> Iterator[bytes]:
            yield b"a"
            try:
                raise ValueError("late")
            except ValueError:
                try:
                    start_response("500 Fault", [], sys.exc_info())
                finally:
                    seen.append("raised")

        return blocks()

    answer = opened(app_of(lambda: application), environ_of())
    assert next(answer.blocks) == b"a"
    with pytest.raises(ValueError, match="late"):
        next(answer.blocks)
    answer.close()
    assert seen == ["raised"]


def test_an_application_that_begins_twice_is_told(caplog: pytest.LogCaptureFixture) -> None:
    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        start_response("200 OK", [])
        return []

    def never(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        return []

    assert answered(lambda: application).status == 500
    assert "start_response was called twice without exc_info" in caplog.text
    assert answered(lambda: never).status == 500
    assert "has not called start_response before its first block" in caplog.text


# Files


def test_a_path_is_sent_as_the_file_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("content")
    answer = answered(lambda: tmp_path / "a.txt")
    assert (answer.text, answer.value("Content-Type")) == ("content", "text/plain; charset=utf-8")
    assert answer.value("Content-Length") == "7"
    assert answered(lambda: tmp_path / "a.txt", If_None_Match=answer.value("ETag") or "").status == 304


@pytest.mark.parametrize("skipped", [0, 3, 10, 20])
@pytest.mark.parametrize("kind", ["file", "temporary", "raw", "memory", "gzip"])
def test_an_open_file_is_sent_from_where_it_stands_and_closed(kind: str, skipped: int, tmp_path: Path) -> None:
    content = b"0123456789"
    path = tmp_path / "f.bin"
    path.write_bytes(gzip.compress(content) if kind == "gzip" else content)
    made: list[Any] = []

    def make() -> Any:
        if kind == "temporary":
            file: Any = tempfile.NamedTemporaryFile()
            file.write(content)
            file.seek(0)
        else:
            file = {
                "file": lambda: path.open("rb"),
                "raw": lambda: path.open("rb", buffering=0),
                "memory": lambda: io.BytesIO(content),
                "gzip": lambda: gzip.open(path),
            }[kind]()
        file.read(skipped)
        made.append(file)
        return file

    rest = content[skipped:]
    answer = answered(make)
    assert (answer.status, answer.body) == (200, rest)
    assert answer.value("Content-Length") in (str(len(rest)), None)
    assert made[0].closed
    if kind not in ("gzip",) and rest:
        part = answered(make, Range="bytes=1-2")
        assert (part.status, part.body) == (206, rest[1:3])
        assert part.value("Content-Range") == f"bytes 1-{min(2, len(rest) - 1)}/{len(rest)}"
    head = answered(make, "HEAD")
    assert (head.body, head.value("Content-Length")) == (b"", answer.value("Content-Length"))
    assert all(file.closed for file in made)


def test_a_file_that_is_closed_already_is_told_before_anything_is_sent(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a").write_text("a")

    def handler() -> Any:
        with (tmp_path / "a").open("rb") as file:
            return file

    assert answered(handler).status == 500
    assert "the file is closed already" in caplog.text


def test_a_file_of_text_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a").write_text("a")
    assert answered((tmp_path / "a").open).status == 500
    assert "want one opened with mode 'rb'" in caplog.text


def test_a_pipe_is_read_to_its_end() -> None:
    import os

    reading, writing_end = os.pipe()
    os.write(writing_end, b"from a pipe")
    os.close(writing_end)
    answer = answered(lambda: os.fdopen(reading, "rb"))
    assert (answer.body, answer.value("Content-Length")) == (b"from a pipe", None)


class Wrapper:
    """`wsgi.file_wrapper` as wsgiref's."""

    made: typing.ClassVar[list[Wrapper]] = []

    def __init__(self, file: Any, block_size: int = 8192) -> None:
        self.file = file
        self.made.append(self)

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.file.read(8192), b"")

    def close(self) -> None:
        self.file.close()


def given_to_the_server(app: WSGIApplication) -> Any:
    environ = environ_of(**{"wsgi.file_wrapper": Wrapper})
    heads: list[Any] = []
    result = app(environ, lambda *head: heads.append(head))  # type: ignore[arg-type,return-value]
    result.close()  # type: ignore[attr-defined]
    return result


def test_the_servers_file_wrapper_reaches_the_server_itself(tmp_path: Path) -> None:
    from dragoman.web import request

    (tmp_path / "a").write_text("a")
    torn: list[Any] = []
    makers: list[Callable[[], Any]] = [
        lambda: tmp_path / "a",
        lambda: (tmp_path / "a").open("rb"),
        lambda: send_file(tmp_path / "a"),
        lambda: (send_file(tmp_path / "a"), 200, {"X": request.path}),
        lambda: send_file(tmp_path / request.path[1:] / "a"),
    ]
    for make in makers:
        for has_teardown in (False, True):
            app = app_of(make)
            if has_teardown:
                app.teardown_request(torn.append)
            assert isinstance(given_to_the_server(app), Wrapper)
            assert Wrapper.made[-1].file.closed
    assert torn == [None] * len(makers)


def test_a_file_wrapper_of_another_application_reaches_the_server(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return environ["wsgi.file_wrapper"]((tmp_path / "a").open("rb"))

    assert isinstance(given_to_the_server(app_of(lambda: application)), Wrapper)


def test_a_file_whose_body_is_replaced_by_a_hook_is_not_sent(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    app = app_of(lambda: tmp_path / "a")

    @app.after_request
    def upper(response: Response) -> Response:
        response.response = (block.upper() for block in response.response)
        return response

    answer = ask(app, **{"wsgi.file_wrapper": Wrapper})
    assert answer.text == "A"


def test_json_of_a_handler_is_read_back() -> None:
    value = {"a": [1, 2.5, None, True, "\u2028</script>"], "é": {"b": "\0"}}
    assert json.loads(answered(lambda: value).text) == value
