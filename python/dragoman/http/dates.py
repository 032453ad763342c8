"""Dates of HTTP as seconds since 1970-01-01T00:00:00Z, and back (RFC 9110 §5.6.7)."""

import math
import re
from datetime import date

__all__ = ["http_date", "parse_http_date"]

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
LONG_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

EPOCH_DAY = date(1970, 1, 1).toordinal()
DAY_S = 86_400
LAST_S = (date(9999, 12, 31).toordinal() - EPOCH_DAY + 1) * DAY_S - 1
FIRST_S = (date(1, 1, 1).toordinal() - EPOCH_DAY) * DAY_S

TIME = "(?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9]):(?P<second>[0-5][0-9]|60)"
MONTH = f"(?P<month>{'|'.join(MONTHS)})"
# RFC 9110 §5.6.7, in its order: IMF-fixdate, rfc850-date, asctime-date. Letters by their case, digits of ASCII.
FORMATS = (
    re.compile(f"(?:{'|'.join(DAYS)}), (?P<day>[0-9]{{2}}) {MONTH} (?P<year>[0-9]{{4}}) {TIME} GMT"),
    re.compile(f"(?:{'|'.join(LONG_DAYS)}), (?P<day>[0-9]{{2}})-{MONTH}-(?P<year>[0-9]{{2}}) {TIME} GMT"),
    re.compile(f"(?:{'|'.join(DAYS)}) {MONTH} (?P<day>[0-9]{{2}}| [0-9]) {TIME} (?P<year>[0-9]{{4}})"),
)
LONGEST = len("Wednesday, 06-Nov-94 08:49:37 GMT")


def http_date(seconds: float) -> str:
    """The second that `seconds` lies in, as an IMF-fixdate: the only form that may be sent.

    seconds   since 1970-01-01T00:00:00Z, in the years 1 to 9999; fractions are cut off, towards the past
    Raises ValueError outside of those years, and for what is no number.
    Source: RFC 9110 §5.6.7. English whatever the locale.

    >>> http_date(784111777)
    'Sun, 06 Nov 1994 08:49:37 GMT'
    """
    if not FIRST_S <= seconds < LAST_S + 1:
        raise ValueError(f"{seconds!r}: want seconds since 1970, in the years 1 to 9999")
    days, second = divmod(math.floor(seconds), DAY_S)
    day = date.fromordinal(EPOCH_DAY + days)
    minute, second = divmod(second, 60)
    hour, minute = divmod(minute, 60)
    return (
        f"{DAYS[day.weekday()]}, {day.day:02} {MONTHS[day.month - 1]} {day.year:04}"
        f" {hour:02}:{minute:02}:{second:02} GMT"
    )


def parse_http_date(text: str, now: float | None = None) -> int | None:
    """Seconds since 1970-01-01T00:00:00Z of a date in any of the three forms; None when it is none.

    text   a field value such as that of If-Modified-Since, without blanks around it
    now    seconds since 1970, for years of two digits: such a date is never more than 50 years ahead of it.
           Without it 69 to 99 are 1969 to 1999, as POSIX has it.
    The name of the day is not compared with the date. A leap second is the second after :59.
    Never raises. A field with a date that is none is to be ignored.
    Source: RFC 9110 §5.6.7.

    >>> parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT")
    784111777
    >>> parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT") == parse_http_date("Sun Nov  6 08:49:37 1994") == 784111777
    True
    >>> parse_http_date("yesterday") is None
    True
    """
    if len(text) > LONGEST:
        return None
    match = next((found for form in FORMATS if (found := form.fullmatch(text))), None)
    if match is None:
        return None
    year, month, day = int(match["year"]), MONTHS.index(match["month"]) + 1, int(match["day"])
    time_s = int(match["hour"]) * 3600 + int(match["minute"]) * 60 + int(match["second"])
    if len(match["year"]) == 4:
        return seconds_of(year, month, day, time_s)
    if now is None:
        return seconds_of(year + (1900 if year >= 69 else 2000), month, day, time_s)
    # The latest of the years that end so which is not more than 50 years ahead.
    this_year = year_of(now)
    century = this_year - this_year % 100
    for candidate in (century + 100 + year, century + year, century - 100 + year):
        found_s = seconds_of(candidate, month, day, time_s)
        if found_s is not None and not is_more_than_50_years_ahead(found_s, now):
            return found_s
    return None


def is_more_than_50_years_ahead(seconds: float, now: float) -> bool:
    ahead = year_of(seconds) - year_of(now)
    return ahead > 50 or (ahead == 50 and into_year(seconds) > into_year(now))


def into_year(seconds: float) -> tuple[int, int, int]:
    days, time_s = divmod(math.floor(seconds), DAY_S)
    day = date.fromordinal(EPOCH_DAY + days)
    return day.month, day.day, time_s


def year_of(seconds: float) -> int:
    inside = min(max(seconds, FIRST_S), LAST_S)
    return date.fromordinal(EPOCH_DAY + math.floor(inside) // DAY_S).year


def seconds_of(year: int, month: int, day: int, time_s: int) -> int | None:
    try:
        days = date(year, month, day).toordinal() - EPOCH_DAY
    except ValueError:
        return None
    seconds = days * DAY_S + time_s
    return seconds if seconds <= LAST_S else None
