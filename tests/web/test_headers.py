"""Header fields as mappings: laws of both, and what can never be sent."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import Headers as WerkzeugHeaders

from dragoman.web import App, Headers, Request, Response
from dragoman.web.headers import RequestHeaders
from tests.middleware.kit import ask, environ_of

NAMES = st.sampled_from(["X-A", "x-a", "X-B", "Set-Cookie", "set-cookie", "Vary"])
VALUES = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=4)
PAIRS = st.lists(st.tuples(NAMES, VALUES), max_size=6)


@given(PAIRS, NAMES, VALUES)
def test_it_reads_and_changes_as_werkzeugs_does(pairs: list[tuple[str, str]], name: str, value: str) -> None:
    for change in ("add", "set", "setdefault", "remove"):
        ours, theirs = Headers(pairs), WerkzeugHeaders(pairs)
        arguments = () if change == "remove" else (value,)
        getattr(ours, change)(name, *arguments)
        getattr(theirs, change)(name, *arguments)
        assert [key.lower() for key in ours.keys()] == [key.lower() for key in theirs.keys()]  # noqa: SIM118
        assert list(ours.values()) == list(theirs.values())
        assert ours.get(name) == theirs.get(name)
        assert ours.getlist(name) == theirs.getlist(name)
        assert (name in ours) == (name in theirs)
        assert len(ours) == len(theirs)


@given(PAIRS, PAIRS)
def test_extend_keeps_and_update_replaces(first: list[tuple[str, str]], second: list[tuple[str, str]]) -> None:
    extended, updated = Headers(first), Headers(first)
    extended.extend(second)
    updated.update(second)
    assert list(extended) == [*first, *second]
    names = {name.lower() for name, _ in second}
    assert list(updated) == [*((name, value) for name, value in first if name.lower() not in names), *second]


@given(PAIRS)
def test_a_copy_is_equal_and_another_object(pairs: list[tuple[str, str]]) -> None:
    headers = Headers(pairs)
    copy = Headers(headers)
    assert copy == headers
    copy.add("X-Other", "1")
    assert copy != headers
    assert ("X-Other" in headers) is False


def test_values_of_a_mapping_may_be_lists() -> None:
    assert list(Headers({"Set-Cookie": ["a=1", "b=2"], "X": "y"})) == [
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
        ("X", "y"),
    ]
    headers = Headers({"Link": "old"})
    headers.update({"Link": ("a", "b")})
    assert headers.getlist("Link") == ["a", "b"]


INJECTIONS = ["a\r\nSet-Cookie: b=c", "a\nb", "a\rb", "a\0b", "\x7f", "a\x0bb", "a ", "\ud800", "\u2028", "é€"]


@pytest.mark.parametrize("bad", INJECTIONS)
def test_what_no_field_can_hold_is_refused_wherever_it_is_set(bad: str) -> None:
    headers = Headers([("X", "1")])
    for change in (
        lambda: headers.add("Y", bad),
        lambda: headers.set("X", bad),
        lambda: headers.__setitem__("X", bad),
        lambda: headers.setdefault("Z", bad),
        lambda: headers.extend({"Y": bad}),
        lambda: headers.update({"X": bad}),
        lambda: Headers({"X": bad}),
        lambda: Response("", headers={"X": bad}),
        lambda: Response("", content_type=bad),
        lambda: Response("", status=f"200 x{bad}x" if bad.strip(" ") == bad else f"200 x{bad}"),
        lambda: setattr(Response(""), "location", bad),
        lambda: Response("").set_etag(bad),
    ):
        with pytest.raises(ValueError):
            change()
    assert list(headers) in ([("X", "1")], [])


@pytest.mark.parametrize("bad", ["", "a b", "a:", "é", "a\r\nb", "a\0"])
def test_what_is_no_name_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="want a token"):
        Headers([(bad, "x")])


@pytest.mark.parametrize("bad", [b"bytes", None, [b"x"], object(), 1.5, {"a": 1}])
def test_a_value_of_another_type_is_refused(bad: Any) -> None:
    with pytest.raises(TypeError, match="X: want str or int"):
        Headers({"X": bad})
    with pytest.raises(TypeError, match="X: want str or int"):
        Headers()["X"] = bad


def test_update_that_is_refused_changes_nothing() -> None:
    headers = Headers({"X": "1", "Y": "2"})
    with pytest.raises(ValueError):
        headers.update({"X": "3", "Y": "a\nb"})
    assert list(headers) == [("X", "1"), ("Y", "2")]


@pytest.mark.parametrize("bad", INJECTIONS)
def test_a_handler_that_passes_on_what_a_client_sent_answers_500_and_nothing_of_it_goes_out(bad: str) -> None:
    app = App(__name__)
    app.add_url_rule("/", "a", lambda: ("text", {"X": bad}))
    answer = ask(app)
    assert answer.status == 500
    assert answer.value("X") is None
    assert answer.values("Set-Cookie") == []


# Those of a request


def headers_of(**fields: str) -> RequestHeaders:
    return RequestHeaders(environ_of(headers={name.replace("_", "-"): value for name, value in fields.items()}))


def test_the_fields_of_a_request_are_read_without_regard_to_case() -> None:
    headers = headers_of(X_Token="abc", Content_Type="text/plain", Content_Length="0")
    assert headers["x-token"] == headers["X-TOKEN"] == headers.get("X-Token") == "abc"
    assert headers["content-type"] == "text/plain"
    assert dict(headers) == {
        "Host": "shop.example",
        "X-Token": "abc",
        "Content-Type": "text/plain",
        "Content-Length": "0",
    }
    assert len(headers) == 4
    assert "X-TOKEN" in headers
    assert "X-Other" not in headers
    assert headers.get("X-Other", "none") == "none"
    assert headers.get("Content-Length", type=int) == 0
    assert headers.get("X-Token", 5, type=int) == 5


def test_an_empty_content_type_stands_for_none() -> None:
    headers = headers_of(Content_Type="", Content_Length="")
    assert "Content-Type" not in headers
    assert list(headers) == ["Host"]
    assert headers.get("Content-Length") is None


def test_a_field_that_is_missing_is_the_clients_fault() -> None:
    app = App(__name__)

    @app.get("/")
    def handler(request: Request) -> str:
        return request.headers["X-Token"]

    answer = ask(app, "GET", "/", {"Accept": "text/plain"})
    assert answer.status == 400
    assert "'X-Token' is missing" in answer.text
    with pytest.raises(KeyError):
        headers_of()["X-Token"]


def test_a_repr_shows_no_values() -> None:
    assert "secret" not in repr(headers_of(Authorization="secret"))
