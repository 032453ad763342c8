"""The OpenAPI 3.1 document of an application, written from its rules, annotations and docstrings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from dragoman.http import problems
from dragoman.web.converters import Converter
from dragoman.web.describing import NOTHING_SAID, description_of
from dragoman.web.openapi_operations import ERROR, RESPONSES, Operation, operation_of, written_operation
from dragoman.web.openapi_paths import shape_of, template_of
from dragoman.web.plan import Plan, View
from dragoman.web.rules import Rule
from dragoman.web.schemas import ProblemDetails, Schemas, ValidationProblem, references_in

if TYPE_CHECKING:
    from dragoman.web.app import App
    from dragoman.web.building import Targets

__all__ = ["openapi_document"]

VERSION = "3.1.0"
# The fields of a Path Item Object.
METHODS = ("GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE")


def openapi_document(
    app: App,
    *,
    title: str | None = None,
    version: str = "0.1.0",
    description: str = "",
    servers: Sequence[str] = (),
    tags: Mapping[str, str] | None = None,
    openapi_extra: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The document; see `App.openapi`."""
    kept, omitted = operations_of(app)
    schemas = Schemas([*(one for operation in kept for one in operation.types), ProblemDetails, ValidationProblem])
    paths: dict[str, dict[str, Any]] = {}
    for operation in kept:
        path = template_of(operation.plan.rule, operation.names)
        paths.setdefault(path, {})[operation.method.lower()] = written_operation(operation, schemas)
    document: dict[str, Any] = {
        "openapi": VERSION,
        "info": {"title": title or app.import_name, "version": version},
        "servers": [{"url": url} for url in servers],
        "tags": listed_tags(paths, tags or {}),
        "paths": paths,
    }
    if description:
        document["info"]["description"] = description
    if omitted:
        document["x-omitted"] = omitted
    responses = {name: response(schemas, words, kind) for name, words, kind in (*RESPONSES.values(), ERROR)}
    used = {ref.rpartition("/")[2] for ref in references_in(paths)}
    responses = {name: one for name, one in sorted(responses.items()) if name in used}
    components = {"schemas": schemas.used_by([paths, responses]), "responses": responses}
    document["components"] = {name: value for name, value in components.items() if value}
    document = {name: value for name, value in document.items() if value or name == "paths"}
    plain: dict[str, Any] = msgspec.to_builtins(document)
    return merged(plain, openapi_extra or {})


def operations_of(app: App) -> tuple[list[Operation], list[str]]:
    """The operations that a document can have, and in words those that it cannot."""
    tables = app.freeze()
    kept: dict[tuple[str, str], Operation] = {}
    omitted: list[str] = []
    ids: set[str] = set()
    # The first rule of several that differ by the names of variables alone gives the names.
    first: dict[str, Rule] = {}
    for of, plan in tables.rules:
        if not is_shown(plan.view):
            continue
        methods = [method for method in of.methods if method != "OPTIONS"] or ["OPTIONS"]
        shape = shape_of(plan.rule)
        rule = first.setdefault(shape, plan.rule)
        names = [variable.name for variable in rule.variables]
        for method in methods:
            if method not in METHODS:
                omitted.append(f"{method} {plan.rule.text}: OpenAPI has no such method")
            elif (shape, method) in kept:
                omitted.append(f"{method} {plan.rule.text}: OpenAPI takes its paths for those of {rule.text}")
            else:
                name = unused(plan.endpoint if len(methods) == 1 else f"{plan.endpoint}_{method.lower()}", ids)
                converters = converters_of(tables.targets, plan)
                kept[shape, method] = operation_of(app, plan, names, converters, method, name)
    return list(kept.values()), omitted


def is_shown(view: View) -> bool:
    """Whether a handler is the application's own, or is described, and nobody has asked to leave it out."""
    said = description_of(view)
    is_own = not str(getattr(view, "__module__", "")).startswith("dragoman.web.")
    return said.include_in_schema and (is_own or said is not NOTHING_SAID)


def unused(name: str, names: set[str]) -> str:
    """The name, with a number where it is another operation's already."""
    found = next(one for one in numbered(name) if one not in names)
    names.add(found)
    return found


def numbered(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name}_{number}"
        number += 1


def converters_of(targets: Targets, plan: Plan) -> Mapping[str, Converter]:
    return next(one.converters for one in targets.by_endpoint[plan.endpoint] if one.rule is plan.rule)


def response(schemas: Schemas, words: str, kind: type[Any]) -> dict[str, Any]:
    return {"description": words, "content": {problems.JSON: {"schema": schemas.of(kind)}}}


def listed_tags(paths: Mapping[str, Mapping[str, Any]], said: Mapping[str, str]) -> list[dict[str, str]]:
    """Those that are described, and then the others that operations have."""
    used: Iterable[str] = (tag for item in paths.values() for one in item.values() for tag in one.get("tags", ()))
    names = dict.fromkeys([*said, *used])
    return [{"name": name, "description": said[name]} if name in said else {"name": name} for name in names]


def merged(document: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """The document with further members; what is an object in both is merged, and else the further one wins."""
    found = dict(document)
    for name, value in extra.items():
        before = found.get(name)
        if isinstance(before, dict) and isinstance(value, Mapping):
            value = merged(before, value)  # noqa: PLW2901 - the same, merged
        found[name] = value
    return found
