"""What a browser says of where a request comes from, and what that means; the rules are those of Go's net/http.

Source: CrossOriginProtection of Go 1.25; W3C Fetch Metadata, section 2 (Sec-Fetch-Site); RFC 6454 section 7 (Origin).
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import NamedTuple

from dragoman.http.hosts import parse_host

__all__ = ["SAFE_METHODS", "Origin", "Source", "judge", "origins"]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Source(enum.Enum):
    """Where a request comes from."""

    OURS = "ours"
    OTHER = "other"
    UNSAID = "unsaid"


class Origin(NamedTuple):
    """Scheme and authority of a page, as browsers write them: without the port that its scheme has anyway."""

    scheme: str
    authority: str


def judge(
    sec_fetch_site: str | None, origin: str | None, scheme: str, host: str | None, trusted: frozenset[Origin]
) -> tuple[Source, str]:
    """Where a request comes from, and what says so.

    sec_fetch_site, origin   the fields' values, None where they did not come
    scheme, host             of this request: ``wsgi.url_scheme`` and the Host field
    trusted                  other origins that count as ours

    1. A trusted Origin is ours, whatever Sec-Fetch-Site says.
    2. Sec-Fetch-Site decides: ``same-origin`` is our page's, ``none`` the visitor's own doing.
    3. Else the Origin's authority has to be the Host's. The schemes are not compared, since behind a proxy that ends
       TLS an https page's request looks like http; but from an http page to us by https is another origin for sure.
    4. Without both nothing is said: no browser, or one older than 2020.
    """
    given = parsed(origin) if origin is not None else None
    if given is not None and given in trusted:
        return Source.OURS, "Origin is trusted"
    if sec_fetch_site is not None:
        is_ours = sec_fetch_site in ("same-origin", "none")
        return (Source.OURS if is_ours else Source.OTHER), f"Sec-Fetch-Site is {sec_fetch_site[:40]!r}"
    if origin is None:
        return Source.UNSAID, "neither Sec-Fetch-Site nor Origin was sent"
    here = parse_host(host) if host else None
    is_ours = (
        given is not None
        and here is not None
        and here.authority(given.scheme) == given.authority
        and not (given.scheme == "http" and scheme == "https")
    )
    return (Source.OURS if is_ours else Source.OTHER), f"Origin is {origin[:200]!r}"


def origins(texts: Iterable[str], what: str) -> frozenset[Origin]:
    """Those that an operator trusts. Raises ValueError for what is no origin."""
    if isinstance(texts, str):
        raise ValueError(f"{what}: want a list of origins, got the text {texts!r}")
    found = []
    for text in texts:
        origin = parsed(text) if isinstance(text, str) else None
        if origin is None:
            raise ValueError(f"{what}: want origins such as https://shop.example, without a path, got {text!r}")
        found.append(origin)
    return frozenset(found)


def parsed(text: str) -> Origin | None:
    """The origin; None for ``null``, and for what is none."""
    scheme, sign, rest = text.partition("://")
    host = parse_host(rest)
    if not sign or host is None or scheme.lower() not in ("http", "https"):
        return None
    return Origin(scheme.lower(), host.authority(scheme))
