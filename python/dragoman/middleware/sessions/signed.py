"""Sessions in the cookie itself: readable by its owner, signed, and whole in each request."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from dragoman.middleware.extras import lacking
from dragoman.middleware.sessions.changes import Changes
from dragoman.middleware.sessions.keeping import Expiry, Kept, Loaded, Verdict, packed, unpacked

try:
    from itsdangerous import BadData, URLSafeSerializer
except ImportError as error:
    raise lacking("Sessions in a signed cookie", "itsdangerous", "sessions") from error

__all__ = ["SignedCookies"]

# More is no cookie that a browser keeps; itsdangerous would check its signature with each of the keys.
MOST_CHARACTERS = 8192


class AsBytes:
    """What itsdangerous turns a payload into bytes by; ours is that already."""

    @staticmethod
    def dumps(payload: bytes, **_: Any) -> bytes:
        return payload

    @staticmethod
    def loads(payload: bytes, **_: Any) -> bytes:
        return payload


class SignedCookies:
    """A `Keeper` that writes the whole session into the cookie.

    secrets   the first signs, all of them verify
    name      of the cookie; a value of another cookie is none of this one's
    """

    def __init__(self, secrets: Sequence[bytes], name: str, expiry: Expiry, clock: Callable[[], float]) -> None:
        self.expiry = expiry
        self.clock = clock
        # itsdangerous wants the newest key last.
        self.serializer: URLSafeSerializer = URLSafeSerializer(
            list(reversed(secrets)),
            salt=f"dragoman.sessions:{name}",
            serializer=AsBytes,
            signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
        )

    def load(self, cookie: str) -> Loaded | None:
        """The session of a cookie that we have signed."""
        if len(cookie) > MOST_CHARACTERS:
            return None
        try:
            found = unpacked(self.serializer.loads(cookie))
        except BadData:
            return None
        if found is None or self.expiry.is_over(found[1], found[2], self.clock()):
            return None
        return Loaded(*found)

    def save(self, loaded: Loaded | None, changes: Changes, is_rotated: bool, cookie: str) -> Verdict:
        """The cookie that has all of it."""
        now = self.clock()
        data = changes.applied(loaded.data if loaded else {})
        if not data:
            return Verdict(is_removed=cookie != "" and (loaded is not None or changes.is_cleared))
        if loaded and not changes and not is_rotated and not self.expiry.is_due(loaded.used, now):
            return Kept
        created = now if loaded is None or is_rotated or changes.is_cleared else loaded.created
        value = self.serializer.dumps(packed(data, created, now))
        text = value if isinstance(value, str) else value.decode("ascii")
        return Verdict(text, int(self.expiry.left_s(created, now)))
