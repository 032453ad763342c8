"""Rules as OpenAPI has them: templates of paths, and a schema for what each variable matches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from dragoman.web.converters import (
    AnyConverter,
    Converter,
    FloatConverter,
    IntegerConverter,
    PathConverter,
    StringConverter,
    UUIDConverter,
)
from dragoman.web.quoting import SAFE_IN_VALUE
from dragoman.web.rules import Rule

__all__ = ["schema_of_converter", "shape_of", "template_of"]

# Of Python's types, for converters of an application's own.
BY_TYPE: dict[type[Any], str] = {bool: "boolean", float: "number", int: "integer", str: "string"}


def template_of(rule: Rule, names: Sequence[str] | None = None) -> str:
    """The path of a rule with its variables in braces.

    names   for them, in their order; else their own

    >>> from dragoman.web.rules import parse_rule
    >>> template_of(parse_rule("/user/<int:id>/@<name>"))
    '/user/{id}/@{name}'
    """
    own = [variable.name for variable in rule.variables]
    shown = dict(zip(own, own if names is None else names, strict=True))
    segments = (
        "".join(quote(one, safe=SAFE_IN_VALUE) if isinstance(one, str) else f"{{{shown[one.name]}}}" for one in part)
        for part in rule.segments
    )
    return "/" + "/".join(segments)


def shape_of(rule: Rule) -> str:
    """What rules have in common whose templates differ by the names of variables alone: OpenAPI takes them for one."""
    return template_of(rule, [""] * len(rule.variables))


def schema_of_converter(converter: Converter) -> dict[str, Any]:
    """What a converter takes. One of an application's own may have it as `json_schema`, a dict."""
    own = getattr(converter, "json_schema", None)
    if isinstance(own, dict):
        return dict(own)
    match converter:
        case IntegerConverter(fixed_digits=digits) if digits:
            # A number would come without the zeros before it.
            sign = "-?" if converter.signed else ""
            return {"type": "string", "pattern": f"^{sign}[0-9]{{{digits}}}$"}
        case IntegerConverter():
            return {"type": "integer"} | bounds(converter)
        case FloatConverter():
            # The rule wants a point in it, which no schema of a number can say.
            return {"type": "number"} | bounds(converter) | {"examples": [example_within(converter)]}
        case UUIDConverter():
            return {"type": "string", "format": "uuid"}
        case AnyConverter():
            return {"type": "string", "enum": sorted(converter.items)}
        case StringConverter() if type(converter) is StringConverter:
            return {"type": "string"} | lengths(converter)
        case PathConverter():
            return {"type": "string", "minLength": 1, "description": "May hold slashes."}
    schema: dict[str, Any] = {"type": BY_TYPE.get(converter.python_type, "string")}
    if schema["type"] == "string" and converter.regex != Converter.regex:
        schema["pattern"] = f"^(?:{converter.regex})$"
    return schema


def bounds(converter: IntegerConverter | FloatConverter) -> dict[str, Any]:
    least = converter.least if converter.least is not None or converter.signed else 0
    found = {"minimum": least, "maximum": converter.most}
    return {name: value for name, value in found.items() if value is not None}


def example_within(converter: FloatConverter) -> float:
    for one in (1.5, converter.least, converter.most):
        if one is not None and (converter.least or 0) <= one and (converter.most is None or one <= converter.most):
            return float(one)
    return 1.5


def lengths(converter: StringConverter) -> dict[str, Any]:
    least, _, most = converter.regex.removeprefix("[^/]{").removesuffix("}").partition(",")
    found = {"minLength": int(least)}
    return found | {"maxLength": int(most)} if most else found
