"""Media types: what is one, how it is written, and which ranges it is in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.http.media_types import MediaType, parse_media_type
from tests.unit.http.test_fields import QUOTABLE

TOKENS = st.text("!#$%&'+-.^_`|~09az", min_size=1)
TYPES = st.builds(MediaType, TOKENS, TOKENS, st.dictionaries(TOKENS, QUOTABLE))


@pytest.mark.parametrize(
    ("text", "essence", "parameters"),
    [
        ("text/html", "text/html", {}),
        (" TEXT/Html ", "text/html", {}),
        ("text/html;", "text/html", {}),
        ("text/html ; charset=UTF-8", "text/html", {"charset": "UTF-8"}),
        ('multipart/form-data; boundary="a;b"', "multipart/form-data", {"boundary": "a;b"}),
        ("multipart/form-data; boundary=a; boundary=b", "multipart/form-data", {"boundary": "a"}),
        ("text/html; charset = utf-8", "text/html", {}),
        ("application/vnd.api+json", "application/vnd.api+json", {}),
        ("*/*", "*/*", {}),
    ],
)
def test_a_media_type_is_read(text: str, essence: str, parameters: dict[str, str]) -> None:
    parsed = parse_media_type(text)
    assert parsed is not None
    assert parsed.essence == essence
    assert parsed.parameters == parameters


@pytest.mark.parametrize(
    "text", ["", "text", "text/", "/html", "text /html", "text/html/x", "*/html", "a,b/c", "t\n/x", "text/x y", "é/a"]
)
def test_what_is_no_media_type_is_none(text: str) -> None:
    assert parse_media_type(text) is None


@pytest.mark.parametrize(
    ("media_type", "media_range", "is_in"),
    [
        ("text/html", "*/*", True),
        ("text/html", "text/*", True),
        ("text/html", "TEXT/HTML", True),
        ("text/html", "image/*", False),
        ("text/html", "text/htm", False),
        ("text/html;charset=UTF-8", "text/html;charset=utf-8", True),
        ("text/html;level=a", "text/html;level=A", False),
        ("text/html;level=1;charset=utf-8", "text/*;level=1", True),
        ("text/html", "text/html;level=1", False),
    ],
)
def test_a_type_is_in_a_range(media_type: str, media_range: str, is_in: bool) -> None:
    parsed = parse_media_type(media_type)
    assert parsed is not None
    assert parsed.matches(media_range) is is_in


def test_a_type_of_the_application_that_is_none_is_an_error() -> None:
    for parts in (("text", ""), ("te xt", "a"), ("Text", "a"), ("text", "a\r\n"), ("text", "a", {"b c": "d"})):
        with pytest.raises(ValueError, match="want a token"):
            MediaType(*parts)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="want text"):
        MediaType("text", "plain", {"a": "\n"})
    with pytest.raises(ValueError, match="want a media range"):
        MediaType("text", "plain").matches("plain")


def test_a_type_can_be_a_key() -> None:
    assert {MediaType("a", "b", {"c": "d"}): 1}[MediaType("a", "b", {"c": "d"})] == 1


@given(TYPES)
def test_what_is_written_is_read_as_itself(media_type: MediaType) -> None:
    assert parse_media_type(str(media_type)) == media_type
    assert media_type.matches(media_type)
    assert media_type.matches(f"{media_type.type}/*")
