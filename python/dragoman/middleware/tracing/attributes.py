"""What a server span says of a request and its response, by the stable semantic conventions for HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote, unquote_plus

from dragoman.http.hosts import parse_host
from dragoman.middleware.paths import path_of
from dragoman.types import Environ

__all__ = ["REDACTED", "Attributes", "checked_fields", "field_attributes", "request_attributes", "response_fields"]

Attributes = dict[str, "str | int | Sequence[str]"]

# OpenTelemetry semantic conventions 1.37, http.request.method: RFC 9110 §9 and RFC 5789; others are _OTHER.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})
# The same, url.query: these are signatures and keys.
REDACTED = ("AWSAccessKeyId", "Signature", "sig", "X-Goog-Signature")
# A path's bytes that need no escape: RFC 3986 §3.3.
PATH_SAFE = "/:@!$&'()*+,;=~-._"
FORWARDED = "dragoman.forwarded"
DEFAULT_PORTS = {"http": 80, "https": 443}


def request_attributes(environ: Environ, redacted: frozenset[str]) -> Attributes:
    """What is known before the call: a sampler may decide by all of it.

    redacted   parameters of the query, in lower case, whose values are not told
    """
    method = str(environ.get("REQUEST_METHOD", ""))
    scheme = str(environ.get("wsgi.url_scheme", "http"))
    found: Attributes = {
        "http.request.method": method if method in METHODS else "_OTHER",
        "url.scheme": scheme,
        "url.path": quote(path_of(environ).encode("latin-1", "replace"), PATH_SAFE),
    }
    if method not in METHODS:
        found["http.request.method_original"] = method
    if query := environ.get("QUERY_STRING"):
        found["url.query"] = without_secrets(str(query), redacted)
    found.update(server_attributes(environ, scheme))
    protocol, _, version = str(environ.get("SERVER_PROTOCOL", "")).partition("/")
    if version:
        found["network.protocol.version"] = version.removesuffix(".0") if version in ("2.0", "3.0") else version
        if protocol.upper() != "HTTP":
            found["network.protocol.name"] = protocol.lower()
    client = str(environ.get("REMOTE_ADDR", ""))
    forwarded = environ.get(FORWARDED)
    peer = client if forwarded is None else forwarded.peer
    if client:
        found["client.address"] = client
    if peer:
        found["network.peer.address"] = peer
    # The port is the client's own where no proxy is in between.
    if peer == client and (port := str(environ.get("REMOTE_PORT", ""))).isascii() and port.isdigit():
        found["network.peer.port"] = int(port)
    if agent := environ.get("HTTP_USER_AGENT"):
        found["user_agent.original"] = str(agent)
    return found


def server_attributes(environ: Environ, scheme: str) -> Attributes:
    """The host that the client has asked, else that of the server."""
    host = parse_host(str(environ.get("HTTP_HOST", "")))
    if host is not None:
        port = host.port or DEFAULT_PORTS.get(scheme)
        named: Attributes = {"server.address": host.name.strip("[]")}
        return named if port is None else {**named, "server.port": port}
    name, text = str(environ.get("SERVER_NAME", "")), str(environ.get("SERVER_PORT", ""))
    found: Attributes = {"server.address": name} if name else {}
    if name and text.isascii() and text.isdigit():
        found["server.port"] = int(text)
    return found


def without_secrets(query: str, redacted: frozenset[str]) -> str:
    """The query, the values of these parameters as "REDACTED"."""
    if not redacted:
        return query
    parts = query.split("&")
    for index, part in enumerate(parts):
        name, separator, _ = part.partition("=")
        if separator and unquote_plus(name).lower() in redacted:
            parts[index] = f"{name}=REDACTED"
    return "&".join(parts)


def checked_fields(names: Iterable[str], what: str) -> tuple[str, ...]:
    """Names of fields, in lower case. Raises ValueError for what is none."""
    if isinstance(names, str):
        raise ValueError(f"{what}: want a list of fields, got the text {names!r}")
    found = tuple(str(name).lower() for name in names)
    for name in found:
        if not re.fullmatch(r"[a-z0-9!#$%&'*+.^_`|~-]+", name):
            raise ValueError(f"{what}: want names of fields, such as Content-Type, got {name!r}")
    return found


def field_attributes(environ: Environ, names: Mapping[str, str]) -> Attributes:
    """Fields of the request, by the environ's key and the name."""
    return {f"http.request.header.{name}": [str(environ[key])] for key, name in names.items() if key in environ}


def response_fields(headers: Iterable[tuple[str, str]], names: Sequence[str]) -> Attributes:
    """Fields of the response; of several of one name all values."""
    found: dict[str, list[str]] = {}
    for name, value in headers:
        if name.lower() in names:
            found.setdefault(f"http.response.header.{name.lower()}", []).append(value)
    return {**found}
