"""Turns a rule and the facts of its breach into the message that explains it, once for each place."""

import os
import threading
from collections.abc import Callable, Mapping
from typing import Any

from dragoman.contract.rules import RULES
from dragoman.values import printable

__all__ = ["Reporter", "render"]

# A bound on memory, should places be made up at run time (exec, templates).
PLACES = 1000
VALUE_CHARACTERS = 200


class Reporter:
    """Takes (rule id, facts) and hands the message to `write`, unless that rule was reported for that place before."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self.write = write
        self.seen: set[tuple[object, ...]] = set()
        # Serving threads report at any time.
        self.lock = threading.Lock()

    def __call__(self, rule_id: str, facts: Mapping[str, Any], /) -> None:
        """Report one breach. Facts that are missing make the message shorter, never an error."""
        where = facts.get("where")
        place = (rule_id, *where[:2]) if where else (rule_id, application_name(facts.get("application")))
        with self.lock:
            if place in self.seen or len(self.seen) >= PLACES:
                return
            self.seen.add(place)
        self.write(render(rule_id, facts))


def render(rule_id: str, facts: Mapping[str, Any]) -> str:
    """The message about one breach: what, where, why with the clause, how to mend it."""
    lines = [f"contract: {rule_id}", "  " + headline(facts)]
    if rule := RULES.get(rule_id):
        words = words_of(facts)
        lines += [
            "  " + first_complete(rule.said, words),
            f"  Why: {rule.why}  {rule.clause}",
            "  Fix: " + first_complete(rule.fix, words),
            f"  More: dragoman explain {rule_id}",
        ]
    return "\n".join(lines)


def headline(facts: Mapping[str, Any]) -> str:
    request = " ".join(printable(str(facts[key])) for key in ("method", "path") if facts.get(key))
    name = application_name(facts.get("application"))
    where = facts.get("where")
    if not where:
        return f"{request} → {name}" if request else name
    filename, line, qualname = where
    place = f"({printable(shortened(str(filename)))}:{line})"
    # The application's own name says its module; a nested function or a middleware's says itself.
    own = name if not qualname or name.endswith(f":{qualname}") else f"{name}, in {printable(str(qualname))}"
    return f"{request} → {own}  {place}" if request else f"{own}  {place}"


def application_name(application: object) -> str:
    """``module:qualname`` of a function; of an instance that of its class."""
    if application is None:
        return "the application"
    named = application if hasattr(application, "__qualname__") else type(application)
    module, name = getattr(named, "__module__", None), getattr(named, "__qualname__", type(named).__name__)
    return printable(f"{module}:{name}" if module else str(name))


def words_of(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """The facts as the templates show them; what is None counts as not known."""
    words = {key: value for key, value in facts.items() if value is not None}
    for key in ("value", "name"):
        if key in words:
            words[key] = cut(printable(str(words[key])))
    if got := words.get("got_type"):
        words["got_type"] = with_article(printable(str(got)))
    if "exception" in words:
        words["exception"] = cut(exception_text(words["exception"]))
    if facts.get("got_type") == "str" and is_short_literal(value := str(facts.get("value"))):
        is_ascii = value.isascii()
        words["bytes_fix"] = (
            f"give b{value}, or {value}.encode('utf-8')" if is_ascii else f"give {value}.encode('utf-8')"
        )
    return words


def first_complete(templates: tuple[str, ...], words: Mapping[str, Any]) -> str:
    for template in templates:
        try:
            return template.format_map(words)
        except KeyError:
            continue
    return templates[-1]


def is_short_literal(value: str) -> bool:
    return len(value) <= 60 and len(value) >= 2 and value[0] in "'\"" and value[-1] == value[0] and "…" not in value


def exception_text(exception: object) -> str:
    if not isinstance(exception, BaseException):
        return printable(str(exception))
    try:
        text = str(exception)
    except Exception:
        text = ""  # an exception whose __str__ raises
    return printable(f"{type(exception).__name__}: {text}" if text else type(exception).__name__)


def with_article(type_name: str) -> str:
    if type_name == "NoneType":
        return "None"
    return f"{'an' if type_name[:1].lower() in 'aeiou' else 'a'} {type_name}"


def cut(text: str) -> str:
    return text if len(text) <= VALUE_CHARACTERS else text[: VALUE_CHARACTERS - 1] + "…"


def shortened(filename: str) -> str:
    try:
        relative = os.path.relpath(filename) if os.path.isabs(filename) else filename
    except OSError:
        return filename  # the working directory is gone
    return filename if relative.startswith("..") else relative
