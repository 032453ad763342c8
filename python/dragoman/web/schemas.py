"""JSON schemas of the types that handlers take and give, as OpenAPI 3.1 wants them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from dragoman.web.uploads import UploadedFile

__all__ = ["REF", "ProblemDetails", "Schemas", "ValidationProblem", "references_in"]

REF = "#/components/schemas/{name}"
FILE = {"type": "string", "contentMediaType": "application/octet-stream"}


class ProblemDetails(msgspec.Struct, kw_only=True):
    """What went wrong, as RFC 9457 has it."""

    type: Annotated[str, Meta(description="Names the kind of problem.", extra_json_schema={"format": "uri-reference"})]
    title: Annotated[str, Meta(description="The same for each problem of its type.")]
    status: Annotated[int, Meta(description="Of the answer.", ge=400, le=599)]
    detail: Annotated[str, Meta(description="What was wrong this time, and how to mend it.")] = ""
    instance: Annotated[str, Meta(description="Names this one.", extra_json_schema={"format": "uri-reference"})] = ""


class FieldError(msgspec.Struct, kw_only=True, rename={"place": "in"}):
    """What is wrong with one field."""

    place: Annotated[
        str, Meta(description="The part of the request.", extra_json_schema={"enum": ["body", "query", "header"]})
    ]
    field: Annotated[str, Meta(description="The path to it.", examples=["items[2].price"])]
    pointer: Annotated[str, Meta(description="The same, RFC 6901.", examples=["#/items/2/price"])]
    code: Annotated[str, Meta(description="What is wrong, for programs.", examples=["missing"])]
    wanted: Annotated[str, Meta(description="What is right.", examples=["a number of at least 0"])] = ""
    detail: Annotated[str, Meta(description="Both as a sentence.")]


class ValidationProblem(ProblemDetails, kw_only=True):
    """A part of the request is not as it should be."""

    errors: Annotated[list[FieldError], Meta(max_length=20)]


class Schemas:
    """The schemas of all types of a document, which share their components.

    types   as annotations have them. A type is known again by its identity; what msgspec does not know is any value
    """

    def __init__(self, types: Iterable[Any]) -> None:
        self.types = [one for one in {id(one): one for one in types}.values() if is_known(one)]
        schemas, self.components = components_of(self.types)
        self.by_id = {id(one): schema for one, schema in zip(self.types, schemas, strict=True)}

    def of(self, wanted: Any) -> dict[str, Any]:
        """The schema of a type; ``{}``, which takes anything, for one that is not known."""
        return self.by_id.get(id(wanted), {})

    def record(self, wanted: Any) -> dict[str, Any]:
        """The schema of a record itself, where `of` refers to it; of a union that of its first record."""
        schema = self.of(wanted)
        for one in [schema, *schema.get("anyOf", ()), *schema.get("allOf", ())]:
            name = str(one.get("$ref", "")).rpartition("/")[2]
            if name in self.components:
                found: dict[str, Any] = self.components[name]
                return found
        return schema

    def used_by(self, document: Any) -> dict[str, Any]:
        """The components that a document refers to, those that these refer to among them."""
        used: set[str] = set()
        waiting = list(references_in(document))
        while waiting:
            name = waiting.pop().rpartition("/")[2]
            if name in self.components and name not in used:
                used.add(name)
                waiting += references_in(self.components[name])
        return {name: self.components[name] for name in sorted(used)}


def components_of(types: list[Any]) -> tuple[tuple[dict[str, Any], ...], dict[str, Any]]:
    try:
        schemas, components = msgspec.json.schema_components(types, schema_hook=schema_of_class, ref_template=REF)
    except KeyError:
        if len(types) < 2:
            raise
        # msgspec tells types apart by the names of their modules, and these have those in common, too.
        return gathered([components_of([one]) for one in types])
    return schemas, components


def gathered(
    parts: Iterable[tuple[Sequence[dict[str, Any]], dict[str, Any]]],
) -> tuple[tuple[dict[str, Any], ...], Any]:
    """Schemas made one by one, and all components: those of one name that differ are numbered."""
    schemas: list[dict[str, Any]] = []
    components: dict[str, Any] = {}
    for [schema], own in parts:
        for number in count(1):
            names = {name: name if number == 1 else f"{name}_{number}" for name in own}
            written = {names[name]: renamed(one, names) for name, one in own.items()}
            if all(components.get(name, one) == one for name, one in written.items()):
                break
        components |= written
        schemas.append(renamed(schema, names))
    return tuple(schemas), components


def renamed(value: Any, names: Mapping[str, str]) -> Any:
    """A part of a document that refers to components by other names."""
    if isinstance(value, dict):
        return {key: renamed(one, names) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [renamed(one, names) for one in value]
    before, found, name = value.rpartition("/") if isinstance(value, str) else ("", "", "")
    return f"{before}/{names[name]}" if f"{before}/{{name}}" == REF and found and name in names else value


def is_known(wanted: Any) -> bool:
    try:
        components_of([wanted])
    except Exception:  # a type that msgspec does not know, or a name in it that nobody does
        return False
    return True


def schema_of_class(kind: Any) -> dict[str, Any]:
    """The schema of a class that msgspec does not know."""
    return dict(FILE) if kind is UploadedFile else {"title": getattr(kind, "__name__", str(kind))}


def references_in(value: Any) -> Iterator[str]:
    """The ``$ref`` in a document, and those of a discriminator."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            if key == "$ref" and isinstance(one, str):
                yield one
            elif key == "mapping" and isinstance(one, Mapping):
                yield from (ref for ref in one.values() if isinstance(ref, str))
            else:
                yield from references_in(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from references_in(one)
