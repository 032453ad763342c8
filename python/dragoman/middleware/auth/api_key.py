"""`ApiKeyAuth`: a key in a field of the request, for programs."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections.abc import Callable, Mapping, Sequence

from dragoman.middleware.auth.identity import Identity, Require, checked_scopes
from dragoman.middleware.auth.layer import Authentication, Refused
from dragoman.types import Environ, WSGIApplication

__all__ = ["ApiKeyAuth", "hash_key"]

HASH = re.compile(r"sha256:[0-9a-f]{64}")
MOST_KEY = 1024


def hash_key(key: str) -> str:
    """The hash to keep in the place of a key: ``sha256:…``. A random key of 32 bytes needs no slower one.

    >>> hash_key("only an example")[:20]
    'sha256:c545da75d8f6c'
    """
    return f"sha256:{hashlib.sha256(key.encode('utf-8', 'surrogateescape')).hexdigest()}"


class ApiKeyAuth(Authentication):
    """Lets through who sends a key; others are answered 401.

    keys      name → hash, as `hash_key` makes it, or a list of them while one is replaced; or a function that gives
              the name of a hash, None without it
    header    the field that the key comes in
    realm, require, scopes   as `BasicAuth` has them

    The name is ``REMOTE_USER``, ``AUTH_TYPE`` is ``ApiKey``, ``environ["dragoman.auth"]`` an `Identity`. Answers have
    ``Vary`` with the field. Make keys by ``secrets.token_urlsafe(32)``: short ones can be guessed from their hash.
    Raises ValueError for what is no hash, and for a hash that two names have.

        app = ApiKeyAuth(app, keys={"ci": "sha256:…"}, scopes={"ci": ["deploy"]}, require={"/deploy": ["deploy"]})
    """

    scheme = "ApiKey"

    def __init__(
        self,
        app: WSGIApplication | None = None,
        *,
        keys: Mapping[str, str | Sequence[str]] | Callable[[str], str | None],
        header: str = "X-API-Key",
        realm: str = "Restricted",
        require: Require | None = None,
        scopes: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        super().__init__(app, realm, require or {})
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", header) or header.lower() == "authorization":
            raise ValueError(f"header: want the name of a field other than Authorization, got {header!r}")
        self.field = header
        self.key = f"HTTP_{header.upper().replace('-', '_')}"
        # Compared by an HMAC that nobody can foretell, so that how long it takes says nothing.
        self.secret = os.urandom(32)
        known = keys if isinstance(keys, Mapping) else None
        if known is not None:
            names = self.names_of(known)
            self.name_of: Callable[[str], str | None] = lambda digest: names.get(self.blind(digest))
        elif callable(keys):
            self.name_of = keys
        else:
            raise ValueError(f"keys: want names with their hashes, or a function, got {type(keys).__name__}")
        self.scopes = checked_scopes(scopes or {}, known)

    def identify(self, environ: Environ) -> Identity | Refused | None:
        """Whose key came."""
        given = environ.get(self.key)
        if not given:
            return None
        name = self.name_of(hash_key(given)) if len(given) <= MOST_KEY else None
        if name is None:
            return Refused("unknown key")
        return Identity(name, self.scheme, self.scopes.get(name, frozenset()))

    def challenge(self, *parameters: tuple[str, str]) -> str:
        """The value of WWW-Authenticate, which says where the key is wanted."""
        return super().challenge(*parameters, ("header", self.field))

    def blind(self, digest: str) -> bytes:
        return hmac.digest(self.secret, digest.encode(), hashlib.sha256)

    def names_of(self, keys: Mapping[str, str | Sequence[str]]) -> dict[bytes, str]:
        names: dict[bytes, str] = {}
        for name, given in keys.items():
            hashes = [given] if isinstance(given, str) else list(given)
            for one in hashes:
                if not isinstance(one, str) or not HASH.fullmatch(one):
                    # It may be the key: it is not shown.
                    raise ValueError(f"keys: {name}: want hashes as hash_key makes them (sha256:…), not the key itself")
                if self.blind(one) in names:
                    raise ValueError(f"keys: {name} and {names[self.blind(one)]} have the same one")
                names[self.blind(one)] = name
        if not names:
            raise ValueError("keys: want one at least, or nobody gets in")
        return names
