"""The text of a rule, ``/user/<int:id>`` or ``/user/{id}``, as segments of literals and variables."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from dragoman.web.converters import Converter

__all__ = ["Piece", "Rule", "RuleError", "Segment", "Variable", "parse_rule"]

NAME = r"[a-zA-Z_][a-zA-Z0-9_]*"
ARGUMENTS = r"\((?P<{0}>(?:[^()\"']|\"[^\"]*\"|'[^']*')*)\)"
# <name>  <converter:name>  <converter(arguments):name>  {{name}}  {{name:converter}}  {{name:converter(arguments)}}
VARIABLE = re.compile(
    rf"<(?:(?P<converter>{NAME})(?:{ARGUMENTS.format('arguments')})?:)?(?P<name>{NAME})>"
    rf"|\{{(?P<braced>{NAME})(?::(?P<of_braced>{NAME})(?:{ARGUMENTS.format('arguments_of_braced')})?)?\}}"
)


class RuleError(ValueError):
    """A rule that cannot be had; the text says why."""


@dataclass(frozen=True)
class Variable:
    """A part of a path that the handler gets.

    converter    its name in the rule; None where the annotation of the handler decides
    arguments    what stands in the parentheses, positional and by name
    """

    name: str
    converter: str | None = None
    arguments: tuple[tuple[Any, ...], tuple[tuple[str, Any], ...]] = ((), ())

    def made(self, kinds: Mapping[str, type[Converter]], annotated: str | None = None) -> Converter:
        """Its converter. Raises RuleError for a name that is not known, and for wrong arguments."""
        name = self.converter or annotated or "default"
        kind = kinds.get(name)
        if kind is None:
            raise RuleError(
                f"variable {self.name!r}: no converter {name!r}; there are {', '.join(sorted(kinds))};"
                f" app.converters[{name!r}] = Class adds one"
            )
        positional, named = self.arguments
        try:
            return kind(*positional, **dict(named))
        except (TypeError, ValueError, re.error) as error:
            raise RuleError(f"variable {self.name!r}: converter {name!r}: {error}") from error


Piece: TypeAlias = "str | Variable"
Segment: TypeAlias = "tuple[Piece, ...]"
"""What stands between two slashes: one literal, one variable, or several of both."""


@dataclass(frozen=True)
class Rule:
    """A rule that was read.

    segments   those after the first slash; a rule that ends in a slash has an empty literal at its end
    """

    text: str
    segments: tuple[Segment, ...]
    variables: tuple[Variable, ...] = field(default=())

    @property
    def is_static(self) -> bool:
        """Whether it is one path."""
        return not self.variables


def parse_rule(text: str) -> Rule:
    """The rule that `text` says.

    Raises RuleError for text that does not begin with a slash, for brackets that are no variable, and for a name that
    stands twice.

    >>> parse_rule("/user/<int:id>").variables
    (Variable(name='id', converter='int', arguments=((), ()))
    """
    if not text.startswith("/"):
        raise RuleError(f"rule {text!r}: want it to begin with a slash: {'/' + text!r}")
    segments: list[list[Piece]] = [[]]
    variables: list[Variable] = []
    end = 1
    for match in VARIABLE.finditer(text, 1):
        add_literal(text, text[end : match.start()], segments)
        variable = variable_of(text, match)
        if any(other.name == variable.name for other in variables):
            raise RuleError(f"rule {text!r}: the variable {variable.name!r} stands in it twice")
        variables.append(variable)
        segments[-1].append(variable)
        end = match.end()
    add_literal(text, text[end:], segments)
    return Rule(text, tuple(tuple(segment) or ("",) for segment in segments), tuple(variables))


def add_literal(rule: str, literal: str, segments: list[list[Piece]]) -> None:
    for bracket in "<>{}":
        if bracket in literal:
            raise RuleError(
                f"rule {rule!r}: {bracket!r} in {literal!r} is part of no variable; want <name>, <converter:name>,"
                " <converter(arguments):name> or {name}, with names of letters, digits and _"
            )
    if "?" in literal or "#" in literal:
        raise RuleError(f"rule {rule!r}: a rule is of paths: the query is in request.args")
    first, *others = literal.split("/")
    if first:
        segments[-1].append(first)
    for other in others:
        segments.append([other] if other else [])


def variable_of(rule: str, match: re.Match[str]) -> Variable:
    name = match["name"] or match["braced"]
    converter = match["converter"] or match["of_braced"]
    arguments = match["arguments"] or match["arguments_of_braced"]
    return Variable(name, converter, ((), ()) if arguments is None else parse_arguments(rule, arguments))


def parse_arguments(rule: str, text: str) -> tuple[tuple[Any, ...], tuple[tuple[str, Any], ...]]:
    """Numbers, texts with or without quotes, True, False, None; positional ones and those with names."""
    try:
        call = ast.parse(f"f({text})", mode="eval").body
        assert isinstance(call, ast.Call)
        positional = tuple(argument_value(one) for one in call.args)
        named = tuple((str(one.arg), argument_value(one.value)) for one in call.keywords)
    except (SyntaxError, ValueError, AssertionError) as error:
        raise RuleError(f"rule {rule!r}: arguments ({text}): want numbers, texts, True, False or None") from error
    return positional, named


def argument_value(node: ast.expr) -> Any:
    # werkzeug takes <any(about, help):page>: names stand for themselves.
    return node.id if isinstance(node, ast.Name) else ast.literal_eval(node)
