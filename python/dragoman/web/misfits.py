"""All parts of a value that are not as a type wants them: what is told once msgspec has refused the whole."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import quote

import msgspec
from msgspec import inspect

from dragoman.web.leaves import REFUSALS, fault_of, is_taken
from dragoman.web.wanted import LISTS, OBJECTS, is_row, kind_of, own_kinds, row_bounds, unwrapped, wanted_words

__all__ = ["MOST_TOLD", "Found", "Misfit", "Path", "Search", "misfits_in", "misfits_of"]

Path: TypeAlias = "tuple[str | int, ...]"

MOST_TOLD = 20
# Values looked at before the search is given up: a body of a megabyte has half a million, and Python looks at each.
MOST_LOOKED_AT = 10_000
# Levels below the top; a path of more is no help to anybody.
MOST_DEPTH = 50
# Of a name that a client has chosen, and of names that are told to it.
MOST_OF_NAME = 60
MOST_NAMES = 20
# RFC 3986 §3.5, but the slash, which is between the parts.
SAFE_IN_FRAGMENT = "!$&'()*+,;=:@~"

# What makes a class check its values by itself: methods of Structs and dataclasses, and validators of attrs.
CHECKS = ("__post_init__", "__attrs_attrs__")
RECORDS = (inspect.StructType, inspect.TypedDictType, inspect.DataclassType)
# The message of msgspec, and where: "Expected `int`, got `str` - at `$.items[2]`", "… - at `key` in `$.counts`".
PLACE = re.compile(r"(?P<message>.*) - at (?:`key` in )?`\$(?P<path>.*)`", re.DOTALL)
STEP = re.compile(r"\[(?P<index>\d+)\]|\[\.\.\.\]|\.(?P<name>[^.\[]+)")
MISSING = re.compile(r"Object missing required field `(.*)`", re.DOTALL)
UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
# msgspec does not say which one of a dict it is.
ANY_NAME = "*"
# What msgspec repeats of the value is not told: it may be a secret, and goes into logs.
ECHOING = re.compile(r"(Invalid (?:enum )?value) .*", re.DOTALL)


class Misfit(NamedTuple):
    """A part that is not as it should be.

    path     to it: names and indices
    code     for programs: missing, unknown, type, small, large, step, length, pattern, choice, form, invalid
    what     is wrong with it, after its name: ``is missing``; without `wanted` a sentence of its own
    wanted   in words
    """

    path: Path
    code: str
    what: str
    wanted: str = ""

    @property
    def field(self) -> str:
        """The path as programs write it: ``items[2].price``; empty for the whole."""
        text = ""
        for part in self.path:
            text += f"[{part}]" if isinstance(part, int) else f".{shortened(part)}" if text else shortened(part)
        return text

    @property
    def pointer(self) -> str:
        """The path as a JSON pointer in a fragment: ``#/items/2/price``. RFC 6901 §6."""
        parts = (shortened(str(part)).replace("~", "~0").replace("/", "~1") for part in self.path)
        return "#" + "".join("/" + quote(part, safe=SAFE_IN_FRAGMENT, errors="replace") for part in parts)

    def told(self, whole: str) -> str:
        """In words: ``items[2].price is a text: want a number``.

        whole   what has no name but that: ``the body``
        """
        subject = self.field or whole
        return f"{subject} {self.what}: want {self.wanted}" if self.wanted else f"{subject}: {self.what}"


class Found(NamedTuple):
    """Misfits; `is_all` where there can be no more."""

    misfits: list[Misfit]
    is_all: bool


def misfits_of(error: Exception) -> Found:
    """What msgspec tells itself: the first one. What validators of attrs say is left out: it repeats the value.

    >>> try: msgspec.convert({"a": ["x"]}, dict[str, list[int]])
    ... except msgspec.ValidationError as error: misfits_of(error).misfits[0].path
    ('*', 0)
    """
    text = str(error)
    found = PLACE.fullmatch(text)
    message, place = (found["message"], found["path"]) if found else (text, "")
    path: Path = tuple(int(one["index"]) if one["index"] else one["name"] or ANY_NAME for one in STEP.finditer(place))
    if missing := MISSING.fullmatch(message):
        return Found([Misfit((*path, missing[1]), "missing", "is missing")], False)
    if unknown := UNKNOWN.fullmatch(message):
        return Found([Misfit((*path, unknown[1]), "unknown", "is not known here")], False)
    validated = attribute_of(error)
    if validated is not None:
        return Found([Misfit((*path, *validated), "invalid", "Invalid value")], False)
    return Found([Misfit(path, "invalid", ECHOING.sub(r"\1", message))], False)


def attribute_of(error: Exception) -> Path | None:
    """The attribute, if it has a name, that a validator of attrs itself has refused; None where none has."""
    traceback = None if error.__cause__ is None else error.__cause__.__traceback__
    frame = None
    while traceback is not None:
        frame, traceback = traceback.tb_frame, traceback.tb_next
    if frame is None or str(frame.f_globals.get("__name__")).partition(".")[0] not in ("attr", "attrs"):
        return None
    name = getattr(frame.f_locals.get("attr"), "name", None)
    return () if name is None else (str(name),)


def misfits_in(value: Any, node: Any, *, strict: bool = True, error: Exception) -> Found:
    """All of them, at most `MOST_TOLD`.

    value    of dicts, lists and what JSON has besides; or of texts
    node     of the type, as `msgspec.inspect.type_info` gives it
    strict   as `msgspec.convert` has it
    error    what msgspec has raised for the value: what it tells is among them
    """
    search = Search(strict)
    try:
        search.look(value, node, ())
    except RecursionError:
        # A type that converts its own parts, in the last of the levels that Python has.
        search.is_all = False
    if search.found and search.is_all:
        return Found(search.found, True)
    [first], _ = misfits_of(error)
    known = any(one.path == first.path or ANY_NAME in first.path for one in search.found)
    return Found(search.found if known else [first, *search.found][:MOST_TOLD], False)


class Search:
    """The walk through a value beside its type, which visits each part once."""

    def __init__(self, strict: bool) -> None:
        self.strict = strict
        self.found: list[Misfit] = []
        self.looked_at = 0
        self.most_looked_at = MOST_LOOKED_AT
        self.most_depth = MOST_DEPTH
        self.is_all = True

    def look(self, value: Any, node: Any, path: Path) -> None:
        """Add what is wrong with `value` and its parts."""
        node = unwrapped(node)
        is_enough = len(self.found) >= MOST_TOLD or self.looked_at >= self.most_looked_at
        if is_enough or len(path) > self.most_depth:
            self.is_all = False
            return
        self.looked_at += 1
        if isinstance(node, inspect.UnionType):
            self.look_at_union(value, node, path)
        elif is_object(node):
            look = self.look_at_record if isinstance(node, RECORDS) else self.look_at_mapping
            look(value, node, path)
        elif is_list(node):
            self.look_at_list(value, node, path)
        elif not self.fits(value, node):
            self.tell_of_leaf(value, node, path, wanted_words(node))

    def tell(self, path: Path, code: str, what: str, wanted: str = "") -> None:
        self.found.append(Misfit(path, code, what, wanted))

    def look_at_record(self, value: Any, node: Any, path: Path) -> None:
        if not isinstance(value, dict):
            self.tell(path, "type", f"is {kind_of(value)}", record_words(node))
            return
        before = len(self.found)
        tag_field = getattr(node, "tag_field", None)
        if tag_field is not None and value.get(tag_field, node.tag) != node.tag:
            self.tell((*path, tag_field), "choice", "is another", repr(node.tag))
        known = {field.encode_name for field in node.fields}
        for field in node.fields:
            name = field.encode_name
            if name in value:
                self.look(value[name], field.type, (*path, name))
            elif field.required and len(self.found) < MOST_TOLD:
                self.tell((*path, name), "missing", "is missing", wanted_words(field.type))
        if getattr(node, "forbid_unknown_fields", False):
            for name in [one for one in value if one not in known and one != tag_field][:MOST_TOLD]:
                self.tell((*path, name), "unknown", "is not known here", near_words(name, known))
        if len(self.found) == before and any(hasattr(node.cls, name) for name in CHECKS):
            self.convert(value, node.cls, path)

    def look_at_mapping(self, value: Any, node: Any, path: Path) -> None:
        if not isinstance(value, dict):
            self.tell(path, "type", f"is {kind_of(value)}", wanted_words(node))
            return
        self.look_at_length(value, node, path)
        for name, one in value.items():
            if self.looked_at >= self.most_looked_at or len(self.found) >= MOST_TOLD:
                self.is_all = False
                return
            key = unwrapped(node.key_type)
            if not isinstance(key, inspect.AnyType) and not self.fits({name: None}, key, is_key=True):
                self.tell((*path, name), "form", "is no name for this", wanted_words(key))
            self.look(one, node.value_type, (*path, name))

    def look_at_list(self, value: Any, node: Any, path: Path) -> None:
        if not isinstance(value, list | tuple):
            self.tell(path, "type", f"is {kind_of(value)}", wanted_words(node))
            return
        if is_row(node):
            self.look_at_row(value, node, path)
            return
        if isinstance(node, inspect.TupleType):
            if len(value) != len(node.item_types):
                self.tell(path, "length", f"has {len(value)}", wanted_words(node))
            for index, (one, kind) in enumerate(zip(value, node.item_types, strict=False)):
                self.look(one, kind, (*path, index))
            return
        self.look_at_length(value, node, path)
        for index, one in enumerate(value):
            if self.looked_at >= self.most_looked_at or len(self.found) >= MOST_TOLD:
                self.is_all = False
                return
            self.look(one, node.item_type, (*path, index))

    def look_at_row(self, value: Any, node: Any, path: Path) -> None:
        """A record whose fields come in a row."""
        before = len(self.found)
        is_tagged = getattr(node, "tag_field", None) is not None
        least, most = row_bounds(node)
        if is_tagged and value and value[0] != node.tag:
            self.tell((*path, 0), "choice", "is another", repr(node.tag))
        elif len(value) < least or (most is not None and len(value) > most):
            self.tell(path, "length", f"has {len(value)}", wanted_words(node))
        for index, (one, field) in enumerate(zip(value[is_tagged:], node.fields, strict=False), int(is_tagged)):
            self.look(one, field.type, (*path, index))
        if len(self.found) == before and any(hasattr(node.cls, name) for name in CHECKS):
            self.convert(value, node.cls, path)

    def look_at_length(self, value: Any, node: Any, path: Path) -> None:
        least, most = getattr(node, "min_length", None), getattr(node, "max_length", None)
        if (least is not None and len(value) < least) or (most is not None and len(value) > most):
            self.tell(path, "length", f"has {len(value)}", wanted_words(node))

    def look_at_union(self, value: Any, node: inspect.UnionType, path: Path) -> None:
        """Go on with the one that the value is meant to be; a union has one of each kind, or tells by a tag."""
        kinds = [unwrapped(one) for one in node.types]
        wanted = wanted_words(node)
        if isinstance(value, dict):
            records = [one for one in kinds if is_object(one)]
            if len(records) > 1:
                self.look_by_tag(value, records, path)
            elif records:
                self.look(value, records[0], path)
            elif not any(self.fits(value, one) for one in kinds if not is_list(one)):
                self.tell(path, "type", "is an object", wanted)
            return
        if isinstance(value, list | tuple):
            lists = [one for one in kinds if is_list(one)]
            if len(lists) == 1:
                self.look(value, lists[0], path)
                return
            if lists:
                self.look_by_tag(value, lists, path)
                return
        leaves = [one for one in kinds if not is_object(one) and not is_list(one)]
        if any(self.fits(value, one) for one in leaves):
            return
        near = [one for one in leaves if kind_of(value) in own_kinds(one)]
        self.tell_of_leaf(value, near[0] if len(near) == 1 else node, path, wanted)

    def look_by_tag(self, value: Any, records: list[Any], path: Path) -> None:
        tags = {one.tag: one for one in records if isinstance(one, inspect.StructType)}
        field = 0 if is_row(records[0]) else getattr(records[0], "tag_field", None)
        if field is None:
            return
        given = value if isinstance(value, dict) else dict(enumerate(value[:1]))
        tag = given.get(field)
        wanted = wanted_words(inspect.LiteralType(tuple(tags)))
        if field not in given:
            self.tell((*path, field), "missing", "is missing", wanted)
        elif not isinstance(tag, str | int) or tag not in tags:
            self.tell((*path, field), "choice", "is something else", wanted)
        else:
            self.look(value, tags[tag], path)

    def tell_of_leaf(self, value: Any, node: Any, path: Path, wanted: str) -> None:
        code, what = fault_of(value, node, self.strict)
        self.tell(path, code, what, wanted)

    def convert(self, value: Any, kind: Any, path: Path) -> None:
        """What the type's own ``__post_init__`` says."""
        try:
            msgspec.convert(value, kind, strict=self.strict, str_keys=True)
        except REFUSALS as error:
            [first], _ = misfits_of(error)
            self.found.append(first._replace(path=(*path, *first.path)))

    def fits(self, value: Any, node: Any, *, is_key: bool = False) -> bool:
        return is_taken(value, node, strict=self.strict, is_key=is_key)


def is_object(node: Any) -> bool:
    return isinstance(node, OBJECTS) and not is_row(node)


def is_list(node: Any) -> bool:
    return isinstance(node, LISTS) or is_row(node)


def record_words(node: Any) -> str:
    names = [field.encode_name for field in node.fields if field.required] or [one.encode_name for one in node.fields]
    return "an object" + (f" with {', '.join(names[:MOST_NAMES])}" if names else "")


def near_words(name: str, known: set[str]) -> str:
    near = get_close_matches(shortened(name), sorted(known), n=1)
    if near:
        return f"{near[0]}?"
    return f"one of {', '.join(sorted(known)[:MOST_NAMES])}"


def shortened(name: str) -> str:
    return name if len(name) <= MOST_OF_NAME else name[:MOST_OF_NAME] + "…"
