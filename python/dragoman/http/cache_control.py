"""Cache-Control as values, and how fresh and how old an answer is (RFC 9111 §4.2, §5.2; RFC 5861; RFC 8246)."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from dragoman.http.dates import parse_http_date
from dragoman.http.fields import is_token, quote_unless_token, split_list, unquote

__all__ = ["CacheControl", "current_age", "freshness_lifetime", "parse_age", "parse_cache_control"]

# RFC 9111 §1.2.2: a number that is greater than can be represented is 2147483648.
MOST_SECONDS = 1 << 31
MOST_DIRECTIVES = 100
# RFC 9111 §4.2.2: "A typical setting of this fraction might be 10%."
HEURISTIC_SHARE = 0.1
# RFC 9111 §1.2.2: delta-seconds = 1*DIGIT
DELTA_SECONDS = re.compile(r"[0-9]+")

FLAGS = frozenset(
    {"no-store", "public", "must-revalidate", "proxy-revalidate", "must-understand", "no-transform", "immutable"}
    | {"only-if-cached"}
)
# Which of two values asks for more care.
SECONDS: Mapping[str, Callable[[int, int], int]] = {
    "max_age": min,
    "s_maxage": min,
    "stale_while_revalidate": min,
    "stale_if_error": min,
    "max_stale": min,
    "min_fresh": max,
}
FIELD_NAMES = {"no_cache_fields": "no_cache", "private_fields": "private"}
OWS = " \t"


@dataclass(frozen=True)
class CacheControl:
    """The directives of a Cache-Control field, of a request or of an answer; ``str()`` writes them.

    Seconds are whole, 0 to 2147483648; None, False and empty tuples are directives that are not there.
    no_cache, private   whether the directive is there without field names: then it is about the whole answer
    no_cache_fields, private_fields   the field names, in lower case, that it is about when it is not
    max_stale           of requests; 2147483648 also for ``max-stale`` without seconds: however stale
    extensions          by name in lower case; None for a directive without an argument
    Raises ValueError for seconds out of range, and for names that are no tokens.
    Source: RFC 9111 §5.2; RFC 5861 §3, §4; RFC 8246 §2.

    >>> str(CacheControl(public=True, max_age=3600, stale_while_revalidate=60))
    'public, max-age=3600, stale-while-revalidate=60'
    """

    no_store: bool = False
    no_cache: bool = False
    no_cache_fields: tuple[str, ...] = ()
    private: bool = False
    private_fields: tuple[str, ...] = ()
    public: bool = False
    max_age: int | None = None
    s_maxage: int | None = None
    must_revalidate: bool = False
    proxy_revalidate: bool = False
    must_understand: bool = False
    no_transform: bool = False
    immutable: bool = False
    stale_while_revalidate: int | None = None
    stale_if_error: int | None = None
    max_stale: int | None = None
    min_fresh: int | None = None
    only_if_cached: bool = False
    extensions: Mapping[str, str | None] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for name in SECONDS:
            seconds = getattr(self, name)
            if seconds is not None and not 0 <= seconds <= MOST_SECONDS:
                raise ValueError(f"{directive(name)}={seconds!r}: want whole seconds from 0 to {MOST_SECONDS}")
        for name in (*self.no_cache_fields, *self.private_fields, *self.extensions):
            if not is_token(name) or name != name.lower():
                raise ValueError(f"Cache-Control: {name!r}: want a token in lower case")
        for argument in self.extensions.values():
            quote_unless_token(argument or "")

    def __str__(self) -> str:
        written = []
        for one in fields(self):
            value = getattr(self, one.name)
            if value is True:
                written.append(directive(one.name))
            elif one.name in FIELD_NAMES and value and not getattr(self, FIELD_NAMES[one.name]):
                # RFC 9111 §5.2.2.4: senders ought to use the quoted form even for one name.
                written.append(f'{directive(FIELD_NAMES[one.name])}="{", ".join(value)}"')
            elif one.name in SECONDS and value is not None:
                written.append(f"{directive(one.name)}={int(value)}")
        for name, argument in self.extensions.items():
            written.append(name if argument is None else f"{name}={quote_unless_token(argument)}")
        return ", ".join(written)


def parse_cache_control(value: str) -> CacheControl:
    """The directives of a Cache-Control field.

    value   field value; several fields joined with ``,``
    Arguments are read as tokens or in quotes. What is doubtful is read so that less is kept and reused: of two values
    the smaller counts, of ``min-fresh`` the greater; what has no whole seconds is 0, which is stale; ``no-cache`` and
    ``private`` with field names that are none, or both with and without names, are about everything. Of an extension
    the first counts. What comes after the first 100 members is not read.
    Never raises.
    Source: RFC 9111 §4.2.1, §5.2.

    >>> parsed = parse_cache_control('max-age="60", max-age=10, private="Set-Cookie", Immutable')
    >>> parsed.max_age, parsed.private, parsed.private_fields, parsed.immutable
    (10, False, ('set-cookie',), True)
    >>> parse_cache_control("max-age=soon").max_age
    0
    """
    found: dict[str, Any] = {}
    extensions: dict[str, str | None] = {}
    for member in split_list(value)[:MOST_DIRECTIVES]:
        written, sign, rest = member.partition("=")
        name, text = written.rstrip(OWS).lower(), rest.lstrip(OWS)
        argument = unquote(text) if sign else None
        own = name.replace("-", "_")
        if name in FLAGS:
            found[own] = True
        elif own in SECONDS and name == directive(own):
            seconds = read_seconds(name, argument)
            found[own] = SECONDS[own](found.get(own, seconds), seconds)
        elif name in ("no-cache", "private"):
            names = [] if argument is None else [one.lower() for one in split_list(argument)]
            if names and all(map(is_token, names)):
                found[f"{own}_fields"] = tuple(dict.fromkeys((*found.get(f"{own}_fields", ()), *names)))
            else:
                found[own] = True
        elif is_token(name) and (argument is None or is_token(argument) or argument != text):
            extensions.setdefault(name, argument)
    for names_of, own in FIELD_NAMES.items():
        if found.get(own):
            found.pop(names_of, None)
    return CacheControl(**found, extensions=extensions)


def freshness_lifetime(
    cache_control: CacheControl,
    *,
    date: float,
    expires: str | None = None,
    last_modified: float | None = None,
    is_shared: bool,
) -> float | None:
    """For how many seconds an answer is fresh; None when nothing says it.

    cache_control   of the answer
    date            seconds since 1970, of its Date field, or of when it came
    expires         the value of its Expires field; one that is no date is in the past
    last_modified   seconds since 1970, of its Last-Modified field: without any of the others, a tenth of its age at
                    `date`. Give it only for a status that may be cached without being asked to (RFC 9110 §15.1).
    is_shared       whether the cache serves several users: then s-maxage counts before max-age
    What is fresh may have to be asked for nevertheless: no_store, no_cache and private stand beside this.
    Never raises.
    Source: RFC 9111 §4.2.1, §4.2.2.

    >>> freshness_lifetime(parse_cache_control("max-age=60, s-maxage=600"), date=0, is_shared=False)
    60
    >>> freshness_lifetime(CacheControl(), date=0, expires="Thu, 01 Jan 1970 00:01:00 GMT", is_shared=True)
    60
    """
    if is_shared and cache_control.s_maxage is not None:
        return cache_control.s_maxage
    if cache_control.max_age is not None:
        return cache_control.max_age
    if expires is not None:
        expires_s = parse_http_date(expires.strip(OWS), date)
        return 0 if expires_s is None else max(expires_s - math.floor(date), 0)
    if last_modified is not None:
        return max(date - last_modified, 0) * HEURISTIC_SHARE
    return None


def current_age(*, date: float, age_s: int = 0, request_time: float, response_time: float, now: float) -> float:
    """How many seconds ago an answer was made, or last found good, at its origin; >= 0.

    date            seconds since 1970, of its Date field, or of when it came
    age_s           of its Age field, see `parse_age`
    request_time    seconds, by the cache's own clock, at which the answer was asked for
    response_time   seconds, by that clock, at which it came
    now             seconds, by that clock
    An answer is fresh while this is less than its `freshness_lifetime`. Never raises.
    Source: RFC 9111 §4.2.3.

    >>> current_age(date=1000, age_s=30, request_time=1000, response_time=1002, now=1010)
    40
    """
    apparent_age = max(0, response_time - date)
    response_delay = max(0, response_time - request_time)
    corrected_age_value = age_s + response_delay
    corrected_initial_age = max(apparent_age, corrected_age_value)
    resident_time = max(0, now - response_time)
    return corrected_initial_age + resident_time


def parse_age(value: str | None) -> int:
    """The seconds of an Age field, 0 to 2147483648; 0 when it is missing or cannot be read.

    Of a list the first member counts. Never raises.
    Source: RFC 9111 §5.1.

    >>> parse_age("60"), parse_age("60, 70"), parse_age("-1"), parse_age(None)
    (60, 60, 0, 0)
    """
    return seconds_of((value or "").partition(",")[0].strip(OWS)) or 0


def read_seconds(name: str, argument: str | None) -> int:
    # RFC 9111 §5.2.1.2: max-stale without a value is any staleness. Without a number any other allows nothing.
    if argument is None and name == "max-stale":
        return MOST_SECONDS
    return seconds_of(argument or "") or 0


def seconds_of(text: str) -> int | None:
    if DELTA_SECONDS.fullmatch(text) is None:
        return None
    significant = text.lstrip("0")
    return min(int(significant or "0"), MOST_SECONDS) if len(significant) <= 10 else MOST_SECONDS


def directive(name: str) -> str:
    return name.replace("_", "-")
