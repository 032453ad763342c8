"""Passwords as they may be kept."""

from __future__ import annotations

import hashlib
import hmac
import secrets


def kept(password: str) -> str:
    """What is stored of a password."""
    salt = secrets.token_hex(16)
    return f"{salt}:{digest(password, salt)}"


def is_right(password: str, stored: str) -> bool:
    """Whether it is the password that `stored` was made of."""
    salt, _, expected = stored.partition(":")
    return hmac.compare_digest(digest(password, salt), expected)


def digest(password: str, salt: str) -> str:
    return hashlib.scrypt(password.encode(), salt=salt.encode(), n=2**12, r=8, p=1).hex()
