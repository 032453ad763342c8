"""Whom a request is counted for: its client's address, its user, a field, or what a function says."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from typing import TypeAlias

from dragoman.types import Environ

__all__ = ["Key", "key_of"]

Key: TypeAlias = Callable[[Environ], "str | None"]
"""Gives whom a request is counted for, None for nobody: such a request is not limited."""

IPV6_PREFIX = 64


def key_of(given: object) -> Key:
    """The function that a setting stands for: ``"address"``, ``"user"``, ``"header:NAME"``, or itself.

    Raises ValueError for anything else.
    """
    if given == "address":
        return by_address
    if given == "user":
        return by_user
    if isinstance(given, str) and given.startswith("header:") and given != "header:":
        return by_header(given.removeprefix("header:"))
    if callable(given):
        return hashed(given)
    raise ValueError(
        f'key: want "address", "user", "header:NAME" or a function of the environ that gives text, got {given!r}'
    )


def by_address(environ: Environ) -> str:
    """The address of the client; of IPv6 its network of 64 bits, which one customer has all addresses of."""
    text = str(environ.get("REMOTE_ADDR", ""))
    if ":" not in text:
        # IPv4, a unix socket, or a server that does not know: all of these are one client.
        return f"a:{text[:64]}"
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return f"a:{text[:64]}"
    assert isinstance(address, IPv6Address)
    if address.ipv4_mapped is not None:
        return f"a:{address.ipv4_mapped}"
    return f"a:{IPv6Address(int(address) >> (128 - IPV6_PREFIX) << (128 - IPV6_PREFIX))}/{IPV6_PREFIX}"


def by_user(environ: Environ) -> str:
    """The user, where a server or a layer outside of this one has said who it is; else the address."""
    user = environ.get("REMOTE_USER")
    return f"u:{digest(str(user))}" if user else by_address(environ)


def by_header(name: str) -> Key:
    """The value of a field, such as a key of an API; without it the address."""
    key = f"HTTP_{name.upper().replace('-', '_')}"

    def found(environ: Environ) -> str:
        value = environ.get(key)
        return f"h:{digest(value)}" if value else by_address(environ)

    return found


def hashed(function: Callable[[Environ], object]) -> Key:
    def found(environ: Environ) -> str | None:
        value = function(environ)
        if value is None:
            return None
        if not isinstance(value, str):
            raise TypeError(f"key: want the function to give text or None, got {value!r}")
        return f"f:{digest(value)}"

    return found


def digest(text: str) -> str:
    """`text`, of any length and with any secret in it, as something that may lie in a store."""
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
