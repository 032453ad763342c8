"""A broad application of `dragoman.web` under Dragoman, gunicorn and waitress: the same answers, each request ends."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.server import Process
from tests.support.wire import DEADLINE_S, Response, chunked_request_bytes, request_bytes
from tests.web.served import CONTENT, FILE

ADDRESS = "127.0.0.1:0"
APPLICATION = "tests.web.served:app"
COMMANDS = {
    "dragoman": ["dragoman", APPLICATION, "--bind", ADDRESS, "--workers", "0"],
    "gunicorn": ["gunicorn", APPLICATION, "--bind", ADDRESS, "-k", "gthread", "--threads", "8"],
    "waitress": ["waitress", "--listen", ADDRESS, "--threads", "8", APPLICATION],
}


@pytest.fixture(scope="module", params=COMMANDS)
def server(request: pytest.FixtureRequest) -> Iterator[Process]:
    """A server; at its end nobody has broken the contract, and each request that began has ended."""
    process = Process(COMMANDS[request.param])
    try:
        yield process
        findings = json.loads(process.request("GET", "/findings").body)
        assert findings == [], "\n".join(findings)
        assert {path: ends for path, ends in all_ended(process).items() if ends[0] != ends[1]} == {}
    finally:
        process.kill()


def all_ended(server: Process) -> dict[str, list[int]]:
    """How many requests of each path have begun and ended, when that is the same, or the deadline has come."""
    until = time.monotonic() + DEADLINE_S
    while True:
        ends: dict[str, list[int]] = json.loads(server.request("GET", "/ends").body)
        if all(one == other for one, other in ends.values()) or time.monotonic() > until:
            return ends
        time.sleep(0.05)


def asked(server: Process, target: str, method: str = "GET", body: bytes = b"", **fields: str) -> Response:
    named = [(name.replace("_", "-"), value) for name, value in fields.items()]
    with server.connect() as wire:
        wire.send(request_bytes(method, f"/site{target}", named, body or None))
        return wire.read_response(method)


def is_waitress(server: Process) -> bool:
    return "waitress" in server.process.args  # type: ignore[operator]


def test_handlers_answer_text_json_and_urls(server: Process) -> None:
    hello = asked(server, "/hello/%C3%A9")
    assert (hello.status, hello.body.decode(), hello.value("Content-Type")) == (
        200,
        "Hello, é",
        "text/html; charset=utf-8",
    )
    user = asked(server, "/user/7").json()
    assert user == {"id": 7, "url": "http://test/site/user/7"}
    assert asked(server, "/user/x").status == 404
    assert asked(server, "/hello/%FF").status == 404


def test_head_options_and_405(server: Process) -> None:
    head = asked(server, "/user/7", "HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.value("Content-Length") == asked(server, "/user/7").value("Content-Length")
    options = asked(server, "/echo", "OPTIONS")
    assert (options.status, options.value("Allow")) == (200, "OPTIONS, POST, PUT")
    assert asked(server, "/echo").value("Allow") == "OPTIONS, POST, PUT"


def test_slashes_are_mended_with_the_query_kept(server: Process) -> None:
    for target in ("/slash?a=%20&b=/", "//slash/?a=%20&b=/"):
        answer = asked(server, target)
        location = answer.value("Location") or ""
        assert (answer.status, location.partition("/site")[2]) == (308, "/slash/?a=%20&b=/")
    assert asked(server, "/slash/?a=1").text == "/slash/?a=1"


def test_an_escaped_slash_stays_in_its_segment_where_the_server_tells(server: Process) -> None:
    # Waitress has no RAW_URI: what has come through it is two segments.
    expected = "two: a b" if is_waitress(server) else "one: a/b"
    assert asked(server, "/cut/a%2Fb").text == expected
    assert asked(server, "/cut/a/b").text == "two: a b"
    inner = asked(server, "/inner/a%2Fb/c").json()
    assert inner == {"root": "/site/inner", "path": "/a/b/c", "rest": "a/b/c"}


@pytest.mark.parametrize("size", [0, 1, 70_000, 1 << 20])
def test_bodies_come_whole_with_a_length_and_in_chunks(server: Process, size: int) -> None:
    body = (CONTENT * 5)[:size]
    assert asked(server, "/echo", "POST", body, Content_Type="a/b").body == body
    with server.connect() as wire:
        chunks = [body[start : start + 50_000] for start in range(0, size, 50_000)]
        wire.send(chunked_request_bytes("/site/echo", chunks))
        assert wire.read_response("POST").body == body


def test_a_body_that_is_too_large_is_413_and_the_server_goes_on(server: Process) -> None:
    answer = asked(server, "/echo", "POST", b"x" * ((1 << 20) + 1))
    assert answer.status == 413
    assert asked(server, "/hello/x").status == 200


def test_a_body_that_nobody_reads_never_becomes_the_next_request(server: Process) -> None:
    with server.connect() as wire:
        body = b"GET /site/fault HTTP/1.1\r\nHost: a\r\n\r\n"
        wire.send(request_bytes("POST", "/site/ignored", [], body) + request_bytes("GET", "/site/hello/x"))
        assert wire.read_response("POST").text == "not read"
        try:
            assert wire.read_response().text == "Hello, x"
        except Exception:
            # It may close instead.
            wire.expect_end()


def test_forms_with_files_are_read(server: Process) -> None:
    body = b"".join(
        [
            b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n',
            b'--b\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\n'
            + b"y" * 200_000
            + b"\r\n--b--\r\n",
        ]
    )
    answer = asked(server, "/upload", "POST", body, Content_Type="multipart/form-data; boundary=b")
    assert answer.json() == {"fields": [["a", "1"]], "files": {"f": 200_000}}
    refused = asked(
        server, "/upload", "POST", body[:-10], Content_Type="multipart/form-data; boundary=b", Accept="application/json"
    )
    assert (refused.status, json.loads(refused.body)["title"]) == (400, "Bad Request")


def test_a_session_is_kept_by_its_cookie(server: Process) -> None:
    first = asked(server, "/visits")
    cookie = (first.value("Set-Cookie") or "").partition(";")[0]
    assert (first.json(), first.value("Vary")) == ({"visits": 1}, "Cookie")
    assert asked(server, "/visits", Cookie=cookie).json() == {"visits": 2}


def test_a_block_comes_before_the_next_is_made(server: Process) -> None:
    gate = f"gate-{time.monotonic_ns()}"
    with server.connect() as wire:
        wire.send(request_bytes("GET", f"/site/stream?gate={gate}"))
        assert wire.read_head().is_chunked
        blocks = [wire.read_chunk()]
        assert server.request("GET", f"/open?gate={gate}").json() == {"is_open": True}
        while blocks[-1]:
            blocks.append(wire.read_chunk())
    assert b"".join(blocks) == b"one\ntwo\nthree /stream\n"


def test_a_client_that_is_gone_ends_its_request(server: Process) -> None:
    with server.connect() as wire:
        wire.send(request_bytes("GET", "/site/endless"))
        wire.read_head()
        wire.reset()
    begun, ended = all_ended(server)["/endless"]
    assert begun == ended


def test_a_stream_that_breaks_is_no_whole_answer(server: Process) -> None:
    with server.connect() as wire:
        wire.send(request_bytes("GET", "/site/breaks"))
        head = wire.read_head()
        assert head.is_chunked
        assert wire.read_chunk() == b"one"
        assert wire.expect_end() == b""


def test_coroutines_answer(server: Process) -> None:
    assert asked(server, "/async").json() == {"path": "/async"}
    assert asked(server, "/async-stream").body == b"onetwo"


@pytest.mark.parametrize(
    ("target", "content"), [("/file", FILE.read_bytes()), ("/memory", CONTENT), ("/opened", FILE.read_bytes()[10:])]
)
def test_files_are_whole_conditional_and_in_ranges(server: Process, target: str, content: bytes) -> None:
    whole = asked(server, target)
    assert (whole.status, whole.body, whole.value("Content-Length")) == (200, content, str(len(content)))
    head = asked(server, target, "HEAD")
    assert (head.status, head.body, head.value("Content-Length")) == (200, b"", str(len(content)))
    part = asked(server, target, Range="bytes=100-199")
    assert (part.status, part.body) == (206, content[100:200])
    assert part.value("Content-Range") == f"bytes 100-199/{len(content)}"
    several = asked(server, target, Range="bytes=0-9,1000-1009")
    assert several.status == 206
    assert content[:10] in several.body and content[1000:1010] in several.body
    assert asked(server, target, Range=f"bytes={len(content)}-").status == 416
    etag = whole.value("ETag")
    if etag is not None:
        assert asked(server, target, If_None_Match=etag).status == 304
        assert asked(server, target, If_Match='"other"').status == 412
    # Another request on the same connection finds it in good order.
    with server.connect() as wire:
        for _ in range(3):
            wire.send(request_bytes("GET", f"/site{target}"))
            assert wire.read_response().body == content


def test_another_applications_answer_is_sent_as_it_is(server: Process) -> None:
    answer = asked(server, "/wsgi")
    assert (answer.status, answer.body) == (202, b"written given")


@pytest.mark.parametrize("code", [204, 304])
def test_an_answer_without_a_body_leaves_the_connection_in_order(server: Process, code: int) -> None:
    with server.connect() as wire:
        # Waitress closes behind an answer without a length.
        for _ in range(1 if is_waitress(server) else 2):
            wire.send(request_bytes("GET", f"/site/status/{code}"))
            answer = wire.read_response()
            assert (answer.status, answer.body, answer.value("Content-Type")) == (code, b"", None)


def test_errors_are_pages_and_hide_what_was_raised(server: Process) -> None:
    assert asked(server, "/abort/409").status == 409
    assert json.loads(asked(server, "/abort/409", Accept="application/json").body)["detail"] == "By plan."
    assert json.loads(asked(server, "/abort/410").body) == {"error": "410 Gone: By plan."}
    fault = asked(server, "/fault")
    assert fault.status == 500
    assert b"by plan" not in fault.body


@pytest.mark.parametrize("value", ["a%0D%0ASet-Cookie:%20x=y", "a%0Ab", "%00", "%E2%82%AC"])
def test_nothing_is_injected_into_the_head(server: Process, value: str) -> None:
    answer = asked(server, f"/inject?value={value}")
    assert (answer.status, answer.value("X-Injected"), answer.values("Set-Cookie")) == (500, None, [])


def test_a_wrong_length_is_mended(server: Process) -> None:
    with server.connect() as wire:
        for _ in range(2):
            wire.send(request_bytes("GET", "/site/wrong-length"))
            assert wire.read_response().text == "hello"


def test_redirects_and_blueprints(server: Process) -> None:
    assert (asked(server, "/redirect").value("Location") or "").endswith("/site/user/7")
    assert (asked(server, "/admin/").status, asked(server, "/admin/?key=k").text) == (403, "admin /site/admin/")


def test_many_requests_at_once_are_answered_apart(server: Process) -> None:
    import threading

    wrong: list[Any] = []

    def asks(number: int) -> None:
        with server.connect() as wire:
            for step in range(10):
                wire.send(request_bytes("GET", f"/site/user/{number * 100 + step}"))
                found = wire.read_response().json()["id"]
                if found != number * 100 + step:
                    wrong.append(found)

    threads = [threading.Thread(target=asks, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    assert wrong == []
