"""Fields of a request as attributes, against werkzeug's, and limits of one request."""

from __future__ import annotations

import doctest
from typing import Any

import pytest
import werkzeug
from hypothesis import given
from hypothesis import strategies as st

from dragoman.web import App, MultiDict, Request, request, request_fields
from dragoman.web.errors import ContentTooLarge
from dragoman.web.request_fields import ETags
from tests.web.environs import environ_for


def test_the_examples_are_true() -> None:
    assert doctest.testmod(request_fields).failed == 0


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [
        ("content_encoding", "HTTP_CONTENT_ENCODING", "gzip"),
        ("max_forwards", "HTTP_MAX_FORWARDS", "7"),
        ("access_control_request_method", "HTTP_ACCESS_CONTROL_REQUEST_METHOD", "PUT"),
        ("origin", "HTTP_ORIGIN", "https://example.org"),
        ("referrer", "HTTP_REFERER", "https://example.org/"),
        ("date", "HTTP_DATE", "Thu, 29 Feb 2024 12:30:01 GMT"),
        ("if_modified_since", "HTTP_IF_MODIFIED_SINCE", "Thu, 29 Feb 2024 12:30:01 GMT"),
        ("if_unmodified_since", "HTTP_IF_UNMODIFIED_SINCE", "Thu, 29 Feb 2024 12:30:01 GMT"),
        ("is_multithread", "wsgi.multithread", True),
        ("is_multiprocess", "wsgi.multiprocess", True),
        ("is_run_once", "wsgi.run_once", True),
    ],
)
def test_an_attribute_is_what_it_is_in_werkzeug(name: str, key: str, value: Any) -> None:
    environ = environ_for(**{key: value})
    assert getattr(Request(environ), name) == getattr(werkzeug.Request(environ), name) != None  # noqa: E711
    if key.startswith("HTTP_"):
        assert getattr(Request(environ_for()), name) is None


def test_directives_of_cache_control_are_read() -> None:
    asked = Request(environ_for(HTTP_CACHE_CONTROL="no-cache, max-age=0, only-if-cached"))
    assert (asked.cache_control.no_cache, asked.cache_control.max_age, asked.cache_control.only_if_cached) == (
        True,
        0,
        True,
    )
    assert asked.cache_control.no_store is False


def test_the_user_agent_is_a_text_with_the_attribute_that_flask_has() -> None:
    agent = Request(environ_for(HTTP_USER_AGENT="curl/8")).user_agent
    assert agent == agent.string == "curl/8" and agent.startswith("curl")
    assert not Request(environ_for()).user_agent


@given(value=st.sampled_from(['"a"', 'W/"a"', '"ab", W/"c"', "*", "", '"a', "a, b", '"a","b"']))
def test_tags_are_told_apart_as_werkzeug_tells_them(value: str) -> None:
    theirs = werkzeug.http.parse_etags(value)
    ours = ETags(value)
    for tag in ("a", "ab", "b", "c"):
        if value not in ('"a', "a, b"):  # werkzeug takes tags without quotes
            assert ours.contains(tag) == theirs.contains(tag)
            assert ours.contains_weak(tag) == theirs.contains_weak(tag)
    assert ours.star_tag == theirs.star_tag


def test_a_part_of_a_tag_is_no_tag() -> None:
    asked = Request(environ_for(HTTP_IF_NONE_MATCH='"abc"'))
    assert "abc" in asked.if_none_match and "ab" not in asked.if_none_match
    assert not Request(environ_for()).if_match


# Limits


def test_a_request_may_have_limits_of_its_own() -> None:
    app = App()
    app.config["MAX_CONTENT_LENGTH"] = 10

    @app.post("/small")
    def small() -> str:
        return request.get_data(as_text=True)

    @app.post("/large")
    def large() -> str:
        request.max_content_length = 20
        return request.get_data(as_text=True)

    def status(path: str, body: bytes) -> str:
        got: list[str] = []
        app(environ_for(path, "POST", body), lambda status, headers, exc_info=None: got.append(status))  # type: ignore
        return got[0][:3]

    assert [status("/small", bytes(10)), status("/small", bytes(11))] == ["200", "413"]
    assert [status("/large", bytes(20)), status("/large", bytes(21))] == ["200", "413"]


def test_a_request_without_an_application_has_limits_too_and_none_is_none() -> None:
    asked = Request(environ_for("/", "POST", bytes(11)))
    assert asked.max_content_length == 64 << 20
    asked.max_content_length = 10
    with pytest.raises(ContentTooLarge):
        _ = asked.data
    other = Request(environ_for("/", "POST", bytes(11)))
    other.max_content_length = None
    assert len(other.data) == 11


def test_what_the_client_has_sent_is_not_set() -> None:
    with pytest.raises(AttributeError):
        Request(environ_for()).cache_control = None  # type: ignore[assignment]


def test_a_form_is_left_to_the_form_where_that_is_asked_for() -> None:
    environ = environ_for("/", "POST", b"a=b", CONTENT_TYPE="application/x-www-form-urlencoded")
    asked = Request(environ)
    assert asked.get_data(parse_form_data=True) == b"" and asked.form == MultiDict([("a", "b")])


def test_all_values_of_a_multidict_come_with_their_names() -> None:
    values = MultiDict([("a", "1"), ("b", "2"), ("a", "3")])
    assert list(values.items()) == [("a", "1"), ("b", "2")]
    assert values.items(multi=True) == [("a", "1"), ("a", "3"), ("b", "2")]
    assert values.listvalues() == [["1", "3"], ["2"]]


def test_a_field_of_a_request_is_a_list_of_one_value() -> None:
    headers = Request(environ_for(HTTP_ACCEPT="a, b")).headers
    assert headers.getlist("Accept") == ["a, b"] and headers.getlist("X-None") == []


def test_a_request_is_made_of_values() -> None:
    asked = Request.from_values("/a?b=c", method="POST", json={"d": 1}, headers={"X-A": "e"})
    assert (asked.method, asked.path, asked.args["b"], asked.json, asked.headers["X-A"]) == (
        "POST",
        "/a",
        "c",
        {"d": 1},
        "e",
    )


@pytest.mark.parametrize("value", ["text/html, application/json;q=0.5, */*;q=0.1", "application/json", "", None])
def test_what_a_client_would_take_is_listed_as_in_werkzeug(value: str | None) -> None:
    environ = environ_for() if value is None else environ_for(HTTP_ACCEPT=value)
    ours, theirs = Request(environ).accept_mimetypes, werkzeug.Request(environ).accept_mimetypes
    assert list(ours) == list(theirs) and list(ours.values()) == list(theirs.values())
    assert (len(ours), ours.best) == (len(theirs), theirs.best)
    if value:
        assert (ours.accept_html, ours.accept_xhtml, ours.accept_json) == (
            theirs.accept_html,
            theirs.accept_xhtml,
            theirs.accept_json,
        )
        assert werkzeug.Request(environ_for(HTTP_ACCEPT=ours.to_header())).accept_mimetypes == theirs


def test_what_a_client_likes_best_is_had_by_its_place_as_in_werkzeug() -> None:
    environ = environ_for(HTTP_ACCEPT_LANGUAGE="en;q=0.5, de")
    ours, theirs = Request(environ).accept_languages, werkzeug.Request(environ).accept_languages
    assert (ours[0], ours[-1]) == (theirs[0], theirs[-1]) == (("de", 1.0), ("en", 0.5))
    with pytest.raises(IndexError):
        _ = ours[2]


def test_json_is_read_with_flasks_arguments() -> None:
    asked = Request(environ_for("/", "POST", b"[1]"))
    assert asked.get_json(force=True, silent=True, cache=False) == [1]
