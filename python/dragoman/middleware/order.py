"""In which order layers belong, outermost first, and why: the table that `stack` checks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["ORDER", "PAIRS", "PLACES", "Pair", "misplaced", "recommended"]

ORDER: tuple[str, ...] = (
    "ProxyHeaders",
    "RequestId",
    "Tracing",
    "Metrics",
    "AccessLog",
    "ServerTiming",
    "Health",
    "TrustedHosts",
    "ForceHTTPS",
    "SecurityHeaders",
    "Cors",
    "ErrorPages",
    "Maintenance",
    "Redirects",
    "RateLimit",
    "Compress",
    "Static",
    "Cache",
    "Conditional",
    "BodyLimit",
    "Decompress",
    "Deadline",
    "BasicAuth",
    "BearerAuth",
    "ApiKeyAuth",
    "RateLimit by user",
    "Sessions",
    "Csrf",
    "MethodOverride",
    "Mount",
    "HostRouter",
)
"""The recommended order. A layer of somebody else's has no place in it and may stand anywhere."""


PLACES: dict[str, str] = {
    "ProxyHeaders": "whatever asks for the address, scheme or host has to find the client's, not the proxy's",
    "RequestId": "all that is written about a request from here on can have its id",
    "Tracing": "the span has all of the request in it, and what is logged inside has the trace's id",
    "Metrics": "counts each request once, refused ones too, with the bytes and the time that the client has seen",
    "AccessLog": "the same, as a line",
    "ServerTiming": "measures every layer that stands inside of it",
    "Health": "who asks for it names an address, not a host, and speaks http: what comes next would refuse him",
    "TrustedHosts": "from here on the host is one of ours, also where links and redirects are made of it",
    "ForceHTTPS": "what goes over http goes no further",
    "SecurityHeaders": "every page has the fields, those of errors and of refusals too",
    "Cors": "a page's script can read every answer, also that of a refusal; a preflight request goes no further",
    "ErrorPages": "whatever fails inside has a page, with all fields from outside",
    "Maintenance": "what is closed does no work, and closed is a page like others",
    "Redirects": "an address that has moved costs nothing more",
    "RateLimit": "whoever asks too often costs nothing more, such as a password's slow hash",
    "Compress": "compresses what comes from files, from the cache and from the application alike",
    "Static": "files need none of what follows",
    "Cache": "what is stored is neither compressed nor anybody's own, and an answer from it needs none of what follows",
    "Conditional": "an ETag is made of the body as the application gave it, once for what is stored",
    "BodyLimit": "a body that is too large is refused before anybody reads it",
    "Decompress": "whoever reads the body reads it as it was before the client compressed it",
    "Deadline": "the time of a request runs for those who work on it",
    "BasicAuth": "what follows knows who asks",
    "BearerAuth": "the same, by a token",
    "ApiKeyAuth": "the same, by a key",
    "RateLimit by user": 'with `key="user"`: it has to be known who asks',
    "Sessions": "the session is there for all that follows, and is saved when their head comes",
    "Csrf": "judges requests as they were sent, with the session at hand",
    "MethodOverride": "changes the method for the application alone",
    "Mount": "several applications inside of the same layers",
    "HostRouter": "the same, by host",
}
"""Why each stands where it does, outermost first."""


class Pair(NamedTuple):
    """`outer` has to be outside of `inner`, else what `why` says happens."""

    outer: str
    inner: str
    why: str


PAIRS: tuple[Pair, ...] = (
    Pair("ProxyHeaders", "RequestId", "whom to believe an id is decided by the proxy's address, not by the client's"),
    Pair("ProxyHeaders", "AccessLog", "the log would have the proxy's address instead of the client's"),
    Pair("ProxyHeaders", "TrustedHosts", "the proxy's own name for this host would be judged, not the client's"),
    Pair(
        "ProxyHeaders", "ForceHTTPS", "behind a proxy that ends TLS every request looks like http: an endless redirect"
    ),
    Pair(
        "ProxyHeaders",
        "SecurityHeaders",
        "every request looks like http, and HSTS is sent on https alone",
    ),
    Pair("ProxyHeaders", "Maintenance", "who is let through would be decided by the proxy's address"),
    Pair("ProxyHeaders", "HostRouter", "the proxy's own name for this host would decide, not the client's"),
    Pair("ProxyHeaders", "Sessions", "cookies for https alone would seem to be set by http"),
    Pair("ProxyHeaders", "Csrf", "a page's Origin would be compared with the proxy's own name for this host"),
    Pair("ForceHTTPS", "BasicAuth", "a password would be asked for, and sent, without TLS"),
    Pair("ForceHTTPS", "BearerAuth", "a token that came without TLS would be good"),
    Pair("ForceHTTPS", "ApiKeyAuth", "a key that came without TLS would be good"),
    Pair("ProxyHeaders", "RateLimit", "all clients would have one address, the proxy's, and share one limit"),
    Pair("ProxyHeaders", "RateLimit by user", "all who have no name would share one limit, the proxy's"),
    Pair("BasicAuth", "RateLimit by user", "nobody would have a name yet, and all be counted by their addresses"),
    Pair("BearerAuth", "RateLimit by user", "nobody would have a name yet, and all be counted by their addresses"),
    Pair("ApiKeyAuth", "RateLimit by user", "nobody would have a name yet, and all be counted by their addresses"),
    Pair("Metrics", "RateLimit by user", "requests that are refused would not be counted"),
    Pair("Cors", "RateLimit by user", "a page's script could not read why it was refused"),
    Pair("ProxyHeaders", "Tracing", "spans would have the proxy's address and host"),
    Pair("ProxyHeaders", "Metrics", "who may read the counts would be decided by the proxy's address"),
    Pair("ProxyHeaders", "ServerTiming", "who may see the times would be decided by the proxy's address"),
    Pair("RequestId", "AccessLog", "the log would have no id"),
    Pair("RequestId", "ErrorPages", "error pages would have no id to show"),
    Pair("AccessLog", "Compress", "the log would count the bytes before compression, which nobody has sent"),
    Pair("Metrics", "RateLimit", "requests that are refused would not be counted"),
    Pair("Metrics", "Compress", "bytes would be counted before compression, which nobody has sent"),
    Pair("Metrics", "Cache", "requests that the cache answers would not be counted"),
    Pair("Tracing", "Cache", "requests that the cache answers would have no span"),
    Pair("ServerTiming", "Cache", "the times of one request would be stored, and told to everybody after it"),
    Pair("TrustedHosts", "ForceHTTPS", "the redirect would go to whatever host the client has named"),
    Pair("SecurityHeaders", "ErrorPages", "error pages would go out without the security fields"),
    Pair("Cors", "ErrorPages", "a page's script could not read an error: its answer would lack the CORS fields"),
    Pair(
        "Cors", "BasicAuth", "a preflight request has no credentials: it would be refused, and the real one never sent"
    ),
    Pair(
        "Cors", "BearerAuth", "a preflight request has no credentials: it would be refused, and the real one never sent"
    ),
    Pair(
        "Cors", "ApiKeyAuth", "a preflight request has no credentials: it would be refused, and the real one never sent"
    ),
    Pair("Cors", "RateLimit", "a page's script could not read why it was refused"),
    Pair("RateLimit", "BasicAuth", "guessing passwords would not be limited, and each guess costs a slow hash"),
    Pair("RateLimit", "Cache", "what one client has left would be kept with the answer, and told to all"),
    Pair("RequestId", "Cache", "answers from the cache would have the id of the request that they were made for"),
    Pair("Compress", "Cache", "the cache would keep one coding for all clients, or each response once for each coding"),
    Pair("Compress", "Conditional", "the ETag would be made of compressed bytes, which differ by coding"),
    Pair("Cache", "Sessions", "who is logged in would be asked and stored even for what the cache answers"),
    Pair("BodyLimit", "Decompress", "a small compressed body could not be refused before it is unpacked"),
    Pair("BodyLimit", "Csrf", "a form would be read for its token before its size is limited"),
    Pair("Decompress", "Csrf", "the token would be looked for in compressed bytes"),
    Pair("Decompress", "MethodOverride", "the method would be looked for in compressed bytes"),
    Pair("Sessions", "Csrf", "a token that belongs to a session needs the session"),
    Pair("Csrf", "MethodOverride", "a POST that says it is a DELETE has to be judged as the POST that it is"),
)
"""What goes wrong in another order. Pairs of which one is missing say nothing."""


def misplaced(names: Sequence[str]) -> list[Pair]:
    """The pairs that stand the wrong way round in `names`, outermost first; of several of a name the first counts."""
    place: dict[str, int] = {}
    for index, name in enumerate(names):
        place.setdefault(name, index)
    return [
        pair for pair in PAIRS if pair.outer in place and pair.inner in place and place[pair.outer] > place[pair.inner]
    ]


def recommended(names: Sequence[str]) -> list[str]:
    """`names` in the recommended order; those that are not in the table stay behind the one that they stand behind."""
    rank = -1
    ranks = []
    for name in names:
        rank = ORDER.index(name) if name in ORDER else rank
        ranks.append(rank)
    return [name for _, _, name in sorted(zip(ranks, range(len(names)), names, strict=True))]
