"""The types of what is registered: what handlers and hooks may take and give, for annotations and for type checkers."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import IO, Any, ClassVar, Protocol, TypeAlias, TypeVar

import msgspec

from dragoman.types import WSGIApplication
from dragoman.web.headers import Headers
from dragoman.web.response import Response

__all__ = [
    "AfterHook",
    "AnyAfter",
    "AnyBefore",
    "AnyContext",
    "AnyErrorHandler",
    "AnyHandler",
    "AnyTeardown",
    "AnyUrlDefaults",
    "AnyValues",
    "BeforeHook",
    "ContextHook",
    "Dataclass",
    "ErrorHandler",
    "Handler",
    "HeadersValue",
    "ResponseBody",
    "ResponseValue",
    "StatusValue",
    "TeardownHook",
    "UrlDefaultsHook",
    "ValuesHook",
]


class Dataclass(Protocol):
    """An instance of any dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


ResponseBody: TypeAlias = (
    # pyright knows no alias that is several texts in a row.
    str
    | bytes
    | bytearray
    | Mapping[str, Any]
    | list[Any]
    | Dataclass
    | msgspec.Struct
    | Response
    | Iterator[str]
    | Iterator[bytes]
    | AsyncIterator[str]
    | AsyncIterator[bytes]
    | os.PathLike[str]
    | IO[bytes]
    | WSGIApplication
)
"""Text, JSON, a `Response`, a stream, a file or another application's answer."""

StatusValue: TypeAlias = int | str
"""``404``, or ``"404 Not Found"``."""

HeadersValue: TypeAlias = Headers | Mapping[str, str] | list[tuple[str, str]] | tuple[tuple[str, str], ...]
"""Header fields."""

ResponseValue: TypeAlias = (
    ResponseBody
    | tuple[ResponseBody, StatusValue]
    | tuple[ResponseBody, HeadersValue]
    | tuple[ResponseBody, StatusValue, HeadersValue]
)
"""What a handler may give: a body, or one with a status and header fields."""

Handler: TypeAlias = Callable[..., ResponseValue | Awaitable[ResponseValue]]
"""A handler of requests; its parameters are the variables of its rule, `Request`, and the body."""

ErrorHandler: TypeAlias = Callable[[Any], ResponseValue | Awaitable[ResponseValue]]
"""Takes what was raised, and gives the answer."""

BeforeHook: TypeAlias = Callable[[], ResponseValue | Awaitable[ResponseValue | None] | None]
"""Gives an answer in the place of the handler's, or None."""

AfterHook: TypeAlias = Callable[[Response], Response | Awaitable[Response]]
"""Takes the answer, and gives that or another one."""

TeardownHook: TypeAlias = Callable[[BaseException | None], object]
"""Takes what was raised, or None."""

ValuesHook: TypeAlias = Callable[[str | None, dict[str, Any]], object]
"""Takes the endpoint and the values of the rule, and may change them."""

UrlDefaultsHook: TypeAlias = Callable[[str, dict[str, Any]], object]
"""Takes the endpoint and the values of a URL that is made, and may add some."""

ContextHook: TypeAlias = Callable[[], Mapping[str, Any]]
"""Gives names and values, for templates or for a shell."""

# What is decorated keeps its type.
AnyHandler = TypeVar("AnyHandler", bound=Handler)
AnyErrorHandler = TypeVar("AnyErrorHandler", bound=ErrorHandler)
AnyBefore = TypeVar("AnyBefore", bound=BeforeHook)
AnyAfter = TypeVar("AnyAfter", bound=AfterHook)
AnyTeardown = TypeVar("AnyTeardown", bound=TeardownHook)
AnyValues = TypeVar("AnyValues", bound=ValuesHook)
AnyUrlDefaults = TypeVar("AnyUrlDefaults", bound=UrlDefaultsHook)
AnyContext = TypeVar("AnyContext", bound=ContextHook)
