"""The body of a request: what was asked of it before does not take it away."""

from __future__ import annotations

from dragoman.web import Request
from dragoman.web.building_environ import environ_of


def test_a_body_that_is_no_form_is_there_after_the_form_was_asked_for() -> None:
    request = Request(environ_of(method="POST", json={"a": 1}))
    assert dict(request.form) == {} and dict(request.files) == {}
    assert (request.json, request.data) == ({"a": 1}, b'{"a":1}')


def test_a_form_that_was_read_leaves_no_data_and_data_that_was_read_leaves_a_form() -> None:
    request = Request(environ_of(method="POST", data={"a": "1"}))
    assert (request.form["a"], request.data) == ("1", b"")
    request = Request(environ_of(method="POST", data={"a": "1"}))
    assert (request.data, request.form["a"]) == (b"a=1", "1")
