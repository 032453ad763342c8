"""What a return annotation says of the answer: status, media type and type, for each of the answers it stands for."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from dragoman.web.inputs import UNIONS, is_record, plain

__all__ = ["Outcome", "outcomes_of"]

JSON, HTML = "application/json", "text/html"


class Outcome(NamedTuple):
    """One answer.

    status       None for that of the handler
    media_type   empty where the annotation does not say
    wanted       the type of its JSON; None for none
    """

    status: int | None
    media_type: str = ""
    wanted: Any = None


def outcomes_of(annotation: Any) -> list[Outcome]:
    """The answers of a handler.

    annotation   of what it returns; None for a handler that has none

    >>> outcomes_of(tuple[dict[str, int], Literal[201]] | str)[0].status
    201
    """
    return list(outcomes(annotation))


def outcomes(annotation: Any) -> Iterator[Outcome]:
    kind = plain(annotation)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in UNIONS:
        for one in arguments:
            yield from outcomes(one)
    elif origin is tuple and len(arguments) in (2, 3) and arguments[1] is not Ellipsis:
        for status in statuses_of(arguments[1]):
            yield from (one._replace(status=status) for one in outcomes(arguments[0]))
    elif kind in (str, bytes, bytearray):
        yield Outcome(None, HTML)
    elif (origin or kind) in (dict, list) or is_record(kind):
        yield Outcome(None, JSON, annotation)
    else:
        yield Outcome(None)


def statuses_of(annotation: Any) -> list[int | None]:
    """The numbers of a Literal; one None where it is none."""
    if typing.get_origin(annotation) is Literal:
        numbers: list[int | None] = [one for one in typing.get_args(annotation) if isinstance(one, int)]
        if numbers:
            return numbers
    return [None]
