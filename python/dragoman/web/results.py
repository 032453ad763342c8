"""What a handler gives back, as a response: text, JSON, a stream, a file, an application, or those with a status."""

from __future__ import annotations

import dataclasses
import inspect
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from dragoman.types import Environ
from dragoman.web.background import AsyncBlocks
from dragoman.web.headers import Headers
from dragoman.web.late import Late
from dragoman.web.places import place_of
from dragoman.web.response import JSON, Response
from dragoman.web.wsgi_results import response_from

if TYPE_CHECKING:
    from dragoman.web import files
else:
    files = Late("dragoman.web.files")

__all__ = ["Giver", "encoded_json", "make_response", "plainer", "response_of"]

Giver: TypeAlias = "str | Callable[..., Any]"

HEADERS = (Mapping, Headers, list, tuple)


def response_of(
    result: Any,
    environ: Environ,
    giver: Giver = "the handler",
    encode: Callable[[Any], bytes] | None = None,
) -> Response:
    """The response that `result` stands for.

    result   a Response; str or bytes; dict, list, dataclass or msgspec.Struct, sent as JSON; an iterator or generator,
             sent block by block; an open binary file or a pathlib.Path; a WSGI application, which is called; or a tuple
             (result, status), (result, headers) or (result, status, headers)
    giver    gave it, a handler or a hook: the error says where it stands
    encode   makes JSON; default `encoded_json`
    Raises TypeError for anything else, None among it.
    """
    if isinstance(result, Response):
        return result
    if isinstance(result, tuple):
        return response_of_tuple(result, environ, giver, encode)
    if isinstance(result, str | bytes | bytearray | memoryview):
        return Response(result)
    if is_json(result):
        return Response((encode or encoded_json)(result), content_type=JSON)
    if isinstance(result, os.PathLike) or hasattr(result, "read"):
        kind = None if isinstance(result, os.PathLike) else "application/octet-stream"
        return files.send_file(result, kind, environ=environ)
    if isinstance(result, Iterator) or (isinstance(result, Iterable) and not (callable(result) or is_set(result))):
        return Response(result)
    if hasattr(result, "__aiter__"):
        return Response(AsyncBlocks(result.__aiter__()))
    if callable(result):
        return response_from(result, environ)
    raise TypeError(f"{told_of(giver)} gave {refusal(result)}")


def response_of_tuple(
    result: tuple[Any, ...], environ: Environ, giver: Giver, encode: Callable[[Any], bytes] | None
) -> Response:
    if len(result) not in (2, 3):
        raise TypeError(
            f"{told_of(giver)} gave a tuple of {len(result)}: want (result, status), (result, headers) or"
            " (result, status, headers)"
        )
    body, *others = result
    status: Any = None
    headers: Any = None
    if len(others) == 2:
        status, headers = others
    elif isinstance(others[0], HEADERS):
        headers = others[0]
    else:
        status = others[0]
    if headers is not None and not isinstance(headers, HEADERS):
        raise TypeError(
            f"{told_of(giver)} gave a tuple whose headers are {type(headers).__name__}: want a mapping or pairs"
        )
    if isinstance(body, int):
        raise TypeError(f"{told_of(giver)} gave {turned(body, others)}")
    response = response_of("" if body is None and status is not None else body, environ, giver, encode)
    if response is body:
        # Somebody may give the same object for each request.
        response = copy(response)
        response.headers = Headers(response.headers)
    try:
        if status is not None:
            response.status = status
        if headers is not None:
            response.headers.update(headers)
    except (TypeError, ValueError) as error:
        response.close()
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{told_of(giver)} gave a tuple with what cannot be sent: {error}") from error
    return response


def told_of(giver: Giver) -> str:
    # Only where there is an error: it takes time.
    return giver if isinstance(giver, str) else place_of(giver)


def turned(first: int, others: list[Any]) -> str:
    """What is wrong with a tuple whose first place has a number, as that of a status does."""
    is_pair = len(others) == 1
    given = f"({first!r}, …)" if is_pair else f"({first!r}, …, …)"
    right = f"(body, {first!r})" if is_pair and isinstance(others[0], str | bytes) else "(body, status, headers)"
    return f"{given}: the body comes first, the status after it: want {right}"


def refusal(result: Any) -> str:
    """What is said of something that is no result."""
    wanted = (
        "want str, bytes, dict, list, a dataclass or msgspec.Struct, a Response, a generator, a file, a WSGI"
        " application, or a tuple with one of these first and a status or headers after it"
    )
    if result is None:
        return f"None: is a return missing? For an answer without a body write return '', 204; {wanted}"
    if inspect.iscoroutine(result):
        result.close()
        return "coroutine: it is to be awaited: is a decorator around an async def no async def itself?"
    if is_set(result):
        return f"{type(result).__name__}, which has no order: want sorted(…) of it; or {wanted}"
    return f"{type(result).__name__}: {wanted}"


def is_set(result: object) -> bool:
    return isinstance(result, set | frozenset)


def is_json(result: object) -> bool:
    return isinstance(result, dict | list | msgspec.Struct | Mapping) or (
        dataclasses.is_dataclass(result) and not isinstance(result, type)
    )


def encoded_json(value: Any, default: Callable[[Any], Any] | None = None) -> bytes:
    """JSON of dicts, lists, dataclasses, Structs, dates, UUIDs, Decimals, enums, sets, and kinds of texts and numbers.

    default   makes something of what JSON does not know
    Raises TypeError for what it does not know.
    """
    return msgspec.json.encode(value, enc_hook=plainer if default is None else lambda one: plainer(one, default))


def plainer(value: Any, default: Callable[[Any], Any] | None = None) -> Any:
    """What msgspec does not know as something that it knows: `Markup` as a text, a `MultiDict` as a dict."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int | float):
        return int(value) if isinstance(value, int) else float(value)
    if isinstance(value, Mapping):
        return dict(value)
    if default is not None:
        return default(value)
    if hasattr(value, "__html__"):
        return plainer(value.__html__())
    raise TypeError(f"{type(value).__name__} is nothing that JSON knows: {value!r:.100}")


def make_response(*args: Any) -> Response:
    """The response that a handler would make by giving `args` back, to be changed before it is given back."""
    from dragoman.web.context import APP, ENVIRON, current_context  # noqa: PLC0415

    if not args:
        return Response()
    context = current_context("make_response")
    result = args[0] if len(args) == 1 else args
    return response_of(result, context[ENVIRON], "make_response", context[APP].json.encode)
