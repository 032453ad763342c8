"""Rules as text: what is read out of them, and what is said of those that are none."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.web import App
from dragoman.web.converters import CONVERTERS, Converter
from dragoman.web.rules import RuleError, parse_rule
from tests.middleware.kit import ask


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("/", [""]),
        ("/a", ["a"]),
        ("/a/", ["a", ""]),
        ("/a//b", ["a", "", "b"]),
        ("/<x>", ["<x>"]),
        ("/{x}", ["<x>"]),
        ("/@<x>.{y:int}", ["@<x>.<y>"]),
        ("/é/<int(min=1, max=9):x>/", ["é", "<x>", ""]),
    ],
)
def test_a_rule_is_literals_and_variables_between_slashes(text: str, segments: list[str]) -> None:
    rule = parse_rule(text)
    shown = ["".join(one if isinstance(one, str) else f"<{one.name}>" for one in part) for part in rule.segments]
    assert shown == segments


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a", "want it to begin with a slash: '/a'"),
        ("", "want it to begin with a slash"),
        ("/<x", "'<' in '<x' is part of no variable"),
        ("/x>", "'>' in 'x>' is part of no variable"),
        ("/<1x>", "is part of no variable"),
        ("/<int:>", "is part of no variable"),
        ("/{x", "is part of no variable"),
        ("/<x>/<x>", "the variable 'x' stands in it twice"),
        ("/a?b=1", "a rule is of paths: the query is in request.args"),
        ("/a#b", "a rule is of paths"),
        ("/<int(min=open('x')):x>", "is part of no variable"),
        ("/<int(min=1+1):x>", "want numbers, texts, True, False or None"),
        ("/<int(*x):x>", "want numbers, texts, True, False or None"),
    ],
)
def test_what_is_no_rule_is_refused_with_what_is_wanted(text: str, said: str) -> None:
    with pytest.raises(RuleError, match=re.escape(said)):
        parse_rule(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "/<nosuch:x>",
            "no converter 'nosuch'; there are any, broken, default, float, int, path, string, uuid; app.converters",
        ),
        ("/<int(mox=1):x>", "converter 'int'"),
        ("/<any:x>", "want the texts that it may be"),
        ("/<a><b>", "variables 'a' and 'b': want a literal between them"),
        ("/<broken:x>", "variable x: no regular expression in its converter: unterminated character set"),
        ("/@<broken:x>", "variable x: no regular expression in its converter: unterminated character set"),
        ("/<path:x>/@<int:y>?", "a rule is of paths"),
    ],
)
def test_the_application_tells_which_handler_has_the_bad_rule(text: str, said: str) -> None:
    class Broken(Converter):
        regex = "[a"

    app = App(__name__)
    app.converters["broken"] = Broken

    @app.get(text)
    def handler(**values: object) -> str:
        return ""

    with pytest.raises(RuleError, match=re.escape(said)) as caught:
        app.freeze()
    assert f"handler ({__file__}:" in str(caught.value)


def test_an_annotation_against_the_rule_is_refused() -> None:
    app = App(__name__)

    @app.get("/<int:x>")
    def handler(x: str) -> str:
        return x

    with pytest.raises(RuleError, match="'x' is int by the rule, and str by the annotation"):
        app.freeze()


def test_two_handlers_for_one_place_are_refused_and_both_are_named() -> None:
    app = App(__name__)
    app.add_url_rule("/<a>", "one", lambda a: "one")
    app.add_url_rule("/<b>", "two", lambda b: "two", methods=["POST", "GET"])
    with pytest.raises(RuleError, match=r"GET /<b> is answered by <lambda> .* already, by its rule /<a>"):
        app.freeze()


def test_two_handlers_for_one_head_or_options_are_refused_too() -> None:
    for method in ("HEAD", "OPTIONS"):
        app = App(__name__)
        app.add_url_rule("/", "one", lambda: "one", methods=[method])
        app.add_url_rule("/", "two", lambda: "two", methods=[method])
        with pytest.raises(RuleError, match=f"{method} / is answered by"):
            app.freeze()


def test_one_endpoint_of_two_handlers_is_refused() -> None:
    app = App(__name__)
    app.add_url_rule("/a", "same", lambda: "one")
    app.add_url_rule("/b", "same", lambda: "two")
    with pytest.raises(RuleError, match="the endpoint 'same' is that of <lambda>"):
        app.freeze()


def test_a_mount_has_no_variables() -> None:
    app = App(__name__)
    app.mount("/<lang>", lambda environ, start_response: [])
    with pytest.raises(RuleError, match="a prefix with variables: want one path"):
        app.freeze()


@given(st.text(alphabet="/<>{}ab:()1\"',?#é%", max_size=30))
def test_any_text_is_a_rule_or_a_rule_error(text: str) -> None:
    try:
        rule = parse_rule(text)
        for variable in rule.variables:
            variable.made(CONVERTERS)
    except RuleError:
        return
    assert rule.text == text


@given(st.lists(st.sampled_from(["a", "é", "%20", ".", "..", "<x>", "{y:int}", "", ";=", "+"]), max_size=5))
def test_a_path_of_literals_answers_its_own_url(parts: list[str]) -> None:
    app = App(__name__)
    text = "/" + "/".join(parts)
    try:
        parse_rule(text)
    except RuleError:
        return
    app.add_url_rule(text, "here", lambda **values: {"x": values.get("x"), "y": values.get("y")})
    url = app.url_for("here", x="t", y=3)
    path = url.partition("?")[0]
    assert path.isascii()
    from urllib.parse import unquote

    native = unquote(path).encode().decode("latin-1")
    for raw in ({}, {"RAW_URI": path}):
        assert ask(app, "GET", native, **raw).status == 200
