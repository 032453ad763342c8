"""The field Authorization: Basic, Bearer, or any other scheme (RFC 9110 §11.6.2, RFC 7617, RFC 6750)."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field

from dragoman.http.fields import is_token, parameters, split_list

__all__ = ["Authorization", "parse_authorization"]


@dataclass(frozen=True)
class Authorization:
    """What a client says of who it is; nobody has checked it.

    type         the scheme in lower case: ``basic``, ``bearer``
    username, password   of Basic
    token        of Bearer, and of schemes that have one text
    parameters   of the others
    """

    type: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    parameters: dict[str, str] = field(default_factory=dict, repr=False)


def parse_authorization(value: str | None) -> Authorization | None:
    """The field's value, read; None where it cannot be. Never raises.

    >>> parse_authorization("Basic YTpi").username
    'a'
    """
    scheme, _, rest = (value or "").strip().partition(" ")
    rest = rest.strip()
    if not is_token(scheme) or not rest:
        return None
    kind = scheme.lower()
    if kind == "basic":
        try:
            name, colon, password = base64.b64decode(rest, validate=True).decode("utf-8").partition(":")
        except (binascii.Error, ValueError):
            return None
        return Authorization(kind, username=name, password=password) if colon else None
    if "=" in rest.rstrip("="):
        listed = "; ".join(split_list(rest))
        return Authorization(kind, parameters=parameters(listed))
    return Authorization(kind, token=rest)
