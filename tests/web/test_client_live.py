"""The client over the real server: the same requests, by sockets."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest

from dragoman.contract import ContractBreach
from dragoman.types import Environ, StartResponse
from dragoman.web import App, Request, Response, early_hints, has_request_context, preload, redirect, session
from dragoman.web.testing import LiveClient


def site() -> App:
    app = App("site", static_folder=None)
    app.testing = True
    app.secret_key = "0123456789abcdef0123456789abcdef"

    @app.route("/echo/<path:rest>", methods=["GET", "POST", "HEAD"])
    def echo(request: Request, rest: str) -> dict[str, Any]:
        return {
            "method": request.method,
            "path": request.path,
            "args": request.args.to_dict(flat=False),
            "software": request.environ["SERVER_SOFTWARE"],
            "key": request.headers.get("X-Key"),
            "form": request.form.to_dict(),
            "files": {name: one.read().decode() for name, one in request.files.items()},
            "data": request.get_data(as_text=True),
            "user": None if request.authorization is None else request.authorization.username,
        }

    @app.get("/visit")
    def visit() -> dict[str, Any]:
        session["count"] = session.get("count", 0) + 1
        return dict(session)

    @app.get("/go")
    def go() -> Response:
        return redirect("/echo/end")

    @app.get("/stream")
    def stream() -> Iterator[str]:
        yield "a"
        yield "b"

    @app.get("/cut")
    def cut() -> Iterator[str]:
        yield "a"
        raise ZeroDivisionError("cut")

    @app.get("/fail")
    def fail() -> str:
        raise ZeroDivisionError("fail")

    def wrong(environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "9")])
        return [b"hello"]

    app.mount("/wrong", wrong)
    return app


@pytest.fixture(scope="module")
def client() -> Iterator[LiveClient]:
    with site().test_client(live=True) as client:
        yield client


def test_requests_and_answers_are_those_of_the_other_client(client: LiveClient) -> None:
    response = client.get("/echo/ä b", query_string={"a": [1, 2]}, headers={"X-Key": "1"}, auth=("Ann", "x"))
    assert response.status == "200 OK" and response.is_json
    assert response.json["software"].startswith("dragoman")
    assert (response.json["path"], response.json["args"]) == ("/echo/ä b", {"a": ["1", "2"]})
    assert (response.json["key"], response.json["user"]) == ("1", "Ann")
    assert response.request.path == "/echo/ä b"
    assert client.head("/echo/x").data == b""


def test_forms_files_json_and_streams_are_sent(client: LiveClient) -> None:
    assert client.post("/echo/x", data={"a": "1"}).json["form"] == {"a": "1"}
    told = client.post("/echo/x", data={"a": "1", "f": (io.BytesIO(b"hello"), "h.txt")}).json
    assert (told["form"], told["files"]) == ({"a": "1"}, {"f": "hello"})
    assert client.post("/echo/x", json={"a": 1}).json["data"] == '{"a":1}'
    assert client.post("/echo/x", data=io.BytesIO(b"file")).json["data"] == "file"

    class Endless(io.RawIOBase):
        """Nobody knows how long it is."""

        blocks = [b"one ", b"two"]

        def read(self, size: int = -1) -> bytes:
            return self.blocks.pop(0) if self.blocks else b""

    assert client.post("/echo/x", data=Endless()).json["data"] == "one two"


def test_redirects_are_followed(client: LiveClient) -> None:
    response = client.get("/go", follow_redirects=True)
    assert response.json["path"] == "/echo/end"
    assert [one.status_code for one in response.history] == [302]


def test_cookies_and_transactions_of_sessions_work_by_the_cookie(client: LiveClient) -> None:
    with client.session_transaction() as changed:
        changed["count"] = 41
    assert client.get("/visit").json == {"count": 42}
    with client.session_transaction() as after:
        assert after["count"] == 42


def test_a_stream_comes_by_blocks_and_can_be_left(client: LiveClient) -> None:
    assert client.get("/stream").text == "ab"
    with client.get("/stream", buffered=False) as response:
        assert next(iter(response))[:1] == b"a"


def test_exceptions_and_breaches_are_raised_at_their_request(client: LiveClient) -> None:
    with pytest.raises(ZeroDivisionError, match="fail"):
        client.get("/fail")
    with pytest.raises(ZeroDivisionError, match="cut"):
        client.get("/cut")
    with pytest.raises(ContractBreach, match="body-too-short"):
        client.get("/wrong")
    assert client.get("/echo/x").status_code == 200


def test_exceptions_are_pages_when_the_application_is_not_testing() -> None:
    app = site()
    with app.test_client(live=True) as client:
        app.testing = False
        assert client.get("/fail").status_code == 500


def test_the_server_takes_settings() -> None:
    with site().test_client(live=True, root_path="/shop") as client:
        assert client.get("/shop/echo/x").json["path"] == "/echo/x"


def test_nothing_of_the_last_request_is_kept(client: LiveClient) -> None:
    client.get("/visit")
    assert not has_request_context()


def test_what_sockets_cannot_carry_is_refused(client: LiveClient) -> None:
    with pytest.raises(TypeError, match="environ_overrides"):
        client.get("/visit", environ_overrides={"REMOTE_ADDR": "192.0.2.7"})
    with pytest.raises(TypeError, match="environ_base"):
        client.get("/visit", environ_base={"REMOTE_ADDR": "192.0.2.7"})
    with pytest.raises(ValueError, match="asks by http, not https"):
        client.get("/visit", base_url="https://localhost/")
    with pytest.raises(RuntimeError, match="with block"):
        site().test_client(live=True).get("/visit")


def test_the_answer_is_the_one_behind_the_hints() -> None:
    app = App("site", static_folder=None)

    @app.get("/")
    def index() -> tuple[str, int]:
        early_hints(preload("/a.css", "style"))
        early_hints(preload("/b.css", "style"))
        return "page", 203

    with app.test_client(live=True) as client:
        answer = client.get("/")
        assert (answer.status_code, answer.text) == (203, "page")
        assert answer.headers.getlist("Link") == [preload("/a.css", "style"), preload("/b.css", "style")]
