"""Hosts: ``name:port`` of a Host field or an authority, and patterns of names (RFC 3986 §3.2, RFC 9110 §7.2)."""

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address

__all__ = ["Host", "parse_host"]

# RFC 3986 §3.2.2: host = IP-literal / IPv4address / reg-name; port = *DIGIT. Of a reg-name what a DNS name can be.
AUTHORITY = re.compile(r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([0-9A-Za-z_.-]{1,254}))(?::([0-9]{0,5}))?")
# RFC 1123 §2.1, with the underscore that many networks use: labels of 1 to 63 characters.
LABEL = re.compile(r"[0-9a-z_](?:[0-9a-z_-]{0,61}[0-9a-z_])?")
# RFC 3986 §3.2.2: what could be an address of four numbers is one, or nothing: no name ends in a number.
NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
MOST_NAME = 253
MOST_PORT = 65_535

# RFC 9110 §4.2.1, §4.2.2; RFC 6455 §3.
DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


@dataclass(frozen=True)
class Host:
    """A host by name or address, and its port.

    name   in lower case: a DNS name with A-labels for other letters and without a stop at its end, an IPv4 address, or
           an IPv6 address in brackets, in its shortest form
    port   1 to 65535; None when it is not said
    `parse_host` makes one that can be relied on.
    Source: RFC 3986 §3.2.2, §3.2.3.

    >>> str(Host("example.org", 8000))
    'example.org:8000'
    """

    name: str
    port: int | None = None

    def __str__(self) -> str:
        return self.name if self.port is None else f"{self.name}:{self.port}"

    @property
    def is_address(self) -> bool:
        """Whether the name is an IPv4 or IPv6 address."""
        return self.name.startswith("[") or NUMBER.fullmatch(self.name.rpartition(".")[2]) is not None

    def authority(self, scheme: str) -> str:
        """``name:port``, without the port when it is that of `scheme`: as URLs have it.

        Source: RFC 3986 §6.2.3, RFC 9110 §4.2.3.

        >>> Host("example.org", 443).authority("https"), Host("example.org", 443).authority("http")
        ('example.org', 'example.org:443')
        """
        return self.name if self.port == DEFAULT_PORTS.get(scheme.lower()) else str(self)

    def matches(self, pattern: str) -> bool:
        """Whether the host is one of those that an operator's `pattern` means.

        pattern   ``example.org`` this name; ``.example.org`` this name and its subdomains; ``*.example.org`` its
                  subdomains alone; ``*`` any. With ``:port`` at that port only, without it at any.
                  Other letters than ASCII may be written as they are; IDNA 2003 makes A-labels of them.
        Raises ValueError for another pattern.
        Source: RFC 3986 §3.2.2 (names are compared without regard to case).

        >>> [Host("www.example.org").matches(one) for one in ("example.org", ".example.org", "*.example.org", "*")]
        [False, True, True, True]
        """
        if pattern == "*":
            return True
        wanted, is_wild = parsed_pattern(pattern)
        if wanted.port is not None and wanted.port != self.port:
            return False
        if self.name == wanted.name:
            return not pattern.startswith("*")
        return is_wild and self.name.endswith(f".{wanted.name}")


def parse_host(value: str) -> Host | None:
    """The host that a Host field, or the authority of a URL, says; None when it says none.

    value   ``name``, ``name:port``, ``address:port`` or ``[IPv6]:port``; an empty port is none
    None is for whatever two readers could read differently: user information, blanks, paths, percent-encoding, letters
    other than ASCII (names have A-labels here), zones of IPv6 addresses, ports above 65535, and names that end in a
    number without being an IPv4 address.
    Never raises.
    Source: RFC 9110 §7.2; RFC 3986 §3.2.2, §3.2.3; RFC 5890 §2.3.2.1 for A-labels.

    >>> parse_host("Example.ORG.:8000"), parse_host("[::0001]")
    (Host(name='example.org', port=8000), Host(name='[::1]', port=None))
    >>> parse_host("example.org@evil.example") is None
    True
    """
    match = AUTHORITY.fullmatch(value)
    if match is None:
        return None
    literal, text, digits = match.groups()
    port = int(digits) if digits else None
    if port is not None and not 1 <= port <= MOST_PORT:
        return None
    name = ipv6_literal(literal) if literal is not None else registered_name(text)
    return None if name is None else Host(name, port)


@lru_cache(maxsize=256)
def parsed_pattern(pattern: str) -> tuple[Host, bool]:
    bare = pattern.removeprefix("*").removeprefix(".")
    wanted = parse_host(with_a_labels(bare))
    is_wild = bare != pattern
    if wanted is None or (is_wild and (wanted.is_address or not pattern.startswith((".", "*.")))):
        raise ValueError(f"host pattern {pattern!r}: want a name such as example.org, .example.org, *.example.org or *")
    return wanted, is_wild


def ipv6_literal(text: str) -> str | None:
    try:
        return f"[{IPv6Address(text).compressed}]"
    except AddressValueError:
        return None


def registered_name(text: str) -> str | None:
    name = text.lower().removesuffix(".")
    labels = name.split(".")
    if len(name) > MOST_NAME or not all(map(LABEL.fullmatch, labels)):
        return None
    if NUMBER.fullmatch(labels[-1]) is None:
        return name
    try:
        return str(IPv4Address(name))
    except AddressValueError:
        return None


def with_a_labels(pattern: str) -> str:
    if pattern.isascii():
        return pattern
    try:
        return pattern.encode("idna").decode("ascii")
    except UnicodeError:
        return ""
