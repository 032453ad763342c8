"""`--openapi` on descriptions as they are written: what is odd in one is left out, and the rest is asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dragoman.check.openapi import read_openapi
from dragoman.check.request import Request, Site, make_environ
from dragoman.contract.judge import judge_environ
from dragoman.errors import UsageError


def read(directory: Path, operation: dict[str, Any], **more: Any) -> Request:
    """The one request of a description with one operation."""
    file = directory / "openapi.json"
    file.write_text(json.dumps({"openapi": "3.0.0", "paths": {"/a/{id}": {"post": operation}}} | more))
    (request,) = read_openapi(str(file))
    return request


def parameter(schema: Any, **more: Any) -> dict[str, Any]:
    return {"parameters": [{"name": "id", "in": "path", "required": True, "schema": schema, **more}]}


def body(schema: Any) -> dict[str, Any]:
    return {"requestBody": {"content": {"application/json": {"schema": schema}}}}


@pytest.mark.parametrize(
    ("operation", "path", "data"),
    [
        # Draft 3 of JSON Schema said so of each property.
        (body({"type": "object", "required": True, "properties": {"a": {"type": "integer"}}}), "/a/1", b'{"a": 1}'),
        (body({"properties": ["a"]}), "/a/1", b"{}"),
        ({"requestBody": {"content": {"application/json": [1]}}}, "/a/1", b'"sample"'),
        ({"parameters": True}, "/a/1", b""),
        ({"parameters": [{"name": ["id"], "in": "query", "required": True}]}, "/a/1", b""),
        (parameter({"allOf": 5}), "/a/sample", b""),
        (parameter([1]), "/a/1", b""),
    ],
)
def test_what_is_odd_is_left_out(tmp_path: Path, operation: dict[str, Any], path: str, data: bytes) -> None:
    request = read(tmp_path, operation)
    assert (request.path, request.body) == (path, data)


@pytest.mark.parametrize("url", [None, "http://[bad", {"a": 1}])
def test_a_server_that_is_none_has_no_prefix(tmp_path: Path, url: Any) -> None:
    assert read(tmp_path, {}, servers=[{"url": url}]).path == "/a/1"


@pytest.mark.parametrize(
    ("value", "variable"), [("gr\u00fc\u00dfe", "gr\xc3\xbc\xc3\x9fe"), ("\u20ac", "\xe2\x82\xac"), ("a\r\nb: c", None)]
)
def test_a_field_is_sent_as_a_client_can_send_it(tmp_path: Path, value: str, variable: str | None) -> None:
    operation = {"parameters": [{"name": "X-Name", "in": "header", "required": True, "example": value}]}
    environ = make_environ(read(tmp_path, operation), Site())
    assert environ.get("HTTP_X_NAME") == variable
    assert list(judge_environ(environ)) == []


def test_a_schema_that_has_itself_in_each_property_is_filled_in_bounded_time(tmp_path: Path) -> None:
    properties = {f"p{number}": {"$ref": "#/components/schemas/Node"} for number in range(60)}
    schemas = {"Node": {"type": "object", "properties": properties}}
    request = read(tmp_path, body({"$ref": "#/components/schemas/Node"}), components={"schemas": schemas})
    assert set(json.loads(request.body)) == set(properties)
    assert len(request.body) < 1 << 20


def test_a_description_that_is_nested_too_deep_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "openapi.json"
    file.write_text("[" * 100_000)
    with pytest.raises(UsageError, match="nested too deep"):
        read_openapi(str(file))


@pytest.mark.parametrize(
    "operation",
    [parameter({}, example="\ud800"), {"requestBody": {"content": {"text/plain": {"example": "\ud800"}}}}],
)
def test_what_is_no_text_is_refused(tmp_path: Path, operation: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="surrogate"):
        read(tmp_path, operation)
