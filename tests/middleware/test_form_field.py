"""The field that is looked for in a form, and the body that the application still gets."""

from __future__ import annotations

import io
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.middleware import form_field
from dragoman.middleware.form_field import field_in_form
from tests.middleware.kit import environ_of

URLENCODED = "application/x-www-form-urlencoded"


class Counting(io.BytesIO):
    """Counts the bytes that were read of it."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        block = super().read(size)
        self.taken += len(block)
        return block


def form_environ(body: bytes, content_type: str = URLENCODED, **more: Any) -> dict[str, Any]:
    return environ_of("POST", "/", {"Content-Type": content_type}, body, **{"wsgi.input": Counting(body), **more})


def multipart(*parts: tuple[str, bytes], boundary: str = "x") -> bytes:
    made = b"".join(
        b'--%s\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (boundary.encode(), name.encode(), value)
        for name, value in parts
    )
    return made + b"--%s--\r\n" % boundary.encode()


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"token=abc", "abc"),
        (b"a=1&token=a%2Bb+c&b=2", "a+b c"),
        (b"a=1&tokenx=abc", None),
        (b"token=1&token=2", "1"),
        (b"", None),
        (b"token", ""),
    ],
)
def test_a_field_of_a_url_encoded_form(body: bytes, found: str | None) -> None:
    environ = form_environ(body)
    assert field_in_form(environ, "token", 1024) == found
    assert environ["wsgi.input"].read() == body


def test_a_field_of_a_multipart_form() -> None:
    body = multipart(("token", b"abc"), ("file", b"x" * 100_000))
    environ = form_environ(body, "multipart/form-data; boundary=x")
    source = environ["wsgi.input"]
    assert field_in_form(environ, "token", 1024) == "abc"
    assert source.taken == 1024
    assert environ["wsgi.input"].read() == body


@pytest.mark.parametrize("place", [0, 500, 1000, 1010, 1020, 1024, 2000])
@pytest.mark.parametrize("kind", [URLENCODED, "multipart/form-data; boundary=x"])
def test_a_field_counts_only_when_it_is_whole_in_the_beginning(place: int, kind: str) -> None:
    value = b"t" * 86
    if kind == URLENCODED:
        body = b"a=%s&token=%s&b=%s" % (b"x" * place, value, b"y" * 5000)
    else:
        body = multipart(("a", b"x" * place), ("token", value), ("b", b"y" * 5000))
    environ = form_environ(body, kind)
    found = field_in_form(environ, "token", 1024)
    assert found in (value.decode(), None)
    assert found is not None or place >= 500
    assert environ["wsgi.input"].read() == body


@pytest.mark.parametrize(
    "kind",
    ["application/json", "text/plain", "", "multipart/mixed; boundary=x", f"{URLENCODED}x", "multipart/form-data"],
)
def test_the_body_of_what_is_no_form_is_not_searched(kind: str) -> None:
    environ = form_environ(b"token=abc", kind)
    assert field_in_form(environ, "token", 1024) is None
    assert environ["wsgi.input"].read() == b"token=abc"


def test_a_body_without_a_length_is_read_where_the_server_ends_it() -> None:
    environ = form_environ(b"token=abc&b=2", **{"wsgi.input_terminated": True})
    del environ["CONTENT_LENGTH"]
    assert field_in_form(environ, "token", 1024) == "abc"
    assert environ["wsgi.input"].read() == b"token=abc&b=2"
    environ = form_environ(b"token=abc")
    del environ["CONTENT_LENGTH"]
    source = environ["wsgi.input"]
    assert field_in_form(environ, "token", 1024) is None
    assert source.taken == 0


def test_nothing_is_read_past_the_length() -> None:
    body = b"token=abc&b=" + b"x" * 3000
    environ = form_environ(body + b"GET / HTTP/1.1", CONTENT_LENGTH=str(len(body)))
    source = environ["wsgi.input"]
    assert field_in_form(environ, "token", 1024) == "abc"
    assert environ["wsgi.input"].read() == body
    assert source.taken == len(body)


@given(body=st.binary(max_size=4000), kind=st.sampled_from([URLENCODED, "multipart/form-data; boundary=x"]))
def test_any_body_comes_whole_to_the_application(body: bytes, kind: str) -> None:
    environ = form_environ(body, kind, CONTENT_LENGTH=str(len(body)))
    field_in_form(environ, "token", 1024)
    stream = environ["wsgi.input"]
    first, line = stream.read(10), stream.readline()
    assert first + line + b"".join(stream) == body


def test_a_short_body_ends_where_it_ends() -> None:
    environ = form_environ(b"a=1", CONTENT_LENGTH="100")
    assert field_in_form(environ, "token", 1024) is None
    assert environ["wsgi.input"].read() == b"a=1"


def test_without_the_library_a_multipart_form_has_no_field_and_the_operator_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "multipart", None)
    form_field.tell.cache_clear()
    for _ in range(2):
        body = multipart(("token", b"abc"))
        environ = form_environ(body, "multipart/form-data; boundary=x")
        assert field_in_form(environ, "token", 1024) is None
        assert environ["wsgi.input"].read() == body
    [record] = caplog.records
    assert "pip install 'dragoman[middleware]'" in record.getMessage()
