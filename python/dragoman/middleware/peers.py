"""Whose word counts: addresses and networks of peers, as several parts take them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

from dragoman.types import Environ

__all__ = ["Address", "Peers", "address_of"]

Address: TypeAlias = IPv4Address | IPv6Address

MOST_KNOWN = 1024
"""How many verdicts on addresses are kept."""


class Peers:
    """The peers that `texts` names.

    texts   addresses and networks such as ``["10.0.0.0/8", "::1"]``; ``"*"`` is everybody
    what    names the argument in messages

    A peer without an address is one on a unix socket: it is one of them where anybody is, since who may open the socket
    has been decided by its file. Raises ValueError for what is no network.
    """

    def __init__(self, texts: Sequence[str] | str, what: str) -> None:
        if isinstance(texts, str) and texts != "*":
            raise ValueError(f'{what}: want a list of networks or "*", got the text {texts!r}')
        self.is_everybody = texts == "*" or "*" in texts
        try:
            self.networks: tuple[IPv4Network | IPv6Network, ...] = tuple(
                ip_network(text, strict=False) for text in texts if text != "*"
            )
        except (TypeError, ValueError) as error:
            raise ValueError(f'{what}: want addresses or networks such as "10.0.0.0/8": {error}') from None
        # The same few proxies come again and again, and taking an address apart costs two microseconds.
        self.known = lru_cache(MOST_KNOWN)(self.is_named)

    def __bool__(self) -> bool:
        return self.is_everybody or bool(self.networks)

    def have_sent(self, environ: Environ) -> bool:
        """Whether the peer of this request is one of them."""
        return bool(self) and self.has(environ.get("REMOTE_ADDR", ""))

    def has(self, text: str) -> bool:
        """Whether the peer of that address is one of them; the empty one is that of a unix socket."""
        if self.is_everybody or not self.networks:
            return self.is_everybody
        if not text:
            return True
        return self.known(text)

    def is_named(self, text: str) -> bool:
        """Whether one of the networks has that address."""
        address = address_of(text)
        return address is not None and any(address in network for network in self.networks)


def address_of(text: str) -> Address | None:
    """The address that `text` is, None for other text. An IPv4 address that is written as IPv6 is the IPv4 address."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    # A socket that listens to both kinds has "::ffff:10.0.0.1", and whoever writes a network means "10.0.0.0/8".
    return getattr(address, "ipv4_mapped", None) or address
