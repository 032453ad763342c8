"""Status codes: the phrases of the registry, and who has no body."""

import re
from pathlib import Path

import pytest

from dragoman.http.statuses import REASONS, is_bodiless, is_cacheable_by_default, reason_phrase, status_line

ENGINE = Path(__file__).resolve().parents[3] / "crates" / "http1" / "src" / "status.rs"


def test_the_phrases_are_those_of_the_engine() -> None:
    known = dict(re.findall(r'^\s+(\d{3}) => "([^"]+)",$', ENGINE.read_text(encoding="utf-8"), re.MULTILINE))
    assert known == {str(status): reason for status, reason in REASONS.items()}


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (200, "200 OK"),
        (413, "413 Content Too Large"),
        (299, "299 Success"),
        (599, "599 Server Error"),
        (999, "999 Unknown"),
    ],
)
def test_a_status_is_written_with_its_phrase(status: int, line: str) -> None:
    assert status_line(status) == line
    assert line.endswith(reason_phrase(status))


@pytest.mark.parametrize("status", [0, 99, 1000, -1])
def test_a_number_that_is_no_status_is_an_error(status: int) -> None:
    with pytest.raises(ValueError, match="want a number from 100 to 999"):
        status_line(status)


def test_who_has_no_body() -> None:
    assert [status for status in range(100, 1000) if is_bodiless(status)] == [*range(100, 200), 204, 205, 304]


def test_who_may_be_kept_without_being_asked() -> None:
    assert [status for status in REASONS if is_cacheable_by_default(status)] == [
        *(200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501)
    ]
