"""Reads an OpenAPI description as far as requests can be made of it: paths, methods, example parameters and bodies."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from dragoman.check.request import FORM, Origin, Request, as_path_info
from dragoman.errors import UsageError
from dragoman.values import cause_of, printable

__all__ = ["read_openapi"]

METHODS = ("get", "head", "options", "post", "put", "patch", "delete")
# Schemas may contain themselves, and in many places: what is deeper, and what comes after so many values, is null.
DEPTH = 6
VALUES_AT_MOST = 5000
BY_FORMAT: Mapping[str, Any] = {
    "date": "2024-01-31",
    "date-time": "2024-01-31T12:00:00Z",
    "email": "someone@example.com",
    "ipv4": "192.0.2.1",
    "uri": "https://example.com/",
    "uuid": "3f333df6-90a4-4fda-8dd3-9485d27cee36",
}
BY_TYPE: Mapping[str, Any] = {"string": "sample", "integer": 1, "number": 1.5, "boolean": True, "null": None}


def read_openapi(file: str) -> list[Request]:
    """One request for each operation of the description in `file`, JSON or YAML. Raises UsageError.

    Versions 2.0 (Swagger) and 3; references within the file. A parameter is left out if it is optional and has no
    example.
    """
    document = document_of(file)
    paths = document.get("paths")
    if not isinstance(paths, dict) or not ("openapi" in document or "swagger" in document):
        raise wrong(file, 'want an OpenAPI description, with "openapi" or "swagger", and "paths"')
    reader = Reader(document)
    found: list[Request] = []
    try:
        for path, value in paths.items():
            item = reader.resolved(value)
            if isinstance(path, str) and path.startswith("/") and isinstance(item, dict):
                found += reader.requests_of(path, item)
    except UnicodeEncodeError:
        raise wrong(file, "has half of a surrogate pair, which is no character") from None
    return found


def document_of(file: str) -> dict[str, Any]:
    try:
        text = Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise wrong(file, cause_of(error, file)) from None
    except UnicodeDecodeError:
        raise wrong(file, "is not UTF-8") from None
    try:
        document = json.loads(text)
    except RecursionError:
        raise wrong(file, "is nested too deep") from None
    except ValueError as error:
        document = yaml_of(file, text, error)
    if not isinstance(document, dict):
        raise wrong(file, "want an object at the top")
    return document


def yaml_of(file: str, text: str, json_error: ValueError) -> Any:
    if text.lstrip()[:1] == "{":
        raise wrong(file, f"is not JSON: {json_error}")
    try:
        yaml: Any = importlib.import_module("yaml")
    except ImportError:
        raise wrong(file, "is not JSON, and reading YAML needs PyYAML: pip install pyyaml") from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise wrong(file, f"is neither JSON nor YAML: {' '.join(str(error).split())}") from None


def wrong(file: str, why: str) -> UsageError:
    return UsageError(f'--openapi "{printable(file)}": {why}')


class Reader:
    """Makes requests of one description."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.prefix = self.prefix_of()
        # So many values are still given to the request that is being made.
        self.values_left = VALUES_AT_MOST

    def prefix_of(self) -> str:
        """The path that stands before all others."""
        base = self.document.get("basePath")
        if servers := items_of(self.document.get("servers")):
            try:
                base = urlsplit(str(fields_of(servers[0]).get("url") or "")).path
            except ValueError:
                base = ""
        # A server's URL may have variables, which nobody here knows.
        return "" if not isinstance(base, str) or "{" in base else base.rstrip("/")

    def resolved(self, value: Any) -> Any:
        """What a reference refers to; {} where that is not in the file."""
        for _ in range(20):
            if not (isinstance(value, dict) and isinstance(value.get("$ref"), str)):
                return value
            target: Any = self.document
            for part in value["$ref"].removeprefix("#").strip("/").split("/"):
                key = part.replace("~1", "/").replace("~0", "~")
                target = target.get(key) if isinstance(target, dict) else None
            value = target if target is not None else {}
        return {}

    def requests_of(self, path: str, item: dict[str, Any]) -> Iterator[Request]:
        for method in METHODS:
            operation = self.resolved(item.get(method))
            if isinstance(operation, dict):
                yield self.request_of(method, path, item, operation)

    def request_of(self, method: str, path: str, item: dict[str, Any], operation: dict[str, Any]) -> Request:
        """The request for one operation."""
        self.values_left = VALUES_AT_MOST
        parameters = self.parameters_of(item, operation)
        query: list[tuple[str, str]] = []
        headers: list[tuple[str, str]] = []
        form: dict[str, Any] = {}
        body: Any = None
        filled = path
        for parameter in parameters:
            name, place = str(parameter.get("name", "")), parameter.get("in")
            is_needed = parameter.get("required") is True or place == "path"
            value = self.example_of(parameter, is_needed=is_needed)
            if value is None:
                continue
            match place:
                case "path":
                    filled = filled.replace(f"{{{name}}}", quote(text_of(value), safe=""))
                case "query":
                    query += [(name, text_of(one)) for one in (value if isinstance(value, list) else [value])]
                case "header":
                    headers += as_sent(name, text_of(value))
                case "cookie":
                    headers += as_sent("Cookie", f"{name}={text_of(value)}")
                case "formData":
                    form[name] = value
                case "body":
                    body = value
        # A parameter that the description has forgotten.
        filled = re.sub(r"\{[^{}]*\}", "1", filled)
        kind, data = self.body_of(operation)
        if form:
            kind, data = FORM, encoded(FORM, form)
        elif body is not None:
            kind, data = "application/json", encoded("application/json", body)
        if kind:
            headers += as_sent("Content-Type", kind)
        return Request(
            f"{method.upper()} {path}", method.upper(), as_path_info(self.prefix + filled), urlencode(query),
            tuple(headers), data, origin=Origin.OPENAPI,
        )  # fmt: skip

    def parameters_of(self, item: dict[str, Any], operation: dict[str, Any]) -> list[dict[str, Any]]:
        """Those of the path and of the operation, which wins."""
        found: dict[tuple[Any, Any], dict[str, Any]] = {}
        for one in (*items_of(item.get("parameters")), *items_of(operation.get("parameters"))):
            parameter = fields_of(self.resolved(one))
            if isinstance(parameter.get("name"), str) and isinstance(parameter.get("in"), str):
                found[parameter["name"], parameter["in"]] = parameter
        return list(found.values())

    def example_of(self, holder: dict[str, Any], *, is_needed: bool) -> Any:
        """The example of a parameter or a body; None for none."""
        if "example" in holder:
            return holder["example"]
        examples = holder.get("examples")
        for one in examples.values() if isinstance(examples, dict) else ():
            if isinstance(named := self.resolved(one), dict) and "value" in named:
                return named["value"]
        # Swagger 2.0 has the schema's words in the parameter itself.
        schema = self.resolved(holder.get("schema", holder))
        if not isinstance(schema, dict):
            return None
        is_known = any(key in schema for key in ("example", "examples", "default"))
        return self.sample(schema, DEPTH) if is_needed or is_known else None

    def body_of(self, operation: dict[str, Any]) -> tuple[str, bytes]:
        """Content type and bytes of the request's body."""
        wanted = self.resolved(operation.get("requestBody")) or {}
        content = wanted.get("content") if isinstance(wanted, dict) else None
        if not isinstance(content, dict) or not content:
            return "", b""
        kind = next((name for name in content if "json" in name), next(iter(content)))
        value = self.example_of(fields_of(self.resolved(content[kind])), is_needed=True)
        return kind if kind != "multipart/form-data" else f"{kind}; boundary=limit", encoded(kind, value)

    def sample(self, schema: Any, depth: int) -> Any:
        """A value that a schema allows, as far as that can be told simply."""
        schema = self.resolved(schema)
        self.values_left -= 1
        if not isinstance(schema, dict) or depth == 0 or self.values_left < 0:
            return None
        for key in ("example", "default", "const"):
            if key in schema:
                return schema[key]
        for key in ("examples", "enum"):
            if isinstance(schema.get(key), list) and schema[key]:
                return schema[key][0]
        for key in ("oneOf", "anyOf"):
            if isinstance(schema.get(key), list) and schema[key]:
                return self.sample(schema[key][0], depth - 1)
        parts = [self.sample(part, depth - 1) for part in items_of(schema.get("allOf"))]
        merged = {name: value for part in parts if isinstance(part, dict) for name, value in part.items()}
        kind = schema.get("type")
        kind = kind[0] if isinstance(kind, list) and kind else kind
        if kind == "object" or "properties" in schema or merged:
            needed, properties = items_of(schema.get("required")), fields_of(schema.get("properties"))
            names = [name for name in properties if name in needed] or list(properties)
            return merged | {name: self.sample(properties[name], depth - 1) for name in names}
        if kind == "array":
            one = self.sample(schema.get("items"), depth - 1)
            return [] if one is None else [one]
        return self.scalar(schema, kind)

    def scalar(self, schema: dict[str, Any], kind: Any) -> Any:
        if kind in ("integer", "number") and isinstance(schema.get("minimum"), (int, float)):
            return schema["minimum"] + (1 if schema.get("exclusiveMinimum") is True else 0)
        value = BY_FORMAT.get(str(schema.get("format")), BY_TYPE.get(str(kind), "sample"))
        least = schema.get("minLength")
        if isinstance(value, str) and isinstance(least, int) and len(value) < least <= 10_000:
            value = value.ljust(least, "x")
        most = schema.get("maxLength")
        return value[:most] if isinstance(value, str) and isinstance(most, int) else value


def items_of(value: Any) -> list[Any]:
    """The items of what should be a list; none where it is something else."""
    return value if isinstance(value, list) else []


def fields_of(value: Any) -> dict[Any, Any]:
    """The same of an object."""
    return value if isinstance(value, dict) else {}


def as_sent(name: str, value: str) -> Iterator[tuple[str, str]]:
    """A field with UTF-8 in its value, as a client sends it; none where that would be no field."""
    if name.isascii() and (name + value).isprintable():
        yield name, value.encode().decode("latin-1")


def text_of(value: Any) -> str:
    """A parameter's value as text (style "simple")."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(map(text_of, value))
    return str(value)


def encoded(kind: str, value: Any) -> bytes:
    """A body of that content type."""
    if kind == FORM and isinstance(value, dict):
        return urlencode({name: text_of(one) for name, one in value.items()}).encode()
    if kind.startswith("multipart/form-data") and isinstance(value, dict):
        parts = [
            f'--limit\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text_of(one)}\r\n'
            for name, one in value.items()
        ]
        return f"{''.join(parts)}--limit--\r\n".encode()
    if isinstance(value, str) and "json" not in kind:
        return value.encode()
    # A date of YAML is no JSON.
    return b"" if value is None else json.dumps(value, default=str).encode()
