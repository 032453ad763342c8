"""Operations of an OpenAPI document: what each rule, handler and description says, in two steps around the schemas."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from dragoman.http import problems
from dragoman.http.statuses import reason_phrase
from dragoman.web.calls import annotations_of, inputs_of
from dragoman.web.converters import Converter
from dragoman.web.describing import Description, description_of
from dragoman.web.errors import exception_for
from dragoman.web.flat import fields_of_record, is_file, parts_of
from dragoman.web.inputs import Input, Source
from dragoman.web.openapi_paths import schema_of_converter
from dragoman.web.openapi_results import JSON, Outcome, outcomes_of
from dragoman.web.plan import Plan, View
from dragoman.web.schemas import ProblemDetails, Schemas, ValidationProblem
from dragoman.web.validation import header_name
from dragoman.web.wanted import OBJECTS

if TYPE_CHECKING:
    from dragoman.web.app import App

__all__ = ["RESPONSES", "Operation", "operation_of", "written_operation"]

URLENCODED, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
# Answers that the library gives itself: by status its name among the components, what it is, and its schema.
RESPONSES: Mapping[int, tuple[str, str, type[Any]]] = {
    400: ("BadRequest", "The body cannot be read.", ProblemDetails),
    404: ("NotFound", "There is nothing here.", ProblemDetails),
    413: ("ContentTooLarge", "The body is too long.", ProblemDetails),
    415: ("UnsupportedMediaType", "The body has another type than is wanted.", ProblemDetails),
    422: ("UnprocessableContent", "Parts of the request are not as they should be.", ValidationProblem),
}
ERROR: tuple[str, str, type[Any]] = ("Error", "Any other error.", ProblemDetails)
# OpenAPI 3.1, "Parameter Object": definitions of these are passed over.
NO_PARAMETERS = frozenset({"accept", "content-type", "authorization"})


class Value(NamedTuple):
    """What a parameter of a handler takes of the request.

    default   `inspect.Parameter.empty` without one
    """

    name: str
    given: Input
    default: Any

    @property
    def is_needed(self) -> bool:
        """Whether the request has to have it."""
        kinds = parts_of(msgspec.inspect.type_info(self.given.wanted))
        takes_none = any(isinstance(one, msgspec.inspect.NoneType) for one in kinds)
        return self.default is inspect.Parameter.empty and not takes_none

    @property
    def schema_of_default(self) -> dict[str, Any]:
        """What a schema says of the default; nothing without one, and where JSON does not know it."""
        if self.default in (inspect.Parameter.empty, None):
            return {}
        try:
            return {"default": msgspec.to_builtins(self.default)}
        except TypeError:
            return {}


class Operation(NamedTuple):
    """One rule and method, with all that is known before the schemas are made.

    names                those that the document has for the rule's variables, in their order
    is_answered_by_app   whether the application has a handler of its own for the errors of a status
    """

    method: str
    plan: Plan
    names: Sequence[str]
    converters: Mapping[str, Converter]
    said: Description
    values: list[Value]
    outcomes: list[Outcome]
    annotations: Mapping[str, Any]
    operation_id: str
    is_answered_by_app: Callable[[int], bool]

    @property
    def types(self) -> Iterator[Any]:
        """All types whose schemas it needs."""
        yield from (value.given.wanted for value in self.values)
        yield from (outcome.wanted for outcome in self.outcomes if outcome.wanted is not None)
        yield from (one for one in self.said.responses.values() if not isinstance(one, str | Mapping))


def operation_of(
    app: App, plan: Plan, names: Sequence[str], converters: Mapping[str, Converter], method: str, operation_id: str
) -> Operation:
    """What is known of a rule and a method."""
    view = plan.view
    given = inputs_of(view, [*plan.names, *plan.defaults])
    parameters = inspect.signature(view).parameters
    values = [Value(name, one, parameters[name].default) for name, one in given.items()]
    annotations = annotations_of(view)
    errors = app.freeze().errors

    def is_answered_by_app(status: int) -> bool:
        return errors.find(plan.scopes, exception_for(status)()) is not None

    outcomes = outcomes_of(annotations.get("return"))
    return Operation(
        method, plan, names, converters, description_of(view), values, outcomes, annotations, operation_id,
        is_answered_by_app,
    )  # fmt: skip


def written_operation(operation: Operation, schemas: Schemas) -> dict[str, Any]:
    """The Operation Object."""
    said = operation.said
    summary, description = docstring_of(operation.plan.view)
    tags = list(operation.plan.scopes[:1]) if said.tags is None else list(said.tags)
    written: dict[str, Any] = {
        "tags": tags,
        "summary": said.summary or summary,
        "description": description if said.description is None else said.description,
        "operationId": said.operation_id or operation.operation_id,
        "deprecated": said.deprecated,
        "parameters": once([*path_parameters(operation), *other_parameters(operation, schemas)]),
        "requestBody": request_body(operation, schemas),
        "responses": responses_of(operation, schemas),
    }
    return {name: value for name, value in written.items() if value} | dict(said.openapi_extra)


def docstring_of(view: View) -> tuple[str, str]:
    """The first paragraph of a docstring as one line, and the others."""
    first, _, rest = (inspect.getdoc(inspect.unwrap(view)) or "").partition("\n\n")
    return " ".join(first.split()), rest.strip()


def path_parameters(operation: Operation) -> Iterator[dict[str, Any]]:
    for name, shown in zip(operation.plan.names, operation.names, strict=True):
        schema = schema_of_converter(operation.converters[name])
        parameter: dict[str, Any] = {"name": shown, "in": "path", "required": True}
        for meta in getattr(operation.annotations.get(name), "__metadata__", ()):
            schema |= {one: getattr(meta, one) for one in ("title", "examples") if getattr(meta, one, None)}
            if getattr(meta, "description", None):
                schema["description"] = meta.description
        if "description" in schema:
            parameter["description"] = schema.pop("description")
        yield parameter | {"schema": schema}


def other_parameters(operation: Operation, schemas: Schemas) -> Iterator[dict[str, Any]]:
    """Those of the query and the header."""
    for value in operation.values:
        if value.given.source is Source.BODY:
            continue
        if not is_record_of(value.given):
            schema = schemas.of(value.given.wanted) | value.schema_of_default
            yield parameter_of(value.given.source, value.name, schema, value.is_needed)
            continue
        record = schemas.record(value.given.wanted)
        needed = record.get("required", ()) if value.is_needed else ()
        for name, schema in record.get("properties", {}).items():
            if value.given.source is Source.QUERY or header_name(name).lower() not in NO_PARAMETERS:
                yield parameter_of(value.given.source, name, schema, name in needed)


def once(parameters: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first of each name and place; OpenAPI 3.1 §4.8.10: "The list MUST NOT include duplicated parameters"."""
    first: dict[tuple[str, str], dict[str, Any]] = {}
    for one in parameters:
        # Names of header fields have no case.
        name = one["name"].lower() if one["in"] == "header" else one["name"]
        first.setdefault((one["in"], name), one)
    return list(first.values())


def parameter_of(source: Source, name: str, schema: dict[str, Any], is_needed: bool) -> dict[str, Any]:
    shown = header_name(name) if source is Source.HEADERS else name
    schema = dict(schema)
    parameter: dict[str, Any] = {"name": shown, "in": source.value}
    if is_needed:
        parameter["required"] = True
    if "description" in schema:
        parameter["description"] = schema.pop("description")
    return parameter | {"schema": schema}


def is_record_of(given: Input) -> bool:
    return bool(fields_of_record(msgspec.inspect.type_info(given.wanted)))


def request_body(operation: Operation, schemas: Schemas) -> dict[str, Any] | None:
    body = next((one for one in operation.values if one.given.source is Source.BODY), None)
    if body is None:
        return None
    content = {kind: {"schema": schemas.of(body.given.wanted)} for kind in media_types_of(body.given.wanted)}
    return {"required": body.is_needed, "content": content}


def media_types_of(wanted: Any) -> list[str]:
    """What a body may come as: JSON; a form where nothing in it is an object; a form alone for files."""
    parts = parts_of(msgspec.inspect.type_info(wanted))
    fields = [field for one in parts for field in getattr(one, "fields", ())]
    if any(is_file(field.type) for field in fields):
        return [MULTIPART]
    is_flat = bool(fields) and not any(isinstance(kind, OBJECTS) for field in fields for kind in deep_parts(field.type))
    return [JSON, URLENCODED] if is_flat else [JSON]


def deep_parts(node: Any) -> Iterator[Any]:
    """The types of a union, and of the items of its lists."""
    for one in parts_of(node):
        yield one
        if hasattr(one, "item_type"):
            yield from parts_of(one.item_type)


def responses_of(operation: Operation, schemas: Schemas) -> dict[str, Any]:
    said = operation.said
    found: dict[str, dict[str, Any]] = {}
    for outcome in operation.outcomes:
        status = outcome.status or said.status or 200
        response = found.setdefault(str(status), {"description": reason_phrase(status)})
        if outcome.media_type:
            add_content(
                response,
                outcome.media_type,
                {"type": "string"} if outcome.wanted is None else schemas.of(outcome.wanted),
            )
    for status in statuses_of_library(operation):
        found.setdefault(str(status), response_of_library(operation, status))
    for status, response in said.responses.items():
        found[str(status)] = response_said(status, response, operation, schemas)
    found.setdefault("default", {"$ref": f"#/components/responses/{ERROR[0]}"})
    return dict(sorted(found.items()))


def add_content(response: dict[str, Any], media_type: str, schema: dict[str, Any]) -> None:
    """One of several types of one status is any of them."""
    content = response.setdefault("content", {})
    before = content.get(media_type)
    if before is None:
        content[media_type] = {"schema": schema}
    elif schema != before["schema"]:
        known = before["schema"].get("anyOf", [before["schema"]])
        content[media_type] = {"schema": {"anyOf": [*known, schema]}}


def statuses_of_library(operation: Operation) -> list[int]:
    sources = {value.given.source for value in operation.values}
    statuses = [404] if operation.plan.names else []
    statuses += [400, 413, 415] if Source.BODY in sources else []
    return [*statuses, 422] if sources else statuses


def response_of_library(operation: Operation, status: int) -> dict[str, Any]:
    name, words, _ = RESPONSES[status]
    if operation.is_answered_by_app(status):
        return {"description": words}
    return {"$ref": f"#/components/responses/{name}"}


def response_said(status: int, said: Any, operation: Operation, schemas: Schemas) -> dict[str, Any]:
    """A response as `describe` has it: a dict as it is, a type as JSON, a text as a description."""
    if isinstance(said, Mapping):
        return {"description": reason_phrase(status), **said}
    if not isinstance(said, str):
        return {"description": reason_phrase(status), "content": {JSON: {"schema": schemas.of(said)}}}
    if status < 400 or operation.is_answered_by_app(status):
        return {"description": said}
    return {"description": said, "content": {problems.JSON: {"schema": schemas.of(ProblemDetails)}}}
