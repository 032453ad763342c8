"""Header lists and the grammar of field values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.http import fields
from dragoman.http.fields import Headers

LATIN1 = st.text(st.characters(max_codepoint=0xFF))
QUOTABLE = st.text(st.characters(max_codepoint=0xFF).filter(lambda c: c == "\t" or not (c < " " or c == "\x7f")))
TOKENS = st.text("!#$%&'*+-.^_`|~09azAZ", min_size=1)


def test_put_leaves_one_field_at_the_place_of_the_first() -> None:
    headers: Headers = [("a", "1"), ("X", "2"), ("b", "3"), ("x", "4")]
    same = headers
    fields.put(headers, "X", "5")
    assert same == [("a", "1"), ("X", "5"), ("b", "3")]
    fields.put(headers, "New", "")
    assert same[-1] == ("New", "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X", "a\r\nSet-Cookie: b"),
        ("X", "a\nb"),
        ("X", "\x00"),
        ("X", "a\x7f"),
        ("X", "a\n"),
        ("X", " a"),
        ("X", "a\t"),
        ("X", "\u0100"),
        ("X:", "a"),
        ("X\n", "a"),
        ("", "a"),
        ("é", "a"),
    ],
)
def test_a_field_that_would_split_the_head_is_refused_and_changes_nothing(name: str, value: str) -> None:
    headers: Headers = [("X", "1")]
    for write in (fields.add, fields.put):
        with pytest.raises(ValueError, match="want"):
            write(headers, name, value)
    assert headers == [("X", "1")]


def test_a_value_of_obs_text_is_one() -> None:
    assert fields.is_field_value("caf\xe9 \x80\xff")
    assert fields.is_field_value("a\tb")
    assert fields.is_field_value("")


@pytest.mark.parametrize(
    ("before", "token", "after"),
    [
        ([], "Accept", [("Vary", "Accept")]),
        ([("vary", "Accept")], "accept", [("vary", "Accept")]),
        ([("Vary", "*")], "Accept", [("Vary", "*")]),
        ([("Vary", "Accept, *")], "Cookie", [("Vary", "Accept, *")]),
        ([("Vary", "a"), ("Vary", "b")], "c", [("Vary", "a"), ("Vary", "b, c")]),
        ([("Vary", "a"), ("Vary", "b")], "*", [("Vary", "*")]),
        ([("Vary", "")], "a", [("Vary", "a")]),
        ([("Vary", "a,")], "b", [("Vary", "a, b")]),
        ([("Vary", "Accept-Encoding")], "Accept", [("Vary", "Accept-Encoding, Accept")]),
    ],
)
def test_a_token_is_added_once_and_a_star_stays(before: Headers, token: str, after: Headers) -> None:
    headers = list(before)
    fields.add_token(headers, "Vary", token)
    assert headers == after


def test_what_is_no_token_is_not_added() -> None:
    headers: Headers = []
    for text in ("a b", "a, b", "", "a\r\n"):
        with pytest.raises(ValueError, match="want a token"):
            fields.add_token(headers, "Vary", text)
    assert headers == []


@pytest.mark.parametrize(
    ("value", "members"),
    [
        ("", []),
        (" , ,\t,", []),
        ("a", ["a"]),
        ("a,b", ["a", "b"]),
        (r'"a\",b", c', [r'"a\",b"', "c"]),
        ('"a, b', ['"a, b']),
        ('a "b, c" d, e', ['a "b, c" d', "e"]),
        ('"a\\', ['"a\\']),
        ("a\\,b", ["a\\", "b"]),
        ('a\\,b,"c"', ["a\\", "b", '"c"']),
        ("a\x0b, b", ["a\x0b", "b"]),
    ],
)
def test_a_list_is_split_outside_of_quoted_strings(value: str, members: list[str]) -> None:
    assert fields.split_list(value) == members


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        (";;", {}),
        ("a=b", {"a": "b"}),
        (';A="b;c" ; d=e', {"a": "b;c", "d": "e"}),
        ("; a = b; c=d", {"c": "d"}),
        ("; a=1; a=2", {"a": "1"}),
        (r'; a="\"\\"', {"a": '"\\'}),
        ('; a="b; c=d', {}),
        ('; a=""', {"a": ""}),
        ("; a=", {}),
        ('; a="\n"; b=c', {"b": "c"}),
    ],
)
def test_parameters_are_tokens_or_quoted_strings(text: str, found: dict[str, str]) -> None:
    assert fields.parameters(text) == found


@given(QUOTABLE)
def test_what_is_quoted_is_unquoted_to_itself(text: str) -> None:
    assert fields.unquote(fields.quote(text)) == text
    assert fields.split_list(f"{fields.quote(text)}, b") == [fields.quote(text), "b"]
    assert fields.parameters(f"; a={fields.quote(text)}; b=c") == {"a": text, "b": "c"}


@given(LATIN1)
def test_quoted_is_a_field_value_or_an_error(text: str) -> None:
    try:
        quoted = fields.quote_unless_token(text)
    except ValueError:
        assert any(c != "\t" and (c < " " or c == "\x7f") for c in text)
    else:
        assert fields.is_field_value(quoted)


@given(st.text())
def test_a_field_value_is_what_its_grammar_says(text: str) -> None:
    assert fields.is_field_value(text) is (fields.FIELD_VALUE.fullmatch(text) is not None)


@given(st.lists(TOKENS))
def test_tokens_make_a_list_of_themselves(tokens: list[str]) -> None:
    headers: Headers = []
    for token in tokens:
        fields.add_token(headers, "Vary", token)
    members = fields.split_list(fields.combined(headers, "Vary") or "")
    if "*" in tokens:
        assert members == ["*"]
    else:
        assert [one.lower() for one in members] == list(dict.fromkeys(one.lower() for one in tokens))


@given(st.lists(st.tuples(st.sampled_from("aAbB"), st.sampled_from("12"))), st.sampled_from("aA"))
def test_put_and_remove_touch_no_other_field(headers: Headers, name: str) -> None:
    others = [one for one in headers if one[0].lower() != "a"]
    changed = list(headers)
    fields.put(changed, name, "3")
    assert fields.get_all(changed, "a") == ["3"]
    assert [one for one in changed if one[0].lower() != "a"] == others
    fields.remove(changed, name)
    assert changed == others
    assert not fields.has(changed, "A")
