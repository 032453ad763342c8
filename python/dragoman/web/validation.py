"""The body of a request as the type that a handler wants, or an answer that says which part of it is wrong."""

from __future__ import annotations

import typing
from typing import Any

import msgspec

from dragoman.web.context import Context, request_of
from dragoman.web.errors import BadRequest, UnprocessableContent, UnsupportedMediaType
from dragoman.web.request import FORMS, Request

__all__ = ["BodyOf", "validated"]


class BodyOf:
    """Reads bodies of one type.

    wanted        a dataclass, TypedDict, msgspec.Struct, or a list or dict of them, or one of several
    parameter     of the handler: its name is told where nothing has come
    has_default   whether a request without a body is one that the default is for
    """

    def __init__(self, wanted: Any, parameter: str, *, has_default: bool = False) -> None:
        self.wanted = wanted
        self.parameter = parameter
        self.decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(wanted)
        self.takes_none = has_default or type(None) in typing.get_args(wanted)

    def read(self, context: Context) -> Any:
        """The body. Raises BadRequest, UnsupportedMediaType, UnprocessableContent."""
        request = request_of(context)
        if request.mimetype in FORMS:
            return validated(form_values(request), self.wanted, strict=False)
        if not request.is_json:
            if not request.mimetype and self.takes_none and not request.data:
                return None
            raise UnsupportedMediaType(
                f"Want Content-Type: application/json, or a form, not {request.mimetype or 'nothing'}."
            )
        try:
            return self.decoder.decode(request.data)
        except msgspec.ValidationError as error:
            raise refused(error) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BadRequest(f"The body is no JSON: {error}.") from error


def validated(value: Any, wanted: Any, *, strict: bool = True) -> Any:
    """`value` as `wanted`.

    strict   texts are no numbers; not so for forms and queries, where everything is text
    Raises UnprocessableContent, which says where it is wrong, and what is wanted.

    >>> validated({"n": "7"}, typing.Dict[str, int], strict=False)
    {'n': 7}
    """
    try:
        return msgspec.convert(value, wanted, strict=strict)
    except msgspec.ValidationError as error:
        raise refused(error) from error


def refused(error: msgspec.ValidationError) -> UnprocessableContent:
    message, _, place = str(error).partition(" - at `")
    path = place.removesuffix("`").removeprefix("$").lstrip(".")
    where = f"{path}: " if path else ""
    return UnprocessableContent(f"{where}{message}.", extensions={"errors": [{"field": path, "message": message}]})


def form_values(request: Request) -> dict[str, Any]:
    """The fields of a form: those that came once as their text, others as lists."""
    return {name: values[0] if len(values) == 1 else values for name, values in request.form.lists()}
