"""Header lists in the form of WSGI, and the pieces that field values are made of (RFC 9110 §5)."""

import re
from collections.abc import Iterable
from typing import TypeAlias

__all__ = [
    "Headers",
    "add",
    "add_token",
    "combined",
    "get",
    "get_all",
    "has",
    "is_field_value",
    "is_token",
    "parameters",
    "put",
    "quote",
    "quote_unless_token",
    "remove",
    "split_list",
    "unquote",
]

Headers: TypeAlias = list[tuple[str, str]]
"""What `start_response` takes: (name, value) in the order of sending. Names are compared without regard to case."""

# RFC 9110 §5.6.2: token = 1*tchar
TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# RFC 9110 §5.5: field-value = *field-content, visible at both ends. CR, LF, NUL and other controls never.
FIELD_VALUE = re.compile(r"(?:[\x21-\x7e\x80-\xff](?:[\t \x21-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?")
# RFC 9110 §5.6.4: quoted-string = DQUOTE *( qdtext / quoted-pair ) DQUOTE
QUOTED = re.compile(r'"((?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*)"')
QUOTABLE = re.compile(r"[\t \x21-\x7e\x80-\xff]*")
QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
# A quote that is never closed takes the rest, so that no text is looked at twice.
PIECES = {
    separator: re.compile(rf'{separator}|"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)|[^{separator}"]+', re.DOTALL)
    for separator in (",", ";")
}
OWS = " \t"


def get(headers: Iterable[tuple[str, str]], name: str, default: str | None = None) -> str | None:
    """The value of the first field called `name`, else `default`.

    Source: RFC 9110 §5.1. Lists may come in several fields: ask `combined` for those.

    >>> get([("Content-Type", "text/plain")], "content-type")
    'text/plain'
    """
    wanted = name.lower()
    return next((value for given, value in headers if given.lower() == wanted), default)


def get_all(headers: Iterable[tuple[str, str]], name: str) -> list[str]:
    """The values of all fields called `name`, in their order.

    Source: RFC 9110 §5.2.

    >>> get_all([("Set-Cookie", "a=1"), ("set-cookie", "b=2")], "Set-Cookie")
    ['a=1', 'b=2']
    """
    wanted = name.lower()
    return [value for given, value in headers if given.lower() == wanted]


def combined(headers: Iterable[tuple[str, str]], name: str) -> str | None:
    """The fields called `name` as one value, joined with ``", "``; None without any.

    For fields that are lists. Set-Cookie is none and may not be joined.
    Source: RFC 9110 §5.3.

    >>> combined([("Vary", "Accept"), ("Vary", "Cookie")], "vary")
    'Accept, Cookie'
    """
    values = get_all(headers, name)
    return ", ".join(values) if values else None


def has(headers: Iterable[tuple[str, str]], name: str) -> bool:
    """Whether there is a field called `name`, if only an empty one.

    Source: RFC 9110 §5.1.

    >>> has([("ETag", '"a"')], "etag")
    True
    """
    return get(headers, name) is not None


def add(headers: Headers, name: str, value: str) -> None:
    """Append the field, beside others of its name.

    Raises ValueError when `name` is no token or `value` no field value: a line break in it would end the field.
    Source: RFC 9110 §5.2.

    >>> headers = [("Set-Cookie", "a=1")]
    >>> add(headers, "Set-Cookie", "b=2")
    >>> headers
    [('Set-Cookie', 'a=1'), ('Set-Cookie', 'b=2')]
    """
    headers.append(checked(name, value))


def put(headers: Headers, name: str, value: str) -> None:
    """Make this the one field of its name, in place of the first one of before, else at the end.

    The list is changed, not replaced. Raises ValueError as `add` does, and then changes nothing.
    Source: RFC 9110 §5.3.

    >>> headers = [("Age", "1"), ("Date", "x"), ("AGE", "2")]
    >>> put(headers, "Age", "3")
    >>> headers
    [('Age', '3'), ('Date', 'x')]
    """
    field = checked(name, value)
    wanted = name.lower()
    place = next((index for index, (given, _) in enumerate(headers) if given.lower() == wanted), len(headers))
    headers[place:] = [field, *(one for one in headers[place:] if one[0].lower() != wanted)]


def remove(headers: Headers, name: str) -> None:
    """Take out all fields called `name`, if there are any.

    Source: RFC 9110 §5.1.

    >>> headers = [("ETag", '"a"'), ("Age", "0")]
    >>> remove(headers, "etag")
    >>> headers
    [('Age', '0')]
    """
    wanted = name.lower()
    headers[:] = [one for one in headers if one[0].lower() != wanted]


def add_token(headers: Headers, name: str, token: str) -> None:
    """Add `token` to a list of tokens such as Vary or Connection, unless it, or ``*``, is in it.

    It joins the last field of that name; without any, the field is made. ``*`` takes the place of the whole list.
    Raises ValueError when `token` or `name` is no token.
    Source: RFC 9110 §5.6.1, and §12.5.5 for ``*``.

    >>> headers = [("Vary", "Cookie")]
    >>> add_token(headers, "Vary", "Accept-Encoding")
    >>> add_token(headers, "Vary", "cookie")
    >>> headers
    [('Vary', 'Cookie, Accept-Encoding')]
    """
    if not is_token(token):
        raise ValueError(f"{name}: {token!r}: want a token, of letters, digits and !#$%&'*+-.^_`|~")
    wanted = name.lower()
    members = {one.lower() for value in get_all(headers, name) for one in split_list(value)}
    if "*" in members or token.lower() in members:
        return
    if token == "*" or not members:
        put(headers, name, token)
        return
    place = max(index for index, (given, _) in enumerate(headers) if given.lower() == wanted)
    given, value = headers[place]
    kept = value.strip(" \t,")
    headers[place] = (given, f"{kept}, {token}" if kept else token)


def split_list(value: str) -> list[str]:
    """The members of a comma-separated list, without the blanks around them; empty members are dropped.

    Commas in quoted strings do not separate; the quotes stay. A quote that is never closed takes the rest.
    Takes time in proportion to the length. Never raises.
    Source: RFC 9110 §5.6.1.2.

    >>> split_list('a, "b, c" ,, d;e="f,g"')
    ['a', '"b, c"', 'd;e="f,g"']
    """
    return split_quoted(value, ",")


def is_token(text: str) -> bool:
    """Whether `text` is a token: a field name, a method, a coding.

    Source: RFC 9110 §5.6.2.

    >>> is_token("X-Request-ID"), is_token("a b"), is_token("")
    (True, False, False)
    """
    return TOKEN.fullmatch(text) is not None


def is_field_value(text: str) -> bool:
    r"""Whether `text` can be sent as a field value: no control but HTAB, no blank at an end, nothing above U+00FF.

    Source: RFC 9110 §5.5. The empty text is one.

    >>> is_field_value("a b"), is_field_value("a\r\nSet-Cookie: b"), is_field_value(" a")
    (True, False, False)
    """
    # Asked of every field of every answer: the common case is one look without a regular expression.
    if text.isascii() and text.isprintable():
        return text == text.strip(" ")
    return FIELD_VALUE.fullmatch(text) is not None


def quote(text: str) -> str:
    r"""`text` as a quoted string.

    Raises ValueError for what no quoted string can hold: controls but HTAB, and characters above U+00FF.
    Source: RFC 9110 §5.6.4.

    >>> print(quote('a "b"'))
    "a \"b\""
    """
    if QUOTABLE.fullmatch(text) is None:
        raise ValueError(f"{text!r}: want text without control characters and without characters above U+00FF")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def quote_unless_token(text: str) -> str:
    """`text` as it is when it is a token, else as a quoted string.

    Raises ValueError as `quote` does.
    Source: RFC 9110 §5.6.6: parameter-value = ( token / quoted-string )

    >>> quote_unless_token("utf-8"), quote_unless_token("a b")
    ('utf-8', '"a b"')
    """
    return text if is_token(text) else quote(text)


def unquote(text: str) -> str:
    r"""What a quoted string says; any other text comes back as it is.

    Never raises.
    Source: RFC 9110 §5.6.4.

    >>> print(unquote(r'"a \"b\""'), unquote("a"), unquote('"a'))
    a "b" a "a
    """
    match = QUOTED.fullmatch(text)
    return QUOTED_PAIR.sub(r"\1", match[1]) if match else text


def parameters(text: str) -> dict[str, str]:
    """The parameters of ``; a=b; c="d"``, by name in lower case.

    text   what follows the value proper; its first ``;`` may be left out
    Values are unquoted. What is no ``token=token`` or ``token="text"``, blanks around ``=`` among them, is left out;
    of two of one name the first counts, so that nothing appended changes what was said.
    Never raises.
    Source: RFC 9110 §5.6.6.

    >>> parameters('; charset=utf-8; Boundary="a;b"; broken')
    {'charset': 'utf-8', 'boundary': 'a;b'}
    """
    found: dict[str, str] = {}
    for one in split_quoted(text, ";"):
        name, _, value = one.partition("=")
        if is_token(name) and (is_token(value) or QUOTED.fullmatch(value)):
            found.setdefault(name.lower(), unquote(value))
    return found


def split_quoted(text: str, separator: str) -> list[str]:
    """The parts between the separators that are outside of quoted strings, trimmed, without the empty ones."""
    if '"' not in text:
        return [part for one in text.split(separator) if (part := one.strip(OWS))]
    parts = [""]
    start = 0
    for match in PIECES[separator].finditer(text):
        if match[0] == separator:
            parts[-1] = text[start : match.start()].strip(OWS)
            parts.append("")
            start = match.end()
    parts[-1] = text[start:].strip(OWS)
    return [part for part in parts if part]


def checked(name: str, value: str) -> tuple[str, str]:
    if not is_token(name):
        raise ValueError(f"field name {name!r}: want a token, of letters, digits and !#$%&'*+-.^_`|~")
    if not is_field_value(value):
        raise ValueError(
            f"{name}: {value!r}: want text without control characters, without blanks at its ends and without"
            " characters above U+00FF"
        )
    return name, value
