"""Cache-Control: what is doubtful is read so that less is reused; ages and lifetimes by the RFC's formulas."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.http.cache_control import CacheControl, current_age, freshness_lifetime, parse_age, parse_cache_control
from dragoman.http.dates import http_date
from dragoman.http.fields import is_field_value
from tests.unit.http.test_fields import QUOTABLE

MOST = 2147483648
TOKENS = st.text("!#$%&'*+-.^_`|~09az", min_size=1)
NAMES = st.lists(TOKENS, unique=True, max_size=3).map(tuple)
SECONDS = st.none() | st.integers(0, MOST)
FLAG_NAMES = ["no_store", "public", "must_revalidate", "proxy_revalidate", "must_understand", "no_transform"]
FLAG_NAMES += ["immutable", "only_if_cached", "no_cache", "private"]
SECONDS_NAMES = ["max_age", "s_maxage", "stale_while_revalidate", "stale_if_error", "max_stale", "min_fresh"]
EXTENSIONS = st.dictionaries(TOKENS.map(lambda name: f"x-{name}"), st.none() | QUOTABLE, max_size=3)
CONTROLS = st.fixed_dictionaries(
    {
        **dict.fromkeys(FLAG_NAMES, st.booleans()),
        **dict.fromkeys(SECONDS_NAMES, SECONDS),
        "no_cache_fields": NAMES,
        "private_fields": NAMES,
        "extensions": EXTENSIONS,
    }
).map(lambda given: CacheControl(**given))


@pytest.mark.parametrize(
    ("value", "directives"),
    [
        ("", {}),
        ("no-store", {"no_store": True}),
        ("No-Store , ,PUBLIC", {"no_store": True, "public": True}),
        ("max-age=60", {"max_age": 60}),
        ('max-age="60"', {"max_age": 60}),
        ("max-age = 60", {"max_age": 60}),
        ("max-age=0060", {"max_age": 60}),
        (f"max-age={MOST}", {"max_age": MOST}),
        (f"max-age={MOST + 1}", {"max_age": MOST}),
        (f"max-age={'9' * 5000}", {"max_age": MOST}),
        (
            "s-maxage=1, stale-while-revalidate=2, stale-if-error=3",
            {"s_maxage": 1} | {"stale_while_revalidate": 2, "stale_if_error": 3},
        ),
        ("max-stale, min-fresh=5, only-if-cached", {"max_stale": MOST, "min_fresh": 5, "only_if_cached": True}),
        ("max-stale=60, max-stale", {"max_stale": 60}),
        ("immutable, must-understand", {"immutable": True, "must_understand": True}),
        ("no-cache", {"no_cache": True}),
        ('no-cache="Set-Cookie, X-A"', {"no_cache_fields": ("set-cookie", "x-a")}),
        ("private=Set-Cookie", {"private_fields": ("set-cookie",)}),
        ('private="a", private="b"', {"private_fields": ("a", "b")}),
        ('community="UCI", x', {"extensions": {"community": "UCI", "x": None}}),
        ("x=1, x=2", {"extensions": {"x": "1"}}),
        ('x="\n", y=a b, z=, ä=1', {}),
        ("max_age=60, s_maxage=60", {"extensions": {"max_age": "60", "s_maxage": "60"}}),
    ],
)
def test_directives_are_read(value: str, directives: dict[str, Any]) -> None:
    assert parse_cache_control(value) == CacheControl(**directives)


@pytest.mark.parametrize(
    ("value", "directives"),
    [
        ("max-age=60, max-age=10", {"max_age": 10}),
        ("max-age=10, max-age=60", {"max_age": 10}),
        ("max-age=60, max-age=x", {"max_age": 0}),
        ("min-fresh=1, min-fresh=2", {"min_fresh": 2}),
        ("max-age=-1", {"max_age": 0}),
        ("max-age=1.5", {"max_age": 0}),
        ("max-age=\u0661", {"max_age": 0}),
        ("max-age=", {"max_age": 0}),
        ("max-age", {"max_age": 0}),
        ("s-maxage=soon", {"s_maxage": 0}),
        ("stale-if-error=x, stale-if-error=60", {"stale_if_error": 0}),
        ("max-stale=x", {"max_stale": 0}),
        ('no-cache="a", no-cache', {"no_cache": True}),
        ('no-cache, no-cache="a"', {"no_cache": True}),
        ('no-cache=""', {"no_cache": True}),
        ('private="a b"', {"private": True}),
        ('private="a', {"private": True}),
        ("no-store=0", {"no_store": True}),
    ],
)
def test_what_is_doubtful_allows_less(value: str, directives: dict[str, Any]) -> None:
    assert parse_cache_control(value) == CacheControl(**directives)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_age": -1},
        {"max_age": MOST + 1},
        {"no_cache_fields": ("a b",)},
        {"private_fields": ("Set-Cookie",)},
        {"extensions": {"": None}},
        {"extensions": {"a": "b\r\n"}},
    ],
)
def test_a_directive_that_cannot_be_written_is_an_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="want"):
        CacheControl(**wrong)


@given(CONTROLS)
def test_what_is_written_is_read_as_itself(control: CacheControl) -> None:
    written = str(control)
    assert is_field_value(written)
    parsed = parse_cache_control(written)
    assert str(parsed) == written
    if not (control.no_cache and control.no_cache_fields) and not (control.private and control.private_fields):
        assert parsed == control


DATE = 784111777


@pytest.mark.parametrize(
    ("value", "given", "lifetime"),
    [
        ("max-age=60, s-maxage=600", {"is_shared": True}, 600),
        ("max-age=60, s-maxage=600", {"is_shared": False}, 60),
        ("max-age=60", {"expires": http_date(DATE + 5)}, 60),
        ("max-age=x", {"expires": http_date(DATE + 5)}, 0),
        ("", {"expires": http_date(DATE + 5)}, 5),
        ("", {"expires": http_date(DATE - 5)}, 0),
        ("", {"expires": "0"}, 0),
        ("", {"expires": "0", "last_modified": 0}, 0),
        ("", {"last_modified": DATE - 1000}, 100),
        ("", {"last_modified": DATE + 1000}, 0),
        ("", {}, None),
    ],
)
def test_the_freshness_lifetime(value: str, given: dict[str, Any], lifetime: float | None) -> None:
    arguments = {"is_shared": True, "date": DATE, **given}
    assert freshness_lifetime(parse_cache_control(value), **arguments) == lifetime


@pytest.mark.parametrize(
    ("given", "age"),
    [
        ({}, 0),
        ({"now": 1010}, 10),
        ({"response_time": 1003, "now": 1003}, 3),
        ({"date": 900, "age_s": 5}, 100),
        ({"date": 900, "age_s": 200}, 200),
        ({"age_s": 200, "response_time": 1003, "now": 1004}, 204),
        ({"date": 2000}, 0),
        ({"now": 900}, 0),
    ],
)
def test_the_current_age(given: dict[str, float], age: float) -> None:
    arguments: Any = {"date": 1000, "request_time": 1000, "response_time": 1000, "now": 1000, **given}
    assert current_age(**arguments) == age


@pytest.mark.parametrize(("value", "age"), [("0", 0), (" 7 ", 7), ("7,8", 7), ("x, 8", 0), ("", 0), ("9" * 5000, MOST)])
def test_the_age_of_a_field(value: str, age: int) -> None:
    assert parse_age(value) == age
