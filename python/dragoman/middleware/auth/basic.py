"""`BasicAuth`: name and password in each request, as browsers ask for them by themselves."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from dragoman.middleware.auth.identity import Identity, Require, checked_scopes
from dragoman.middleware.auth.layer import Authentication, Refused, credentials
from dragoman.middleware.auth.passwords import Verifier, hash_password, is_hash
from dragoman.types import Environ, WSGIApplication

__all__ = ["BasicAuth", "parse_basic"]

CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
MOST_CREDENTIALS = 4096


class NameAndPassword(NamedTuple):
    """What was sent. It is never shown."""

    user: str
    password: bytes

    def __repr__(self) -> str:
        return f"NameAndPassword({self.user!r}, …)"


class BasicAuth(Authentication):
    """Lets through who knows a name and its password; others are answered 401, and the browser asks.

    users        name → hash, as `dragoman.middleware.auth.passwords.hash_password` makes it; or a function that gives
                 the hash of a name, None without it
    realm        what the browser shows, and keeps passwords by
    require      path → False (not looked at), "optional" (who sends none goes through, too), True, or scopes that are
                 wanted, all of them; paths that are not in it are True
    scopes       name → what they may do
    remember_s   how long a verified password is not verified again; 0: each time

    The name is ``REMOTE_USER``, ``AUTH_TYPE`` is ``Basic``, ``environ["dragoman.auth"]`` an `Identity`. A name that is
    unknown takes as long as one that is known. Passwords go over the network as they are: serve it by https alone.
    Raises ValueError for what is no hash, no scope, no path.
    Source: RFC 7617.

        app = BasicAuth(app, users={"anna": "$argon2id$…"}, require={"/health": False})
    """

    scheme = "Basic"

    def __init__(
        self,
        app: WSGIApplication | None = None,
        *,
        users: Mapping[str, str] | Callable[[str], str | None],
        realm: str = "Restricted",
        require: Require | None = None,
        scopes: Mapping[str, Sequence[str]] | None = None,
        remember_s: float = 300,
    ) -> None:
        super().__init__(app, realm, require or {})
        if not remember_s >= 0:
            raise ValueError(f"remember_s: want seconds, 0 at least, got {remember_s!r}")
        known = users if isinstance(users, Mapping) else None
        if known is not None:
            check_users(known)
            self.hash_of: Callable[[str], str | None] = known.get
            # Of the same cost as the others'.
            self.nobody = next(iter(known.values()))
        elif callable(users):
            self.hash_of = users
            self.nobody = hash_password("")
        else:
            raise ValueError(f"users: want names with their hashes, or a function, got {type(users).__name__}")
        self.scopes = checked_scopes(scopes or {}, known)
        self.verifier = Verifier(remember_s)

    def identify(self, environ: Environ) -> Identity | Refused | None:
        """Whose name and password came."""
        text = credentials(environ, "basic")
        if text is None:
            return None
        given = parse_basic(text)
        if given is None:
            return Refused("no name and password in base64")
        password_hash = self.hash_of(given.user)
        holds = self.verifier.holds(self.nobody if password_hash is None else password_hash, given.password, given.user)
        if password_hash is None:
            # Which one is not said: people put their password there.
            return Refused("unknown name")
        if not holds:
            return Refused(f"wrong password of {given.user!r}")
        return Identity(given.user, self.scheme, self.scopes.get(given.user, frozenset()))

    def challenge(self, *parameters: tuple[str, str]) -> str:
        """The value of WWW-Authenticate; names are UTF-8: RFC 7617 section 2.1."""
        return super().challenge(*parameters, ("charset", "UTF-8"))


def parse_basic(text: str) -> NameAndPassword | None:
    """The name and password of credentials; None for what is none. Never raises. RFC 7617 section 2.

    They are UTF-8, which the challenge says; bytes that are not are read as latin-1, which some clients send.
    """
    if len(text) > MOST_CREDENTIALS:
        return None
    try:
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), validate=True)
    except (UnicodeError, binascii.Error):
        return None
    try:
        decoded = raw.decode()
    except UnicodeDecodeError:
        decoded = raw.decode("latin-1")
    user, colon, password = decoded.partition(":")
    if not colon or CONTROLS.search(user) or CONTROLS.search(password):
        return None
    return NameAndPassword(user, password.encode())


def check_users(users: Mapping[str, str]) -> None:
    if not users:
        raise ValueError("users: want one at least, or nobody gets in")
    for name, value in users.items():
        if not isinstance(name, str) or ":" in name or CONTROLS.search(name) or not name:
            raise ValueError(f"users: {name!r}: want names without colons and control characters")
        if not is_hash(value):
            # Its value may be a password: it is not shown.
            raise ValueError(
                f"users: {name}: want a hash of argon2 and not the password itself;"
                " python -m dragoman.middleware.auth.passwords makes one"
            )
