"""What a stored answer is found by: the URL of the request, and whatever else an answer may depend on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple
from urllib.parse import unquote_plus, unquote_to_bytes, urlsplit

from dragoman.http.fields import split_list
from dragoman.http.forwarded import parse_forwarded
from dragoman.http.hosts import parse_host
from dragoman.middleware.paths import path_of
from dragoman.types import Environ

__all__ = ["KEYED", "Target", "ignored_query", "key_of", "key_of_url", "target_of", "variant_of"]

KEYED = (
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_FORWARDED_PORT",
    "HTTP_X_FORWARDED_PREFIX",
    "HTTP_X_FORWARDED_PATH",
    "HTTP_X_FORWARDED_URI",
    "HTTP_X_FORWARDED_PROTOCOL",
    "HTTP_X_FORWARDED_SCHEME",
    "HTTP_X_FORWARDED_SERVER",
    "HTTP_X_FORWARDED_SSL",
    "HTTP_X_SCHEME",
    "HTTP_X_URL_SCHEME",
    "HTTP_X_SCRIPT_NAME",
    "HTTP_X_HOST",
    "HTTP_X_ORIGINAL_HOST",
    "HTTP_X_ORIGINAL_URL",
    "HTTP_X_ORIGINAL_URI",
    "HTTP_X_REWRITE_URL",
    "HTTP_X_HTTP_METHOD_OVERRIDE",
    "HTTP_X_HTTP_METHOD",
    "HTTP_X_METHOD_OVERRIDE",
    "HTTP_FRONT_END_HTTPS",
)
"""Fields that frameworks make answers with, and no answer names in Vary: they are part of what is looked for.

Else a client could send one, have a page made with it, and have that page given to everybody.
"""

NEGOTIATED = frozenset({"accept", "accept-charset", "accept-language"})
"""Lists, in which blanks mean nothing and the order does."""

RAW_TARGETS = ("REQUEST_URI", "RAW_URI")
BESIDE = (*KEYED, *RAW_TARGETS, "HTTP_HOST")


class Target(NamedTuple):
    """What is asked for: a hash of the URL, and what else an answer may depend on without saying so, as one text."""

    key: str
    beside: str


def target_of(environ: Environ, extra: Callable[[Environ], str] | None = None) -> Target | None:
    """What the request asks for; None when its host cannot be read."""
    key = key_of(environ)
    if key is None:
        return None
    # One path may be written in several ways, and an application can see which one it was. The whole URL is as good as
    # its path; a Host field may be written in several ways, too.
    beside = [(name, environ[name]) for name in BESIDE if name in environ]
    if "HTTP_FORWARDED" in environ:
        beside += [("forwarded", (hop.host, hop.proto)) for hop in parse_forwarded(str(environ["HTTP_FORWARDED"]))]
    if extra is not None:
        beside.append(("extra", extra(environ)))
    return Target(key, repr(beside))


def key_of(environ: Environ) -> str | None:
    """The hash of the URL that is asked for; None when its host cannot be read."""
    scheme = str(environ.get("wsgi.url_scheme", "http"))
    written = environ.get("HTTP_HOST") or f"{environ.get('SERVER_NAME', '')}:{environ.get('SERVER_PORT', '')}"
    authority = (known_authority if len(written) <= LONGEST_KNOWN else authority_of)(written, scheme)
    if authority is None:
        return None
    return hash_of((scheme, authority, path_of(environ), str(environ.get("QUERY_STRING", ""))))


def authority_of(written: str, scheme: str) -> str | None:
    """The host of a Host field as it is part of a key; None for what is none."""
    host = parse_host(written)
    return None if host is None else host.authority(scheme)


# A site has few hosts, and each request names one.
known_authority = lru_cache(maxsize=256)(authority_of)
LONGEST_KNOWN = 255


def key_of_url(url: str, ignored: Sequence[str] = ()) -> str:
    """The hash of a URL, for those who purge.

    Raises ValueError for what is no absolute URL of http or https.
    """
    parts = urlsplit(url)
    host = parse_host(parts.netloc)
    if parts.scheme not in ("http", "https") or host is None:
        raise ValueError(f"want an absolute URL such as https://shop.example/list?page=2, got {url!r}")
    path = unquote_to_bytes(parts.path).decode("latin-1") or "/"
    return hash_of((parts.scheme, host.authority(parts.scheme), path, ignored_query(parts.query, ignored)))


def variant_of(target: Target, generation: str, names: Iterable[str], environ: Environ) -> str:
    """Where the answer lies that was made for fields of these values.

    generation   of the URL: another one after each purge
    names        of the fields that answers of this URL vary by, in lower case
    Source: RFC 9111 section 4.1: blanks in lists do not count, nor does the order of codings.
    """
    values = [(name, meaning_of(name, environ.get(f"HTTP_{name.upper().replace('-', '_')}"))) for name in names]
    return hash_of((*target, generation, values))


def meaning_of(name: str, value: object) -> str | None:
    """The value of a field as it is part of a key: the same for values that mean the same."""
    if value is None:
        return None
    text = str(value)
    return (known_meaning if len(text) <= LONGEST_KNOWN else normalised)(name, text)


def normalised(name: str, value: str) -> str:
    if name == "accept-encoding":
        return ",".join(sorted(member.lower().replace(" ", "") for member in split_list(value)))
    # A blank in quotes is one.
    if name in NEGOTIATED and '"' not in value:
        return ",".join(member.replace(" ", "") for member in split_list(value))
    return value.strip()


# Clients send few different values.
known_meaning = lru_cache(maxsize=256)(normalised)


def ignored_query(query: str, ignored: Sequence[str]) -> str:
    """`query` without the parameters that are ignored: names, or with "*" at their end the beginnings of some.

    >>> ignored_query("page=2&utm_source=mail&fbclid=7", ["utm_*", "fbclid"])
    'page=2'
    """
    if not ignored:
        return query
    return "&".join(pair for pair in query.split("&") if not is_ignored(pair, ignored))


def is_ignored(pair: str, ignored: Sequence[str]) -> bool:
    name = unquote_plus(pair.partition("=")[0])
    return any(name.startswith(one[:-1]) if one.endswith("*") else name == one for one in ignored)


def hash_of(parts: tuple[object, ...]) -> str:
    """One text of fixed length for several. Python writes them so that where one ends and the next begins is in it."""
    return blake2b(repr(parts).encode(), digest_size=16).hexdigest()
