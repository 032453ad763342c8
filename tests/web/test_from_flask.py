"""The page for Flask people has every name of the Flask that is installed, and what it calls the same is there."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import flask
import flask.json
import flask.sessions
import flask.testing
import flask.views
import pytest
import werkzeug.datastructures
import werkzeug.exceptions
import werkzeug.test

from dragoman import web
from dragoman.web import json as web_json
from dragoman.web import views as web_views
from dragoman.web.of_flask import INSTEAD
from tests.web.environs import environ_for

PAGE = Path(__file__).resolve().parents[2] / "docs" / "from-flask.md"
ROW = re.compile(r"^\| ((?:`\w+`(?:, )?)+) \| (same|different|absent) \| (.*?) ?\|$", re.MULTILINE)


class Row(NamedTuple):
    verdict: str
    text: str


def written() -> dict[str, dict[str, Row]]:
    """The rows of the page by section and name; a name stands in a section once."""
    sections: dict[str, dict[str, Row]] = {}
    for part in PAGE.read_text(encoding="utf-8").split("\n## ")[3:]:
        title, _, body = part.partition("\n")
        rows = sections[title] = {}
        for names, verdict, text in ROW.findall(body):
            for name in re.findall(r"`(\w+)`", names):
                assert name not in rows, f"{title}: {name} twice"
                rows[name] = Row(verdict, text)
        assert len(ROW.findall(body)) == len(re.findall(r"^\| `", body, re.MULTILINE)), f"{title}: a row is not read"
    return sections


def public(*objects: Any, without: Iterable[str] = ()) -> set[str]:
    return {name for one in objects for name in dir(one) if not name.startswith("_")} - set(without)


def reexported() -> set[str]:
    """What ``flask`` gives out: the names that its ``__init__`` imports under their own names."""
    tree = ast.parse(inspect.getsource(flask))
    return {
        alias.asname
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname is not None
    }


def names_of_flask() -> dict[str, set[str]]:
    app = flask.Flask("app")
    blueprint = flask.Blueprint("blueprint", "app")
    with app.test_request_context():
        request = flask.request._get_current_object()  # type: ignore[attr-defined]
    kinds = werkzeug.exceptions
    response = flask.Response()
    exceptions = {
        name
        for name, value in vars(kinds).items()
        if isinstance(value, type) and issubclass(value, kinds.HTTPException) and not name.startswith("_")
    }
    of_dict = set(dir(dict))
    upload = werkzeug.datastructures.FileStorage()
    return {
        "flask": reexported(),
        "Flask": public(app),
        "Blueprint": public(blueprint),
        "Request": public(request),
        "Response": public(response),
        "Config": public(app.config, without=of_dict),
        "Settings": set(flask.Flask.default_config),
        "Test client": public(flask.testing.FlaskClient),
        "Test response": public(werkzeug.test.TestResponse, without=public(response)) | {"history", "request"},
        "session": public(flask.sessions.SecureCookieSession),
        "g": public(flask.ctx._AppCtxGlobals),
        "Converters": set(app.url_map.converters),
        "flask.views": public(flask.views.MethodView),
        "flask.json": {"dump", "dumps", "jsonify", "load", "loads"},
        "werkzeug.datastructures.Headers": public(werkzeug.datastructures.Headers),
        "werkzeug.datastructures.MultiDict": public(werkzeug.datastructures.MultiDict),
        "werkzeug.datastructures.FileStorage": public(upload),
        "werkzeug.datastructures.MIMEAccept": public(werkzeug.datastructures.MIMEAccept),
        "werkzeug.datastructures.Authorization": public(werkzeug.datastructures.Authorization("basic", {})),
        "werkzeug.exceptions": exceptions,
        "werkzeug.exceptions.HTTPException": public(kinds.HTTPException, without=dir(Exception)),
    }


def names_of_ours() -> dict[str, set[str]]:
    app = web.App("app")
    app.secret_key = "a secret of more than sixteen bytes"
    seen: list[set[str]] = []

    @app.get("/")
    def index() -> str:
        with_proxies = {name for name in written()["session"] if hasattr(web.session, name)}
        seen.append(with_proxies | public(web.session))
        assert {name for name in written()["g"] if getattr(web.g, name, None) is not None} == set(written()["g"])
        return ""

    app.testing = True
    for _ in app(environ_for(), lambda status, headers, exc_info=None: lambda block: None):
        pass
    client = app.test_client()
    asked = web.Request(environ_for(HTTP_AUTHORIZATION="Bearer x"))
    return {
        "flask": set(web.__all__) | {"json"},
        "Flask": public(app),
        "Blueprint": public(web.Blueprint("blueprint", "app")),
        "Request": public(web.Request),
        "Response": public(web.Response()),
        "Config": public(app.config),
        "Settings": set(app.config),
        "Test client": public(client),
        "Test response": public(client.get("/")),
        "session": seen[0],
        "g": {"get", "pop", "setdefault"},
        "Converters": set(app.converters),
        "flask.views": public(web_views.MethodView),
        "flask.json": public(web_json),
        "werkzeug.datastructures.Headers": public(web.Headers),
        "werkzeug.datastructures.MultiDict": public(web.MultiDict),
        "werkzeug.datastructures.FileStorage": public(web.UploadedFile),
        "werkzeug.datastructures.MIMEAccept": public(asked.accept_mimetypes),
        "werkzeug.datastructures.Authorization": public(asked.authorization),
        "werkzeug.exceptions": public(web.errors),
        "werkzeug.exceptions.HTTPException": public(web.errors.HTTPException()),
    }


@pytest.mark.parametrize("section", sorted(names_of_flask()))
def test_the_page_has_each_name_of_flask_and_no_other(section: str) -> None:
    names = names_of_flask()[section]
    rows = set(written()[section])
    assert sorted(names - rows) == [], "names that the page does not have"
    assert sorted(rows - names) == [], "names that Flask does not have"


def test_the_page_has_no_other_section() -> None:
    assert set(written()) == set(names_of_flask())


@pytest.mark.parametrize("section", sorted(names_of_flask()))
def test_what_the_page_calls_the_same_is_there(section: str) -> None:
    same = {name for name, row in written()[section].items() if row.verdict == "same"}
    assert sorted(same - names_of_ours()[section]) == []


def test_what_the_page_calls_different_or_absent_is_explained() -> None:
    for section, rows in written().items():
        for name, row in rows.items():
            assert (row.verdict == "same") == (row.text == ""), f"{section}: {name}"


def test_what_the_page_calls_absent_says_what_there_is_instead() -> None:
    app = web.App("app")
    rows = written()["Flask"]
    for name in [name for name, row in rows.items() if row.verdict == "absent"]:
        with pytest.raises(AttributeError, match="as Flask has: "):
            getattr(app, name)
    assert {name for name, row in rows.items() if row.verdict != "same"} >= INSTEAD.keys()


def test_what_the_page_calls_absent_is_not_there() -> None:
    ours = names_of_ours()
    for section, rows in written().items():
        there = {name for name, row in rows.items() if row.verdict == "absent"} & ours[section]
        assert not there, f"{section}: {there}"
