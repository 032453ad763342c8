"""Numbers of one hash are refused, before a set or a dict of them takes the square of their count."""

from __future__ import annotations

import decimal
import json
import uuid
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta

from dragoman.web import App, Body
from dragoman.web.collisions import MOST_ALIKE
from tests.middleware.kit import Answered, ask

# Python documents it: sys.hash_info.modulus.
PRIME = 2**61 - 1
COUNT = 1000


class Node(msgspec.Struct):
    ids: set[uuid.UUID] = set()
    nodes: list[Node] = []


class Point(msgspec.Struct, frozen=True):
    x: int
    y: int


class Shelf(msgspec.Struct, array_like=True, tag=True):
    numbers: frozenset[int]


def posted(annotation: Any, value: Any) -> Answered:
    def handler(it: Any) -> str:
        return "taken"

    handler.__annotations__["it"] = annotation
    app = App(__name__)
    app.add_url_rule("/", "it", handler, methods=["POST"])
    text = value if isinstance(value, bytes) else json.dumps(value, default=str).encode()
    assert len(text) > 16 << 10
    return ask(app, "POST", "/", {"Content-Type": "application/json", "Accept": "application/json"}, text)


def alike(make: Callable[[int], Any] = int, count: int = COUNT) -> list[Any]:
    """Values of the hash 0."""
    return [make(PRIME * (10**12 + number)) for number in range(count)]


def as_uuid(number: int) -> str:
    return str(uuid.UUID(int=number))


def fraction(number: int) -> str:
    return f"{number}.0"


@pytest.mark.parametrize(
    ("annotation", "value", "pointer"),
    [
        (Body[set[int]], alike(), "#"),
        (Body[dict[int, int]], {str(one): 1 for one in alike()}, "#"),
        (Body[dict[uuid.UUID, int]], {one: 1 for one in alike(as_uuid)}, "#"),
        (Node, {"nodes": [{}, {"ids": alike(as_uuid)}]}, "#/nodes/1/ids"),
        (Body[set[decimal.Decimal]], alike(str), "#"),
        (Body[set[decimal.Decimal]], f"[{','.join(alike(fraction))}]".encode(), "#"),
        (Body[dict[str, set[tuple[int, str]] | None]], {"a": [[one, ""] for one in alike()]}, "#/a"),
        (Body[set[tuple[int, ...]]], [[one, 1] for one in alike()], "#"),
        (Body[frozenset[Point]], [{"x": one, "y": 2 * one} for one in alike()], "#"),
        (Body[list[Shelf]], [["Shelf", alike()]], "#/0/1"),
        (Body[set[frozenset[int]]], [[one, 1] for one in alike()], "#"),
        # What is wrong at the end comes to be read last.
        (Body[set[int]], [*alike(), "x"], "#"),
    ],
)
def test_numbers_of_one_hash_are_refused(annotation: Any, value: Any, pointer: str) -> None:
    answer = posted(annotation, value)
    assert answer.status == 422, answer.text
    [error] = json.loads(answer.body)["errors"]
    assert (error["pointer"], error["code"]) == (pointer, "invalid")
    assert error["detail"].endswith("Too many values have one hash")


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Body[set[int]], [*range(1, 20_000), *alike(count=MOST_ALIKE)]),
        (Body[set[int]], [PRIME] * 20_000),
        (Body[set[uuid.UUID]], [as_uuid(17**30 * number % 2**128) for number in range(2000)]),
        (Body[dict[int, int]], {str(number): number for number in range(20_000)}),
        (Body[list[int]], alike()),
        (Body[dict[str, int]], {str(one): 1 for one in alike()}),
        (Body[list[set[int]]], [[one] for one in alike()]),
    ],
)
def test_other_numbers_are_taken(annotation: Any, value: Any) -> None:
    assert posted(annotation, value).text == "taken"


def test_numbers_of_64_bits_are_as_different_as_need_be() -> None:
    bounded = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
    answer = posted(Body[set[bounded]], alike())  # type: ignore[valid-type]
    assert json.loads(answer.body)["errors"][0]["code"] == "large"


def test_what_is_no_json_is_still_that() -> None:
    assert posted(Body[set[int]], b"[" + b"1," * 20_000).status == 400
    assert posted(Node, b'{"nodes":[' * 20_000).status == 400
    assert posted(Body[set[int]], b'{"a":1,' + b'"b":1,' * 5000 + b'"c":1}').status == 422
