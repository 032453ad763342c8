"""`Config`: settings from objects, mappings, files and the environment."""

from __future__ import annotations

import io
import json
import re
import types
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.web import App
from dragoman.web.config import DEFAULTS, KINDS, Config


class Settings:
    """As a class of settings."""

    DEBUG = True
    OWN = "own"
    lower = "left out"
    Mixed = "left out"


def test_only_names_in_capitals_are_taken() -> None:
    config = Config()
    config.from_object(Settings)
    config.from_mapping({"A": 1, "b": 2}, C=3, d=4)
    config.from_mapping({5: 6})  # type: ignore[dict-item]
    assert (config["OWN"], config["DEBUG"], config["A"], config["C"]) == ("own", True, 1, 3)
    assert {name for name in config if not name.isupper()} == set()


def test_objects_may_be_modules_instances_and_import_paths() -> None:
    module = types.ModuleType("settings")
    module.FROM_MODULE = 1  # type: ignore[attr-defined]
    for source in (module, Settings(), f"{__name__}.Settings", f"{__name__}:Settings"):
        config = Config()
        config.from_object(source)
        assert "FROM_MODULE" in config or config["OWN"] == "own"
    for wrong in ("nowhere.at.all", "nowhere", f"{__name__}:Nope", f"{__name__}.Nope"):
        with pytest.raises((ImportError, AttributeError)):
            Config().from_object(wrong)


def test_files_are_of_toml_unless_they_are_read_otherwise(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('OWN = "toml"\nlower = 1\n[TABLE]\nkey = "v"\n')
    (tmp_path / "a.json").write_text('{"OWN": "json"}')
    config = Config(tmp_path)
    assert config.from_file("a.toml")
    assert (config["OWN"], config["TABLE"]) == ("toml", {"key": "v"})
    assert config.from_file("a.json", load=json.load)
    assert config["OWN"] == "json"
    assert config.from_file("nope.toml", silent=True) is False
    with pytest.raises(FileNotFoundError):
        config.from_file("nope.toml")


def test_files_of_python_are_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.py").write_text("OWN = 1 + 1\nlower = 3\nHERE = __file__\n")
    config = Config(tmp_path)
    assert config.from_pyfile("a.py")
    assert (config["OWN"], config["HERE"]) == (2, str(tmp_path / "a.py"))
    assert config.from_pyfile("nope.py", silent=True) is False
    with pytest.raises(FileNotFoundError):
        config.from_pyfile("nope.py")
    monkeypatch.setenv("SETTINGS_FILE", str(tmp_path / "a.py"))
    assert Config().from_envvar("SETTINGS_FILE")
    assert Config().from_envvar("NOT_SET_ANYWHERE", silent=True) is False
    with pytest.raises(RuntimeError, match="the environment variable NOT_SET_ANYWHERE is not set"):
        Config().from_envvar("NOT_SET_ANYWHERE")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("5", 5),
        ("1.5", 1.5),
        ("null", None),
        ('"a"', "a"),
        ("[1]", [1]),
        ("text", "text"),
        ("", ""),
        ("{", "{"),
        ("[" * 5000, "[" * 5000),
    ],
)
def test_variables_of_the_environment_are_json_or_text(text: str, value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYAPP_OWN", text)
    config = Config()
    config.from_prefixed_env("MYAPP")
    assert config["OWN"] == value


def test_variables_of_the_environment_reach_into_dicts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYAPP_A__b__C", "1")
    monkeypatch.setenv("MYAPP_A__d", "2")
    monkeypatch.setenv("MYAPPOTHER", "3")
    config = Config()
    config["A"] = {"e": 3}
    config.from_prefixed_env("MYAPP")
    assert config["A"] == {"e": 3, "b": {"C": 1}, "d": 2}
    assert "OTHER" not in config


def test_a_variable_that_reaches_into_what_is_no_dict_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYAPP_DEBUG__b", "1")
    config = Config()
    config["DEBUG"] = True
    with pytest.raises(TypeError, match="MYAPP_DEBUG__b: the setting DEBUG is bool, want a dict to set 'b' in"):
        config.from_prefixed_env("MYAPP")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("DEBUG", "False", "the setting DEBUG is 'False': want True, False or None; a variable of the environment has"),
        ("TESTING", "no", "the setting TESTING is 'no': want True or False"),
        ("SESSION_COOKIE_SECURE", "off", "the setting SESSION_COOKIE_SECURE is 'off': want True, False or None"),
        ("MAX_CONTENT_LENGTH", "16MB", "the setting MAX_CONTENT_LENGTH is '16MB': want a number or None"),
        ("SESSION_IDLE_S", None, "the setting SESSION_IDLE_S is None: want a number"),
        ("SESSION_COOKIE_SAMESITE", None, "the setting SESSION_COOKIE_SAMESITE is None: want a text"),
        ("SESSION_COOKIE_PATH", None, "the setting SESSION_COOKIE_PATH is None: want a text"),
        ("SERVER_NAME", 5, "the setting SERVER_NAME is 5: want a text or None"),
        ("SECRET_KEY", 12345678, "the setting SECRET_KEY is an int: want a text, bytes or None"),
        ("SECRET_KEY_FALLBACKS", "k" * 20, "the setting SECRET_KEY_FALLBACKS is a str: want a list or None"),
    ],
)
def test_a_setting_of_another_kind_is_told_before_the_first_request(name: str, value: Any, said: str) -> None:
    app = App(__name__)
    app.config[name] = value
    with pytest.raises(TypeError, match=re.escape(said)) as caught:
        app.freeze()
    assert "kkk" not in str(caught.value)
    assert "12345" not in str(caught.value)
    assert not app.debug
    with pytest.raises(TypeError, match=name):
        app.test_client().get("/")


def test_each_setting_has_a_kind_that_its_default_is_of() -> None:
    assert KINDS.keys() == DEFAULTS.keys()
    assert Config().wrong() == []
    config = Config()
    config.update(DEBUG=1, TESTING=0, MAX_CONTENT_LENGTH=16e6, SEND_FILE_MAX_AGE_DEFAULT=timedelta(hours=1))
    config.update(SECRET_KEY=b"k" * 16, SECRET_KEY_FALLBACKS=("k" * 16,), OWN=object())
    assert config.wrong() == []


def test_the_defaults_are_those_of_each_application_alone() -> None:
    one, other = App("one"), App("other")
    one.config["OWN"] = 1
    one.config["MAX_CONTENT_LENGTH"] = 5
    assert "OWN" not in other.config
    assert other.config["MAX_CONTENT_LENGTH"] == DEFAULTS["MAX_CONTENT_LENGTH"]


def test_attributes_of_an_application_are_its_settings() -> None:
    app = App(__name__)
    app.secret_key, app.testing, app.debug = "k", True, True
    assert (app.config["SECRET_KEY"], app.config["TESTING"], app.config["DEBUG"]) == ("k", True, True)
    app.config["DEBUG"] = None
    assert app.debug is False


@given(st.dictionaries(st.sampled_from(["DB_HOST", "DB_PORT", "DBX", "OTHER"]), st.integers()))
def test_a_namespace_is_the_settings_that_begin_so(values: dict[str, int]) -> None:
    config = Config(defaults=values)
    assert config.get_namespace("DB_") == {
        name[3:].lower(): value for name, value in values.items() if name.startswith("DB_")
    }
    assert config.get_namespace("DB_", lowercase=False, trim_namespace=False) == {
        name: value for name, value in values.items() if name.startswith("DB_")
    }


def test_a_reader_gets_the_file_open_in_binary(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\xff")
    seen: list[type] = []

    def load(file: Any) -> dict[str, Any]:
        seen.append(type(file.read()))
        return {"X": 1}

    assert Config(tmp_path).from_file("x", load=load)
    assert seen == [bytes]
    assert isinstance(io.BytesIO(b""), io.IOBase)
