"""Tokens for browsers that do not say where a request comes from: a visitor has one secret, each page a mask for it."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from collections.abc import Callable, Sequence
from html import escape

__all__ = ["Token", "is_signed", "masked", "new_secret", "unmasked"]

RANDOM_BYTES = 16
MAC_BYTES = 16
SECRET_BYTES = RANDOM_BYTES + MAC_BYTES


class Token:
    """``environ["dragoman.csrf_token"]``: ``str()`` of it is the token, made when it is asked for. `input` is a field.

    Each time it is another text, and all of them are good: what an attacker sees compressed beside a guess of his own
    does not add up (BREACH).
    """

    __slots__ = ("field", "secret")

    def __init__(self, field: str, secret: Callable[[], bytes]) -> None:
        self.field = field
        self.secret = secret

    @property
    def input(self) -> str:
        """The hidden input of a form, as HTML."""
        return f'<input type="hidden" name="{escape(self.field)}" value="{self}">'

    def __str__(self) -> str:
        return masked(self.secret())


def new_secret(keys: Sequence[bytes]) -> bytes:
    """A visitor's secret, signed by the first of `keys`: one that a sibling domain makes up is refused."""
    random = os.urandom(RANDOM_BYTES)
    return random + mac_of(keys[0], random)


def is_signed(secret: bytes, keys: Sequence[bytes]) -> bool:
    """Whether one of `keys` has signed it."""
    random, mac = secret[:RANDOM_BYTES], secret[RANDOM_BYTES:]
    return any([hmac.compare_digest(mac, mac_of(key, random)) for key in keys])


def masked(secret: bytes) -> str:
    """A text of 86 characters that `unmasked` gives `secret` for."""
    mask = os.urandom(len(secret))
    return encoded(mask + xored(mask, secret))


def unmasked(text: str) -> bytes | None:
    """The secret in a token; None for what is none. Never raises."""
    raw = decoded(text)
    if raw is None or len(raw) != 2 * SECRET_BYTES:
        return None
    return xored(raw[:SECRET_BYTES], raw[SECRET_BYTES:])


def encoded(raw: bytes) -> str:
    """Bytes as text for a cookie."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def decoded(text: str) -> bytes | None:
    """The bytes of such a text; None for what is none."""
    if len(text) > 4 * SECRET_BYTES:
        return None
    try:
        return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error):
        return None


def xored(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def mac_of(key: bytes, random: bytes) -> bytes:
    return hmac.digest(key, b"dragoman.csrf:" + random, hashlib.sha256)[:MAC_BYTES]
