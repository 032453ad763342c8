"""Turns a rule and the facts of its breach into the message that explains it, once for each place."""

import inspect
import os
import re
import sysconfig
import threading
import time
from collections.abc import Callable, Hashable, Mapping
from typing import Any

from dragoman.contract.counting import Counted, Counts, Later, span
from dragoman.contract.masking import exception_text, masked_facts
from dragoman.contract.places import attribute
from dragoman.contract.rule import Effect, Rule
from dragoman.contract.rules import GROUPS, RULES
from dragoman.values import printable

__all__ = ["Reporter", "render"]

# Bounds on memory, should places be made up at run time (exec, templates), or paths by clients.
PLACES = 1000
PATHS = 100
PATH_CHARACTERS = 200
VALUE_CHARACTERS = 200
# A client has got an error, or less than was meant for it.
FELT = (Effect.FAIL, Effect.CUT)

# Whose values are fields, or hold some: of the request, of the response, or of the environ.
OF_FIELDS = frozenset(
    ["headers-mutated", *(rule.id for group in ("Status and headers", "Environ and streams") for rule in GROUPS[group])]
)

# Whom a checker on the other side of a middleware has seen, and found without fault.
CLEARED: Mapping[str, str] = {
    "inside": "; the application inside of it kept the rule",
    "uncalled": "; the application inside of it was not called",
    "outside": "; whoever called it kept the rule",
}

LIBRARY_PARTS = frozenset({"site-packages", "dist-packages"})
STANDARD_LIBRARY = tuple({sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib")})


class Reporter:
    """Takes (rule id, facts), and hands messages to `write`: the first breach of a rule at a place is explained.

    write   takes a message, and what it says as fields, for logs that keep them
    name    what the application was loaded as, such as ``"shop.wsgi:app"``; without it, it is named by its code
    is_server      Dragoman has served what is reported: messages say what it has done, too
    clock, later   time, for tests

    Those that follow at a place are counted, and a line a minute says how many there were, with a sample. Where the
    response has failed, the first few of a minute have a line each: whoever asks by hand sees each of his errors. At
    most 1,000 places are told apart; what comes from others is counted by rule.
    """

    def __init__(
        self,
        write: Callable[[str, Mapping[str, object]], object],
        name: str = "",
        *,
        is_server: bool = True,
        clock: Callable[[], float] = time.monotonic,
        later: Later | None = None,
    ) -> None:
        self.write = write
        self.name = name
        self.is_server = is_server
        self.seen: dict[tuple[object, ...], set[str]] = {}
        self.counts = Counts(self.tell_counted, clock, later)
        # Serving threads report at any time; and whoever reports may meet a collection, which reports a response that
        # nobody has closed.
        self.lock = threading.RLock()

    def __call__(self, rule_id: str, facts: Mapping[str, Any], /) -> None:
        """Report one breach. Facts that are missing make the message shorter, never an error."""
        facts = without_secrets(rule_id, facts)
        where = facts.get("where")
        place = (rule_id, *where[:2]) if where else (rule_id, application_name(facts.get("application")))
        # Of a framework's application object all that is known is where it is entered, by each of its views.
        path = "" if where and not is_definition(facts) else str(facts.get("path", "")).partition("?")[0]
        with self.lock:
            is_new = self.is_new(place, path[:PATH_CHARACTERS])
            key = place if place in self.seen else (rule_id,)
        if is_new:
            self.write(
                render(rule_id, facts, self.name, is_server=self.is_server), fields_of(rule_id, facts, self.name)
            )
            return
        rule = RULES.get(rule_id)
        is_felt = rule is not None and rule.effect in FELT
        if self.counts.add(key, lambda: self.sample(rule_id, facts), is_urgent=is_felt):
            self.write(
                render_again(rule_id, facts, self.name, is_server=self.is_server), fields_of(rule_id, facts, self.name)
            )

    def close(self) -> None:
        """Tell of what was counted: nothing more will come."""
        self.counts.close()

    def is_new(self, place: tuple[object, ...], path: str) -> bool:
        if place not in self.seen and len(self.seen) >= PLACES:
            return False
        paths = self.seen.setdefault(place, set())
        if path in paths or len(paths) >= PATHS:
            return False
        paths.add(path)
        return True

    def sample(self, rule_id: str, facts: Mapping[str, Any]) -> tuple[str, Mapping[str, object]]:
        """One breach among others, in words and as fields."""
        return headline(facts, self.name), fields_of(rule_id, facts, self.name)

    def tell_counted(self, key: Hashable, counted: Counted, seconds: float) -> None:
        """Write the line about what was counted at a place."""
        rule_id = str(counted.fields["rule"])
        self.write(render_counted(rule_id, counted, seconds), {**counted.fields, "count": counted.count})


def render(rule_id: str, facts: Mapping[str, Any], name: str = "", *, is_server: bool = False) -> str:
    """The message about one breach: what, where, why with the clause, how to mend it.

    name       what the application was loaded as, such as ``"shop.wsgi:app"``
    is_server  Dragoman has served it: what it has done is said, too
    """
    facts = without_secrets(rule_id, facts)
    lines = [f"contract: {rule_id}", "  " + headline(facts, name)]
    if rule := RULES.get(rule_id):
        words = words_of(facts, name)
        lines += [
            "  " + sentences(rule, words, is_server=is_server),
            *by(facts),
            f"  Why: {rule.why}  {rule.clause}",
            "  Fix: " + first_complete(rule.fix, words),
            f"  More: dragoman explain {rule_id}",
        ]
    return "\n".join(lines)


def without_secrets(rule_id: str, facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """The facts as they may be shown."""
    return masked_facts(facts, is_of_fields=rule_id in OF_FIELDS)


def by(facts: Mapping[str, Any]) -> list[str]:
    """A line about who has broken the rule, and how that is known, unless it is the application."""
    match facts.get("party"):
        case "server":
            return ["  By: the server, or what stands between it and this checker"]
        case "middleware":
            reason = CLEARED.get(str(facts.get("cleared")), "")
            return [f"  By: the middleware {cut(printable(str(facts.get('by', ''))))}{reason}"]
    return []


def sentences(rule: Rule, words: Mapping[str, Any], *, is_server: bool) -> str:
    """What is wrong, and what was done about it."""
    said = first_complete(rule.said, words)
    return f"{said} {rule.done}" if is_server and rule.done else said


def render_again(rule_id: str, facts: Mapping[str, Any], name: str, *, is_server: bool) -> str:
    """One line about a breach that was explained before."""
    said = sentences(RULES[rule_id], words_of(facts, name), is_server=is_server)
    return f"contract: {rule_id} again: {headline({**facts, 'where': None}, name)}: {said}"


def render_counted(rule_id: str, counted: Counted, seconds: float) -> str:
    """One line about breaches of which no line was written, counted for so many seconds."""
    rule = RULES.get(rule_id)
    effect = f" ({rule.effect.value})" if rule and rule.effect in FELT else ""
    return f"contract: {rule_id} … {counted.count} more like it in {span(seconds)}{effect}, such as {counted.sample}"


def fields_of(rule_id: str, facts: Mapping[str, Any], name: str = "") -> dict[str, object]:
    """What a message about a breach says, by the names that `Finding` has for it; nothing that is not known."""
    rule = RULES.get(rule_id)
    file, line, function = facts.get("where") or (None, None, None)
    known = {
        "rule": rule_id,
        "party": facts.get("party") or (rule and rule.party),
        "layer": name or application_name(facts.get("application")),
        "file": file and shortened(str(file)),
        "line": line,
        "function": function,
        "request": request_of(facts),
        "value": words_of(facts, name).get("value"),
    }
    return {key: value for key, value in known.items() if value not in (None, "")}


def headline(facts: Mapping[str, Any], name: str = "") -> str:
    request = request_of(facts)
    place = place_of(facts, printable(name) or application_name(facts.get("application")))
    return f"{request} → {place}" if request else place


def request_of(facts: Mapping[str, Any]) -> str:
    return " ".join(printable(str(facts[key])) for key in ("method", "path") if facts.get(key))


def place_of(facts: Mapping[str, Any], name: str) -> str:
    where = facts.get("where")
    if not where:
        return name
    filename, line, qualname = where
    if is_definition(facts) and is_library_object(facts["application"], str(filename)):
        # Its class is the framework's: a line in there is nobody's mistake.
        kind = application_name(facts["application"])
        return name if name == kind else f"{name}  (instance of {kind})"
    # The application's own name says its module; a nested function or a middleware's says itself.
    own = name if not qualname or name.endswith(f":{qualname}") else f"{name}, in {printable(str(qualname))}"
    return f"{own}  ({printable(shortened(str(filename)))}:{line})"


def is_definition(facts: Mapping[str, Any]) -> bool:
    """True when the place of the breach is only that where a call of the application begins."""
    try:
        code = code_of(facts.get("application"))
        return code is not None and tuple(facts["where"][:2]) == (code.co_filename, code.co_firstlineno)
    except Exception:  # an application object with attributes that raise
        return False


def code_of(application: object) -> Any:
    """The code that a call of `application`, or of a partial's function, enters; None where it is not Python's."""
    called = getattr(application, "func", application)
    return getattr(called, "__code__", None) or getattr(getattr(type(called), "__call__", None), "__code__", None)  # noqa: B004 - the method is meant


def is_library_object(application: object, filename: str) -> bool:
    is_function = hasattr(getattr(application, "func", application), "__code__")
    is_library = not LIBRARY_PARTS.isdisjoint(filename.split(os.sep)) or filename.startswith(STANDARD_LIBRARY)
    return is_library and not is_function


def application_name(application: object) -> str:
    """``module:qualname`` of a function; of an instance that of its class; a text or number as it is written."""
    if application is None:
        return "the application"
    is_named = isinstance(attribute(application, "__qualname__"), str)
    if type(application).__module__ == "builtins" and not is_named:
        return cut(printable(repr(application)))
    named = application if is_named else type(application)
    module, name = getattr(named, "__module__", None), getattr(named, "__qualname__", type(named).__name__)
    return printable(f"{module}:{name}" if module else str(name))


def words_of(facts: Mapping[str, Any], name: str = "") -> Mapping[str, Any]:
    """The facts as the templates show them; what is None counts as not known."""
    words = {key: value for key, value in facts.items() if value is not None}
    for key in ("value", "name"):
        if key in words:
            words[key] = cut(printable(str(words[key])))
    if got := words.get("got_type"):
        words["got_type"] = with_article(printable(str(got)))
    if "exception" in words:
        words["exception"] = cut(exception_text(words["exception"]))
    if facts.get("got_type") == "str" and is_short_literal(text := str(facts.get("value"))):
        # Escapes above \x7f mean other bytes in b'...' than in UTF-8.
        is_same_as_bytes = text.isascii() and not re.search(r"\\[xuU]", text)
        encoded = f"{text}.encode('utf-8')"
        words["bytes_fix"] = f"give b{text}, or {encoded}" if is_same_as_bytes else f"give {encoded}"
        words["list_fix"] = f"return [b{text}], or return [{encoded}]" if is_same_as_bytes else f"return [{encoded}]"
    if got and got != "NoneType" and name and not name.endswith(")") and takes_nothing(facts.get("application")):
        words["factory"] = printable(name)
    return words


def takes_nothing(function: object) -> bool:
    """True when `function` can be called without arguments, as a factory is."""
    try:
        inspect.signature(function).bind()  # type: ignore[arg-type]
    except Exception:
        return False
    return True


def first_complete(templates: tuple[str, ...], words: Mapping[str, Any]) -> str:
    for template in templates:
        try:
            # The type of None says its value too.
            shown = template.replace(": {value}", "") if words.get("got_type") == "None" else template
            return shown.format_map(words)
        except KeyError:
            continue
    return templates[-1]


def is_short_literal(value: str) -> bool:
    return len(value) <= 60 and len(value) >= 2 and value[0] in "'\"" and value[-1] == value[0] and "…" not in value


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
