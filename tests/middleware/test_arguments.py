"""What is said of an argument of another kind than its annotation, by every part alike."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import pytest

import dragoman.middleware
from dragoman.middleware import (
    ApiKeyAuth,
    BasicAuth,
    Cache,
    Compress,
    Cors,
    Health,
    Layer,
    Metrics,
    Mount,
    RateLimit,
    Redirects,
    ServerTiming,
    Sessions,
    Static,
    Tracing,
)
from tests.middleware.kit import Inner

LONG = "sixteen letters or more"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        # Texts of variables and of a command line, which are true whatever they say.
        (lambda: Cors(origins=["https://a.example"], credentials="false"), "credentials: want True or False, got 'f"),
        (lambda: Sessions(secret=LONG, http_only="yes"), "http_only: want True or False, got 'yes'"),
        (lambda: Static(Inner(), "docs", hidden="no"), "hidden: want True or False, got 'no'"),
        (lambda: Sessions(secret=LONG, idle_s="60"), "idle_s: want a number, got '60'"),
        (lambda: Metrics(series="500"), "series: want a whole number, got '500'"),
        (lambda: Compress(levels=5), "levels: want a mapping or None, got 5"),
        (lambda: RateLimit(limits="5/minute", cost=5), "cost: want a function or None, got 5"),
        # No request would be counted, and nothing limited.
        (
            lambda: RateLimit(limits="5/minute", count_status="401"),
            "count_status: want a list of whole numbers or None",
        ),
        (
            lambda: RateLimit(limits="5/minute", count_status=["401"]),
            "count_status: want a list of whole numbers or No",
        ),
        (lambda: RateLimit(limits="5/minute", methods=["post"]), "methods: want methods as they are sent, such as"),
        (lambda: RateLimit(limits="5/minute", answer=["plain"]), "answer: want one of plain, problem or a WSGI"),
        (lambda: RateLimit(limits="5/minute", fields=["draft"]), 'fields: want "draft" or "legacy" or "none", got'),
        (lambda: BasicAuth(users=lambda name: None, require="/admin"), "require: want a mapping or None, got '/admin'"),
        (lambda: Health(checks=[print]), "checks: want a mapping or None, got "),
        (lambda: Mount(mounts=[Inner()]), "mounts: want a mapping, got "),
        (lambda: Redirects(exact=["/old"]), r"exact: want a mapping or None, got \['/old'\]"),
        (lambda: Cache(vary_by="Accept"), "vary_by: want a function or None, got 'Accept'"),
        (lambda: ServerTiming(allow=5), "allow: want a list of texts or a text or a function, got 5"),
        (lambda: Tracing(redact=[5]), r"redact: want a list of texts, got \[5\]"),
        (lambda: Metrics(registry="default"), "registry: want True, False or a registry of prometheus-client, got 'd"),
    ],
)
def test_what_is_wanted_is_said(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        make()


def test_no_part_of_a_secret_is_shown() -> None:
    for make in (lambda: ApiKeyAuth(keys={"ci": 12345}), lambda: Sessions(secret=12345)):  # type: ignore[dict-item, arg-type]
        with pytest.raises(ValueError) as caught:
            make()
        assert "12345" not in str(caught.value)
        assert "a value of the type int" in str(caught.value)


def test_a_long_value_is_shortened() -> None:
    with pytest.raises(ValueError) as caught:
        Redirects(exact=list(map(str, range(1000))))  # type: ignore[arg-type]
    assert len(str(caught.value)) < 200


class Greeting(Layer):
    """A layer of somebody else, with one argument of each kind."""

    def __init__(
        self,
        app: Any = None,
        *,
        word: str = "Hello",
        times: int | None = None,
        rate: float = 1,
        mood: Literal["glad", 3] = "glad",
        names: Sequence[str] = (),
        by_name: Mapping[str, int | Sequence[int]] | None = None,
        unknown: NotThere = None,  # type: ignore[name-defined]  # noqa: F821
        anything: Any = None,
    ) -> None:
        super().__init__(app)
        self.first = word[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"word": 5}, "word: want a text, got 5"),
        ({"times": True}, "times: want a whole number or None, got True"),
        ({"rate": "1"}, "rate: want a number, got '1'"),
        ({"mood": "sad"}, "mood: want \"glad\" or 3, got 'sad'"),
        ({"mood": 3.0}, 'mood: want "glad" or 3, got 3.0'),
        ({"names": "anna"}, "names: want a list of texts, got 'anna'"),
        ({"names": [1]}, r"names: want a list of texts, got \[1\]"),
        ({"by_name": {"a": "1"}}, "by_name: a: want a whole number or a list of whole numbers, got '1'"),
        ({"by_name": {"a": [1, "2"]}}, r"by_name: a: want a whole number or a list of whole numbers, got \[1, '2'\]"),
        ({"by_name": {1: 1}}, "by_name: 1: want a text, got 1"),
    ],
)
def test_a_layer_of_somebody_else_has_the_same(options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        Greeting(**options)


def test_what_is_right_passes_and_an_error_of_its_own_stays() -> None:
    made = Greeting(
        word="a", times=None, rate=2, mood=3, names={"anna"}, by_name={"a": [1]}, unknown=object(), anything="x"
    )
    assert made.first == "a"
    with pytest.raises(IndexError):
        Greeting(word="")
    with pytest.raises(TypeError, match="unexpected keyword argument 'wrod'"):
        Greeting(wrod="a")  # type: ignore[call-arg]


def test_every_argument_of_every_part_has_a_kind_that_can_be_read() -> None:
    from dragoman.middleware.arguments import hints_of

    for name in dragoman.middleware.__all__:
        part = getattr(dragoman.middleware, name)
        if isinstance(part, type) and issubclass(part, Layer) and part is not Layer:
            arguments = part.__init__.__wrapped__.__kwdefaults__ or {}  # type: ignore[attr-defined]
            assert set(arguments) <= set(hints_of(part.__init__.__wrapped__)), name  # type: ignore[attr-defined]


def parts() -> list[type[Layer]]:
    found = [getattr(dragoman.middleware, name) for name in dragoman.middleware.__all__]
    return [one for one in found if isinstance(one, type) and issubclass(one, Layer) and one is not Layer]


# The field has that name; a table of them has no unit of its own.
NO_UNIT = {"hsts", "by_path"}


@pytest.mark.parametrize("part", parts(), ids=lambda part: part.__name__)
def test_the_unit_of_a_time_is_in_its_name(part: type[Layer]) -> None:
    text = inspect.getdoc(part) or ""
    for name in inspect.signature(part).parameters:
        line = re.search(rf"^    ?{name} {{2,}}(.*)$|^{name} {{2,}}(.*)$", text, re.MULTILINE)
        words = (line[1] or line[2]) if line else ""
        if re.match(r"(?:seconds|how long)\b", words) and name not in NO_UNIT:
            assert name.endswith("_s"), f"{part.__name__}.{name}: {words}"


def test_what_is_the_same_in_two_parts_has_one_name() -> None:
    other_names = {"addresses": "allow", "most_bytes": "max_bytes", "max_age": "max_age_s", "field": "form_field"}
    for part in parts():
        wrong = other_names.keys() & inspect.signature(part).parameters.keys()
        assert not wrong, f"{part.__name__}: {', '.join(f'{name} is {other_names[name]}' for name in wrong)}"
