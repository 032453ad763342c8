"""The client of tests: requests, answers, redirects, streams, and the contract that it holds applications to."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from dragoman.contract import ContractBreach
from dragoman.middleware import ForceHTTPS
from dragoman.types import Environ, StartResponse
from dragoman.web import App, Request, Response, abort, redirect, request
from dragoman.web.authorization import Authorization
from dragoman.web.testing import Client, TestResponse

METHODS = ("get", "post", "put", "patch", "delete", "options", "head", "trace")


def echoing() -> App:
    """Tells what it was asked."""
    app = App("echo", static_folder=None)
    app.testing = True

    @app.route("/<path:rest>", methods=[method.upper() for method in METHODS])
    def echo(request: Request, rest: str) -> dict[str, Any]:
        return {
            "method": request.method,
            "url": request.url,
            "path": request.path,
            "root": request.script_root,
            "args": request.args.to_dict(flat=False),
            "headers": dict(request.headers),
            "form": request.form.to_dict(flat=False),
            "files": [
                [one.name, one.filename, one.content_type, one.read().decode()]
                for name in request.files
                for one in request.files.getlist(name)
            ],
            "json": request.get_json(silent=True),
            "data": request.get_data(as_text=True),
            "remote_addr": request.remote_addr,
        }

    return app


def ask(method: str = "post", path: str = "/x", **options: Any) -> dict[str, Any]:
    told: dict[str, Any] = getattr(echoing().test_client(), method)(path, **options).json
    return told


@pytest.mark.parametrize("method", [one for one in METHODS if one != "head"])
def test_each_method_asks_with_its_own_name(method: str) -> None:
    assert ask(method)["method"] == method.upper()


def test_head_has_the_length_and_no_body() -> None:
    response = echoing().test_client().head("/x")
    assert (response.status_code, response.data) == (200, b"")
    assert int(response.headers["Content-Length"]) > 0


def test_a_query_comes_with_the_path_or_as_text_or_as_names_with_values() -> None:
    for options in ({"path": "/x?a=1&a=2"}, {"query_string": "a=1&a=2"}, {"query_string": {"a": [1, 2]}}):
        assert ask("get", **options)["args"] == {"a": ["1", "2"]}


def test_a_dict_is_a_form_and_files_make_it_one_with_parts() -> None:
    assert ask(data={"a": "ä", "b": ["1", "2"]})["form"] == {"a": ["ä"], "b": ["1", "2"]}
    told = ask(
        data={"a": "1", "f": (io.BytesIO(b"hello"), "h.txt"), "g": (io.BytesIO(b"{}"), "g.j", "application/json")}
    )
    assert told["form"] == {"a": ["1"]}
    assert told["files"] == [["f", "h.txt", "text/plain", "hello"], ["g", "g.j", "application/json", "{}"]]


def test_json_text_bytes_and_streams_are_bodies() -> None:
    assert ask(json={"a": [1, None]})["json"] == {"a": [1, None]}
    assert ask(json={})["headers"]["Content-Type"] == "application/json"
    assert ask(data="ä")["data"] == "ä"
    assert ask(data=b"b", content_type="text/plain")["headers"]["Content-Type"] == "text/plain"
    assert ask(data=io.BytesIO(b"stream"))["data"] == "stream"


def test_auth_is_a_user_with_a_password_or_an_authorization_or_the_field_itself() -> None:
    for auth in (("Ann", "pä:ss"), Authorization("basic", "Ann", "pä:ss"), "Basic QW5uOnDDpDpzcw=="):
        assert ask(auth=auth)["headers"]["Authorization"] == "Basic QW5uOnDDpDpzcw=="
    assert ask(auth=Authorization("bearer", token="t"))["headers"]["Authorization"] == "Bearer t"
    with pytest.raises(TypeError, match=r"want \(user, password\)"):
        ask(auth=7)


def test_base_url_says_scheme_host_and_where_the_application_is_mounted() -> None:
    told = ask("get", base_url="https://shop.example/shop/")
    assert (told["url"], told["root"], told["path"]) == ("https://shop.example/shop/x", "/shop", "/x")
    assert ask("get", "http://other.example/x")["url"] == "http://other.example/x"


def test_the_settings_of_the_application_are_the_default_of_base_url() -> None:
    app = echoing()
    app.config.from_mapping(SERVER_NAME="shop.example", APPLICATION_ROOT="/shop")
    assert app.test_client().get("/x").json["url"] == "http://shop.example/shop/x"


def test_environ_base_is_of_each_request_and_what_a_request_says_comes_first() -> None:
    client = echoing().test_client()
    client.environ_base |= {"REMOTE_ADDR": "192.0.2.7", "HTTP_X_KEY": "base"}
    told = client.get("/x").json
    assert (told["remote_addr"], told["headers"]["X-Key"]) == ("192.0.2.7", "base")
    assert client.get("/x", headers={"X-Key": "own"}).json["headers"]["X-Key"] == "own"
    assert client.get("/x", environ_overrides={"HTTP_X_KEY": "over"}).json["headers"]["X-Key"] == "over"


def test_environ_base_of_one_request_stands_between_that_of_all_and_what_the_request_says() -> None:
    client = echoing().test_client()
    client.environ_base |= {"REMOTE_ADDR": "192.0.2.7", "HTTP_X_KEY": "base"}
    told = client.get("/x", environ_base={"REMOTE_ADDR": "192.0.2.8", "HTTP_X_KEY": "one"}).json
    assert (told["remote_addr"], told["headers"]["X-Key"]) == ("192.0.2.8", "one")
    told = client.get("/x", environ_base={"HTTP_X_KEY": "one"}, headers={"X-Key": "own"}).json
    assert (told["remote_addr"], told["headers"]["X-Key"]) == ("192.0.2.7", "own")
    assert client.get("/x").json["remote_addr"] == "192.0.2.7"
    with echoing().test_request_context("/x", environ_base={"REMOTE_ADDR": "192.0.2.8"}):
        assert request.remote_addr == "192.0.2.8"


def test_an_answer_has_what_a_test_looks_at() -> None:
    app = App("answers", static_folder=None)

    @app.get("/")
    def index() -> Response:
        return Response('{"a": 1}', "201 Made", {"X-Part": "1", "Location": "/1"}, content_type="application/json")

    response = app.test_client().get("/?q=1")
    assert isinstance(response, TestResponse)
    assert (response.status, response.status_code) == ("201 Made", 201)
    assert (response.data, response.text, response.get_data(as_text=True)) == (b'{"a": 1}', '{"a": 1}', '{"a": 1}')
    assert (response.json, response.get_json(), response.is_json) == ({"a": 1}, {"a": 1}, True)
    assert (response.mimetype, response.location, response.headers["x-part"]) == ("application/json", "/1", "1")
    assert (response.request.method, response.request.args["q"], response.history) == ("GET", "1", ())
    assert b"".join(response) == response.data


def test_json_of_another_type_is_none_and_broken_json_raises() -> None:
    app = App("answers", static_folder=None)
    app.add_url_rule("/text", "text", lambda: "{}")
    app.add_url_rule("/broken", "broken", lambda: Response("{", content_type="application/json"))
    client = app.test_client()
    assert client.get("/text").json is None
    assert client.get("/text").get_json(force=True) == {}
    assert client.get("/broken").get_json(silent=True) is None
    with pytest.raises(ValueError):
        _ = client.get("/broken").json


# Redirects


def redirecting() -> App:
    app = App("redirecting", static_folder=None)

    @app.route("/go/<int:code>", methods=["GET", "POST", "HEAD"])
    def go(code: int) -> Response:
        return redirect("/end?from=" + str(code), code)

    @app.route("/end", methods=["GET", "POST", "HEAD"])
    def end(request: Request) -> dict[str, Any]:
        return {"method": request.method, "data": request.get_data(as_text=True), "type": request.content_type}

    @app.get("/loop/<int:number>")
    def loop(number: int) -> Response:
        return redirect(f"/loop/{number + 1}")

    @app.get("/away")
    def away(request: Request) -> Response:
        return redirect(request.args["to"])

    return app


def test_redirects_are_not_followed_unless_asked_for() -> None:
    response = redirecting().test_client().get("/go/302")
    assert (response.status_code, response.location, response.history) == (302, "/end?from=302", ())


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_with_the_method_that_browsers_use(code: int) -> None:
    response = (
        redirecting().test_client().post(f"/go/{code}", data="body", content_type="text/x", follow_redirects=True)
    )
    kept = {"method": "POST", "data": "body", "type": "text/x"}
    assert response.json == (kept if code in (307, 308) else {"method": "GET", "data": "", "type": None})
    assert [one.status_code for one in response.history] == [code]
    assert response.request.url == f"http://localhost/end?from={code}"
    assert redirecting().test_client().head(f"/go/{code}", follow_redirects=True).request.method == "HEAD"


def test_a_redirect_without_end_is_told() -> None:
    with pytest.raises(RuntimeError, match="20 redirects and no end: … /loop/19 → /loop/20 → /loop/21"):
        redirecting().test_client().get("/loop/0", follow_redirects=True)


@pytest.mark.parametrize(
    ("to", "message"),
    [
        ("http://other.example/", "another site"),
        ("//other.example/", "another site"),
        ("/elsewhere", "not below /shop"),
    ],
)
def test_a_redirect_to_what_the_client_has_no_application_for_is_told(to: str, message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        redirecting().test_client().get(
            "/away", query_string={"to": to}, base_url="http://localhost/shop/", follow_redirects=True
        )


def test_a_redirect_within_the_mounted_application_and_to_https_is_followed() -> None:
    client = redirecting().test_client()
    response = client.get("/away?to=/shop/end", base_url="http://localhost/shop/", follow_redirects=True)
    assert (response.request.script_root, response.request.path) == ("/shop", "/end")
    app = redirecting()
    app.wsgi_app = ForceHTTPS(app.wsgi_app)
    response = app.test_client().get("/end", follow_redirects=True)
    assert (response.status_code, response.request.url) == (200, "https://localhost/end")


def test_fields_go_along_with_a_redirect() -> None:
    app = App("fields", static_folder=None)
    app.add_url_rule("/a", "a", lambda: redirect("/b"))
    app.add_url_rule("/b", "b", lambda: request.headers["X-Key"])
    assert app.test_client().get("/a", headers={"X-Key": "1"}, follow_redirects=True).text == "1"


# Streams


class Noting:
    """A stream that notes how far it came."""

    def __init__(self, blocks: list[bytes]) -> None:
        self.noted: list[str] = []
        self.blocks = blocks

    def __iter__(self) -> Iterator[bytes]:
        for block in self.blocks:
            self.noted.append(block.decode())
            yield block

    def close(self) -> None:
        self.noted.append("closed")


def streaming(blocks: list[bytes]) -> tuple[App, Noting]:
    app = App("streaming", static_folder=None)
    stream = Noting(blocks)
    app.add_url_rule("/", "stream", lambda: Response(stream))
    return app, stream


def test_a_stream_is_read_to_its_end_and_closed() -> None:
    app, stream = streaming([b"a", b"", b"b"])
    assert app.test_client().get("/").data == b"ab"
    assert stream.noted == ["a", "", "b", "closed"]


def test_an_unbuffered_stream_comes_block_by_block_and_is_closed_by_the_test() -> None:
    app, stream = streaming([b"", b"a", b"b", b"c"])
    response = app.test_client().get("/", buffered=False)
    # As far as a server goes before it sends the head.
    assert (response.status_code, stream.noted) == (200, ["", "a"])
    blocks = iter(response)
    assert [next(blocks), next(blocks), next(blocks)] == [b"", b"a", b"b"]
    response.close()
    response.close()
    assert stream.noted == ["", "a", "b", "closed"]


def test_an_unbuffered_stream_is_closed_at_the_end_of_a_with_block_or_by_reading_it() -> None:
    app, stream = streaming([b"a", b"b"])
    with app.test_client().get("/", buffered=False):
        pass
    assert stream.noted == ["a", "closed"]
    app, stream = streaming([b"a", b"b"])
    assert app.test_client().get("/", buffered=False).text == "ab"
    assert stream.noted == ["a", "b", "closed"]


def test_an_exception_in_the_midst_of_a_stream_is_raised_where_it_comes() -> None:
    app = App("failing", static_folder=None)

    def blocks() -> Iterator[str]:
        yield "a"
        raise ZeroDivisionError

    app.add_url_rule("/", "blocks", blocks)
    client = app.test_client()
    with pytest.raises(ZeroDivisionError):
        client.get("/")
    # Nothing of it is left for the next request.
    response = client.get("/", buffered=False)
    stream = iter(response)
    assert next(stream) == b"a"
    with pytest.raises(ZeroDivisionError):
        next(stream)


def test_what_is_written_comes_before_what_is_iterated() -> None:
    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        write(b"a")
        write(b"b")
        return [b"c"]

    assert Client(app).get("/").text == "abc"


# Exceptions and breaches


def failing(is_testing: bool) -> App:
    app = App("failing", static_folder=None)
    app.testing = is_testing

    @app.get("/")
    def fail() -> str:
        raise ZeroDivisionError("no")

    return app


def test_an_exception_of_a_handler_is_raised_when_testing_and_a_page_otherwise() -> None:
    with pytest.raises(ZeroDivisionError):
        failing(True).test_client().get("/")
    assert failing(False).test_client().get("/").status_code == 500


def test_errors_that_are_answers_are_answers() -> None:
    app = App("errors", static_folder=None)
    app.testing = True

    @app.get("/")
    def index() -> str:
        abort(403)

    assert app.test_client().get("/").status_code == 403
    assert app.test_client().get("/none").status_code == 404


def says_wrong_length(environ: Environ, start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
    return [b"hello"]


def never_starts(environ: Environ, start_response: StartResponse) -> list[bytes]:
    return [b"hello"]


def gives_text(environ: Environ, start_response: StartResponse) -> Any:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["hello"]


def gives_nothing(environ: Environ, start_response: StartResponse) -> Any:
    start_response("200 OK", [("Content-Type", "text/plain")])


def starts_twice(environ: Environ, start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


@pytest.mark.parametrize(
    ("app", "rule"),
    [
        (says_wrong_length, "body-too-long"),
        (never_starts, "start-response-missing"),
        (gives_text, "body-not-bytes"),
        (gives_nothing, "body-not-iterable"),
        (starts_twice, "start-response-twice"),
    ],
)
@pytest.mark.parametrize("buffered", [True, False])
def test_a_breach_of_the_contract_is_raised_with_its_words(app: Any, rule: str, buffered: bool) -> None:
    with pytest.raises(ContractBreach, match=rule) as raised:
        Client(app).get("/", buffered=buffered).get_data()
    assert raised.value.finding.party == "application"
    assert "Fix: " in str(raised.value) and "test_client.py" in str(raised.value)


def test_a_breach_is_raised_once_and_the_next_request_is_clean() -> None:
    app = App("wrong", static_folder=None)
    app.mount("/wrong", says_wrong_length)
    app.add_url_rule("/right", "right", lambda: "yes")
    client = app.test_client()
    with pytest.raises(ContractBreach):
        client.get("/wrong")
    assert client.get("/right").text == "yes"


def test_an_exception_comes_before_a_breach_and_the_breach_stands_below_it() -> None:
    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("200" if environ["PATH_INFO"] == "/wrong" else "200 OK", [("Content-Type", "text/plain")])
        if environ["PATH_INFO"] == "/wrong":
            raise ZeroDivisionError
        return [b"right"]

    client = Client(app)
    with pytest.raises(ZeroDivisionError) as raised:
        client.get("/wrong")
    if sys.version_info >= (3, 11):
        [note] = raised.value.__notes__
        assert "status-malformed" in note
    # It is told once.
    assert client.get("/").text == "right"


def test_what_a_test_does_to_the_environ_is_no_breach() -> None:
    client = echoing().test_client()
    client.environ_base["HTTP_X"] = 7
    with pytest.raises(ContractBreach, match="environ-value-type"):
        client.get("/x")
    assert echoing().test_client().get("/x", environ_overrides={"SERVER_SOFTWARE": 7}).status_code == 200


def test_an_error_page_that_replaces_a_head_which_was_not_sent_is_the_answer() -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        try:
            raise ZeroDivisionError
        except ZeroDivisionError as error:
            start_response("500 Oh", [("Content-Type", "text/plain")], (type(error), error, error.__traceback__))
        yield b"sorry"

    assert Client(app).get("/").status == "500 Oh"


def test_a_client_class_of_ones_own_makes_the_clients() -> None:
    class Own(Client):
        pass

    app = echoing()
    app.test_client_class = Own
    assert isinstance(app.test_client(), Own)


def test_what_was_asked_is_a_request_of_the_applications_own_class() -> None:
    class Own(Request):
        """Has a name of its own."""

    app = echoing()
    app.request_class = Own
    assert type(app.test_client().get("/x").request) is Own


def test_tests_in_process_load_no_engine() -> None:
    program = "import sys; from dragoman.web import App; App('x').test_client().get('/'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    loaded = done.stdout.split()
    assert "dragoman.web.testing.client" in loaded
    assert not {"dragoman._native", "dragoman.web.testing.live", "click.testing"} & set(loaded)
