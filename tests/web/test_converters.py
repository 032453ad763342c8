"""Converters: what they take, what they give, and that a URL made by one leads back to its value."""

from __future__ import annotations

import re
import uuid
from typing import Any
from urllib.parse import quote, unquote_to_bytes

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug.routing import Map
from werkzeug.routing import Rule as WerkzeugRule

from dragoman.web import App, BuildError
from dragoman.web.converters import CONVERTERS, Converter
from dragoman.web.request import Request
from dragoman.web.routing import Missed, segments_of
from tests.middleware.kit import environ_of

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
AWKWARD = st.text(st.sampled_from("a/.%é\0 ;=?#+&@-~\\\n\U0001f600"), max_size=6)


def app_of(rule: str, **converters: type[Converter]) -> App:
    app = App(__name__)
    app.converters.update(converters)
    app.add_url_rule(rule, "here", lambda **values: values)
    return app


def values_at(app: App, url: str, has_raw_uri: bool = True) -> dict[str, Any] | None:
    """The values that a request for `url` gives the handler; None where it is not found."""
    native = unquote_to_bytes(url).decode("latin-1")
    environ = environ_of("GET", "/", PATH_INFO=native, **({"RAW_URI": url} if has_raw_uri else {}))
    found = app.freeze().tree.find(segments_of(environ), "GET")
    if isinstance(found, Missed):
        return None
    plan, values = found
    return plan.named(values)


def url_of(app: App, **values: Any) -> str | None:
    try:
        return app.url_for("here", **values)
    except BuildError:
        return None


@pytest.mark.parametrize(
    ("rule", "taken", "refused"),
    [
        ("/<x>", {"a": "a", "%C3%A9": "é", "a%2Fb": "a/b", "+": "+", "%20": " ", "%25": "%"}, ["", "a/b", "%FF"]),
        ("/<string(length=2):x>", {"ab": "ab", "%C3%A9b": "éb", "a%2F": "a/"}, ["a", "abc", "%C3%A9"]),
        ("/<string(minlength=2, maxlength=3):x>", {"ab": "ab", "abc": "abc"}, ["a", "abcd"]),
        (
            "/<int:x>",
            {"0": 0, "007": 7, "9" * 30: int("9" * 30)},
            ["-1", "+1", "1.0", "", "%D9%A1", "1_0", " 1", "1" * 101],
        ),
        ("/<int(signed=True):x>", {"-5": -5, "5": 5}, ["--5", "-", "+5"]),
        ("/<int(fixed_digits=3):x>", {"007": 7, "123": 123}, ["7", "1234", "-12"]),
        ("/<int(min=2, max=4):x>", {"2": 2, "4": 4}, ["1", "5"]),
        ("/<float:x>", {"1.5": 1.5, "0.0": 0.0}, ["1", "1.", ".5", "-1.5", "1e5", "nan", "inf", "1" * 101 + ".0"]),
        ("/<float(signed=True, max=2.0):x>", {"-1.5": -1.5}, ["2.1", "-"]),
        ("/<uuid:x>", {"A" * 8 + "-aaaa-aaaa-aaaa-" + "a" * 12: uuid.UUID("a" * 32)}, ["a" * 32, "{" + "a" * 32 + "}"]),
        ("/<any(about, 'my help'):x>", {"about": "about", "my%20help": "my help"}, ["abou", "help", ""]),
        ("/<path:x>", {"a": "a", "a/b": "a/b", "a//b/": "a//b/", "a%2Fb": "a/b"}, ["", "/a"]),
    ],
)
def test_what_a_converter_takes(rule: str, taken: dict[str, object], refused: list[str]) -> None:
    app = app_of(rule)
    for text, value in taken.items():
        assert values_at(app, f"/{text}") == {"x": value}, text
    for text in refused:
        assert values_at(app, f"/{text}") is None, text


ROUND = [
    ("/<x>", TEXT | AWKWARD),
    ("/<x>/", TEXT | AWKWARD),
    ("/a/<x>/b", TEXT | AWKWARD),
    ("/<string(length=2):x>", TEXT | AWKWARD),
    ("/<string(minlength=0, maxlength=3):x>", TEXT | AWKWARD),
    ("/@<x>", TEXT | AWKWARD),
    ("/<x>.json", TEXT | AWKWARD),
    ("/<int:x>", st.integers()),
    ("/<int(signed=True):x>", st.integers()),
    ("/<int(fixed_digits=3):x>", st.integers(-1100, 1100)),
    ("/<int(fixed_digits=3, signed=True):x>", st.integers(-1100, 1100)),
    ("/<int(min=-3, max=7, signed=True):x>", st.integers(-10, 10)),
    ("/v<int:x>", st.integers()),
    ("/<float:x>", st.floats()),
    ("/<float(signed=True):x>", st.floats()),
    ("/<float(min=0.5, max=2.5):x>", st.floats(-3, 3)),
    ("/<uuid:x>", st.uuids()),
    ("/<any(about, 'ü/b', help):x>", st.sampled_from(["about", "ü/b", "help", "ab", ""])),
    ("/<path:x>", TEXT | AWKWARD),
    ("/f/<path:x>/end", TEXT | AWKWARD),
]


@pytest.mark.parametrize(("rule", "values"), ROUND, ids=[rule for rule, _ in ROUND])
def test_a_url_leads_back_to_its_value_or_is_refused(rule: str, values: st.SearchStrategy[Any]) -> None:
    app = app_of(rule)

    @given(values)
    def holds(value: object) -> None:
        url = url_of(app, x=value)
        if url is not None:
            assert url.isascii()
            assert values_at(app, url) == {"x": value}, url

    holds()


@given(TEXT.filter(lambda text: "/" not in text and text))
@example("..")
@example(";=")
def test_each_text_without_a_slash_has_a_url_and_needs_no_raw_uri(text: str) -> None:
    app = app_of("/<x>")
    url = app.url_for("here", x=text)
    assert values_at(app, url, has_raw_uri=False) == {"x": text}


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=0.0))
def test_a_float_keeps_all_its_digits(value: float) -> None:
    url = url_of(app_of("/<float:x>"), x=value)
    if value == 0.0 or 1e-80 < value < 1e80:
        assert url is not None
        assert float(url.removeprefix("/")) == abs(value)


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        ("/<x>", ""),
        ("/<x>", None),
        ("/<string(length=2):x>", "abc"),
        ("/<path:x>", ""),
        ("/<path:x>", "/etc"),
        ("/<int:x>", "seven"),
        ("/<int:x>", None),
        ("/<int:x>", [1]),
        ("/<int:x>", -1),
        ("/<int:x>", 10**200),
        ("/<int(fixed_digits=2):x>", 100),
        ("/<float:x>", float("nan")),
        ("/<float:x>", float("inf")),
        ("/<float:x>", -0.5),
        ("/<float:x>", 1e300),
        ("/<uuid:x>", "no uuid"),
        ("/<uuid:x>", 5),
        ("/<any(a, b):x>", "c"),
        ("/<any(a, b):x>", ["a"]),
        ("/<x>", "\ud800"),
    ],
)
def test_a_value_that_the_rule_would_not_match_is_a_build_error(rule: str, value: object) -> None:
    with pytest.raises(BuildError, match=r"url_for\('here'\)"):
        app_of(rule).url_for("here", x=value)


def test_the_form_of_a_custom_converter_may_have_groups_alternatives_and_brackets() -> None:
    class Colour(Converter):
        regex = r"(red|(light)?blue)|#[0-9a-f()]{3}"

    app = app_of("/<colour:x>-<colour:y>.<int:n>", colour=Colour)
    assert values_at(app, "/red-lightblue.3") == {"x": "red", "y": "lightblue", "n": 3}
    assert values_at(app, "/%23(a)-blue.3") == {"x": "#(a)", "y": "blue", "n": 3}
    assert values_at(app, "/reddish-blue.3") is None
    alone = app_of("/<colour:x>", colour=Colour)
    assert values_at(alone, "/lightblue") == {"x": "lightblue"}
    assert values_at(alone, "/lightblues") is None


def test_a_custom_converter_turns_values_both_ways_and_may_refuse() -> None:
    class ListConverter(Converter):
        def to_python(self, text: str) -> list[str]:
            if text.startswith("+"):
                raise ValueError("empty first")
            return text.split("+")

        def to_url(self, value: Any) -> str:
            return "+".join(super(ListConverter, self).to_url(one) for one in value)

    app = app_of("/<list:x>", list=ListConverter)
    assert values_at(app, "/a+b") == {"x": ["a", "b"]}
    assert values_at(app, "/+b") is None
    assert app.url_for("here", x=["a", "é"]) == "/a+%C3%A9"


def test_a_custom_converter_may_span_segments() -> None:
    class Dates(Converter):
        regex = r"\d{4}/\d\d/\d\d"
        spans_segments = True

    app = app_of("/<dates:x>/<name>", dates=Dates)
    assert values_at(app, "/2024/05/06/n") == {"x": "2024/05/06", "name": "n"}
    assert values_at(app, "/2024/05/n") is None


SAMPLES = st.text(st.sampled_from("ab1.-/0é"), min_size=1, max_size=8)


@given(
    st.sampled_from(["string", "int", "float", "path", "string(length=2)", "int(signed=True)", "float(signed=True)"]),
    SAMPLES,
)
def test_the_same_texts_are_taken_as_by_werkzeug(converter: str, text: str) -> None:
    theirs = Map([WerkzeugRule(f"/x/<{converter}:x>", endpoint="here")], merge_slashes=False).bind("localhost")
    expected: dict[str, Any] | None
    try:
        expected = dict(theirs.match(f"/x/{text}")[1])
    except Exception:
        expected = None
    ours = values_at(app_of(f"/x/<{converter}:x>"), quote(f"/x/{text}"), has_raw_uri=False)
    assert ours == expected


def test_every_converter_is_asked_with_text_that_is_no_utf_8() -> None:
    for name in CONVERTERS:
        rule = f"/<{name}(a):x>" if name == "any" else f"/<{name}:x>"
        assert values_at(app_of(rule), "/%FF") is None


def test_a_request_tells_the_values_by_name() -> None:
    app = App(__name__)

    @app.get("/<int:a>/{b}")
    def handler(request: Request, a: int, b: str) -> dict[str, Any]:
        return request.view_args

    from tests.middleware.kit import ask

    assert ask(app, "GET", "/1/c").text == '{"a":1,"b":"c"}'
    assert re.fullmatch("application/json", ask(app, "GET", "/1/c").value("Content-Type") or "")
