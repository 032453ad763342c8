"""Who may see what is told of the inside: addresses, a token, or what a function says."""

from __future__ import annotations

import hmac
import logging
from collections.abc import Callable, Sequence
from typing import TypeAlias

from dragoman.middleware.peers import Peers
from dragoman.middleware.proxy_headers import FORWARDED, Forwarded
from dragoman.types import Environ

__all__ = ["Allow", "Insiders"]

log = logging.getLogger("dragoman.middleware")

Allow: TypeAlias = Sequence[str] | str | Callable[[Environ], bool]
"""Addresses and networks, ``"*"`` for everybody, or a function of the environ."""

# With one of these in a request, its peer is a proxy, which is on this host as often as not.
RELAYED = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP")


class Insiders:
    """Those that `allow` or `token` let in.

    allow   of the peer's address; nobody is known by it who comes by a unix socket, or by a proxy that does not say for
            whom, or is not believed by ProxyHeaders outside
    token   who sends ``Authorization: Bearer TOKEN`` is let in from everywhere
    what    names the arguments in messages

    Raises ValueError for what is no network, and for a token that no field can carry.
    """

    def __init__(self, allow: Allow, token: str | None = None, what: str = "allow") -> None:
        self.function = allow if callable(allow) else None
        self.peers = Peers(() if callable(allow) else allow, what)
        if token is not None and not (isinstance(token, str) and token.isascii() and token.isprintable() and token):
            # The value may be half of a secret: it is not shown.
            raise ValueError("token: want printable ASCII")
        self.expected = None if token is None else f"Bearer {token}".encode()

    def have_sent(self, environ: Environ) -> bool:
        """Whether the request is one of theirs."""
        if self.expected is not None:
            given = str(environ.get("HTTP_AUTHORIZATION", "")).encode("latin-1", "replace")
            if hmac.compare_digest(given, self.expected):
                return True
        if self.function is not None:
            try:
                return bool(self.function(environ))
            except Exception:
                log.exception("allow: the function has failed, so nobody is let in")
                return False
        if self.peers.is_everybody:
            return True
        # On a unix socket all are one.
        return bool(environ.get("REMOTE_ADDR")) and not is_relayed(environ) and self.peers.have_sent(environ)


def is_relayed(environ: Environ) -> bool:
    """Whether a proxy has passed the request on, and the address is not known to be the client's."""
    forwarded = environ.get(FORWARDED)
    return any(key in environ for key in RELAYED) or (isinstance(forwarded, Forwarded) and forwarded.is_hidden)
