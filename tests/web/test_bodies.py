"""The body of a request: what was asked of it before does not take it away."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from dragoman.web import Request
from dragoman.web.building_environ import environ_of


def test_a_body_that_is_no_form_is_there_after_the_form_was_asked_for() -> None:
    request = Request(environ_of(method="POST", json={"a": 1}))
    assert dict(request.form) == {} and dict(request.files) == {}
    assert (request.json, request.data) == ({"a": 1}, b'{"a":1}')


def test_a_form_is_no_data_and_can_be_had_as_it_came_before_it_is_read() -> None:
    request = Request(environ_of(method="POST", data={"a": "1"}))
    assert (request.form["a"], request.data) == ("1", b"")
    request = Request(environ_of(method="POST", data={"a": "1"}))
    assert (request.get_data(), request.data, request.form["a"]) == (b"a=1", b"", "1")


@pytest.mark.parametrize(
    "read",
    [
        lambda stream: list(csv.reader(io.TextIOWrapper(stream, "utf-8"))),
        lambda stream: list(csv.reader(io.TextIOWrapper(io.BufferedReader(stream), "utf-8"))),
        lambda stream: [json.loads(line) for line in io.BufferedReader(stream, 4)],
    ],
    ids=["text", "buffered text", "buffered"],
)
def test_libraries_take_the_stream_for_a_file(read: Callable[[Any], Any]) -> None:
    lines = [["1", "a"], ["2", "b"]]
    body = b"1,a\n2,b\n" if "csv" in read.__code__.co_names else b'["1","a"]\n["2","b"]\n'
    request = Request(environ_of(method="POST", data=body, content_type="text/csv"))
    assert read(request.stream) == lines
    assert (request.stream.readable(), request.stream.writable(), request.stream.seekable()) == (True, False, False)
