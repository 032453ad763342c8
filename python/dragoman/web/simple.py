"""What most handlers give, text and JSON: their bytes and fields, by the shortest way."""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from dragoman.web.response import HTML, JSON, OK, Response
from dragoman.web.results import plainer

if TYPE_CHECKING:
    from dragoman.web.app import App

__all__ = ["KNOWN", "LENGTHS", "Kind", "simple_kinds", "simple_response"]

Kind: TypeAlias = "tuple[tuple[str, str], Callable[[Any], bytes]]"
"""The field that says the type of a result, and what makes bytes of it."""

HTML_FIELD = ("Content-Type", HTML)
JSON_FIELD = ("Content-Type", JSON)

encode_json = msgspec.json.Encoder(enc_hook=plainer).encode
SIMPLE: dict[type, Kind] = {
    str: (HTML_FIELD, str.encode),
    dict: (JSON_FIELD, encode_json),
    list: (JSON_FIELD, encode_json),
}

# The fields of bodies of less bytes are there already.
KNOWN = 4096
LENGTHS = tuple(zip(repeat("Content-Length"), map(str, range(KNOWN)), strict=False))


def simple_kinds(app: App) -> dict[type, Kind]:
    """What is simple for an application, by its type: JSON in its own way."""
    if app.json.default is None:
        return SIMPLE
    return SIMPLE | dict.fromkeys((dict, list), (JSON_FIELD, app.json.encode))


def simple_response(kind: Kind, result: Any) -> Response:
    """``Response(result)`` without a look at what is known to be right."""
    field, encode = kind
    response = Response.__new__(Response)
    response.line = OK
    response.pairs = (field,)
    response.body = encode(result)
    response.stream = None
    response.closing = ()
    return response
