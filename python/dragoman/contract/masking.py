"""Masks what lets others in: whoever shares a terminal, a log or a report does not share credentials."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from dragoman.values import printable

__all__ = ["MASK", "exception_text", "is_secret", "masked_facts", "masked_query", "masked_url"]

MASK = "••••"
SECRET = re.compile(
    r"authori[sz]ation|cookie|token|secret|passw|pwd|credential|session|signature|api[-_]?key|client[-_]cert|private|jwt"
    r"|(^|[-_])(auth|key|sid|code|pin|otp)($|[-_])",
    re.IGNORECASE,
)
# In the repr of a header, of a list or dict of them, of a header's line, or of a cookie or a query: a name, and what
# stands between it and its value.
NAMED = re.compile(r"(?P<name>[A-Za-z0-9_.-]+)(?P<between>['\"]?\s*[,:]\s*|=)")
# Where the value of a parameter ends.
END = re.compile(r"[&;'\"\s\\]|$")


def is_secret(name: str) -> bool:
    """Whether the value of a field or parameter of this name lets others in."""
    return SECRET.search(name) is not None


def masked_url(url: str) -> str:
    """`url` with the values of secrets in its query masked."""
    before, mark, query = url.partition("?")
    return f"{before}{mark}{masked_query(query)}" if mark else url


def masked_query(query: str) -> str:
    """`query` with the values of secrets masked."""
    return "&".join(masked_parameter(part) for part in query.split("&"))


def masked_parameter(part: str) -> str:
    name, equals, _ = part.partition("=")
    decoded = parse_qsl(part, keep_blank_values=True, errors="replace")
    return f"{name}={MASK}" if equals and decoded and is_secret(decoded[0][0]) else part


def masked_text(text: str) -> str:
    """`text`, a repr or a message, without what follows the name of a secret: up to the end of a parameter, or all."""
    masked, at = [], 0
    for found in NAMED.finditer(text):
        if found.start() < at or not is_secret(found["name"]):
            continue
        masked += [text[at : found.end()], MASK]
        if found["between"] != "=":
            return "".join(masked)
        at = end.start() if (end := END.search(text, found.end())) else len(text)
    return "".join([*masked, text[at:]])


def masked_facts(facts: Mapping[str, Any], *, is_of_fields: bool) -> dict[str, Any]:
    """The facts of a breach with credentials masked: in the path's query, and in values.

    is_of_fields   the value is one of a field, or holds some
    """
    shown = dict(facts)
    if isinstance(path := shown.get("path"), str):
        shown["path"] = masked_url(path)
    if not is_of_fields:
        return shown
    name, value = shown.get("name"), shown.get("value")
    # The name may be what is wrong itself.
    if value is not None and str(value) != repr(name):
        shown["value"] = MASK if isinstance(name, str) and is_secret(name) else masked_text(str(value))
    if shown.get("exception") is not None:
        # A server's refusal may hold what it has refused.
        shown["exception"] = masked_text(exception_text(shown["exception"]))
    return shown


def exception_text(exception: object) -> str:
    """An exception's type and message, whatever it is."""
    if not isinstance(exception, BaseException):
        return printable(str(exception))
    try:
        text = str(exception)
    except BaseException:
        text = ""  # an exception whose __str__ raises, perhaps SystemExit
    return printable(f"{type(exception).__name__}: {text}" if text else type(exception).__name__)
