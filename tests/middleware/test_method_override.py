"""`MethodOverride`: what a POST may stand for, and what never counts."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.middleware import MethodOverride
from tests.middleware.kit import Inner, ask

HEADER = {"X-HTTP-Method-Override": "DELETE"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
MULTIPART = {"Content-Type": "multipart/form-data; boundary=x"}


def part(name: str, value: bytes, *, file_name: str = "") -> bytes:
    file = f'; filename="{file_name}"' if file_name else ""
    return f'--x\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + value + b"\r\n"


def reading(environ: Any, start_response: Any) -> Any:
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["REQUEST_METHOD"].encode() + b" " + body]


def method(app: Any, *arguments: Any, **more: Any) -> str:
    return ask(app, *arguments, **more).text.split(" ")[0]


def test_a_field_of_a_post_names_its_method() -> None:
    inner = Inner()
    answer = ask(MethodOverride(inner), "POST", "/", HEADER)
    assert inner.environs[0]["REQUEST_METHOD"] == "DELETE"
    assert answer.environ["dragoman.original_method"] == "POST"
    inner.settled()


@pytest.mark.parametrize("sent", ["GET", "HEAD", "PUT", "OPTIONS"])
def test_only_a_post_counts(sent: str) -> None:
    inner = Inner(blocks=())
    ask(MethodOverride(inner, query="_method"), sent, "/?_method=DELETE", HEADER)
    assert inner.environs[0]["REQUEST_METHOD"] == sent
    assert "dragoman.original_method" not in inner.environs[0]


@pytest.mark.parametrize("named", ["GET", "HEAD", "TRACE", "BREW", "DELETE, GET", "DEL ETE"])
def test_a_post_never_becomes_a_safe_method_or_one_that_is_not_listed(named: str) -> None:
    inner = Inner()
    answer = ask(MethodOverride(inner), "POST", "/", {"X-HTTP-Method-Override": named})
    assert (answer.status, inner.calls) == (400, 0)
    assert answer.text == "A POST may stand for DELETE, PATCH, PUT here.\n"


@pytest.mark.parametrize("named", ["", "POST", "post"])
def test_a_post_that_says_it_is_one_stays_one(named: str) -> None:
    assert method(MethodOverride(reading), "POST", "/", {"X-HTTP-Method-Override": named}) == "POST"


def test_small_letters_are_understood() -> None:
    assert method(MethodOverride(reading), "POST", "/", {"X-HTTP-Method-Override": "patch"}) == "PATCH"


def test_a_form_may_name_it_and_reaches_the_application_whole() -> None:
    app = MethodOverride(reading, form_field="_method")
    body = b"a=1&_method=put&_method=DELETE&b=%26"
    assert ask(app, "POST", "/", FORM, body).text == f"PUT {body.decode()}"
    assert (
        ask(app, "POST", "/", {"Content-Type": "Application/X-WWW-Form-Urlencoded; charset=utf-8"}, body).text[:3]
        == "PUT"
    )


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ({"Content-Type": "application/json"}, b"_method=PUT"),
        ({}, b"_method=PUT"),
        (FORM, b"a=1"),
        (FORM, b""),
        (FORM, b"x=" + b"y" * 65536 + b"&_method=PUT"),
        (MULTIPART, part("x", b"y" * 65536) + part("_method", b"PUT") + b"--x--"),
        (MULTIPART, b"--y\r\n\r\n_method=PUT\r\n--y--"),
        ({**FORM, "Content-Length": ""}, b""),
        ({**FORM, "Content-Length": "-1"}, b""),
        (FORM, b"&".join([b"a=b"] * 1001) + b"&_method=PUT"),
    ],
    ids=[
        "json",
        "no-type",
        "no-field",
        "empty",
        "large",
        "large-multipart",
        "no-multipart",
        "no-length",
        "negative",
        "many-fields",
    ],
)
def test_another_body_is_left_alone(fields: dict[str, str], body: bytes) -> None:
    app = MethodOverride(reading, form_field="_method")
    if fields.get("Content-Length") == "-1":
        inner = Inner()
        ask(MethodOverride(inner, form_field="_method"), "POST", "/", fields)
        assert inner.environs[0]["REQUEST_METHOD"] == "POST"
    else:
        assert ask(app, "POST", "/", fields, body).body == b"POST " + body


def test_a_form_with_a_file_may_name_it_and_its_file_is_still_to_be_read() -> None:
    app = MethodOverride(reading, form_field="_method")
    body = part("_method", b"put") + part("photo", b"y" * 200_000, file_name="me.png") + b"--x--"
    assert ask(app, "POST", "/", MULTIPART, body).body == b"PUT " + body


def test_a_large_form_may_name_it_at_its_beginning() -> None:
    app = MethodOverride(reading, form_field="_method")
    body = b"_method=PUT&x=" + b"y" * 200_000
    assert ask(app, "POST", "/", FORM, body).body == b"PUT " + body


def test_the_query_may_name_it() -> None:
    app = MethodOverride(reading, header=None, query="_method")
    assert method(app, "POST", "/?a=1&_method=DELETE") == "DELETE"
    assert method(app, "POST", "/", HEADER) == "POST"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"header": "X Method"}, "header: want the name of a field"),
        ({"header": "X_Method"}, "header: want the name of a field"),
        ({"methods": "PUT"}, "methods: want a list such as PUT, PATCH, DELETE"),
        ({"methods": ["PUT", "get"]}, "methods: GET: want methods that change something"),
        ({"methods": ["POST"]}, "methods: POST: want"),
        ({"header": None}, "want a header, a form_field or a query"),
    ],
)
def test_options_that_open_a_way_around_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MethodOverride(**options)
