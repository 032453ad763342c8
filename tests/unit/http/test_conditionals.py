"""Conditional requests: tags, comparisons, and the order in which preconditions count."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.http.conditionals import ETag, Outcome, evaluate, if_range_holds, parse_etag, parse_etags
from dragoman.http.dates import http_date

TAGS = st.builds(
    ETag, st.text(st.characters(max_codepoint=0xFF).filter(lambda c: c > " " and c not in '"\x7f')), st.booleans()
)

MODIFIED = 784111777
EARLIER, SAME, LATER = (http_date(MODIFIED + more) for more in (-1, 0, 1))
PROCEED, NOT_MODIFIED, FAILED = Outcome


@pytest.mark.parametrize(
    ("value", "tags"),
    [
        ("", []),
        ('"a"', [ETag("a")]),
        ('"a", W/"b",, "c"', [ETag("a"), ETag("b", True), ETag("c")]),
        ('"a,b","c"', [ETag("a,b"), ETag("c")]),
        ('"a\\","b"', [ETag("a\\"), ETag("b")]),
        ('""', [ETag("")]),
        ('"\xe9"', [ETag("\xe9")]),
        ('a, w/"b", W/ "c", "d e", "f" g, "h', []),
        ('"a" "b", "c"', [ETag("c")]),
        ('*, "a"', [ETag("a")]),
        ('"*"', [ETag("*")]),
        ('"a\n"', []),
    ],
)
def test_tags_are_read(value: str, tags: list[ETag]) -> None:
    assert parse_etags(value) == tags


def test_a_star_is_any_tag() -> None:
    assert parse_etags(" *\t") == "*"


def test_tags_beyond_a_hundred_are_not_read() -> None:
    assert parse_etags('"a",' * 5000) == [ETag("a")] * 100


@pytest.mark.parametrize("tag", ['a"', "a b", "a\r\n", "\u0100", "\x7f"])
def test_a_tag_that_cannot_be_written_is_an_error(tag: str) -> None:
    with pytest.raises(ValueError, match="want visible characters"):
        ETag(tag)


# RFC 9110 §8.8.3.2, its table.
@pytest.mark.parametrize(
    ("one", "other", "is_strongly", "is_weakly"),
    [
        ('W/"1"', 'W/"1"', False, True),
        ('W/"1"', 'W/"2"', False, False),
        ('W/"1"', '"1"', False, True),
        ('"1"', '"1"', True, True),
    ],
)
def test_weak_and_strong_comparison(one: str, other: str, is_strongly: bool, is_weakly: bool) -> None:
    first, second = parse_etag(one), parse_etag(other)
    assert first is not None and second is not None
    assert first.is_strongly(second) is second.is_strongly(first) is is_strongly
    assert first.is_weakly(second) is second.is_weakly(first) is is_weakly


@pytest.mark.parametrize(
    ("method", "given", "outcome"),
    [
        ("GET", {}, PROCEED),
        # Step 1: If-Match, strongly.
        ("PUT", {"if_match": '"a"'}, PROCEED),
        ("PUT", {"if_match": '"b"'}, FAILED),
        ("GET", {"if_match": '"b"'}, FAILED),
        ("PUT", {"if_match": '"b", "a"'}, PROCEED),
        ("PUT", {"if_match": '"a"', "etag": ETag("a", True)}, FAILED),
        ("PUT", {"if_match": 'W/"a"'}, FAILED),
        ("PUT", {"if_match": "*"}, PROCEED),
        ("PUT", {"if_match": "*", "etag": None}, PROCEED),
        ("PUT", {"if_match": "*", "exists": False}, FAILED),
        ("PUT", {"if_match": '"a"', "exists": False}, FAILED),
        ("PUT", {"if_match": '"a"', "etag": None}, FAILED),
        ("PUT", {"if_match": ""}, FAILED),
        ("PUT", {"if_match": "a"}, FAILED),
        # Step 2: If-Unmodified-Since, without If-Match only.
        ("PUT", {"if_unmodified_since": SAME}, PROCEED),
        ("PUT", {"if_unmodified_since": LATER}, PROCEED),
        ("PUT", {"if_unmodified_since": EARLIER}, FAILED),
        ("GET", {"if_unmodified_since": EARLIER}, FAILED),
        ("PUT", {"if_unmodified_since": EARLIER, "if_match": '"a"'}, PROCEED),
        ("PUT", {"if_unmodified_since": EARLIER, "last_modified": None}, PROCEED),
        ("PUT", {"if_unmodified_since": "never"}, PROCEED),
        ("PUT", {"if_unmodified_since": SAME, "last_modified": MODIFIED + 0.9}, PROCEED),
        # Step 3: If-None-Match, weakly.
        ("GET", {"if_none_match": '"a"'}, NOT_MODIFIED),
        ("HEAD", {"if_none_match": '"a"'}, NOT_MODIFIED),
        ("PUT", {"if_none_match": '"a"'}, FAILED),
        ("GET", {"if_none_match": '"b"'}, PROCEED),
        ("GET", {"if_none_match": 'W/"a"'}, NOT_MODIFIED),
        ("GET", {"if_none_match": '"a"', "etag": ETag("a", True)}, NOT_MODIFIED),
        ("GET", {"if_none_match": '"a"', "etag": None}, PROCEED),
        ("GET", {"if_none_match": "a"}, PROCEED),
        ("PUT", {"if_none_match": '"a"', "exists": False}, PROCEED),
        # Step 4: If-Modified-Since, for GET and HEAD and without If-None-Match only.
        ("GET", {"if_modified_since": SAME}, NOT_MODIFIED),
        ("HEAD", {"if_modified_since": LATER}, NOT_MODIFIED),
        ("GET", {"if_modified_since": EARLIER}, PROCEED),
        ("POST", {"if_modified_since": SAME}, PROCEED),
        ("get", {"if_modified_since": SAME}, PROCEED),
        ("GET", {"if_modified_since": SAME, "if_none_match": '"b"'}, PROCEED),
        ("GET", {"if_modified_since": EARLIER, "if_none_match": '"a"'}, NOT_MODIFIED),
        ("GET", {"if_modified_since": SAME, "last_modified": None}, PROCEED),
        ("GET", {"if_modified_since": SAME, "last_modified": MODIFIED + 0.9}, NOT_MODIFIED),
        ("GET", {"if_modified_since": "0"}, PROCEED),
        # Steps 1 and 2 come before 3 and 4.
        ("GET", {"if_match": '"b"', "if_none_match": '"a"'}, FAILED),
        ("GET", {"if_match": '"a"', "if_none_match": '"a"'}, NOT_MODIFIED),
        ("GET", {"if_unmodified_since": EARLIER, "if_modified_since": SAME}, FAILED),
        ("GET", {"if_unmodified_since": SAME, "if_modified_since": SAME}, NOT_MODIFIED),
        # Methods to which preconditions mean nothing.
        ("OPTIONS", {"if_match": '"b"'}, PROCEED),
        ("TRACE", {"if_none_match": "*"}, PROCEED),
        ("CONNECT", {"if_match": '"b"'}, PROCEED),
    ],
)
def test_preconditions_count_in_their_order(method: str, given: dict[str, Any], outcome: Outcome) -> None:
    assert evaluate(method, **{"etag": ETag("a"), "last_modified": MODIFIED, **given}) is outcome


@pytest.mark.parametrize(
    ("method", "exists", "outcome"),
    [
        ("GET", True, NOT_MODIFIED),
        ("GET", False, PROCEED),
        ("PUT", True, FAILED),
        ("PUT", False, PROCEED),
    ],
)
def test_if_none_match_with_a_star_asks_whether_there_is_anything(method: str, exists: bool, outcome: Outcome) -> None:
    # Elsewhere the star has been compared as a tag, and two clients have made the same resource.
    for etag in (ETag("a"), None):
        assert evaluate(method, if_none_match="*", etag=etag, exists=exists) is outcome


def test_a_date_of_two_digits_is_read_by_the_time_that_is_given() -> None:
    value = "Sunday, 06-Nov-94 08:49:37 GMT"
    assert evaluate("GET", if_modified_since=value, last_modified=MODIFIED, now=MODIFIED) is NOT_MODIFIED


@pytest.mark.parametrize(
    ("if_range", "etag", "last_modified", "date", "holds"),
    [
        (None, None, None, None, True),
        ('"a"', ETag("a"), None, None, True),
        ('"a"', ETag("b"), None, None, False),
        ('"a"', None, MODIFIED, None, False),
        ('W/"a"', ETag("a"), None, None, False),
        ('"a"', ETag("a", True), None, None, False),
        ("*", ETag("a"), MODIFIED, None, False),
        (SAME, None, MODIFIED, None, True),
        (SAME, None, MODIFIED + 0.9, None, True),
        (LATER, None, MODIFIED, None, False),
        (EARLIER, None, MODIFIED, None, False),
        (SAME, None, None, None, False),
        (SAME, None, MODIFIED, MODIFIED + 0.5, False),
        (SAME, None, MODIFIED, MODIFIED + 1, True),
        ("", ETag(""), MODIFIED, None, False),
        ("a", ETag("a"), MODIFIED, None, False),
        ('"a", "b"', ETag("a"), None, None, False),
    ],
)
def test_a_range_counts_for_the_same_bytes_only(
    if_range: str | None, etag: ETag | None, last_modified: float | None, date: float | None, holds: bool
) -> None:
    assert if_range_holds(if_range, etag, last_modified, date) is holds


@given(st.lists(TAGS, max_size=20), st.sampled_from([",", ", ", " ,,\t"]))
def test_what_is_written_is_read_as_itself(tags: list[ETag], separator: str) -> None:
    assert parse_etags(separator.join(map(str, tags))) == tags
    for tag in tags:
        assert parse_etag(str(tag)) == tag
        assert evaluate("GET", if_none_match=separator.join(map(str, tags)), etag=tag) is NOT_MODIFIED


@given(st.sampled_from(["GET", "PUT"]), st.text(), st.text(), st.booleans())
def test_a_text_that_says_nothing_never_makes_a_change_happen_nor_an_answer_vanish(
    method: str, if_match: str, if_none_match: str, exists: bool
) -> None:
    outcome = evaluate(method, if_none_match=if_none_match, etag=ETag("a"), exists=exists)
    if parse_etags(if_none_match) == []:
        assert outcome is PROCEED
    if parse_etags(if_match) == []:
        assert evaluate(method, if_match=if_match, etag=ETag("a"), exists=exists) is FAILED


def test_what_a_cache_has_is_told_apart_by_every_pair_of_kinds() -> None:
    for stored, now in itertools.product([ETag("a"), ETag("a", True)], repeat=2):
        assert evaluate("GET", if_none_match=str(stored), etag=now) is NOT_MODIFIED
