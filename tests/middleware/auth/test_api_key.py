"""`ApiKeyAuth`: keys, their hashes, and what is refused."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from dragoman.middleware import ApiKeyAuth
from dragoman.middleware.auth.api_key import hash_key
from tests.middleware.kit import Inner, ask

KEYS = {"ci": [hash_key("of today"), hash_key("of before")], "admin": hash_key("ädmin")}


def asked(key: str | None, **options: Any) -> Any:
    return ask(ApiKeyAuth(Inner(), keys=KEYS, **options), headers={} if key is None else {"X-API-Key": key})


def test_who_has_a_key_gets_in_with_any_of_those_of_a_name() -> None:
    for key, name in (("of today", "ci"), ("of before", "ci"), ("ädmin", "admin")):
        answered = asked(key)
        assert (answered.status, answered.environ["REMOTE_USER"]) == (200, name)


@pytest.mark.parametrize("key", [None, "", "wrong", "of toda", "x" * 5000, KEYS["admin"]])
def test_anything_else_is_401_and_says_what_is_wanted(key: Any) -> None:
    answered = asked(key)
    assert answered.status == 401
    assert answered.value("WWW-Authenticate") == 'ApiKey realm="Restricted", header="X-API-Key"'


def test_the_key_may_come_in_another_field() -> None:
    app = ApiKeyAuth(Inner(), keys=KEYS, header="Shop-Key")
    assert ask(app, headers={"Shop-Key": "of today"}).status == 200
    assert ask(app, headers={"X-API-Key": "of today"}).status == 401


def test_a_function_may_know_the_hashes() -> None:
    app = ApiKeyAuth(Inner(), keys={hash_key("a"): "anna"}.get)
    assert ask(app, headers={"X-API-Key": "a"}).environ["REMOTE_USER"] == "anna"
    assert ask(app, headers={"X-API-Key": "b"}).status == 401


def test_no_key_gets_into_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    asked("hunter2")
    assert caplog.messages == ["ApiKey: GET '/': refused: unknown key"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"keys": {}}, "keys: want one at least"),
        ({"keys": {"ci": "hunter2"}}, "keys: ci: want hashes as hash_key makes them"),
        ({"keys": {"ci": [KEYS["admin"], "hunter2"]}}, "keys: ci: want hashes"),
        ({"keys": {"a": KEYS["admin"], "b": KEYS["admin"]}}, "keys: b and a have the same one"),
        ({"keys": ["a"]}, "keys: want names with their hashes, or a function, got list"),
        ({"keys": KEYS, "header": "Authorization"}, "other than Authorization"),
        ({"keys": KEYS, "header": "a b"}, "header: want the name of a field"),
        ({"keys": KEYS, "scopes": {"x": ["a"]}}, "scopes: 'x' is none"),
    ],
)
def test_a_setting_that_is_wrong_is_said_at_once_without_what_may_be_a_key(options: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words) as raised:
        ApiKeyAuth(**options)
    assert "hunter2" not in str(raised.value)
