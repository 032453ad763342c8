"""Cookies: what is read of a client's, and what is refused of ours before a browser drops it."""

from http.cookies import SimpleCookie
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.http.cookies import decode_value, delete_cookie, encode_value, parse_cookies, set_cookie
from dragoman.http.fields import is_field_value

NAMES = st.text("!#$%&'*+-.^_`|~09azAZ", min_size=1)
PLAIN = st.text([chr(c) for c in range(0x21, 0x7F) if chr(c) not in '",;\\'])


@pytest.mark.parametrize(
    ("value", "cookies"),
    [
        ("", {}),
        ("a=1", {"a": "1"}),
        ("a=1; b=2;c=3 ;\td = 4", {"a": "1", "b": "2", "c": "3", "d": "4"}),
        ("a=b=c", {"a": "b=c"}),
        ("a=", {"a": ""}),
        ("a; =b; ; b=1", {"b": "1"}),
        ("A=1; a=2", {"A": "1", "a": "2"}),
        ('a="1"', {"a": "1"}),
        ('a="', {"a": '"'}),
        ('a=""', {"a": ""}),
        ('a="1', {"a": '"1'}),
        (r'a="x\"\054\\"', {"a": 'x",\\'}),
        (r"a=\054", {"a": r"\054"}),
        ("a=caf\xc3\xa9", {"a": "caf\xe9"}),
        ("a=caf\xe9", {"a": "caf\xe9"}),
        (r'a="\303\251"', {"a": "\xe9"}),
        ("a[b]=1", {"a[b]": "1"}),
        ("$Version=1; a=2", {"$Version": "1", "a": "2"}),
        ("a=1, b=2", {"a": "1, b=2"}),
    ],
)
def test_cookies_are_read(value: str, cookies: dict[str, str]) -> None:
    assert parse_cookies(value) == cookies


def test_the_cookie_of_the_longest_path_comes_first_and_counts() -> None:
    # Elsewhere the last one has counted: a cookie of the root, which any page can set, hid that of the path.
    assert parse_cookies("id=of-the-path; id=of-the-root") == {"id": "of-the-path"}


def test_pairs_beyond_three_hundred_are_not_read() -> None:
    cookies = parse_cookies("; ".join(f"c{index}={index}" for index in range(5000)))
    assert list(cookies) == [f"c{index}" for index in range(300)]


@pytest.mark.parametrize("text", ["a", "a b", 'a"b', "a;b", "a,b", "a\\b", "caf\xe9", "\n"])
def test_what_the_standard_library_writes_is_read(text: str) -> None:
    jar = SimpleCookie()
    jar["name"] = text
    assert parse_cookies(jar.output(header="").strip()) == {"name": text}


@pytest.mark.parametrize(
    ("attributes", "field"),
    [
        ({}, "a=b; Path=/"),
        ({"path": None}, "a=b"),
        ({"path": "/x y", "domain": "example.org"}, "a=b; Domain=example.org; Path=/x y"),
        ({"max_age": -1}, "a=b; Path=/; Max-Age=-1"),
        ({"max_age": True}, "a=b; Path=/; Max-Age=1"),
        ({"expires": 784111777.9}, "a=b; Path=/; Expires=Sun, 06 Nov 1994 08:49:37 GMT"),
        ({"same_site": "Strict"}, "a=b; Path=/; SameSite=Strict"),
        (
            {"secure": True, "same_site": "None", "partitioned": True},
            "a=b; Path=/; Secure; SameSite=None; Partitioned",
        ),
    ],
)
def test_a_cookie_is_written_with_its_attributes(attributes: dict[str, Any], field: str) -> None:
    assert set_cookie("a", "b", **attributes) == field


@pytest.mark.parametrize(
    ("name", "attributes", "wanted"),
    [
        ("", {}, "want a name"),
        ("a b", {}, "want a name"),
        ("a=b", {}, "want a name"),
        ("a\r\nX: y", {}, "want a name"),
        ("a", {"value": "b; Domain=evil"}, "encode_value"),
        ("a", {"value": "b\r\n"}, "encode_value"),
        ("a", {"value": "b c"}, "encode_value"),
        ("a", {"value": '"b'}, "encode_value"),
        ("a", {"value": "caf\xe9"}, "encode_value"),
        ("a", {"value": "x" * 4096}, "4097 bytes of name and value: want 4096"),
        ("a", {"path": "a"}, "path"),
        ("a", {"path": "/;Secure"}, "path"),
        ("a", {"path": "/\n"}, "path"),
        ("a", {"path": "/" * 1025}, "path"),
        ("a", {"domain": ""}, "domain"),
        ("a", {"domain": "b\xfccher.example"}, "xn--"),
        ("a", {"domain": "example.org:80"}, "no port"),
        ("a", {"domain": "a; Secure"}, "domain"),
        ("a", {"same_site": "lax"}, "want 'Strict', 'Lax' or 'None'"),
        ("a", {"same_site": "None"}, "SameSite=None wants secure=True"),
        ("a", {"partitioned": True}, "Partitioned wants secure=True"),
        ("__Secure-a", {}, "wants secure=True"),
        ("__SECURE-a", {}, "wants secure=True"),
        ("__Host-a", {}, "wants secure=True"),
        ("__Host-a", {"secure": True, "path": "/a"}, 'wants path="/"'),
        ("__Host-a", {"secure": True, "path": None}, 'wants path="/"'),
        ("__host-a", {"secure": True, "domain": "example.org"}, "wants no domain"),
        ("a", {"expires": float("nan")}, "want seconds"),
    ],
)
def test_a_cookie_that_a_browser_would_drop_is_an_error(name: str, attributes: dict[str, Any], wanted: str) -> None:
    with pytest.raises(ValueError, match=wanted):
        set_cookie(name, **attributes)


def test_a_cookie_of_the_full_size_is_written() -> None:
    assert set_cookie("a", "x" * 4095)


def test_a_deletion_has_what_its_prefix_wants() -> None:
    assert delete_cookie("__Host-a").endswith("; Secure")
    assert delete_cookie("__Secure-a", path="/x", domain="example.org").endswith("; Secure")
    assert delete_cookie("a", same_site="None").endswith("; Secure; SameSite=None")
    assert "Secure" not in delete_cookie("a")


@given(NAMES, PLAIN)
def test_what_is_set_comes_back(name: str, value: str) -> None:
    field = set_cookie(name, value)
    assert is_field_value(field)
    assert parse_cookies(field.partition(";")[0]) == {name: value}


@given(NAMES, st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
def test_any_text_comes_back_by_its_encoding(name: str, text: str) -> None:
    encoded = encode_value(text)
    assert decode_value(parse_cookies(set_cookie(name, encoded).partition(";")[0])[name]) == text


@given(st.text(), st.text(), st.text(), st.text())
def test_no_argument_writes_an_attribute_or_a_field_of_its_own(name: str, value: str, path: str, domain: str) -> None:
    for attributes in ({}, {"path": path}, {"domain": domain}):
        try:
            field = set_cookie(name, value, **attributes)  # type: ignore[arg-type]
        except ValueError:
            continue
        assert is_field_value(field.rstrip(" "))
        assert field.count(";") == 1 + ("domain" in attributes)
