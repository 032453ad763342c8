"""Which plan a path has: a trie of segments, walked without regard to how many rules there are."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar
from urllib.parse import unquote_to_bytes

from dragoman.types import Environ
from dragoman.web.converters import MOST_DIGITS, Converter, IntegerConverter, StringConverter
from dragoman.web.rules import Piece, Rule, RuleError, Segment, Variable

__all__ = ["Matcher", "Missed", "Tree", "matcher_of", "segments_of", "taken_way"]

P = TypeVar("P")

Matcher: TypeAlias = Callable[[str], "tuple[object, ...]"]
"""Gives the values of a segment, in the form of WSGI, or raises ValueError."""

Way: TypeAlias = "tuple[Matcher, dict[str, P]]"
"""How a segment is matched, and the plans then, by method."""

# With a variable that spans segments in the middle of a rule, the ways to read a path grow with its segments.
MOST_SEGMENTS_TO_SPLIT = 100
# With several texts of any length in one segment they grow with a power of its length: with the number of the texts.
MOST_CHARACTERS_TO_SPLIT = {2: 1000, 3: 150}
MOST_CHARACTERS_OF_MORE_TEXTS = 60


class Missed(NamedTuple):
    """No plan.

    allowed        the methods that the path has plans for; empty where there is no such path
    wants_slash    whether there is a plan for the path with a slash at its end, which comes before what else there is
    """

    allowed: frozenset[str]
    wants_slash: bool


@dataclass
class Edge(Generic[P]):
    """A way on for segments that are no literal.

    order   of several that could match the lowest is tried first
    key     segments of the same key share a place, whatever their variables are called
    """

    order: tuple[int, ...]
    key: object
    match: Matcher
    node: Node[P]


class Node(Generic[P]):
    """A place in the trie: where a path may end, and how it goes on."""

    __slots__ = ("edges", "literals", "plans", "spans")

    def __init__(self) -> None:
        self.plans: dict[str, P] = {}
        self.literals: dict[str, Node[P]] = {}
        self.edges: list[Edge[P]] = []
        # As `edges`, for variables that take the segments up to the end, or up to where the rest fits.
        self.spans: list[Edge[P]] = []

    @property
    def is_leaf(self) -> bool:
        """Whether paths end here."""
        return not (self.literals or self.edges or self.spans)


class Tree(Generic[P]):
    """Plans by rule and method.

    >>> from dragoman.web.rules import parse_rule
    >>> tree = Tree()
    >>> tree.add(parse_rule("/user/<id>"), {"id": StringConverter()}, "GET", "the plan")
    >>> tree.find(["user", "7"], "GET")
    ('the plan', ('7',))
    """

    def __init__(self) -> None:
        self.root: Node[P] = Node()
        # What needs no walk: the plans of whole paths, as PATH_INFO has them, and for whole beginnings of paths how a
        # variable matches the last segment, with the plans then: where one does, and where several may. The walk would
        # try them first.
        self.static: dict[str, dict[str, P]] = {}
        self.last: dict[str, Way[P]] = {}
        self.several_last: dict[str, list[Way[P]]] = {}

    def add(self, rule: Rule, converters: Mapping[str, Converter], method: str, plan: P) -> P | None:
        """Put in a plan. Gives the one that is there already, which then stays."""
        node = self.root
        passed = []
        for segment in rule.segments:
            passed.append(node)
            node = step(node, segment, converters)
        if method in node.plans:
            return node.plans[method]
        node.plans[method] = plan
        if rule.is_static:
            self.static[as_native(rule.text)] = node.plans
        self.note_last(rule.segments[:-1], passed[-1])
        if rule.segments[-1] == ("",) and len(passed) > 1:
            # Where nothing but the slash is missing, this comes before variables: here as in the walk.
            self.note_last(rule.segments[:-2], passed[-2])
            if rule.is_static:
                self.static.setdefault(as_native(rule.text[:-1]), passed[-1].plans)
        return None

    def note_last(self, beginning: Sequence[Segment], node: Node[P]) -> None:
        """How a last segment is matched after a beginning of literals, which leads to `node`."""
        if node.edges and all(len(segment) == 1 and isinstance(segment[0], str) for segment in beginning):
            path = as_native("".join(f"/{segment[0]}" for segment in beginning))
            self.last.pop(path, None)
            self.several_last.pop(path, None)
            ways = [(edge.match, edge.node.plans) for edge in node.edges]
            if len(ways) == 1:
                self.last[path] = ways[0]
            elif not any("" in edge.node.literals for edge in node.edges):
                # Else one of them may want a slash, and keep the next from being tried.
                self.several_last[path] = ways

    def find(self, segments: Sequence[str], method: str) -> tuple[P, tuple[object, ...]] | Missed:
        """The plan for a path.

        segments   of the path after its first slash, as `segments_of` gives them
        Literals come before variables, and numbers before texts, at each segment from the left, also where nothing but
        a slash at the end is missing: ``/admin`` leads to ``/admin/``, and not to ``/<name>``. A plan for another
        method does not keep a later rule from being taken.
        """
        search: Search[P] = Search(segments, method)
        try:
            found = search.walk(self.root, 0, ())
        except WantsSlash:
            return Missed(frozenset(search.allowed), wants_slash=True)
        return found if found is not None else Missed(frozenset(search.allowed), wants_slash=False)

    def walk(self) -> Iterator[dict[str, P]]:
        """The plans of all places."""
        left = [self.root]
        while left:
            node = left.pop()
            if node.plans:
                yield node.plans
            left += [*node.literals.values(), *(edge.node for edge in (*node.edges, *node.spans))]


def taken_way(ways: Sequence[Way[P]], segment: str, method: str) -> tuple[P | None, tuple[object, ...]]:
    """The plan of the first way that takes the segment and has one for the method, with the values."""
    for match, plans in ways:
        plan = plans.get(method)
        if plan is not None:
            try:
                return plan, match(segment)
            except ValueError:
                pass
    return None, ()


class WantsSlash(Exception):
    """The walk has come to where a rule goes on with nothing but a slash."""


class Search(Generic[P]):
    """The walk through a tree for one path."""

    def __init__(self, segments: Sequence[str], method: str) -> None:
        self.segments = segments
        self.count = len(segments)
        self.method = method
        self.allowed: set[str] = set()
        # Where the rest of the path has been tried after a span and does not fit, so that nothing is tried twice.
        self.failed: set[tuple[int, int]] = set()

    def walk(self, node: Node[P], index: int, values: tuple[object, ...]) -> tuple[P, tuple[object, ...]] | None:
        """The plan for the segments from `index` on."""
        if index == self.count:
            return self.end(node, values)
        text = self.segments[index]
        child = node.literals.get(text)
        if child is not None:
            found = self.walk(child, index + 1, values)
            if found is not None:
                return found
        for edge in node.edges:
            try:
                matched = edge.match(text)
            except ValueError:
                continue
            found = self.walk(edge.node, index + 1, values + matched)
            if found is not None:
                return found
        for span in node.spans:
            found = self.across(span, index, values)
            if found is not None:
                return found
        return None

    def end(self, node: Node[P], values: tuple[object, ...]) -> tuple[P, tuple[object, ...]] | None:
        plan = node.plans.get(self.method)
        if plan is not None:
            return plan, values
        self.allowed.update(node.plans)
        with_slash = node.literals.get("")
        if with_slash is not None and self.method in with_slash.plans:
            raise WantsSlash
        return None

    def across(self, span: Edge[P], index: int, values: tuple[object, ...]) -> tuple[P, tuple[object, ...]] | None:
        """The plan where a variable takes the segments from `index` on, as few as will do."""
        ends: Sequence[int] = (self.count,)
        if not span.node.is_leaf:
            if self.count > MOST_SEGMENTS_TO_SPLIT:
                return None
            ends = range(index + 1, self.count + 1)
        for end in ends:
            if (id(span.node), end) in self.failed:
                continue
            try:
                matched = span.match("/".join(self.segments[index:end]))
            except ValueError:
                continue
            found = self.walk(span.node, end, values + matched)
            if found is not None:
                return found
            self.failed.add((id(span.node), end))
        return None


def step(node: Node[P], segment: Segment, converters: Mapping[str, Converter]) -> Node[P]:
    """The place after a segment of a rule, made where there is none."""
    [first, *others] = segment
    if not others and isinstance(first, str):
        return node.literals.setdefault(as_native(first), Node())
    edge: Edge[P] = edge_of(segment, converters)
    edges = node.spans if any(converters[one.name].spans_segments for one in variables_in(segment)) else node.edges
    for other in edges:
        if other.key == edge.key:
            return other.node
    edges.append(edge)
    edges.sort(key=lambda one: one.order)
    return edge.node


def edge_of(segment: Segment, converters: Mapping[str, Converter]) -> Edge[Any]:
    made = [converters[one.name] for one in variables_in(segment)]
    key = tuple(
        piece if isinstance(piece, str) else (type(converters[piece.name]), piece.arguments) for piece in segment
    )
    literal_length = sum(len(piece) for piece in segment if isinstance(piece, str))
    order = (-literal_length, sum(one.weight for one in made), len(made))
    return Edge(order, key, matcher_of(segment, converters), Node())


def matcher_of(segment: Segment, converters: Mapping[str, Converter]) -> Matcher:
    """What gives the values of a segment of a rule that has variables. Raises RuleError for one that cannot be."""
    try:
        if len(segment) > 1:
            return together(segment, converters)
        [variable] = variables_in(segment)
        return alone(converters[variable.name])
    except (re.error, OverflowError) as error:
        names = ", ".join(one.name for one in variables_in(segment))
        raise RuleError(f"variable {names}: no regular expression in its converter: {error}") from error


def alone(converter: Converter) -> Matcher:
    """Matches a segment that is one variable."""
    to_python = converter.to_python
    if type(converter) is StringConverter and converter.is_any:
        return text_alone
    if type(converter) is IntegerConverter and converter.is_plain:
        return digits_alone
    if converter.judges_text:

        def judged(text: str) -> tuple[object, ...]:
            return (to_python(decoded(text)),)

        return judged
    fullmatch = re.compile(converter.regex, re.DOTALL).fullmatch

    def matched(text: str) -> tuple[object, ...]:
        text = decoded(text)
        if fullmatch(text) is None:
            raise ValueError("another form")
        return (to_python(text),)

    return matched


def digits_alone(text: str) -> tuple[object, ...]:
    # Among the letters of latin-1 there are no decimals but those of ASCII.
    if text.isdecimal() and len(text) <= MOST_DIGITS:
        return (int(text),)
    raise ValueError("no number")


def text_alone(text: str) -> tuple[object, ...]:
    if not text:
        raise ValueError("nothing")
    return (text if text.isascii() else decoded(text),)


def together(segment: Segment, converters: Mapping[str, Converter]) -> Matcher:
    """Matches a segment of variables with literals around or between them: ``@<name>``, ``<id>.json``.

    Raises RuleError where no literal stands between two variables.
    """
    made = [converters[one.name] for one in variables_in(segment)]
    before: Piece | None = None
    for piece in segment:
        if not isinstance(piece, str) and before is not None and not isinstance(before, str):
            raise RuleError(f"variables {before.name!r} and {piece.name!r}: want a literal between them")
        before = piece
    # A converter's own regular expression may have groups, so those of the variables have names.
    pattern = "".join(
        re.escape(piece) if isinstance(piece, str) else f"(?P<variable_{piece.name}>{converters[piece.name].regex})"
        for piece in segment
    )
    fullmatch = re.compile(pattern, re.DOTALL).fullmatch
    groups = [f"variable_{one.name}" for one in variables_in(segment)]
    texts = sum(not one.is_short for one in made)
    most = sys.maxsize if texts < 2 else MOST_CHARACTERS_TO_SPLIT.get(texts, MOST_CHARACTERS_OF_MORE_TEXTS)

    def matched(text: str) -> tuple[object, ...]:
        match = fullmatch(decoded(text)) if len(text) <= most else None
        if match is None:
            raise ValueError("another form")
        return tuple(one.to_python(match[group]) for one, group in zip(made, groups, strict=True))

    return matched


def variables_in(segment: Segment) -> list[Variable]:
    return [piece for piece in segment if not isinstance(piece, str)]


def segments_of(environ: Environ) -> list[str]:
    """The segments of a request's path after its first slash, in the form of WSGI: bytes as latin-1.

    An escaped slash is part of its segment where the server says how the path was written, in RAW_URI, and nothing
    between the server and here has taken the path for another one.
    """
    path: str = environ.get("PATH_INFO", "")
    raw = environ.get("RAW_URI")
    if raw is not None and "%" in raw and "%2f" in raw.lower():
        segments = segments_of_raw(raw, environ.get("SCRIPT_NAME", ""), path)
        if segments is not None:
            return segments
    return path.split("/")[1:] or [""]


def segments_of_raw(raw: str, script_name: str, path: str) -> list[str] | None:
    """The segments as they were written, decoded one by one; None where that is not the path of here."""
    target = raw.partition("#")[0].partition("?")[0]
    if not target.startswith("/"):
        # RFC 9112 §3.2.2: absolute-form.
        scheme, colon, rest = target.partition("://")
        if not colon or not scheme.isalpha():
            return None
        target = "/" + rest.partition("/")[2]
    segments = [unquote_to_bytes(one).decode("latin-1") for one in target.split("/")]
    if "/".join(segments) != script_name + path:
        return None
    length = -1
    for index, segment in enumerate(segments):
        length += 1 + len(segment)
        if length == len(script_name):
            return segments[index + 1 :]
    return None


def decoded(text: str) -> str:
    """The text of a segment. Raises ValueError where it is no UTF-8."""
    return text if text.isascii() else text.encode("latin-1").decode("utf-8")


def as_native(text: str) -> str:
    """Text as the environ has it: bytes of UTF-8 as latin-1."""
    return text if text.isascii() else text.encode().decode("latin-1")
