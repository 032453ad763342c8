"""What may be stored, for how long, and what may be done with it: RFC 9111 for a cache that many users share."""

from __future__ import annotations

from typing import NamedTuple

from dragoman.http.cache_control import (
    CacheControl,
    current_age,
    freshness_lifetime,
    parse_age,
    parse_cache_control,
)
from dragoman.http.dates import parse_http_date
from dragoman.http.fields import combined, get, has, is_token, split_list
from dragoman.http.statuses import is_cacheable_by_default
from dragoman.middleware.passing import Headers
from dragoman.types import Environ

__all__ = ["ERRORS", "Asked", "Plan", "asked_of", "plan_of"]

STORABLE = frozenset({200, 203, 204, 300, 301, 302, 307, 308, 404, 405, 410, 414, 501})
"""Statuses whose answers are whole, and understood."""

ERRORS = frozenset({500, 502, 503, 504})
"""RFC 5861 section 4: in the place of these a stale answer may be given."""

KEPT_AT_MOST_S = 7 * 86_400
# An answer that can be asked after by its ETag is worth keeping for some time after it has become stale.
KEPT_FOR_VALIDATION_S = 600
MOST_TAGS = 32
MOST_NAMES = 10
NEVER_STORED = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authentication-info", "proxy-connection", "te", "trailer"}
    | {"transfer-encoding", "upgrade", "age", "content-length"}
)


class Asked(NamedTuple):
    """What counts of a request: whether it says who asks, by a credential or by a cookie, and what it forbids."""

    has_credentials: bool
    has_cookie: bool
    is_not_to_be_stored: bool


class Plan(NamedTuple):
    """How an answer is stored.

    lifetime_s       for how long it is fresh
    age_s            how old it is already
    stale_s          for how long after that it may be given while it is asked for anew
    stale_error_s    for how long after that it may be given in the place of an error
    keeps_s          for how long it is kept
    must_be_asked    whether it has to be asked after before each use
    names            of the fields of requests that it varies by, in lower case, sorted
    tags             that it can be purged by
    headers          those that are stored
    """

    lifetime_s: float
    age_s: float
    stale_s: float
    stale_error_s: float
    keeps_s: float
    must_be_asked: bool
    names: tuple[str, ...]
    tags: tuple[str, ...]
    headers: Headers


def asked_of(environ: Environ) -> Asked:
    """What counts of a request."""
    cache_control = environ.get("HTTP_CACHE_CONTROL")
    return Asked(
        "HTTP_AUTHORIZATION" in environ or bool(environ.get("REMOTE_USER")),
        "HTTP_COOKIE" in environ,
        cache_control is not None and parse_cache_control(cache_control).no_store,
    )


def plan_of(
    asked: Asked,
    status: int,
    headers: Headers,
    *,
    assumed: CacheControl | None,
    request_time: float,
    now: float,
    heuristics: bool,
    tag_field: str,
) -> Plan | str:
    """How the answer to a GET is stored, or in a few words why it is not.

    assumed      what is meant where the answer says nothing of caches
    heuristics   whether an answer that says only when it was changed last is fresh for a tenth of that time
    Source: RFC 9111 section 3.
    """
    said = combined(headers, "Cache-Control")
    says_nothing = said is None and not has(headers, "Expires")
    if says_nothing and assumed is None and not heuristics:
        # The most of all answers: nothing else has to be looked at.
        return "no-lifetime"
    cache_control = assumed if says_nothing and assumed is not None else parse_cache_control(said or "")
    names = sorted({name.lower() for name in split_list(combined(headers, "Vary") or "")})
    tags = [tag for value in headers if value[0].lower() == tag_field.lower() for tag in split_list(value[1])]
    stripped = {*cache_control.no_cache_fields, *cache_control.private_fields}
    # (why not, whether that is so), in this order
    reasons: tuple[tuple[str, bool], ...] = (
        ("status", status not in STORABLE),
        ("request-no-store", asked.is_not_to_be_stored),
        ("no-store", cache_control.no_store),
        ("private", cache_control.private),
        ("vary", "*" in names or len(names) > MOST_NAMES or not all(map(is_token, names))),
        ("set-cookie", has(headers, "Set-Cookie") and "set-cookie" not in stripped),
        ("authorization", asked.has_credentials and not is_for_all(cache_control)),
        # RFC 9111 does not know cookies. Who asks with one gets a page that may well be made for him.
        (
            "cookie",
            asked.has_cookie and "cookie" not in names and not (cache_control.public or is_shared(cache_control)),
        ),
        ("tags", len(tags) > MOST_TAGS),
    )
    for reason, is_so in reasons:
        if is_so:
            return reason
    modified = get(headers, "Last-Modified")
    # Whatever else it says, a date of the answer that cannot be read is the time that it came.
    date = parse_http_date(get(headers, "Date") or "", now)
    lifetime_s = freshness_lifetime(
        cache_control,
        date=now if date is None else date,
        expires=get(headers, "Expires"),
        last_modified=parse_http_date(modified, now) if modified and may_guess(heuristics, status) else None,
        is_shared=True,
    )
    if lifetime_s is None:
        if not cache_control.no_cache:
            return "no-lifetime"
        lifetime_s = 0.0
    can_be_asked = has(headers, "ETag") or modified is not None
    may_be_stale = not (cache_control.must_revalidate or cache_control.proxy_revalidate or cache_control.no_cache)
    stale_s = (cache_control.stale_while_revalidate or 0) if may_be_stale else 0
    stale_error_s = (cache_control.stale_if_error or 0) if may_be_stale else 0
    age_s = current_age(
        date=now if date is None else date,
        age_s=parse_age(get(headers, "Age")),
        request_time=request_time,
        response_time=now,
        now=now,
    )
    fresh_s = 0.0 if cache_control.no_cache else max(0.0, lifetime_s - age_s)
    keeps_s = fresh_s + max(stale_s, stale_error_s, KEPT_FOR_VALIDATION_S if can_be_asked else 0)
    if keeps_s <= 0:
        return "stale"
    kept = [one for one in headers if one[0].lower() not in NEVER_STORED and one[0].lower() not in stripped]
    return Plan(
        lifetime_s,
        age_s,
        stale_s,
        stale_error_s,
        min(keeps_s, KEPT_AT_MOST_S),
        cache_control.no_cache,
        tuple(names),
        tuple(dict.fromkeys(tags)),
        [one for one in kept if one[0].lower() != tag_field.lower()],
    )


def is_for_all(cache_control: CacheControl) -> bool:
    """RFC 9111 section 3.5: what makes an answer to a request with credentials one for others, too."""
    return cache_control.public or cache_control.must_revalidate or is_shared(cache_control)


def is_shared(cache_control: CacheControl) -> bool:
    return cache_control.s_maxage is not None


def may_guess(heuristics: bool, status: int) -> bool:
    return heuristics and is_cacheable_by_default(status)
