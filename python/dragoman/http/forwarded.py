"""What proxies say of the clients before them: Forwarded (RFC 7239) and its older relatives, X-Forwarded-….

A client can send these fields itself, and a proxy appends to them: what is at the right was said last, by the nearest.
So each list is read from its right end up to the first member that cannot be read: nothing that a client made up can
hide, or shift, what a proxy has added after it. Who is to be trusted, and so how many members count, the caller knows.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import TypeVar

from dragoman.http.fields import is_token, unquote
from dragoman.http.hosts import Host, parse_host

__all__ = [
    "Hop",
    "Node",
    "parse_forwarded",
    "parse_x_forwarded_for",
    "parse_x_forwarded_host",
    "parse_x_forwarded_prefix",
    "parse_x_forwarded_proto",
]

T = TypeVar("T")

# No chain of proxies is as long; what is further left is not read.
MOST_HOPS = 50

# RFC 7239 §6: node = nodename [ ":" node-port ]; nodename = IPv4 / "[" IPv6 "]" / "unknown" / "_" 1*(…)
OBFUSCATED = r"_[0-9A-Za-z._-]+"
NODE = re.compile(
    rf"(?:\[([0-9A-Fa-f:.]{{2,45}})\]|([0-9.]{{7,15}})|(?i:(unknown))|({OBFUSCATED}))(?::([0-9]{{1,5}}|{OBFUSCATED}))?"
)
BARE_IPV6 = re.compile(r"[0-9A-Fa-f]*:[0-9A-Fa-f:.]{1,44}")
# RFC 7239 §5.4, RFC 3986 §3.1
SCHEME = re.compile(r"[A-Za-z][0-9A-Za-z+.-]*")
# A path without an end in "/", without what a browser takes for another host ("//", "\"), query or control.
PREFIX = re.compile(r"(?:/[\x21\x24-\x2e\x30-\x3b\x3d\x40-\x5b\x5d-\x7e]+)*/?")
# RFC 7239 §4, forwarded-pair = token "=" value, read backwards: in a quoted string a quote has a backslash before it,
# and that which opens it has "=". Outside of quotes an address may have its colons, as many proxies write it.
BACKWARD_PAIR = re.compile(r'("(?:[^"]|"\\)*"|[!#-+\--:<>-~]+)=([!#-+\--:<>-~]+)[ \t]*(?=[,;]|\Z)')
OWS = " \t"


@dataclass(frozen=True)
class Node:
    """One end of a connection.

    name   an IPv4 address, an IPv6 address in its shortest form without brackets, ``"unknown"``, or an identifier that
           begins with ``_`` and hides the address
    port   1 to 65535; None when it is not said, or hidden
    Source: RFC 7239 §6.

    >>> Node("::1", 8000).address, Node("_hidden").address
    ('::1', None)
    """

    name: str
    port: int | None = None

    @property
    def address(self) -> str | None:
        """The IP address as REMOTE_ADDR has it; None for unknown and hidden ones."""
        return None if self.name == "unknown" or self.name.startswith("_") else self.name


@dataclass(frozen=True)
class Hop:
    """What one proxy says of the request that it got; None for what it does not say, or says in a way that is none.

    for_    who sent it
    by      where the proxy took it
    host    its Host field
    proto   its scheme, in lower case: ``"http"``, ``"https"``
    Source: RFC 7239 §5.

    >>> Hop(for_=Node("192.0.2.1"), proto="https").proto
    'https'
    """

    for_: Node | None = None
    by: Node | None = None
    host: Host | None = None
    proto: str | None = None


def parse_forwarded(value: str) -> list[Hop]:
    """The hops of a Forwarded field, the nearest proxy's last.

    value   field value; several fields joined with ``,`` in their order
    Reading ends, from the right, at the first element that breaks the grammar or names a parameter twice, and after 50
    elements. Parameters other than the four are passed over.
    Never raises.
    Source: RFC 7239 §4.

    >>> parse_forwarded('for=192.0.2.1;proto=https, for="[2001:db8::1]:4711"')
    ... # doctest: +NORMALIZE_WHITESPACE
    [Hop(for_=Node(name='192.0.2.1', port=None), by=None, host=None, proto='https'),
     Hop(for_=Node(name='2001:db8::1', port=4711), by=None, host=None, proto=None)]
    """
    hops: list[Hop] = []
    said: dict[str, str] = {}
    backward = value[::-1]
    at = 0
    # A comma beyond the end, for the element that the text begins with.
    while len(hops) < MOST_HOPS and at <= len(backward):
        char = backward[at : at + 1] or ","
        if char == ",":
            if said:
                hops.append(hop_of(said))
            said = {}
        elif char not in (";", " ", "\t"):
            match = BACKWARD_PAIR.match(backward, at)
            if match is None or not note_pair(said, match[2][::-1], match[1][::-1]):
                break
            at = match.end() - 1
        at += 1
    return hops[::-1]


def parse_x_forwarded_for(value: str) -> list[Node]:
    """The nodes of an X-Forwarded-For field, the one that the nearest proxy has seen last.

    Read are IPv4 addresses, IPv6 addresses with and without brackets, ``unknown``, hidden names as of Forwarded, and
    ports after all of them but IPv6 addresses without brackets. Reading ends, from the right, at the first member that
    is none of these, and after 50.
    Never raises.
    Source: by custom; RFC 7239 §7.4 speaks of it.

    >>> parse_x_forwarded_for("made up, 192.0.2.1, 2001:DB8::1")
    [Node(name='192.0.2.1', port=None), Node(name='2001:db8::1', port=None)]
    """
    return from_the_right(value, node_of)


def parse_x_forwarded_proto(value: str) -> list[str]:
    """The schemes of an X-Forwarded-Proto field in lower case, that of the nearest proxy last.

    Reading ends, from the right, at the first member that is no scheme, and after 50. Never raises.
    Source: by custom; RFC 3986 §3.1 for schemes.

    >>> parse_x_forwarded_proto("https, HTTP")
    ['https', 'http']
    """
    return from_the_right(value, scheme_of)


def parse_x_forwarded_host(value: str) -> list[Host]:
    """The hosts of an X-Forwarded-Host field, that of the nearest proxy last.

    Reading ends, from the right, at the first member that `hosts.parse_host` does not read, and after 50. Never raises.
    Source: by custom.

    >>> parse_x_forwarded_host("example.org:8000")
    [Host(name='example.org', port=8000)]
    """
    return from_the_right(value, parse_host)


def parse_x_forwarded_prefix(value: str) -> list[str]:
    """The path prefixes of an X-Forwarded-Prefix field, as SCRIPT_NAME has them; that of the nearest proxy last.

    Each is ``""`` or begins with ``/`` and does not end with it. Reading ends, from the right, at the first member that
    is no path of visible ASCII, holds ``//``, a backslash, ``?``, ``#``, quotes or angle brackets, and after 50: what
    a page makes links with must not lead to another host.
    Never raises.
    Source: by custom; RFC 3986 §3.3 for paths.

    >>> parse_x_forwarded_prefix("/shop/"), parse_x_forwarded_prefix("//evil.example")
    (['/shop'], [])
    """
    return from_the_right(value, prefix_of)


def note_pair(said: dict[str, str], name: str, value: str) -> bool:
    """Add the pair; False when it is none, or the second of its name."""
    text = unquote(value)
    is_broken = value.startswith('"') and text == value
    if is_broken or not is_token(name) or name.lower() in said:
        return False
    said[name.lower()] = text
    return True


def hop_of(said: dict[str, str]) -> Hop:
    return Hop(
        for_=node_of(said.get("for", "")),
        by=node_of(said.get("by", "")),
        host=parse_host(said.get("host", "")),
        proto=scheme_of(said.get("proto", "")),
    )


def from_the_right(value: str, read: Callable[[str], T | None]) -> list[T]:
    found: list[T] = []
    for member in reversed(value.rsplit(",", MOST_HOPS)):
        text = member.strip(OWS)
        if not text:
            continue
        one = read(text)
        if one is None or len(found) == MOST_HOPS:
            break
        found.append(one)
    return found[::-1]


def node_of(text: str) -> Node | None:
    if BARE_IPV6.fullmatch(text) and text.count(":") > 1:
        return node_at(IPv6Address, text, None)
    match = NODE.fullmatch(text)
    if match is None:
        return None
    ipv6, ipv4, unknown, hidden, port_text = match.groups()
    port = int(port_text) if port_text and port_text.isdigit() else None
    if port is not None and not 1 <= port <= 65_535:
        return None
    if ipv6:
        return node_at(IPv6Address, ipv6, port)
    if ipv4:
        return node_at(IPv4Address, ipv4, port)
    return Node("unknown" if unknown else hidden, port)


def node_at(kind: type[IPv4Address] | type[IPv6Address], text: str, port: int | None) -> Node | None:
    try:
        return Node(kind(text).compressed, port)
    except AddressValueError:
        return None


def scheme_of(text: str) -> str | None:
    return text.lower() if SCHEME.fullmatch(text) else None


def prefix_of(text: str) -> str | None:
    return text.rstrip("/") if PREFIX.fullmatch(text) else None
