"""`ProxyHeaders`: what trusted proxies say of the client goes where applications look, what others say is removed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias, TypeVar

from dragoman.http.forwarded import (
    Node,
    parse_forwarded,
    parse_x_forwarded_for,
    parse_x_forwarded_host,
    parse_x_forwarded_prefix,
    parse_x_forwarded_proto,
)
from dragoman.http.hosts import Host, parse_host
from dragoman.middleware.answer import plain
from dragoman.middleware.layer import Layer
from dragoman.middleware.peers import Peers
from dragoman.types import Environ, StartResponse, WSGIApplication

__all__ = ["FORWARDED", "Forwarded", "ProxyHeaders"]

FORWARDED = "dragoman.forwarded"
"""The environ's key for a `Forwarded`: what was before, and how many proxies were believed."""

Value = TypeVar("Value")

Syntax: TypeAlias = Literal["x-forwarded", "forwarded"]
FIELDS: dict[str, tuple[str, ...]] = {
    "x-forwarded": ("for", "proto", "host", "port", "prefix"),
    "forwarded": ("for", "proto", "host"),
}
KEYS: dict[str, tuple[str, ...]] = {
    "x-forwarded": tuple(f"HTTP_X_FORWARDED_{field.upper()}" for field in FIELDS["x-forwarded"]),
    "forwarded": ("HTTP_FORWARDED",),
}
# Most proxies set these two. What a proxy does not set it passes on as the client has sent it. An element of Forwarded
# is one proxy's own.
DEFAULTS: dict[str, tuple[str, ...]] = {"x-forwarded": ("for", "proto"), "forwarded": FIELDS["forwarded"]}
# All that frameworks are known to read. Gone in every case: what was believed stands where it belongs, and a second
# reader of the same fields would go a step too far.
REMOVED = (
    "HTTP_FORWARDED", "HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_PROTOCOL",
    "HTTP_X_FORWARDED_SCHEME", "HTTP_X_FORWARDED_SSL", "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PORT",
    "HTTP_X_FORWARDED_PREFIX", "HTTP_X_FORWARDED_SERVER", "HTTP_X_FORWARDED_BY", "HTTP_X_REAL_IP", "HTTP_X_SCHEME",
    "HTTP_X_SCRIPT_NAME", "HTTP_X_URL_SCHEME", "HTTP_FRONT_END_HTTPS",
)  # fmt: skip
SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
PORTS = {"http": 80, "https": 443}

MOST_KNOWN = 1024
"""How many readings are kept, of fields with `MOST_BYTES_KNOWN` at most."""
MOST_BYTES_KNOWN = 512


class ProxyHeaders(Layer):
    """Gives ``REMOTE_ADDR``, ``wsgi.url_scheme``, ``HTTP_HOST``, ``SERVER_NAME``, ``SERVER_PORT`` and ``SCRIPT_NAME``
    the values that trusted proxies tell.

    trusted   addresses or networks of the proxies; ``"*"`` is everybody. A unix socket is trusted where any is
    hops      how many proxies there are at most; without `trusted` they are believed by their number alone, which
              holds as long as nobody gets around them
    syntax    ``"x-forwarded"`` or ``"forwarded"`` (RFC 7239): one of them is read, never both
    fields    what the proxies set: of ``"for"``, ``"proto"``, ``"host"``, ``"port"`` and ``"prefix"``; by default the
              first two, with ``"forwarded"`` the first three, which are all that it has

    The client is the last address that is not such a proxy's. Fields of both kinds are removed from the environ; what
    was there before is in ``environ["dragoman.forwarded"]``. A believed field that means nothing is 400.
    Raises ValueError where nobody is trusted, and for fields that the syntax has not.
    Source: RFC 7239; by custom.

        app = ProxyHeaders(app, trusted=["10.0.0.0/8"], fields=["for", "proto", "host", "prefix"])
    """

    def __init__(
        self,
        app: WSGIApplication | None = None,
        *,
        trusted: Sequence[str] | str = (),
        hops: int | None = None,
        syntax: Syntax = "x-forwarded",
        fields: Sequence[str] | None = None,
    ) -> None:
        super().__init__(app)
        self.trusted = Peers(trusted, "trusted")
        if hops is not None and (isinstance(hops, bool) or not isinstance(hops, int) or hops < 1):
            raise ValueError(f"hops: want the number of proxies, 1 at least, got {hops!r}")
        if not self.trusted and hops is None:
            raise ValueError('want trusted=["10.0.0.0/8"], the addresses of your proxies, or hops=1, their number')
        if syntax not in FIELDS:
            raise ValueError(f'syntax: want "x-forwarded" or "forwarded", got {syntax!r}')
        self.fields = frozenset(DEFAULTS[syntax] if fields is None else fields)
        if isinstance(fields, str) or not self.fields or (unknown := self.fields - set(FIELDS[syntax])):
            wrong = fields if isinstance(fields, str) or not fields else ", ".join(sorted(map(str, unknown)))
            raise ValueError(f"fields: want a list of {', '.join(FIELDS[syntax])} with {syntax}, got {wrong!r}")
        self.hops = hops
        self.syntax = syntax
        self.keys = KEYS[syntax]
        self.no_fields = [""] * len(self.keys)
        # Clients ask again and again, by few proxies: taking their fields apart costs ten times as much as a look.
        self.known = lru_cache(MOST_KNOWN)(self.changes)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer the request with the client's own facts in its environ."""
        get = environ.get
        # Most requests that come by no proxy have none of them.
        has_fields = not environ.keys().isdisjoint(REMOVED)
        fields = [get(key, "") for key in self.keys] if has_fields else self.no_fields
        host = get("HTTP_HOST")
        length = len(host or "") + (sum(map(len, fields)) if has_fields else 0)
        changes = self.known if length <= MOST_BYTES_KNOWN else self.changes
        try:
            is_believed = not get("REMOTE_PORT") and was_believed(environ)
            changed, prefix = changes(
                get("REMOTE_ADDR", ""),
                is_believed,
                get("wsgi.url_scheme", "http"),
                host,
                *fields,
            )
        except Unclear as error:
            return plain("400 Bad Request", str(error))(environ, start_response)
        environ.update(changed)
        if has_fields:
            if "REMOTE_ADDR" in changed:
                # The name belonged to the peer's address.
                environ.pop("REMOTE_HOST", None)
            elif not is_believed:
                environ[FORWARDED] = environ[FORWARDED]._replace(is_hidden=True)
            if prefix:
                environ["SCRIPT_NAME"] = prefix + get("SCRIPT_NAME", "")
            for key in REMOVED:
                environ.pop(key, None)
        return self.app(environ, start_response)

    def changes(
        self, peer: str, is_believed: bool, scheme: str, host: str | None, *values: str
    ) -> tuple[dict[str, object], str]:
        """What a request's environ gets, and what comes in front of its ``SCRIPT_NAME``. Raises Unclear."""
        trust = Trust(self.trusted, self.hops, peer, is_believed)
        said = Said(0)
        if trust.believes(peer, 0):
            # One of the two is read.
            read = read_x_forwarded if self.syntax == "x-forwarded" else read_forwarded
            said = read(dict(zip(self.keys, values, strict=True)), trust, self.fields)
        return {FORWARDED: Forwarded(peer, scheme, host, said.hops), **changed_keys(said, scheme, host)}, said.prefix


class Forwarded(NamedTuple):
    """What the environ had before, and how many proxies were believed, 0 for a client that came by none of them.

    peer        ``REMOTE_ADDR``: the nearest proxy, where one was believed
    scheme      ``wsgi.url_scheme``
    host        ``HTTP_HOST``, or None
    is_hidden   whether a proxy has passed the request on, and ``REMOTE_ADDR`` is still its own: it is not believed, or
                does not say who the client is
    """

    peer: str
    scheme: str
    host: str | None
    hops: int
    is_hidden: bool = False


@dataclass
class Said:
    """What is believed; None for what was not said."""

    hops: int
    client: Node | None = None
    proto: str | None = None
    host: Host | None = None
    port: int | None = None
    prefix: str = ""


class Unclear(Exception):
    """A trusted proxy has sent a field that means nothing."""


class Trust(NamedTuple):
    """Whose word counts for one request."""

    peers: Peers
    hops: int | None
    peer: str
    # The server has believed the peer itself, and put the client's address into REMOTE_ADDR.
    was_believed: bool

    def believes(self, address: str, count: int) -> bool:
        """Whether the proxy of that address counts, `count` nearer ones being believed."""
        if self.hops is not None and count >= self.hops:
            return False
        if count == 0 and self.was_believed:
            return True
        return self.peers.has(address) if self.peers else True

    def walk(self, nodes: Sequence[Node | None]) -> tuple[int, int, Node | None]:
        """How many proxies count, how many of `nodes` (the nearest last) they have said, and the client."""
        count, said = 0, 0
        address: str | None = self.peer
        client: Node | None = None
        while address is not None and self.believes(address, count):
            count += 1
            if said == len(nodes):
                break
            said += 1
            node = nodes[-said]
            # "unknown", or a name that hides it: the proxy that says so is the last that has an address.
            address = node.address if node is not None else None
            client = node if address is not None else client
        return count, said, client


def was_believed(environ: Environ) -> bool:
    """Whether `REMOTE_ADDR` is a client's that the server was told of by a peer that it trusts itself.

    Dragoman does so (--forwarded-allow-ips), and nothing is known of the client's port then.
    """
    return not environ.get("REMOTE_PORT") and str(environ.get("SERVER_SOFTWARE", "")).startswith("dragoman")


def read_x_forwarded(values: Mapping[str, str], trust: Trust, fields: frozenset[str]) -> Said:
    """What the believed proxies say by the X-Forwarded fields. Raises Unclear."""
    if "for" in fields:
        count, _, client = trust.walk(parse_x_forwarded_for(values["HTTP_X_FORWARDED_FOR"]))
    else:
        # Without the chain of addresses only the peer is known, and the number that was configured.
        count, client = (1 if trust.peers else trust.hops or 1), None
    said = Said(count, client)
    if "proto" in fields and (raw := values["HTTP_X_FORWARDED_PROTO"]):
        said.proto = scheme_of(oldest(parse_x_forwarded_proto(raw), count, "X-Forwarded-Proto"))
    if "host" in fields and (raw := values["HTTP_X_FORWARDED_HOST"]):
        said.host = oldest(parse_x_forwarded_host(raw), count, "X-Forwarded-Host")
    if "port" in fields and (raw := values["HTTP_X_FORWARDED_PORT"]):
        said.port = oldest(ports(raw), count, "X-Forwarded-Port")
    if "prefix" in fields and (raw := values["HTTP_X_FORWARDED_PREFIX"]):
        prefixes = parse_x_forwarded_prefix(raw)
        oldest(prefixes, count, "X-Forwarded-Prefix")
        # Each proxy has taken its own off the front: together they are what the client has asked for.
        said.prefix = "".join(prefixes[-count:])
    return said


def read_forwarded(values: Mapping[str, str], trust: Trust, fields: frozenset[str]) -> Said:
    """What the believed proxies say by Forwarded. Raises Unclear."""
    raw = values["HTTP_FORWARDED"]
    elements = parse_forwarded(raw)
    if raw and not elements:
        raise Unclear("The field Forwarded means nothing.")
    if "for" in fields:
        count, number, client = trust.walk([one.for_ for one in elements])
    else:
        count = 1 if trust.peers else trust.hops or 1
        number, client = min(count, len(elements)), None
    said = Said(count, client)
    # The oldest of those that are believed comes first.
    believed = elements[len(elements) - number :]
    if "proto" in fields and (proto := next((one.proto for one in believed if one.proto), None)):
        said.proto = scheme_of(proto)
    if "host" in fields:
        said.host = next((one.host for one in believed if one.host), None)
    return said


def oldest(values: Sequence[Value], count: int, name: str) -> Value:
    """The value of the believed proxy that is nearest to the client."""
    if not values:
        raise Unclear(f"The field {name} means nothing.")
    return values[-count:][0]


def scheme_of(proto: str) -> str:
    if proto not in SCHEMES:
        raise Unclear("The scheme is neither http nor https.")
    return SCHEMES[proto]


def ports(raw: str) -> list[int]:
    """The port numbers of a list, the nearest proxy's last, from the right up to the first that is none."""
    found: list[int] = []
    for text in reversed([one.strip(" \t") for one in raw.split(",")]):
        if not (text.isascii() and text.isdigit() and len(text) <= 5 and 0 < int(text) < 65536):
            break
        found.insert(0, int(text))
    return found


def changed_keys(said: Said, scheme: str, host_field: str | None) -> dict[str, object]:
    """What is believed, by the environ's keys."""
    changed: dict[str, object] = {}
    if said.client is not None and said.client.address is not None:
        changed["REMOTE_ADDR"] = said.client.address
        changed["REMOTE_PORT"] = str(said.client.port or "")
    if said.proto is not None:
        changed["wsgi.url_scheme"] = scheme = said.proto
    host = said.host or (parse_host(host_field) if host_field else None)
    if said.port is not None and host is not None:
        host = Host(host.name, said.port)
    if (said.host or said.port) and host is not None:
        # A port that the scheme has anyway is not what a client would send.
        changed["HTTP_HOST"] = host.authority(scheme)
    if said.host is not None:
        changed["SERVER_NAME"] = said.host.name
    if said.host or said.port or said.proto:
        port = said.port or (host.port if host is not None else None)
        changed["SERVER_PORT"] = str(port or PORTS.get(scheme, 80))
    return changed
