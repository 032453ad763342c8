"""What can be said with certainty of a middleware: of the path that it passes on, and of the responses inside of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from dragoman.contract.places import attribute

if TYPE_CHECKING:
    from dragoman.contract.transcript import Transcript

__all__ = ["contains", "forget_pulled", "look_at_pulled", "lost_prefix", "subject", "swallowed"]

# Rules that a request can break in several ways at once, each about one name, or one name and its value.
OF_NAME = ("environ-key", "environ-value", "environ-path")
OF_VALUE = ("header-", "headers-item")

# Fields that are others where the body is encoded, or counted, or changed.
OF_BYTES = frozenset({"accept-ranges", "content-encoding", "content-length", "etag", "last-modified", "vary"})
# How deep a middleware is looked through for a checker inside of it, and how many objects.
DEPTH, OBJECTS = 4, 10_000


def subject(rule_id: str, facts: Mapping[str, Any]) -> object:
    """What a breach is about: two of one rule are the same where they are about the same."""
    if rule_id.startswith(OF_VALUE):
        return rule_id, str(facts.get("name", "")).lower(), facts.get("value")
    return (rule_id, facts.get("name")) if rule_id.startswith(OF_NAME) else rule_id


def lost_prefix(outer: Transcript, inner: Transcript) -> str:
    """What was taken from the front of PATH_INFO, and not added to SCRIPT_NAME; "" where that cannot be said.

    A path that is another one was rewritten, as a middleware may; one without `//`, `/./` and `/../` was put in order.
    """
    before, after, script_before, script_after = outer.path, inner.path, outer.script_name, inner.script_name
    if not (
        isinstance(before, str)
        and isinstance(after, str)
        and isinstance(script_before, str)
        and isinstance(script_after, str)
    ):
        return ""
    if not after.strip("/") or not before.endswith(after):
        return ""
    taken = before[: len(before) - len(after)].rstrip("/")
    if not {*taken.split("/")} - {"", "."} or ".." in taken.split("/"):
        return ""
    # What a proxy has taken away may have been put before it.
    return "" if script_after.rstrip("/").endswith(script_before + taken) else taken


def look_at_pulled(outer: Transcript, rule_id: str, iterator: object) -> None:
    """Blocks were taken inside: for one step, one should do."""
    if (count := held_at_once(outer)) > 1:
        outer.breach(rule_id, {"count": count}, outer.place_in(iterator))
    forget_pulled(outer)


def forget_pulled(outer: Transcript) -> None:
    """A step begins."""
    for child in outer.pulled_from:
        child.pulled = 0
    outer.pulled_from = ()


def held_at_once(outer: Transcript) -> int:
    """So many blocks of the response inside were taken for one step of the one outside.

    0 where nothing says that the one is made of the other: the client gets no body, another answer, or one that is
    composed of several.
    """
    if outer.method == "HEAD" or outer.is_bodiless or not outer.is_started:
        return 0
    giving = [child for child in outer.children if child.has_body and is_made_of(outer, child)]
    return giving[0].pulled if len(giving) == 1 else 0


def is_made_of(outer: Transcript, child: Transcript) -> bool:
    """Whether the one outside may have come of the one inside: it says the same, but for what speaks of the bytes."""
    if child.head.code != outer.head.code:
        return False
    before, after = child.headers, outer.headers
    if child.is_passed_on or type(before) is not list or type(after) is not list:
        return True
    lost = (item for item in before if item not in after)
    return all(isinstance(item, tuple) and item and str(item[0]).lower() in OF_BYTES for item in lost)


def swallowed(outer: Transcript) -> int:
    """The number of blocks of a response whose head was passed on, and nothing of its body."""
    if outer.method == "HEAD" or outer.is_bodiless or outer.declared == 0:
        return 0
    return max((child.blocks for child in outer.children if child.has_body and is_answer(child, outer)), default=0)


def is_answer(child: Transcript, outer: Transcript) -> bool:
    """Whether its head is the one that the client gets."""
    return child.head.code == outer.head.code and (child.is_passed_on or child.headers == outer.headers)


def contains(app: object, kind: type) -> bool:
    """Whether there is a `kind` inside of `app`: in its attributes, what its function has closed over or names, and in
    the dicts, lists and tuples there.
    """
    seen: set[int] = set()
    level = [app]
    for depth in range(DEPTH):
        inner = [one for outer in level for one in held_by(outer)]
        # What the functions name that a function calls says nothing of what that is around.
        inner += [] if depth else globals_of(app)
        if any(issubclass(type(one), kind) for one in inner):
            return True
        looked_into = (one for one in inner if callable(one) or type(one) in (dict, list, tuple))
        fresh = {id(one): one for one in looked_into if id(one) not in seen}
        level = list(islice(fresh.values(), max(0, OBJECTS - len(seen))))
        seen.update(fresh)
    return False


def held_by(holder: object) -> Iterator[object]:
    if isinstance(holder, dict):
        yield from islice(list(holder.values()), OBJECTS)
    elif isinstance(holder, (list, tuple)):
        yield from islice(holder, OBJECTS)
    elif not isinstance(holder, type):
        yield from list((attribute(holder, "__dict__") or {}).values())
        for name in ("func", "__wrapped__", "__self__", "__func__"):
            yield attribute(holder, name)
        for cell in attribute(holder, "__closure__") or ():
            try:
                yield cell.cell_contents
            except ValueError:
                continue


def globals_of(function: object) -> list[object]:
    """The globals that a function names."""
    names, known = attribute(attribute(function, "__code__"), "co_names"), attribute(function, "__globals__")
    return [known[name] for name in names or () if name in known] if isinstance(known, dict) else []
