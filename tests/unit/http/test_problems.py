"""Problems: what is told is told whole in JSON, and is never markup, a script or a command to a terminal."""

import html
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.http.problems import Problem

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.from_regex(r"[a-z][a-z0-9_]{5,10}", fullmatch=True).filter(
    lambda name: name not in ("status", "detail", "instance")
)


class Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)


def test_a_problem_is_told_in_the_order_of_the_rfc() -> None:
    problem = Problem(
        403,
        "You do not have enough credit.",
        "Your current balance is 30, but that costs 50.",
        "https://example.com/probs/out-of-credit",
        "/account/12345/msgs/abc",
        {"balance": 30, "accounts": ["/account/12345", "/account/67890"]},
    )
    assert json.loads(problem.to_json()) == {
        "type": "https://example.com/probs/out-of-credit",
        "title": "You do not have enough credit.",
        "status": 403,
        "detail": "Your current balance is 30, but that costs 50.",
        "instance": "/account/12345/msgs/abc",
        "balance": 30,
        "accounts": ["/account/12345", "/account/67890"],
    }


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"status": 200}, "want a number from 400 to 599"),
        ({"status": 600}, "want a number from 400 to 599"),
        ({"status": 400, "type": "a b"}, "type 'a b': want a URI reference"),
        ({"status": 400, "type": "b\xfccher"}, "want a URI reference"),
        ({"status": 400, "instance": "/a\n"}, "instance .*: want a URI reference"),
        ({"status": 400, "extensions": {"status": 1}}, "extension 'status'"),
        ({"status": 400, "extensions": {"ab": 1}}, "three or more"),
        ({"status": 400, "extensions": {"a-bc": 1}}, "want letters"),
        ({"status": 400, "extensions": {"1abc": 1}}, "want letters"),
    ],
)
def test_a_problem_that_cannot_be_told_is_an_error(given: dict[str, Any], wanted: str) -> None:
    with pytest.raises(ValueError, match=wanted):
        Problem(**given)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), b"a", {1, 2}])
def test_an_extension_that_json_does_not_know_is_an_error(value: object) -> None:
    with pytest.raises(ValueError, match="want JSON values"):
        Problem(400, extensions={"errors": value}).to_json()
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(ValueError, match="want JSON values"):
        Problem(400, extensions={"errors": loop}).to_json()


def test_a_text_for_a_terminal_has_no_controls() -> None:
    problem = Problem(400, "Bad\x1b[31m", "a\r\nb\x00\x9bc\u2028d")
    assert problem.to_text().decode() == "400 Bad [31m\na b c d\n"


@given(st.integers(400, 599), st.text(), st.text(), st.dictionaries(NAMES, VALUES, max_size=3))
def test_what_is_told_in_json_comes_back(status: int, title: str, detail: str, extensions: dict[str, Any]) -> None:
    problem = Problem(status, title, detail, extensions=extensions)
    told = problem.to_json()
    assert told.isascii()
    assert not re.search(rb"[<>&]", told)
    read = json.loads(told)
    assert read.pop("title") == problem.shown_title
    assert read.pop("detail", "") == detail
    assert read.pop("status") == status
    assert read.pop("type") == "about:blank"
    assert read == extensions


@given(st.text() | st.sampled_from(["<script>", "</title><script>", "<!--", "&lt;", "<p>'\"", "]]>"]))
def test_no_text_is_markup_or_a_second_line(text: str) -> None:
    problem = Problem(500, text, text)
    page = problem.to_html().decode()
    tags = Tags(page).tags
    assert tags == ["html", "meta", "title", "h1", *(["p"] if text else [])]
    shown = html.unescape(page.partition("<h1>")[2].partition("</h1>")[0])
    assert shown == page_text(f"500 {problem.shown_title}")
    assert problem.to_text().decode().split("\n") == [
        page_text(f"500 {problem.shown_title}"),
        *([page_text(text)] if text else []),
        "",
    ]


def page_text(text: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", text).encode("utf-8", "replace").decode()
