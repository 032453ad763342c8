"""The environ that `environ_of` makes is that of a request as a server hands it on."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.contract import Checked, Finding
from dragoman.web import Request
from dragoman.web.building_environ import environ_of
from dragoman.web.building_form import encoded_form

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def test_a_request_for_nothing_else_is_get_of_the_root() -> None:
    request = Request(environ_of())
    assert (request.method, request.url, request.data) == ("GET", "http://localhost/", b"")
    assert request.content_length is None and request.content_type is None


def test_a_url_says_scheme_host_and_path_and_the_base_says_where_the_application_is() -> None:
    request = Request(environ_of("https://shop.example:8443/a?b=1#c", base_url="http://localhost/app/"))
    assert request.url == "https://shop.example:8443/app/a?b=1"
    assert (request.environ["SCRIPT_NAME"], request.environ["PATH_INFO"]) == ("/app", "/a")
    assert (request.environ["SERVER_NAME"], request.environ["SERVER_PORT"]) == ("shop.example", "8443")


def test_a_url_without_a_path_is_that_of_the_root() -> None:
    assert Request(environ_of("http://shop.example?a=1")).url == "http://shop.example/?a=1"


def test_a_path_with_two_slashes_at_its_beginning_is_no_host() -> None:
    environ = environ_of("//evil.example/x")
    assert (environ["PATH_INFO"], environ["HTTP_HOST"]) == ("//evil.example/x", "localhost")


def test_the_target_is_told_as_it_would_be_written() -> None:
    environ = environ_of("/ü b/a%2Fb?x=ö")
    assert environ["RAW_URI"] == "/%C3%BC%20b/a%2Fb?x=%C3%B6"
    assert environ["PATH_INFO"].encode("latin-1").decode() == "/ü b/a/b"


@given(TEXT, TEXT)
def test_a_query_of_names_and_values_is_read_again_as_it_was(name: str, value: str) -> None:
    request = Request(environ_of(query_string={name or "a": [value, "2"], "nothing": None}))
    assert request.args.lists() == [(name or "a", [value, "2"])]


def test_a_query_that_is_given_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="want it once"):
        environ_of("/?a=1", query_string="b=2")


def test_header_fields_get_their_names_of_cgi_and_are_joined() -> None:
    headers = [("Accept", "a/b"), ("accept", "c/d"), ("Cookie", "a=1"), ("Cookie", "b=2"), ("Content-Type", "x/y")]
    environ = environ_of(headers=headers)
    assert (environ["HTTP_ACCEPT"], environ["HTTP_COOKIE"]) == ("a/b,c/d", "a=1; b=2")
    assert environ["CONTENT_TYPE"] == "x/y" and "HTTP_CONTENT_TYPE" not in environ


@pytest.mark.parametrize("value", ["a\r\nb", "\0", "€", "\x7f"])
def test_a_field_that_no_server_would_hand_on_is_refused(value: str) -> None:
    with pytest.raises(ValueError):
        environ_of(headers={"X-Field": value})


@pytest.mark.parametrize("base_url", ["localhost", "ftp://localhost/", "http:///", "http://localhost/?a=1"])
def test_a_base_url_that_is_none_is_refused_with_one_that_is(base_url: str) -> None:
    with pytest.raises(ValueError, match="'http://localhost/'"):
        environ_of(base_url=base_url)


def test_json_is_the_body_with_its_type() -> None:
    request = Request(environ_of(method="post", json={"a": [1, None]}))
    assert (request.method, request.json, request.content_length) == ("POST", {"a": [1, None]}, 14)
    with pytest.raises(TypeError, match="one body"):
        environ_of(json={}, data=b"")


# HTML escapes quotes and line ends in names, and nothing else: a name that has such an escape is not told from it.
NAMES = TEXT.filter(lambda name: name and "%" not in name)


@given(st.dictionaries(NAMES, st.lists(TEXT, min_size=1), max_size=4), st.booleans())
def test_a_form_is_read_again_as_it_was(form: dict[str, list[str]], in_parts: bool) -> None:
    content_type = "multipart/form-data" if in_parts else None
    request = Request(environ_of(method="POST", data=form, content_type=content_type))
    assert request.form.lists() == list(form.items())


def test_a_form_with_files_comes_in_parts() -> None:
    form: dict[str, Any] = {
        "count": 2,
        "files": [(io.BytesIO(b"one"), "a.txt"), (b"two", "b", "image/png")],
    }
    request = Request(environ_of(method="POST", data=form))
    assert request.mimetype == "multipart/form-data"
    assert request.form["count"] == "2"
    files = [(one.filename, one.content_type, one.read()) for one in request.files.getlist("files")]
    assert files == [("a.txt", "text/plain", b"one"), ("b", "image/png", b"two")]


def test_an_open_file_has_its_own_name_and_is_closed(tmp_path: Any) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"kept")
    file = path.open("rb")
    request = Request(environ_of(method="POST", data={"file": file}))
    assert (request.files["file"].filename, request.files["file"].read()) == ("notes.txt", b"kept")
    assert file.closed


@pytest.mark.parametrize(
    ("form", "content_type", "words"),
    [
        ({"a": None}, None, "NoneType"),
        ({"a": io.BytesIO()}, None, "want a name for the file"),
        ({"a": (io.StringIO(), "a.txt")}, None, "open as text"),
        ({"a": (b"", "a.txt")}, "application/x-www-form-urlencoded", "want multipart/form-data"),
        ({"a": "b"}, "application/json", "want json="),
    ],
)
def test_a_value_that_no_form_has_is_refused(form: dict[str, Any], content_type: str | None, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        encoded_form(form, content_type)


def test_a_stream_is_the_body_from_where_it_stands() -> None:
    stream = io.BytesIO(b"beginning and rest")
    stream.seek(10)
    request = Request(environ_of(method="POST", data=stream))
    assert (request.content_length, request.data) == (8, b"and rest")


class Pipe(io.RawIOBase):
    """Bytes whose number nobody knows."""

    def __init__(self, content: bytes) -> None:
        self.content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self.content.readinto(buffer)


def test_a_stream_without_an_end_that_is_known_is_read_to_its_end() -> None:
    request = Request(environ_of(method="POST", data=io.BufferedReader(Pipe(b"all of it"))))
    assert (request.content_length, request.data) == (None, b"all of it")


def test_what_is_no_body_is_refused() -> None:
    nothing: Any = 7
    with pytest.raises(TypeError, match="data is int"):
        environ_of(data=nothing)


def test_the_contract_has_nothing_against_it() -> None:
    findings: list[Finding] = []

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
        return [b"ok"]

    checked = Checked(app, findings.append)
    environ = environ_of("/a%2Fb", method="POST", data={"a": "b"}, environ_overrides={"REMOTE_USER": "ann"})
    assert environ["REMOTE_USER"] == "ann"
    blocks = checked(environ, lambda *arguments: lambda data: None)
    assert b"".join(blocks) == b"ok"
    getattr(blocks, "close", lambda: None)()
    assert findings == []
