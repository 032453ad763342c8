"""The methods of a client that ask: ``client.get("/")`` and its like, each `Client.open` with one method of HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

from dragoman.web.authorization import Authorization
from dragoman.web.building_environ import Data, Fields, Query
from dragoman.web.testing.response import TestResponse

if TYPE_CHECKING:
    from dragoman.web.testing.client import Client

__all__ = ["Ask", "Auth", "Method"]

Auth: TypeAlias = "tuple[str, str] | Authorization | str | None"
"""A user's name and password; an `Authorization`; or the field itself, such as ``"Bearer …"``."""


class Ask(Protocol):
    """What `Client.open` takes, without the method."""

    def __call__(
        self,
        path: str = "/",
        *,
        base_url: str | None = None,
        query_string: Query = None,
        headers: Fields = None,
        data: Data = None,
        json: Any = None,
        content_type: str | None = None,
        auth: Auth = None,
        environ_base: Mapping[str, Any] | None = None,
        environ_overrides: Mapping[str, Any] | None = None,
        follow_redirects: bool = False,
        buffered: bool = True,
    ) -> TestResponse: ...


class Method:
    """`Client.open` with a method of HTTP."""

    def __init__(self, method: str) -> None:
        self.method = method
        self.__doc__ = f"`open` with method {method}."

    def __get__(self, client: Client, owner: type[Any]) -> Ask:
        return cast(Ask, partial(client.open, method=self.method))
