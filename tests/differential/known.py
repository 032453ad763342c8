"""Differences that are known and justified: who reads otherwise, when, and the clause by which our reading stands."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from tests.differential.compare import Difference
from tests.differential.observe import TAIL

_REQUEST_LINE = re.compile(rb"[^\r\n ]+ [^\r\n ]+ HTTP/1\.[0-9]\r\n")
ALL = frozenset({"gunicorn", "waitress", "hypercorn", "nginx"})


@dataclass(frozen=True)
class Known:
    """One justified difference. `reason` names the clause that our reading follows."""

    name: str
    peers: frozenset[str]
    is_it: Callable[[Difference], bool]
    reason: str


def known(difference: Difference) -> Known | None:
    """The row that explains the difference; None makes it a finding."""
    for row in KNOWN:
        if difference.peer in row.peers and row.is_it(difference):
            return row
    return None


def has_unusual_method(one: Difference) -> bool:
    """Refused, or read in capitals with the same body."""
    own = one.request
    if own is None or re.fullmatch("[A-Z]{3,20}", own.method):
        return False
    if one.kind != "frames otherwise":
        return one.kind == "refuses"
    other = one.theirs.requests[one.at]
    return (other.method, other.length, other.digest) == (own.method.upper(), own.length, own.digest)


def expects_without_a_body(one: Difference) -> bool:
    """The request that differs has an expectation, or may have it, and no body."""
    has_body = one.request is not None and one.request.length > 0
    return not has_body and re.search(rb"(?i)expect:[^\r\n]*100-continue", one.message.data) is not None


def has_empty_line_before(one: Difference) -> bool:
    """A line end more than the message before it has."""
    data = one.message.data + TAIL
    lines = (data[: match.start()] for match in _REQUEST_LINE.finditer(data))
    return one.kind == "refuses" and any(
        re.search(rb"\A(?:\r\n)+\Z|\r\n\r\n\r\n\Z|[^\n]\r\n\Z", before) is not None for before in lines
    )


def holds(pattern: bytes, *, kind: str = "refuses") -> Callable[[Difference], bool]:
    """The message matches, and the peer does this with it."""
    compiled = re.compile(pattern, re.IGNORECASE | re.DOTALL)
    return lambda one: one.kind == kind and compiled.search(one.message.data) is not None


def has_target(pattern: str) -> Callable[[Difference], bool]:
    """The request that differs has such a target, which the peer refuses."""
    compiled = re.compile(pattern)
    return lambda one: one.kind == "refuses" and one.request is not None and bool(compiled.search(one.request.target))


KNOWN = [
    Known(
        "method that is no word of capitals",
        ALL,
        has_unusual_method,
        "RFC 9110 §9.1: any token is a method, and methods are case-sensitive",
    ),
    Known(
        "empty line before the request line",
        frozenset({"gunicorn", "hypercorn"}),
        has_empty_line_before,
        "RFC 9112 §2.2: a server SHOULD ignore at least one empty line there",
    ),
    Known(
        "closes behind an answered request",
        ALL,
        lambda one: one.at > 0 and one.theirs.end == "closed" and len(one.theirs.requests) == one.at,
        "RFC 9112 §9.3: either side may close a connection at the end of a response",
    ),
    Known(
        "waits behind an answered request",
        frozenset({"gunicorn"}),
        lambda one: one.at > 0 and one.kind == "waits",
        "RFC 9112 §9.3.2: pipelined requests are answered in order; ours come without further bytes of the client",
    ),
    Known(
        "bytes behind a last request",
        frozenset({"hypercorn"}),
        lambda one: one.kind == "refuses" and one.ours.end == "closed",
        "RFC 9112 §9.6: what comes behind a request with the close option is not processed; the request itself is",
    ),
    Known(
        "Upgrade",
        frozenset({"hypercorn"}),
        holds(rb"upgrade:[ \t]*(?:h2c|websocket)"),
        "RFC 9110 §7.8: a server may ignore Upgrade, and clear-text upgrades to h2c are obsolete (RFC 9113 §3.1)",
    ),
    Known(
        "HTTP/1.0",
        frozenset({"hypercorn"}),
        holds(rb" HTTP/1\.0\r\n"),
        "RFC 9112 §3.2 and §9.3: it needs no Host, and keep-alive is honoured",
    ),
    Known(
        "minor version above 1",
        frozenset({"waitress"}),
        holds(rb" HTTP/1\.[2-9]\r\n", kind="frames otherwise"),
        "RFC 9110 §2.5: it is read as the highest minor version that is known, chunked coding and all",
    ),
    Known(
        "Expect without a body",
        frozenset({"waitress"}),
        expects_without_a_body,
        "RFC 9110 §10.1.1: a request whose expectation is of no use is answered as if it had none",
    ),
    Known(
        "Expect twice",
        frozenset({"nginx"}),
        holds(rb"expect:.*\r\nexpect:"),
        "RFC 9110 §10.1.1: Expect is a list, which may come on several lines (§5.3)",
    ),
    Known(
        "blanks in a chunk extension",
        frozenset({"hypercorn", "waitress"}),
        holds(rb"\r\n[0-9a-f]+[ \t]*;[^\r\n]*[ \t]|\r\n[0-9a-f]+[ \t]+;"),
        "RFC 9112 §7.1.1: BWS may stand around `;` and `=`, and a recipient MUST remove it",
    ),
    Known(
        "host with sub-delims or escapes",
        frozenset({"nginx"}),
        has_target(r"^(?i:https?)://[^/?]*[!$&'()*+,;=%]"),
        "RFC 3986 §3.2.2: a reg-name may hold them",
    ),
    Known(
        "Host that is empty, or has blanks around it or an empty label",
        frozenset({"nginx"}),
        holds(rb"host:(?:[ \t]*(?:\r\n|:)|[ \t]*\t|[^\r\n]*(?:\t\r\n|\.\.))"),
        "RFC 9110 §7.2 and §5.5, RFC 3986 §3.2.2: all three are in the grammar",
    ),
    Known(
        "framing field with HTAB around its value",
        frozenset({"nginx"}),
        holds(rb"(?:transfer-encoding|content-length):(?:[ \t]*\t|[^\r\n]*\t[ \t]*\r\n)"),
        "RFC 9110 §5.6.3: optional whitespace is SP and HTAB",
    ),
    Known(
        "asterisk form",
        frozenset({"nginx"}),
        has_target(r"^\*$"),
        "RFC 9112 §3.2.4: OPTIONS * is about the server as a whole",
    ),
    Known(
        "dot segments above the root",
        frozenset({"nginx"}),
        has_target(r"(?i)(?:\.|%2e){2}"),
        "RFC 9110 §4.2.3 leaves normalisation to the application; WSGI gives it the path as it was sent",
    ),
    Known(
        "TRACE",
        frozenset({"nginx"}),
        lambda one: one.request is not None and one.request.method == "TRACE" and one.theirs.end == "405",
        "RFC 9110 §9.3.8: which methods a resource has is the application's to say",
    ),
]
