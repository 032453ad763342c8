"""Cookies as a server reads and sets them (RFC 6265, and its revision draft-ietf-httpbis-rfc6265bis)."""

import re
from typing import Literal, TypeAlias
from urllib.parse import quote, unquote

from dragoman.http.dates import http_date
from dragoman.http.fields import is_token

__all__ = ["SameSite", "decode_value", "delete_cookie", "encode_value", "parse_cookies", "set_cookie"]

SameSite: TypeAlias = Literal["Strict", "Lax", "None"]
"""With which requests from other sites a cookie goes (RFC 6265bis §5.6.7)."""

# RFC 6265bis §4.1.1: cookie-octet is visible ASCII without DQUOTE, comma, semicolon and backslash.
COOKIE_OCTETS = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*")
COOKIE_VALUE = re.compile(rf'{COOKIE_OCTETS.pattern}|"{COOKIE_OCTETS.pattern}"')
# RFC 6265bis §4.1.1: av-octet is any character but controls and ";".
PATH = re.compile(r"/[\x20-\x3a\x3c-\x7e]*")
DOMAIN = re.compile(r"\.?[0-9A-Za-z_-]+(?:\.[0-9A-Za-z_-]+)*")
SAME_SITE = ("Strict", "Lax", "None")

# RFC 6265bis §5.6: user agents drop a cookie whose name and value have more octets, and attributes that have more.
MOST_BYTES = 4096
MOST_ATTRIBUTE_BYTES = 1024
# More than a browser keeps for a site.
MOST_COOKIES = 300

# What Python's http.cookies writes within quotes: a backslash with three octal digits, or with the character itself.
ESCAPED = re.compile(r"\\(?:([0-3][0-7][0-7])|(.))", re.DOTALL)
OWS = " \t"
# What encode_value leaves: cookie-octets but "%", which begins an escape.
PLAIN = "!#$&'()*+-./:<=>?@[]^_`{|}~"


def parse_cookies(value: str) -> dict[str, str]:
    r"""The cookies of a Cookie field, by name; names have their case.

    value   field value, a native string as of WSGI; several fields joined with ``"; "``
    Of two of one name the first counts: user agents send the one with the longest path, which was set for the place
    that is asked for, before the others (RFC 6265bis §5.8.3). Quotes around a value are taken off, with the escapes
    that Python's own http.cookies writes within them. Bytes that are UTF-8 are read as that, others as latin-1. What
    has no ``=`` or no name is left out, and what comes after the first 300 pairs. Never raises. Source: RFC 6265bis
    §4.2.1; how it is read is left to servers.

    >>> parse_cookies('a=1; b="2 \\073"; a=3; c')
    {'a': '1', 'b': '2 ;'}
    """
    found: dict[str, str] = {}
    for pair in value.split(";", MOST_COOKIES)[:MOST_COOKIES]:
        name, sign, text = pair.partition("=")
        name = name.strip(OWS)
        if sign and name:
            found.setdefault(as_text(name), as_text(without_quotes(text.strip(OWS))))
    return found


def set_cookie(
    name: str,
    value: str = "",
    *,
    max_age: int | None = None,
    expires: float | None = None,
    path: str | None = "/",
    domain: str | None = None,
    secure: bool = False,
    http_only: bool = False,
    same_site: SameSite | None = None,
    partitioned: bool = False,
) -> str:
    """A Set-Cookie field for a cookie that user agents keep.

    name          a token
    value         visible ASCII but ``"``, ``,``, ``;`` and backslash, or that within quotes; pass other text through
                  `encode_value`, and what comes back through `decode_value`
    max_age       seconds to keep it for, 0 or less to delete it; counts before `expires`. With neither it goes when
                  the browser ends. Browsers keep nothing for more than 400 days.
    expires       seconds since 1970 to keep it until
    path          begins with ``/``; it goes with this path and those below; None: with the directory of the request
    domain        it goes to this host and its subdomains, by ASCII names; None: to the host of the request alone
    secure        goes over https only
    http_only     scripts do not see it
    same_site     ``"Strict"``, ``"Lax"`` or ``"None"``; None leaves it to the browser, most of which take ``"Lax"``
    partitioned   as a third party's: kept apart for each site at the top
    Raises ValueError for what a user agent would drop or read otherwise: another character; name and value of more than
    4096 bytes; ``same_site="None"`` or `partitioned` without `secure`; ``__Secure-`` without `secure`; ``__Host-``
    without `secure`, without ``path="/"``, or with a domain.
    Source: RFC 6265bis §4.1, §5.6, §5.7; for Partitioned draft-cutler-httpbis-partitioned-cookies.

    >>> set_cookie("__Host-id", "a1", max_age=3600, secure=True, http_only=True, same_site="Lax")
    '__Host-id=a1; Path=/; Max-Age=3600; Secure; HttpOnly; SameSite=Lax'
    """
    if not is_token(name):
        raise ValueError(f"cookie {name!r}: want a name of letters, digits and !#$%&'*+-.^_`|~")
    if COOKIE_VALUE.fullmatch(value) is None:
        raise ValueError(
            f"cookie {name}: value {shortened(value)}: want visible ASCII without quotes, commas, semicolons and"
            f" backslashes; write encode_value({shortened(value)}), and decode_value where it is read"
        )
    if len(name) + len(value) > MOST_BYTES:
        raise ValueError(
            f"cookie {name}: {len(name) + len(value)} bytes of name and value: want {MOST_BYTES} at most, browsers drop"
            " what has more; keep the data on the server and an id of it in the cookie"
        )
    if path is not None and (PATH.fullmatch(path) is None or len(path) > MOST_ATTRIBUTE_BYTES):
        raise ValueError(f"cookie {name}: path {shortened(path)}: want '/' and ASCII without semicolons, 1024 at most")
    if domain is not None and (DOMAIN.fullmatch(domain) is None or len(domain) > MOST_ATTRIBUTE_BYTES):
        raise ValueError(
            f"cookie {name}: domain {shortened(domain)}: want a host name of ASCII, 'xn--' for other letters, no port"
        )
    if same_site is not None and same_site not in SAME_SITE:
        raise ValueError(f"cookie {name}: same_site {same_site!r}: want 'Strict', 'Lax' or 'None'")
    lowered = name.lower()
    # (what asks for it, whether it has that, what it wants): RFC 6265bis §5.7 compares prefixes without regard to case.
    wants = (
        ("SameSite=None", same_site == "None", secure, "secure=True"),
        ("Partitioned", partitioned, secure, "secure=True"),
        ("the prefix __Secure-", lowered.startswith("__secure-"), secure, "secure=True"),
        ("the prefix __Host-", lowered.startswith("__host-"), secure, "secure=True"),
        ("the prefix __Host-", lowered.startswith("__host-"), path == "/", 'path="/"'),
        ("the prefix __Host-", lowered.startswith("__host-"), domain is None, "no domain"),
    )
    for what, asks, is_so, wanted in wants:
        if asks and not is_so:
            raise ValueError(f"cookie {name}: {what} wants {wanted}, or browsers drop it")
    attributes = (
        None if domain is None else f"Domain={domain}",
        None if path is None else f"Path={path}",
        None if max_age is None else f"Max-Age={int(max_age)}",
        None if expires is None else f"Expires={http_date(expires)}",
        "Secure" if secure else None,
        "HttpOnly" if http_only else None,
        None if same_site is None else f"SameSite={same_site}",
        "Partitioned" if partitioned else None,
    )
    return "; ".join((f"{name}={value}", *(one for one in attributes if one is not None)))


def delete_cookie(
    name: str,
    *,
    path: str | None = "/",
    domain: str | None = None,
    secure: bool = False,
    http_only: bool = False,
    same_site: SameSite | None = None,
    partitioned: bool = False,
) -> str:
    """A Set-Cookie field that makes user agents forget a cookie.

    `path`, `domain` and `partitioned` must be those that it was set with: another place is another cookie. Secure is
    added where the name's prefix, `same_site` or `partitioned` want it, since the field would be dropped without.
    Raises ValueError as `set_cookie` does.
    Source: RFC 6265bis §5.7, step 22 (a cookie of the same name, domain and path is replaced).

    >>> delete_cookie("id")
    'id=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT'
    """
    wants_secure = name.lower().startswith(("__secure-", "__host-")) or same_site == "None" or partitioned
    return set_cookie(
        name,
        max_age=0,
        expires=0,
        path=path,
        domain=domain,
        secure=secure or wants_secure,
        http_only=http_only,
        same_site=same_site,
        partitioned=partitioned,
    )


def encode_value(text: str) -> str:
    """Any text as a cookie's value: its UTF-8 bytes, percent-encoded where a value may not have them.

    A script reads it with ``decodeURIComponent``. Raises ValueError for lone surrogates.
    Source: RFC 3986 §2.1.

    >>> encode_value("a, 100 %")
    'a%2C%20100%20%25'
    """
    return quote(text, safe=PLAIN)


def decode_value(value: str) -> str:
    """The text that `encode_value` was given. Never raises: escapes that are none stay as they are.

    Source: RFC 3986 §2.1.

    >>> decode_value("a%2C%20100%20%25")
    'a, 100 %'
    """
    return unquote(value, errors="replace")


def without_quotes(value: str) -> str:
    if len(value) < 2 or value[0] != '"' or value[-1] != '"':
        return value
    inner = value[1:-1]
    return ESCAPED.sub(unescaped, inner) if "\\" in inner else inner


def unescaped(match: re.Match[str]) -> str:
    return chr(int(match[1], 8)) if match[1] else match[2]


def as_text(native: str) -> str:
    """A native string of WSGI as the text that its bytes are."""
    if native.isascii():
        return native
    try:
        return native.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return native


def shortened(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:60]}…")
