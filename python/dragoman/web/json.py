"""JSON as an application writes and reads it: `app.json`, and the functions of that for the application in hand."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import IO, TYPE_CHECKING, Any

import msgspec

from dragoman.types import Environ
from dragoman.web.context import APP, CURRENT
from dragoman.web.response import JSON, Response
from dragoman.web.results import Giver, encoded_json, plainer, response_of

__all__ = ["Json", "dump", "dumps", "jsonify", "load", "loads"]


# What Flask's provider takes and this does not, with what there is instead.
OTHERWISE = {
    "compact": "app.json.dumps(value, indent=2) has blanks and lines",
    "ensure_ascii": "it is UTF-8, as RFC 8259 wants it",
    "mimetype": "Response(app.json.dumps(value), mimetype='…') has another type",
    "sort_keys": "keys keep their order; app.json.dumps(value, sort_keys=True) sorts them",
}


class Json:
    """JSON of dicts, lists, dataclasses, Structs, dates, UUIDs, Decimals, enums and sets.

    default   makes something of what JSON does not know, or raises TypeError; set before the first request it holds for
              what handlers give back, too

        app.json.default = lambda value: value.as_dict()
    """

    compact = True
    ensure_ascii = False
    mimetype = JSON
    sort_keys = False

    def __init__(self, default: Callable[[Any], Any] | None = None) -> None:
        self.default = default

    if not TYPE_CHECKING:

        def __setattr__(self, name: str, value: Any) -> None:
            if name in OTHERWISE and value != getattr(self, name):
                said = f"JSON is written with {getattr(self, name)!r}"
                raise AttributeError(f"app.json.{name} = {value!r}: {said}: {OTHERWISE[name]}")
            object.__setattr__(self, name, value)

    def encode(self, value: Any) -> bytes:
        """`value` in JSON, without blanks. Raises TypeError for what it does not know."""
        return encoded_json(value, self.default)

    def dumps(
        self,
        value: Any,
        *,
        indent: int | None = None,
        sort_keys: bool = False,
        default: Callable[[Any], Any] | None = None,
    ) -> str:
        """`value` in JSON as text; the options are those of `json.dumps`."""
        hook = partial(plainer, default=default or self.default)
        text = msgspec.json.encode(value, enc_hook=hook, order="sorted" if sort_keys else None).decode()
        return text if indent is None else msgspec.json.format(text, indent=indent)

    def loads(self, text: str | bytes) -> Any:
        """What `text` says. Raises ValueError for what is no JSON."""
        try:
            return msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError) as error:
            raise ValueError(f"no JSON: {error}") from error

    def dump(self, value: Any, file: IO[str], **options: Any) -> None:
        """Write `dumps` of `value` into a file."""
        file.write(self.dumps(value, **options))

    def load(self, file: IO[str] | IO[bytes]) -> Any:
        """What the rest of a file says."""
        return self.loads(file.read())

    def response_maker(self) -> Callable[[Any, Environ, Giver], Response]:
        """`dragoman.web.results.response_of`, for handlers of an application that writes JSON in this way."""
        return response_of if self.default is None else partial(response_of, encode=self.encode)

    def response(self, *args: Any, **kwargs: Any) -> Response:
        """A response of JSON: of one value, of several as a list, or of names and values as an object."""
        if args and kwargs:
            raise TypeError("jsonify: want values, or names with values, not both")
        value = kwargs if kwargs or not args else args[0] if len(args) == 1 else list(args)
        return Response(self.encode(value), content_type=JSON)


ALONE = Json()


def of_here() -> Json:
    """That of the application in hand; outside of a request one without a `default`."""
    context = CURRENT.get()
    of_app: Json = ALONE if context is None else context[APP].json
    return of_app


def dumps(value: Any, **options: Any) -> str:
    """`Json.dumps` of the application in hand."""
    return of_here().dumps(value, **options)


def loads(text: str | bytes) -> Any:
    """`Json.loads` of the application in hand."""
    return of_here().loads(text)


def dump(value: Any, file: IO[str], **options: Any) -> None:
    """`Json.dump` of the application in hand."""
    of_here().dump(value, file, **options)


def load(file: IO[str] | IO[bytes]) -> Any:
    """`Json.load` of the application in hand."""
    return of_here().load(file)


def jsonify(*args: Any, **kwargs: Any) -> Response:
    """A response of JSON: of one value, of several as a list, or of names and values as an object."""
    return of_here().response(*args, **kwargs)
