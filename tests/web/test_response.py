"""`Response`: status, fields, body, conditions and cookies; what is sent is what the contract allows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from http import HTTPStatus
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.http.cookies import parse_cookies
from dragoman.http.statuses import reason_phrase
from dragoman.web import App, Request, Response, jsonify, redirect
from tests.middleware.kit import Answered, ask, environ_of


def sent(response: Any, method: str = "GET", **headers: str) -> Answered:
    return ask(response, method, "/", {name.replace("_", "-"): value for name, value in headers.items()})


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (200, "200 OK"),
        ("404", "404 Not Found"),
        ("404 Not Found", "404 Not Found"),
        ("404 Nowhere", "404 Nowhere"),
        (HTTPStatus.CREATED, "201 Created"),
        (299, "299 Success"),
        (999, "999 Unknown"),
        ("200 ", "200 OK"),
        (None, "200 OK"),
        ("200 Ünïcode", "200 Ünïcode"),
    ],
)
def test_a_status_is_a_number_or_a_line(status: Any, line: str) -> None:
    if status == "200 ":
        with pytest.raises(ValueError):
            Response("", status)
        return
    response = Response("", status)
    assert response.status == line
    assert response.status_code == int(line[:3])
    assert f"{sent(response).status} {sent(response).reason}" == line


@pytest.mark.parametrize(
    "status",
    [
        *(0, 99, 100, 103, 199, 1000, -200, True, 200.0),
        *("", "20", "2000", "abc", "OK", "200OK", "099 x", "101 Switching", "２００ OK"),
        *("200 a\r\nSet-Cookie: a=b", "200 a\nb", "200 \0", "200 €", b"200 OK", [200]),
    ],
)
def test_what_is_no_status_of_an_answer_is_refused(status: Any) -> None:
    with pytest.raises(ValueError, match="want a number from 200 to 999, or a line such as '404 Not Found'"):
        Response("", status)
    app = App(__name__)
    app.add_url_rule("/", "a", lambda: ("text", status))
    if not isinstance(status, list):
        assert ask(app).status == 500


def test_a_status_that_is_set_as_a_number_has_its_own_words() -> None:
    response = Response("", "200 Fine")
    response.status_code = 404
    assert response.status == "404 Not Found"
    response.status = 410
    assert response.status == "410 Gone"


@given(st.integers(200, 999))
def test_each_number_is_a_status_that_can_be_sent(code: int) -> None:
    answer = sent(Response("text", code))
    assert (answer.status, answer.reason) == (code, reason_phrase(code))


@pytest.mark.parametrize("status", [204, 205, 304])
@pytest.mark.parametrize("body", ["text", b"", ["a", "b"], "stream"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_an_answer_without_a_body_has_none_and_no_length_and_type_of_one(status: int, body: Any, method: str) -> None:
    closed: list[bool] = []

    def blocks() -> Iterator[str]:
        try:
            yield "text"
        finally:
            closed.append(True)

    response = Response(blocks() if body == "stream" else body, status, {"Content-Length": "4"})
    answer = sent(response, method)
    assert answer.body == b""
    assert answer.value("Content-Length") is None
    assert answer.value("Content-Type") is None


@pytest.mark.parametrize("length", ["3", "500", "0"])
def test_the_length_of_a_body_in_memory_is_what_it_is(length: str) -> None:
    response = Response("hello", headers={"content-length": length})
    assert (sent(response).value("Content-Length"), sent(response).body) == ("5", b"hello")
    assert sent(response, "HEAD").value("Content-Length") == "5"


def test_a_handler_for_head_may_say_the_length_that_get_has() -> None:
    assert sent(Response(b"", headers={"Content-Length": "700"}), "HEAD").value("Content-Length") == "700"


def test_a_stream_has_the_length_that_is_said_and_none_else() -> None:
    assert sent(Response(iter(["ab"]))).value("Content-Length") is None
    assert sent(Response(iter(["ab"]), headers={"Content-Length": "2"})).value("Content-Length") == "2"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("é", "é".encode()),
        (b"\xff", b"\xff"),
        (bytearray(b"a"), b"a"),
        (memoryview(b"a"), b"a"),
        (["a", b"b", "é"], b"ab\xc3\xa9"),
        (None, b""),
    ],
)
def test_a_body_is_text_or_bytes_or_blocks_of_either(body: Any, said: bytes) -> None:
    assert sent(Response(body)).body == said
    assert Response(body).data == said


@pytest.mark.parametrize("body", [5, 1.5, object(), int])
def test_a_body_of_another_type_is_refused_at_once(body: Any) -> None:
    with pytest.raises(TypeError, match="want text, bytes, or an iterable of either"):
        Response(body)


@pytest.mark.parametrize("blocks", [[1], [None], [["a"]]])
def test_blocks_of_another_type_are_refused_at_once_in_a_list(blocks: Any) -> None:
    with pytest.raises(TypeError, match="want str or bytes"):
        Response(blocks)


def test_a_body_may_be_read_and_replaced_before_it_is_sent() -> None:
    response = Response(iter(["a", "b"]))
    assert response.is_streamed
    assert response.get_data(as_text=True) == "ab"
    assert not response.is_streamed
    response.data = "other"
    assert (response.text, sent(response).value("Content-Length")) == ("other", "5")
    response.response = ["x", "y"]
    assert sent(response).body == b"xy"
    response.headers["Content-Length"] = 2
    response.set_data("longer")
    assert response.content_length == 6
    # A hook that writes a log asks before it is sent.
    assert (Response("é").content_length, Response(iter(["a"])).content_length) == (2, None)


def test_a_type_gets_its_charset_where_it_is_text() -> None:
    assert Response("").content_type == "text/html; charset=utf-8"
    assert Response("", mimetype="text/csv").content_type == "text/csv; charset=utf-8"
    assert Response("", mimetype="image/png").content_type == "image/png"
    assert Response("", content_type="text/csv").content_type == "text/csv"
    assert Response("", headers={"content-type": "a/b"}).content_type == "a/b"
    assert Response("", headers={"content-type": "a/b"}, mimetype="c/d").headers.getlist("Content-Type") == ["c/d"]
    assert Response("", content_type="text/csv; charset=x").mimetype == "text/csv"


def test_json_of_a_response_is_read_where_it_is_json() -> None:
    app = App(__name__)
    with_context = app.add_url_rule("/", "a", lambda: jsonify([1]))
    assert with_context is None
    assert ask(app).text == "[1]"
    response = Response('{"a":1}', content_type="application/ld+json")
    assert response.json == {"a": 1}
    assert Response('{"a":1}').json is None
    assert Response('{"a":1}').get_json(force=True) == {"a": 1}
    assert Response("{", content_type="application/json").get_json(silent=True) is None


# Conditions


@pytest.mark.parametrize(
    ("fields", "method", "status"),
    [
        ({}, "GET", 200),
        ({"If_None_Match": '"x"'}, "GET", 304),
        ({"If_None_Match": 'W/"x", "y"'}, "HEAD", 304),
        ({"If_None_Match": "*"}, "GET", 304),
        ({"If_None_Match": '"y"'}, "GET", 200),
        ({"If_None_Match": '"x"'}, "PUT", 412),
        ({"If_Match": '"y"'}, "GET", 412),
        ({"If_Match": '"x"'}, "PUT", 200),
        ({"If_Modified_Since": "Wed, 01 Jan 2025 00:00:00 GMT"}, "GET", 304),
        ({"If_Modified_Since": "Tue, 31 Dec 2024 23:59:59 GMT"}, "GET", 200),
        ({"If_Modified_Since": "nonsense"}, "GET", 200),
        ({"If_Unmodified_Since": "Tue, 31 Dec 2024 23:59:59 GMT"}, "GET", 412),
    ],
)
def test_conditions_of_the_request_are_kept(fields: dict[str, str], method: str, status: int) -> None:
    app = App(__name__)

    @app.route("/", methods=["GET", "PUT"])
    def handler(request: Request) -> Response:
        response = Response("text")
        response.set_etag("x")
        response.last_modified = datetime(2025, 1, 1, tzinfo=timezone.utc)
        return response.make_conditional(request.environ)

    answer = ask(app, method, "/", {name.replace("_", "-"): value for name, value in fields.items()})
    assert answer.status == status
    assert answer.value("ETag") == '"x"'
    assert (answer.body == b"text") == (status == 200 and method != "HEAD")


@pytest.mark.parametrize("status", [201, 302, 404, 500])
def test_conditions_are_of_good_answers_only(status: int) -> None:
    response = Response("text", status)
    response.set_etag("x")
    response.make_conditional(environ_of(headers={"If-None-Match": '"x"'}))
    assert response.status_code == (304 if status == 201 else status)


def test_an_etag_of_the_body_is_made_once() -> None:
    response = Response("text")
    response.add_etag()
    first = response.headers["ETag"]
    response.data = "other"
    response.add_etag()
    assert response.headers["ETag"] == first
    stream = Response(iter(["a"]))
    stream.add_etag()
    assert "ETag" not in stream.headers


def test_a_stream_that_is_not_sent_for_a_condition_is_closed() -> None:
    closed: list[bool] = []

    class Blocks:
        def __iter__(self) -> Iterator[bytes]:
            return iter([b"a"])

        def close(self) -> None:
            closed.append(True)

    response = Response(Blocks())
    response.set_etag("x")
    response.make_conditional(environ_of(headers={"If-None-Match": '"x"'}))
    assert closed == [True]
    assert sent(response).status == 304


# Cookies


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=20))
def test_any_text_can_be_a_cookie_and_injects_nothing(value: str) -> None:
    response = Response("")
    response.set_cookie("name", value)
    [field] = response.headers.getlist("Set-Cookie")
    assert field.count(";") == 3
    assert field.startswith("name=")
    assert "Path=/" in field and "HttpOnly" in field and "SameSite=Lax" in field
    assert list(parse_cookies(field.partition(";")[0])) == ["name"]


@pytest.mark.parametrize("name", ["", "a b", "a;b", "a=b", "a\r\nb", "é"])
def test_a_name_that_no_cookie_can_have_is_refused(name: str) -> None:
    with pytest.raises(ValueError):
        Response("").set_cookie(name, "x")


def test_cookies_end_by_age_date_and_deletion() -> None:
    response = Response("")
    response.set_cookie(
        "a", "1", max_age=timedelta(minutes=1), expires=datetime(2030, 1, 1), secure=True, httponly=False
    )
    response.delete_cookie("b", path="/x", domain="shop.example")
    first, second = response.headers.getlist("Set-Cookie")
    assert "Max-Age=60" in first and "Expires=Tue, 01 Jan 2030 00:00:00 GMT" in first and "Secure" in first
    assert "HttpOnly" not in first
    assert "Max-Age=0" in second and "Path=/x" in second and "Domain=shop.example" in second


# Redirects


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_sends_elsewhere(code: int) -> None:
    answer = sent(redirect("/é?a=%20&b=x y#z", code))
    assert (answer.status, answer.value("Location")) == (code, "/%C3%A9?a=%20&b=x%20y#z")


@pytest.mark.parametrize("code", [200, 304, 306, 400, True])
def test_a_redirect_of_another_status_is_refused(code: int) -> None:
    with pytest.raises(ValueError, match="want 301, 302, 303, 307 or 308"):
        redirect("/", code)


@pytest.mark.parametrize("location", ["/a\r\nSet-Cookie: a=b", "/a\nb", "/\0", "/\x7f", "/\t"])
def test_a_redirect_holds_no_line_breaks(location: str) -> None:
    with pytest.raises(ValueError, match="want a URL without control characters"):
        redirect(location)


def test_a_response_is_an_application_of_its_own() -> None:
    answer = sent(Response("text", 201, {"X-A": "b"}))
    assert (answer.status, answer.text, answer.value("X-A")) == (201, "text", "b")
    # It may be sent again and again.
    response = Response("text")
    assert [sent(response).text for _ in range(3)] == ["text"] * 3


def test_a_response_keeps_attributes_that_a_program_gives_it() -> None:
    response = Response("text")
    response.note = "kept"  # type: ignore[attr-defined]
    assert response.note == "kept"  # type: ignore[attr-defined]
    assert "4 bytes [200 OK]" in repr(response)
    assert "streamed" in repr(Response(iter(())))
