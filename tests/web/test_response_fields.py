"""Fields of a response as attributes: what is set is what is sent, and werkzeug's response reads it alike."""

from __future__ import annotations

import doctest
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import werkzeug
from hypothesis import given
from hypothesis import strategies as st

from dragoman.web import Headers, Request, Response, response_fields
from tests.web.environs import environ_for

MOMENT = datetime(2024, 2, 29, 12, 30, 1, tzinfo=timezone.utc)


def test_the_examples_are_true() -> None:
    assert doctest.testmod(response_fields).failed == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("accept_ranges", "bytes"),
        ("access_control_allow_credentials", True),
        ("access_control_allow_origin", "https://example.org"),
        ("access_control_max_age", 600),
        ("age", timedelta(seconds=90)),
        ("content_encoding", "gzip"),
        ("content_location", "/elsewhere"),
        ("cross_origin_opener_policy", None),
        ("date", MOMENT),
        ("expires", MOMENT),
        ("last_modified", MOMENT),
        ("location", "/elsewhere"),
        ("retry_after", MOMENT),
    ],
)
def test_an_attribute_is_the_field_that_it_is_in_werkzeug(name: str, value: Any) -> None:
    ours, theirs = Response(), werkzeug.Response()
    if value is not None:
        setattr(ours, name, value)
        setattr(theirs, name, value)
        assert getattr(ours, name) == getattr(theirs, name) == value
    assert [pair for pair in ours.headers if pair[0] != "Content-Type"] == [
        pair for pair in theirs.headers if pair[0] not in ("Content-Type", "Content-Length")
    ]
    setattr(ours, name, None)
    assert ours.headers.keys() == ["Content-Type"]


def test_seconds_and_texts_stand_for_times_too() -> None:
    response = Response()
    response.last_modified = MOMENT.timestamp()
    assert response.last_modified == MOMENT
    response.retry_after = 30
    assert response.headers["Retry-After"] == "30"
    left = response.retry_after
    assert left is not None and left > datetime.now(timezone.utc)
    response.age = 5
    assert response.age == timedelta(seconds=5)


@pytest.mark.parametrize("name", ["date", "expires", "last_modified", "retry_after", "age", "access_control_max_age"])
@given(text=st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_a_field_that_cannot_be_read_is_none(name: str, text: str) -> None:
    response = Response()
    response.headers.pairs.append((name.replace("_", "-"), f"x{text}"))
    assert getattr(response, name) is None


TOKENS = st.lists(st.sampled_from(["Cookie", "cookie", "Accept", "X-A", "x-a", "*"]))


@pytest.mark.parametrize("name", ["vary", "allow", "content_language", "access_control_allow_headers"])
@given(members=TOKENS, others=TOKENS)
def test_members_of_a_list_are_there_once_in_their_order_without_regard_to_case(
    name: str, members: list[str], others: list[str]
) -> None:
    response = Response()
    listed = getattr(response, name)
    for member in members:
        listed.add(member)
    listed.update(others)
    expected = list({one.lower(): one for one in reversed([*members, *others])})
    assert {one.lower() for one in listed} == listed.as_set() == set(expected)
    assert len(listed) == len(expected)
    assert all(one.upper() in listed for one in expected)
    for member in expected:
        listed.discard(member.upper())
    assert list(listed) == [] and name.replace("_", "-") not in response.headers
    with pytest.raises(KeyError):
        listed.remove("Cookie")


def test_a_list_is_set_to_a_text_or_to_members_and_goes_with_none() -> None:
    response = Response()
    response.allow = ["GET", "HEAD"]  # type: ignore[assignment]
    assert response.headers["Allow"] == "GET, HEAD"
    response.vary = "Cookie"  # type: ignore[assignment]
    assert response.vary.to_header() == "Cookie"
    response.vary = None  # type: ignore[assignment]
    assert "Vary" not in response.headers


def test_directives_of_cache_control_are_set_one_by_one() -> None:
    response = Response()
    response.cache_control.max_age = 60
    response.cache_control.public = True
    assert response.cache_control.max_age == 60
    assert werkzeug.Response(headers=list(response.headers)).cache_control.max_age == 60
    response.cache_control.public = False
    assert response.headers["Cache-Control"] == "max-age=60"
    response.cache_control.max_age = None
    assert "Cache-Control" not in response.headers


def test_a_directive_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(AttributeError, match="max_agee: there is no such directive; there are no_store"):
        Response().cache_control.max_agee = 1
    with pytest.raises(ValueError):
        Response().cache_control.max_age = -1


def test_a_line_break_in_a_value_is_refused_where_it_is_set() -> None:
    for name in ("location", "content_encoding", "content_security_policy", "vary"):
        with pytest.raises(ValueError):
            setattr(Response(), name, "a\r\nSet-Cookie: b")


def test_a_response_becomes_conditional_by_a_request_or_its_environ() -> None:
    first = Response("text")
    first.add_etag()
    environ = environ_for(HTTP_IF_NONE_MATCH=first.headers["ETag"])
    for given_one in (environ, Request(environ)):
        response = Response("text")
        response.add_etag()
        assert response.make_conditional(given_one).status_code == 304


def test_a_stream_becomes_a_body_in_memory() -> None:
    response = Response(iter(["a", "b"]))
    assert (response.is_sequence, response.calculate_content_length()) == (False, None)
    response.make_sequence()
    assert (response.is_sequence, response.calculate_content_length(), list(response.iter_encoded())) == (
        True,
        2,
        [b"ab"],
    )


# Headers


def test_a_field_with_parameters_is_written_as_werkzeug_writes_it() -> None:
    ours, theirs = Headers(), werkzeug.datastructures.Headers()
    for headers in (ours, theirs):
        headers.add("Content-Disposition", "attachment", filename="a b.txt", name=None)
        headers.set("X-A", "b", max_age=5)
    assert list(ours) == list(theirs)


def test_fields_are_taken_out_set_together_and_copied() -> None:
    headers = Headers([("A", "1"), ("a", "2"), ("B", "3")])
    other = headers.copy()
    assert headers.get("B", type=int) == 3 and headers.get("A", 7, type=lambda text: int("x")) == 7
    assert headers.pop("A") == "1" and "a" not in headers
    assert headers.pop("A", None) is None
    with pytest.raises(KeyError):
        headers.pop("A")
    headers.setlist("B", ["4", "5"])
    assert headers.get_all("b") == ["4", "5"] and headers.to_wsgi_list() == [("B", "4"), ("B", "5")]
    headers.setlist("B", [])
    assert len(headers) == 0 and len(other) == 3
    other.clear()
    assert not list(other)
