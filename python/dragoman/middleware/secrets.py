"""Secrets: those that sign, of which the first signs and all verify, and those that stand in a URL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias
from urllib.parse import urlsplit

__all__ = ["Secret", "secrets_of", "without_password"]

Secret: TypeAlias = str | bytes

LEAST_BYTES = 16


def secrets_of(secret: Secret | Sequence[Secret], what: str = "secret") -> list[bytes]:
    """The secrets, the one that signs first. Raises ValueError for one that can be guessed, and for none.

    what   it is called where it was set: for the error
    """
    given = [secret] if isinstance(secret, str | bytes) else list(secret)
    made = [one.encode() if isinstance(one, str) else one for one in given]
    if not made or any(not isinstance(one, bytes) or len(one) < LEAST_BYTES for one in made):
        raise ValueError(
            f"{what}: want a random text of {LEAST_BYTES} bytes at least, or a list of them, the one that signs"
            " first; python -c 'import secrets; print(secrets.token_urlsafe())' makes one"
        )
    return made


def without_password(url: str) -> str:
    """The URL as it may be logged."""
    parts = urlsplit(url)
    _, at, host = parts.netloc.rpartition("@")
    return parts._replace(netloc=f"…{at}{host}" if at else host, query="").geturl()
