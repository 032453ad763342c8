"""No text of a client raises, and none takes more time than in proportion to its length."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.http import (
    cache_control,
    conditionals,
    cookies,
    dates,
    fields,
    forms,
    forwarded,
    hosts,
    media_types,
    negotiation,
    ranges,
)

# Each parser of a client's text, with the beginnings that bring a text to its inner loops.
PARSERS: dict[str, tuple[Callable[[str], object], tuple[str, ...]]] = {
    "split_list": (fields.split_list, ("", '"')),
    "parameters": (fields.parameters, ("", 'a="')),
    "unquote": (fields.unquote, ('"',)),
    "is_token": (fields.is_token, ("",)),
    "is_field_value": (fields.is_field_value, ("",)),
    "parse_http_date": (lambda text: dates.parse_http_date(text, 1.7e9), ("",)),
    "parse_etag": (conditionals.parse_etag, ('"', 'W/"')),
    "parse_etags": (conditionals.parse_etags, ("", '"')),
    "if_range_holds": (lambda text: conditionals.if_range_holds(text, None, 0), ("",)),
    "parse_ranges": (lambda text: ranges.parse_ranges(text, 1 << 40), ("bytes=", "bytes=0-")),
    "parse_cookies": (cookies.parse_cookies, ("", 'a="')),
    "decode_value": (cookies.decode_value, ("",)),
    "parse_host": (hosts.parse_host, ("", "[", "a.", "a:")),
    "parse_forwarded": (forwarded.parse_forwarded, ("", "for=", 'for="')),
    "parse_x_forwarded_for": (forwarded.parse_x_forwarded_for, ("",)),
    "parse_x_forwarded_proto": (forwarded.parse_x_forwarded_proto, ("",)),
    "parse_x_forwarded_host": (forwarded.parse_x_forwarded_host, ("",)),
    "parse_x_forwarded_prefix": (forwarded.parse_x_forwarded_prefix, ("", "/")),
    "parse_cache_control": (cache_control.parse_cache_control, ("", "max-age=", 'no-cache="')),
    "parse_age": (cache_control.parse_age, ("",)),
    "parse_urlencoded": (lambda text: forms.parse_urlencoded(text, most_fields=1 << 20), ("", "a=")),
    "parse_media_type": (media_types.parse_media_type, ("", "a/b;c=", 'a/b;c="')),
    "qualities": (negotiation.qualities, ("", "a;q=")),
    "best_encoding": (lambda text: negotiation.best_encoding(text, ["br", "gzip"]), ("gzip;q=",)),
    "best_media_type": (lambda text: negotiation.best_media_type(text, ["a/b", "a/c;d=e"]), ("a/b;q=",)),
    "best_language": (lambda text: negotiation.best_language(text, ["en", "de-CH"]), ("", "en")),
}

# What the grammars of fields are made of, so that most texts get past the first step of some parser.
WORDS = st.sampled_from(
    [
        *',;="\\/*:-_.[]()% \t\r\n\x00\x7f\xe9\u0100\u0661\ud800',
        *(
            "a",
            "q",
            "q=0",
            "q=1.",
            "W/",
            "bytes=",
            "0",
            "9",
            "for=",
            "max-age=",
            "no-cache",
            "Sun",
            "GMT",
            "1994",
            "xn--",
        ),
        *("text", "gzip", "identity", "::1", "127.0.0.1", "__Host-", "\\054", "9" * 5000, "%zz", "&", "+", "charset="),
    ]
)
TEXTS = st.one_of(st.text(), st.lists(WORDS).map("".join))

SIZE = 1 << 17
UNITS = [
    *(",", ";", '"', "\\", " ", "\t", "=", "a", "0", "*", "-", ".", ":", "[", "W", "/", "%", "&", "+", "\n"),
    *('",', '\\"', '"\\', ', "', '"a', ";a=", ';a="', ",a;q=", "a,", "0-,", "0-0,", "-1,", "W/", 'W/"', '"a" ,', " ,"),
    *("a=b;", "a=;", "for=a,", 'for="', "for=a;by=b,", "a.", "a-", "1.", "::", "xn--a.", "a/b,", "*/*,", "en-", "\\0"),
    *("-a", "a&", "a=b&", "%41", "max-age=1,", 'no-cache="a",', "\t ,", "a;", "q=0.", '"\\\\', "=?", "; ", "a, b"),
]


@pytest.mark.parametrize("name", PARSERS)
def test_no_text_raises(name: str) -> None:
    parse, beginnings = PARSERS[name]

    @given(TEXTS)
    def raises_nothing(text: str) -> None:
        for start in ("", *beginnings):
            parse(start + text)

    raises_nothing()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", PARSERS)
def test_a_long_text_of_anything_is_read_within_the_deadline(name: str) -> None:
    # In time that grows with the square of the length, one of these takes hours.
    parse, beginnings = PARSERS[name]
    for unit in UNITS:
        text = unit * (SIZE // len(unit))
        for start in beginnings:
            parse(start + text)
            parse(f'{start}{text}!"')
