"""Dates: one form is written, three are read."""

import calendar
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.http import dates

SECONDS = st.integers(dates.FIRST_S, dates.LAST_S)


def at(year: int, month: int = 1, day: int = 1, hour: int = 0) -> int:
    return calendar.timegm((year, month, day, hour, 0, 0))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
        (-0.5, "Wed, 31 Dec 1969 23:59:59 GMT"),
        (1709251199.999, "Thu, 29 Feb 2024 23:59:59 GMT"),
        (dates.LAST_S + 0.5, "Fri, 31 Dec 9999 23:59:59 GMT"),
        (dates.FIRST_S, "Mon, 01 Jan 0001 00:00:00 GMT"),
    ],
)
def test_a_date_is_written_as_its_second(seconds: float, text: str) -> None:
    assert dates.http_date(seconds) == text


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), float("-inf"), 1e30, -1e30, dates.LAST_S + 1])
def test_no_date_is_written_outside_of_its_years(seconds: float) -> None:
    with pytest.raises(ValueError, match="want seconds since 1970"):
        dates.http_date(seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "-1",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 GMT\n",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:00 GMT",
        "Sun, 06 Nov 1994 08:49:61 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 29 Feb 1995 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 0000 08:49:37 GMT",
        "sun, 06 nov 1994 08:49:37 gmt",
        "Sun, 06 Nov 199\u0664 08:49:37 GMT",
        "Fri, 31 Dec 9999 23:59:60 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun, 06 Nov 1994 08:49:37 GMT; length=10",
    ],
)
def test_what_is_no_date_is_none(text: str) -> None:
    assert dates.parse_http_date(text) is None


def test_a_leap_second_is_the_one_after() -> None:
    assert dates.parse_http_date("Sat, 31 Dec 2016 23:59:60 GMT") == at(2017)


@pytest.mark.parametrize(
    ("text", "now", "year"),
    [
        ("Sunday, 06-Nov-94 00:00:00 GMT", at(2026), 1994),
        ("Sunday, 06-Nov-26 00:00:00 GMT", at(2026), 2026),
        ("Sunday, 06-Nov-75 00:00:00 GMT", at(2026), 2075),
        ("Sunday, 06-Nov-76 00:00:00 GMT", at(2026, 11, 6), 2076),
        ("Sunday, 06-Nov-76 00:00:01 GMT", at(2026, 11, 6), 1976),
        ("Sunday, 06-Nov-76 00:00:00 GMT", at(2026, 11, 5, 23), 1976),
        ("Sunday, 06-Nov-77 00:00:00 GMT", at(2026, 11, 6), 1977),
        ("Sunday, 06-Nov-00 00:00:00 GMT", at(2099), 2100),
        ("Sunday, 06-Nov-99 00:00:00 GMT", at(2000), 1999),
        ("Sunday, 06-Nov-69 00:00:00 GMT", None, 1969),
        ("Sunday, 06-Nov-68 00:00:00 GMT", None, 2068),
    ],
)
def test_two_digits_of_a_year_are_at_most_50_years_ahead(text: str, now: float | None, year: int) -> None:
    parsed = dates.parse_http_date(text, now)
    assert parsed is not None
    assert dates.year_of(parsed) == year


@given(st.integers(at(1900), dates.LAST_S))
def test_a_date_is_written_as_mail_writes_it(seconds: int) -> None:
    assert dates.http_date(seconds) == formatdate(seconds, usegmt=True)


@given(SECONDS)
def test_what_is_written_is_read_as_itself(seconds: int) -> None:
    assert dates.parse_http_date(dates.http_date(seconds)) == seconds
    assert dates.http_date(seconds + 0.4 if abs(seconds) < 1 << 40 else seconds) == dates.http_date(seconds)


@given(st.integers(0, 99), st.integers(at(2), at(9900)))
def test_a_year_of_two_digits_is_within_a_century_that_ends_50_years_ahead(year: int, now: int) -> None:
    parsed = dates.parse_http_date(f"Sunday, 06-Nov-{year:02} 08:49:37 GMT", now)
    if parsed is not None:
        assert dates.year_of(parsed) % 100 == year
        assert -50 <= dates.year_of(parsed) - dates.year_of(now) <= 50
    else:
        assert dates.year_of(now) < 100
