"""`url_for`: which rule, which query, which host; near names for those that are none."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.web import App, BuildError, url_for
from tests.middleware.kit import ask


def app_of(**rules: Any) -> App:
    app = App(__name__)
    for name, rule in rules.items():
        for one in rule if isinstance(rule, list) else [rule]:
            text, options = one if isinstance(one, tuple) else (one, {})
            app.add_url_rule(text, name, VIEWS.setdefault(name, lambda **values: ""), **options)
    return app


VIEWS: dict[str, Any] = {}


def test_of_several_rules_the_one_that_uses_most_values_is_taken() -> None:
    app = app_of(post=["/posts", "/posts/<int:year>", "/posts/<int:year>/<slug>"])
    assert app.url_for("post") == "/posts"
    assert app.url_for("post", year=2024) == "/posts/2024"
    assert app.url_for("post", year=2024, slug="a b") == "/posts/2024/a%20b"
    assert app.url_for("post", slug="x") == "/posts?slug=x"
    assert app.url_for("post", year=None, slug="x") == "/posts?slug=x"


def test_a_value_that_is_a_rules_default_takes_that_rule() -> None:
    app = app_of(page=[("/page/", {"defaults": {"n": 1}}), "/page/<int:n>"])
    assert app.url_for("page") == "/page/"
    assert app.url_for("page", n=1) == "/page/"
    assert app.url_for("page", n=2) == "/page/2"


def test_a_method_says_which_rule() -> None:
    app = app_of(item=[("/read/<int:n>", {"methods": ["GET"]}), ("/write/<int:n>", {"methods": ["POST"]})])
    assert app.url_for("item", n=1, _method="POST") == "/write/1"
    assert app.url_for("item", n=1) == "/read/1"
    with pytest.raises(BuildError, match="no rule fits"):
        app.url_for("item", n=1, _method="PUT")


@given(
    st.dictionaries(
        st.sampled_from(["q", "é", "a b", "&=", "page"]), st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
    )
)
def test_other_values_go_into_the_query_and_come_back_from_it(values: dict[str, str]) -> None:
    url = app_of(here="/<int:n>").url_for("here", n=1, **values)
    assert url.isascii()
    assert dict(parse_qsl(urlsplit(url).query, keep_blank_values=True)) == values


def test_lists_in_the_query_are_repeated_and_none_is_left_out() -> None:
    assert app_of(here="/").url_for("here", tag=["a", "b"], none=None, empty="") == "/?tag=a&tag=b&empty="


@pytest.mark.parametrize(
    ("anchor", "url"),
    [("top", "/#top"), ("a b", "/#a%20b"), ("é#?", "/#%C3%A9%23%3F"), ("", "/#"), (None, "/")],
)
def test_an_anchor_is_escaped(anchor: str | None, url: str) -> None:
    assert app_of(here="/").url_for("here", _anchor=anchor) == url


def test_outside_of_a_request_settings_say_the_host() -> None:
    app = app_of(here="/é")
    assert app.url_for("here") == "/%C3%A9"
    with pytest.raises(BuildError, match="there is no request that says the host: set SERVER_NAME"):
        app.url_for("here", _external=True)
    app.config.update(SERVER_NAME="shop.example:8443", APPLICATION_ROOT="/app é/")
    assert app.url_for("here", _external=True) == "https://shop.example:8443/app%20%C3%A9/%C3%A9"
    assert app.url_for("here", _scheme="http") == "http://shop.example:8443/app%20%C3%A9/%C3%A9"
    # A path alone leads nowhere from a mail.
    assert app.url_for("here") == app.url_for("here", _external=True)
    assert app.url_for("here", _external=False) == "/app%20%C3%A9/%C3%A9"


def test_the_name_of_the_settings_comes_before_what_a_client_says() -> None:
    app = App(__name__)
    app.add_url_rule("/here", "here", lambda: url_for("here", _external=True) + " " + url_for("here"))
    app.config["SERVER_NAME"] = "shop.example"
    assert ask(app, "GET", "/here", {"Host": "evil.example"}).text == "http://shop.example/here /here"


def test_within_a_request_the_request_says_it() -> None:
    app = App(__name__)
    app.add_url_rule("/here", "here", lambda: url_for("here", _external=True) + " " + url_for("here"))
    answer = ask(app, "GET", "/here", {"Host": "a.example:8080"}, SCRIPT_NAME="/m é".encode().decode("latin-1"))
    assert answer.text == "http://a.example:8080/m%20%C3%A9/here /m%20%C3%A9/here"


def test_without_a_request_and_an_application_there_is_no_url() -> None:
    with pytest.raises(RuntimeError, match="url_for is that of the request in hand"):
        url_for("here")


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        ("idnex", "there is no such endpoint; did you mean 'index'?"),
        ("usr", "did you mean 'user'?"),
        ("zzzzzz", "there are index, user"),
        ("", "there is no such endpoint"),
        (".user2", "there is no such endpoint"),
    ],
)
def test_a_name_that_is_none_is_told_with_those_that_are_near(endpoint: str, said: str) -> None:
    with pytest.raises(BuildError, match=re.escape(said)):
        app_of(index="/", user="/user/<int:n>").url_for(endpoint)


def test_what_is_missing_is_told_with_the_rules() -> None:
    with pytest.raises(BuildError, match=re.escape("url_for('user'): n missing; its rules: /user/<int:n> (GET)")):
        app_of(user="/user/<int:n>").url_for("user", m=1)
    with pytest.raises(BuildError, match="n missing"):
        app_of(user="/user/<int:n>").url_for("user", n=None)


def test_literals_of_a_rule_are_escaped() -> None:
    for literal in ("é", "a b", "%20", "a;b", "+", "~"):
        url = app_of(here=f"/{literal}").url_for("here")
        assert url.isascii()
        assert unquote(url) == f"/{literal}"
