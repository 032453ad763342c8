"""Middleware by the settings: from the flag and from a file to layers around the application."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dragoman.config_file import read_document
from dragoman.errors import ApplicationError, DragomanError, OperatorError, UsageError
from dragoman.layers import call_of, value_of, wrapped
from dragoman.loader import Loaded
from dragoman.middleware import RequestId


def hello(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"Hello"]


class Named:
    """A middleware of somebody else's."""

    def __init__(self, app: Any, name: str = "none") -> None:
        self.app = app
        self.name = name

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        return self.app(environ, start_response)


def named(name: str) -> Callable[[Any], Named]:
    """What a call with arguments gives is called with the application."""
    return lambda app: Named(app, name)


def failing(app: Any) -> Any:
    raise LookupError("by plan")


def failing_later(secret: str) -> Any:
    return failing


def giving_none(app: Any) -> Any:
    return None


LOADED = Loaded(hello, "shop:app")


def test_without_middleware_the_application_stays_itself() -> None:
    assert wrapped(LOADED, ()) is LOADED


@pytest.mark.parametrize(
    "text", ["request-id", "request_id", "RequestId", "requestid", "dragoman.middleware:RequestId"]
)
def test_a_part_of_the_library_is_found_in_any_spelling(text: str) -> None:
    made = wrapped(LOADED, (text,))
    assert isinstance(made.application, RequestId)
    assert (made.application.app, made.name) == (hello, "shop:app")


def test_the_first_is_the_outermost() -> None:
    made: Any = wrapped(LOADED, ("request-id", f"{__name__}:named('a')", f"{__name__}:Named")).application
    assert (type(made), made.app.name, made.app.app.name, made.app.app.app) == (RequestId, "a", "none", hello)


def test_arguments_stand_in_the_call() -> None:
    made: Any = wrapped(LOADED, ("request-id(header='X-Trace', trusted=['10.0.0.0/8'])",)).application
    assert made.header == "X-Trace"


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("reqest-id", UsageError, "did you mean request-id?"),
        ("frobnicate", UsageError, "one of another package is named MODULE:NAME"),
        ("shop.py:Layer", UsageError, "a module's name, not a file"),
        ("shop.layers:", UsageError, "a name after the colon"),
        ("no_such_module:Layer", ApplicationError, "no module no_such_module"),
        ("request-id(header='X Y')", ApplicationError, "want the name of a field"),
        ("request-id(heder='X')", ApplicationError, "unexpected keyword argument 'heder'"),
        ("request-id(header={'env': 'DRAGOMAN_TEST_UNSET'})", DragomanError, "DRAGOMAN_TEST_UNSET is not set"),
        ("request-id(header={'file': '/nowhere/key'})", DragomanError, "cannot be read"),
        ("dragoman.middleware.stacking:stack()", ApplicationError, "missing 1 required positional argument"),
        ("layer", UsageError, "there is no layer in dragoman.middleware"),
        ("mount", ApplicationError, '--middleware "mount": calling dragoman.middleware:Mount() fails'),
        (f"{__name__}:failing", ApplicationError, f'--middleware "{__name__}:failing": LookupError: by plan'),
        (f"{__name__}:failing()", ApplicationError, "missing 1 required positional argument"),
        (f"{__name__}:giving_none", ApplicationError, "called with the application it gives a NoneType"),
    ],
)
def test_what_cannot_be_says_which_and_why(text: str, error: type[DragomanError], says: str) -> None:
    with pytest.raises(error) as caught:
        wrapped(LOADED, (text,))
    assert says in str(caught.value)
    assert "--middleware" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "sessions(secret='hunter2')",
        "metrics(token='hunter2', series='x')",
        "sessions(secret='hunter2",
        "sessions(secret=hunter2)",
        "sesions(secret='hunter2')",
        f"{__name__}:failing_later('hunter2')",
    ],
)
def test_no_value_is_shown_that_may_be_a_secret(text: str) -> None:
    with pytest.raises(DragomanError) as caught:
        wrapped(LOADED, (text,))
    assert "hunter2" not in f"{caught.value}{caught.value.details}"
    assert '--middleware "' in str(caught.value)


def test_a_value_can_be_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ID_FIELD", "X-Env")
    (tmp_path / "field").write_text("X-File\n")
    of_variable: Any = wrapped(LOADED, ("request-id(header={'env': 'ID_FIELD'})",)).application
    of_file: Any = wrapped(LOADED, (f"request-id(header={{'file': '{tmp_path / 'field'}'}})",)).application
    assert (of_variable.header, of_file.header) == ("X-Env", "X-File")


def test_a_value_in_a_list_or_a_table_can_be_elsewhere_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NEW", "new")
    (tmp_path / "old").write_text("old\n")
    written = [{"env": "NEW"}, {"file": str(tmp_path / "old")}, {"a": {"env": "NEW"}, "b": 1}, "plain"]
    assert value_of("secret", written) == ["new", "old", {"a": "new", "b": 1}, "plain"]
    with pytest.raises(OperatorError, match=r"users\.anna: the variable NOWHERE is not set"):
        value_of("users", {"anna": {"env": "NOWHERE"}})


def test_what_is_called_with_the_application_has_to_give_one() -> None:
    with pytest.raises(ApplicationError):
        wrapped(LOADED, ("builtins:id",))


DOCUMENT = """\
[server]
application = "shop"

[[middleware]]
use = "request-id"
trusted = ["10.0.0.0/8"]
respond = false

[[middleware]]
use = "shop.layers:Named"
"""


def test_a_file_has_a_table_for_each() -> None:
    written = read_document(DOCUMENT, "dragoman.toml")["middleware"]
    assert written.texts == ("request-id(trusted=['10.0.0.0/8'], respond=False)", "shop.layers:Named")
    assert written.place == "dragoman.toml:4"
    assert dict(call_of(written.texts[0]).kwargs) == {"trusted": ["10.0.0.0/8"], "respond": False}


def test_pyproject_has_them_further_down() -> None:
    text = '[[tool.dragoman.middleware]]\nuse = "request-id"\n'
    assert read_document(text, "pyproject.toml")["middleware"].texts == ("request-id",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[middleware]\nuse = "request-id"', 'dragoman.toml:1: want [[middleware]] with use = "request-id"'),
        ('middleware = ["request-id"]', "want [[middleware]]"),
        ("[[middleware]]\nheader = 1", '[[middleware]] 1: want use = "request-id"'),
        ('[[middleware]]\nuse = "request-id()"', "arguments as keys beside it"),
        ('[[middleware]]\nuse = "request-id"\n"a b" = 1', "a b is no name of an argument"),
        ('[[middleware]]\nuse = "request-id"\nsince = 2026-01-01', "since: want a text, a number"),
        ('[server]\nmiddleware = ["a:b"]\n[[middleware]]\nuse = "a:b"', "dragoman.toml:2: middleware stands here and"),
        ("[middlewear]\n", "did you mean [middleware]?"),
    ],
)
def test_a_table_that_cannot_be_says_where_and_what_is_right(text: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_document(text, "dragoman.toml")
    assert says in str(caught.value)
