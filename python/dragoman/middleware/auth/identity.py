"""Who somebody is, and what a path wants of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias

from dragoman.middleware.paths import PathTable, readings

__all__ = ["AUTH", "Identity", "Need", "Needs", "Require", "checked_scopes"]

AUTH = "dragoman.auth"
"""The environ's key for the `Identity`."""

Require: TypeAlias = Mapping[str, "bool | Literal['optional'] | Sequence[str]"]
"""By path: False, "optional", True, or the scopes that are wanted, all of them."""

# RFC 6749 section 3.3: scope-token.
SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")


class Identity(NamedTuple):
    """Who has sent the request.

    user     a name, as text
    scheme   how that was shown: "Basic", "Bearer", "ApiKey"
    scopes   what they may do
    claims   what their token says, if it was one
    """

    user: str
    scheme: str
    scopes: frozenset[str] = frozenset()
    claims: Mapping[str, Any] = MappingProxyType({})


class Need(NamedTuple):
    """What a path wants: whether credentials are looked at, whether they are wanted, and with which scopes."""

    is_looked_at: bool = True
    is_required: bool = True
    scopes: frozenset[str] = frozenset()

    def with_all_of(self, other: Need) -> Need:
        """What both of them want."""
        return Need(
            self.is_looked_at or other.is_looked_at,
            self.is_required or other.is_required,
            self.scopes | other.scopes,
        )


class Needs:
    """What each path wants; those that are not in `require` want somebody, whoever it is.

    Raises ValueError for what is no need and no path.
    """

    def __init__(self, require: Require) -> None:
        self.table = PathTable({path: need_of(value, path) for path, value in require.items()}, "require")
        self.rest = Need()

    def of(self, path: str) -> Need:
        """The need of a path. Where an application could read it as other paths, the needs of all of them."""
        need = self.table.find(path, self.rest)
        for other in readings(path)[1:]:
            need = need.with_all_of(self.table.find(other, self.rest))
        return need


def need_of(value: object, path: str) -> Need:
    if value is False:
        return Need(False, False)
    if value == "optional":
        return Need(True, False)
    if value is True:
        return Need()
    if isinstance(value, str) or not isinstance(value, Sequence) or not value:
        raise ValueError(f'require: {path}: want False, "optional", True or a list of scopes, got {value!r}')
    return Need(scopes=frozenset(checked_scope(scope, f"require: {path}") for scope in value))


def checked_scopes(
    scopes: Mapping[str, Sequence[str]], known: Mapping[str, object] | None
) -> dict[str, frozenset[str]]:
    """Scopes by name. Raises ValueError for what is no scope, and for a name that is not `known`: a mistake."""
    made = {}
    for name, given in scopes.items():
        if known is not None and name not in known:
            raise ValueError(f"scopes: {name!r} is none of the names that there are")
        if isinstance(given, str):
            raise ValueError(f"scopes: {name}: want a list of scopes, got the text {given!r}")
        made[name] = frozenset(checked_scope(scope, f"scopes: {name}") for scope in given)
    return made


def checked_scope(scope: object, where: str) -> str:
    if not isinstance(scope, str) or not SCOPE.fullmatch(scope):
        raise ValueError(f"{where}: want scopes of visible ASCII without quotes and backslashes, got {scope!r}")
    return scope
