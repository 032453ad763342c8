"""What may be stored: RFC 9111 section 3, row by row, and cookies."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.http.cache_control import parse_cache_control
from dragoman.middleware.cache.entry import Entry, Freshness, entry_of
from dragoman.middleware.cache.policy import Plan, asked_of, plan_of

NOW = 1_790_000_000.0
DATE = "Mon, 21 Sep 2026 14:13:20 GMT"


def planned(
    headers: list[tuple[str, str]], status: int = 200, request: dict[str, str] | None = None, **more: Any
) -> Plan | str:
    given = {"assumed": None, "request_time": NOW, "now": NOW, "heuristics": False, "tag_field": "Cache-Tag", **more}
    return plan_of(asked_of(request or {}), status, headers, **given)


def cc(value: str, *more: tuple[str, str]) -> list[tuple[str, str]]:
    return [("Cache-Control", value), *more]


@pytest.mark.parametrize(
    ("headers", "request_", "reason"),
    [
        ([], {}, "no-lifetime"),
        ([("ETag", '"a"')], {}, "no-lifetime"),
        (cc("no-store, max-age=60"), {}, "no-store"),
        (cc("private, max-age=60"), {}, "private"),
        (cc("max-age=0"), {}, "stale"),
        (cc("max-age=soon"), {}, "stale"),
        (cc("max-age=60", ("Age", "60")), {}, "stale"),
        ([("Expires", "0")], {}, "stale"),
        ([("Expires", "Sun, 06 Nov 1994 08:49:37 GMT")], {}, "stale"),
        (cc("max-age=60", ("Vary", "*")), {}, "vary"),
        (cc("max-age=60", ("Vary", "Accept, *")), {}, "vary"),
        (cc("max-age=60", ("Set-Cookie", "a=1")), {}, "set-cookie"),
        (cc("public, max-age=60", ("Set-Cookie", "a=1")), {}, "set-cookie"),
        (cc("max-age=60"), {"HTTP_AUTHORIZATION": "Basic x"}, "authorization"),
        (cc("max-age=60"), {"REMOTE_USER": "anna"}, "authorization"),
        (cc("max-age=60"), {"HTTP_COOKIE": "a=1"}, "cookie"),
        (cc("max-age=60, must-revalidate"), {"HTTP_COOKIE": "a=1"}, "cookie"),
        (cc("max-age=60"), {"HTTP_CACHE_CONTROL": "no-store"}, "request-no-store"),
    ],
)
def test_what_may_not_be_stored_is_not(headers: list[tuple[str, str]], request_: dict[str, str], reason: str) -> None:
    assert planned(headers, request=request_) == reason


@pytest.mark.parametrize("status", [100, 206, 303, 304, 400, 401, 403, 416, 429, 500, 502, 503, 504, 299])
def test_answers_that_are_parts_errors_or_unknown_are_not_stored(status: int) -> None:
    assert planned(cc("max-age=60"), status) == "status"


@pytest.mark.parametrize(
    ("headers", "request_", "lifetime_s"),
    [
        (cc("max-age=60"), {}, 60),
        (cc("max-age=60, s-maxage=600"), {}, 600),
        (cc("s-maxage=600, max-age=0"), {}, 600),
        ([("Expires", "Mon, 21 Sep 2026 14:14:20 GMT")], {}, 60),
        (cc("max-age=5", ("Expires", "Mon, 21 Sep 2026 14:14:20 GMT")), {}, 5),
        (cc("public, max-age=60"), {"HTTP_AUTHORIZATION": "Basic x"}, 60),
        (cc("must-revalidate, max-age=60"), {"HTTP_AUTHORIZATION": "Basic x"}, 60),
        (cc("s-maxage=60"), {"HTTP_AUTHORIZATION": "Basic x"}, 60),
        (cc("public, max-age=60"), {"HTTP_COOKIE": "a=1"}, 60),
        (cc("max-age=60", ("Vary", "Cookie")), {"HTTP_COOKIE": "a=1"}, 60),
        (cc('max-age=60, no-cache="Set-Cookie"', ("Set-Cookie", "a=1")), {}, 60),
    ],
)
def test_what_says_how_long_it_is_fresh_is_stored(
    headers: list[tuple[str, str]], request_: dict[str, str], lifetime_s: float
) -> None:
    plan = planned(headers, request=request_)
    assert isinstance(plan, Plan)
    assert plan.lifetime_s == lifetime_s


def test_a_guess_is_made_only_where_it_was_asked_for() -> None:
    changed_100_seconds_ago = [("Last-Modified", "Mon, 21 Sep 2026 14:11:40 GMT")]
    assert planned(changed_100_seconds_ago) == "no-lifetime"
    plan = planned(changed_100_seconds_ago, heuristics=True)
    assert isinstance(plan, Plan) and plan.lifetime_s == 10
    assert planned(changed_100_seconds_ago, 302, heuristics=True) == "no-lifetime"


def test_what_is_assumed_is_for_answers_that_say_nothing() -> None:
    assumed = parse_cache_control("max-age=60, stale-while-revalidate=30")
    plan = planned([], assumed=assumed)
    assert isinstance(plan, Plan) and (plan.lifetime_s, plan.stale_s) == (60, 30)
    assert planned(cc("no-store"), assumed=assumed) == "no-store"
    assert planned([("Expires", "0")], assumed=assumed) == "stale"
    assert planned([], assumed=assumed, request={"HTTP_COOKIE": "a=1"}) == "cookie"
    assert planned([("Set-Cookie", "a=1")], assumed=assumed) == "set-cookie"


def test_stored_headers_are_those_that_are_for_all() -> None:
    plan = planned(
        [
            ("Cache-Control", 'max-age=60, private="X-User"'),
            ("X-User", "anna"),
            ("Connection", "close"),
            ("Age", "3"),
            ("Content-Length", "5"),
            ("Cache-Tag", "a, b"),
            ("Cache-Tag", "a"),
            ("ETag", '"x"'),
        ]
    )
    assert isinstance(plan, Plan)
    assert plan.headers == [("Cache-Control", 'max-age=60, private="X-User"'), ("ETag", '"x"')]
    assert (plan.tags, plan.age_s) == (("a", "b"), 3)


def entry(value: str, *more: tuple[str, str]) -> Entry:
    plan = planned(cc(value, *more))
    assert isinstance(plan, Plan), plan
    return entry_of(plan, "200 OK", b"body", NOW, NOW)


@pytest.mark.parametrize(
    ("value", "at_s", "expected"),
    [
        ("max-age=60", 0, Freshness.FRESH),
        ("max-age=60", 59.9, Freshness.FRESH),
        ("max-age=60", 60, Freshness.STALE),
        ("max-age=60, stale-while-revalidate=30", 60, Freshness.STALE_USABLE),
        ("max-age=60, stale-while-revalidate=30", 90, Freshness.STALE),
        ("max-age=0, stale-while-revalidate=30", 0, Freshness.STALE_USABLE),
        ("max-age=60, stale-while-revalidate=30, must-revalidate", 60, Freshness.STALE),
        ("s-maxage=60, stale-while-revalidate=30, proxy-revalidate", 60, Freshness.STALE),
        ("s-maxage=60, stale-while-revalidate=30", 60, Freshness.STALE_USABLE),
        ("no-cache, max-age=60", 0, Freshness.STALE),
        ("no-cache, max-age=60, stale-while-revalidate=30", 0, Freshness.STALE),
    ],
)
def test_how_fresh_an_answer_is(value: str, at_s: float, expected: Freshness) -> None:
    assert entry(value, ("ETag", '"a"')).freshness(NOW + at_s) is expected


def test_what_may_stand_in_for_an_error() -> None:
    kept = entry("max-age=60, stale-if-error=100")
    assert [kept.may_replace_error(NOW + at) for at in (0, 60, 159, 160)] == [True, True, True, False]
    assert not entry("max-age=60").may_replace_error(NOW)
    assert not entry("no-cache, stale-if-error=100", ("ETag", '"a"')).may_replace_error(NOW)
    assert not entry("max-age=60, stale-if-error=100, must-revalidate").may_replace_error(NOW)


texts = st.text(st.characters(max_codepoint=255), max_size=60)


@given(st.lists(st.tuples(st.sampled_from(["Cache-Control", "Vary", "Expires", "Age", "Date", "Cache-Tag"]), texts)))
def test_no_answer_raises(headers: list[tuple[str, str]]) -> None:
    plan = planned(headers)
    assert isinstance(plan, str) or plan.keeps_s > 0


@given(st.binary(max_size=200), texts, st.lists(texts, max_size=3))
def test_an_entry_is_read_as_it_was_written(body: bytes, text: str, tags: list[str]) -> None:
    one = Entry("200 OK", [("X", text)], body, NOW, NOW + 1, 60, 0.5, 1, 2, False, tuple(tags))
    assert Entry.from_bytes(one.to_bytes()) == one


@given(st.binary(max_size=200))
def test_other_bytes_are_no_entry(data: bytes) -> None:
    assert Entry.from_bytes(data) is None
    assert Entry.from_bytes(b"\0\0\0\x02{}" + data) is None


def test_every_prefix_of_an_entry_is_none_or_has_less_of_the_body() -> None:
    whole = entry("max-age=60").to_bytes()
    for length in range(len(whole) - 4):
        assert Entry.from_bytes(whole[:length]) is None
