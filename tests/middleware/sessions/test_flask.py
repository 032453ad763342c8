"""Flask's ``session`` on `Sessions`: what applications do with it."""

from __future__ import annotations

from typing import Any

import flask
import pytest

from dragoman.contrib.flask_sessions import EnvironSessions
from dragoman.middleware import Sessions
from dragoman.middleware.stores import MemoryStore


@pytest.fixture
def app() -> flask.Flask:
    made = flask.Flask(__name__)
    made.config["PROPAGATE_EXCEPTIONS"] = True
    made.session_interface = EnvironSessions()
    made.wsgi_app = Sessions(made.wsgi_app, store=MemoryStore(), secure=False)  # type: ignore[method-assign]

    @made.get("/set")
    def put() -> str:
        flask.session.permanent = True
        flask.session["cart"] = ["a"]
        flask.session.modified = True
        flask.flash("Saved", "info")
        return "set"

    @made.get("/add")
    def add() -> str:
        flask.session["cart"].append("b")
        return "added"

    @made.get("/get")
    def get() -> dict[str, Any]:
        return {"cart": flask.session.get("cart"), "flashes": flask.get_flashed_messages(with_categories=True)}

    @made.get("/login")
    def login() -> dict[str, Any]:
        session: Any = flask.session
        session.rotate()
        session["user"] = 5
        return {"n": session.change("n", lambda n: n + 1, 0), "new": session.new, "modified": session.modified}

    @made.get("/logout")
    def logout() -> str:
        flask.session.clear()
        return "out"

    @made.get("/unused")
    def unused() -> str:
        return "unused"

    return made


def test_what_applications_do_with_flasks_session_works(app: flask.Flask) -> None:
    client = app.test_client()
    client.get("/set")
    client.get("/add")
    assert client.get("/get").json == {"cart": ["a", "b"], "flashes": [["info", "Saved"]]}
    assert client.get("/get").json == {"cart": ["a", "b"], "flashes": []}


def test_a_login_gets_a_new_id_and_a_logout_ends_it(app: flask.Flask) -> None:
    client = app.test_client()
    client.get("/set")
    before = client.get_cookie("session")
    assert client.get("/login").json == {"n": 1, "new": False, "modified": True}
    after = client.get_cookie("session")
    assert before is not None and after is not None and before.value != after.value
    client.get("/logout")
    assert client.get_cookie("session") is None


def test_a_view_that_does_not_use_it_has_no_field_of_it(app: flask.Flask) -> None:
    response = app.test_client().get("/unused")
    assert "Vary" not in response.headers and "Set-Cookie" not in response.headers


def test_without_the_middleware_it_says_what_is_missing() -> None:
    app = flask.Flask(__name__)
    app.session_interface = EnvironSessions()
    app.config["PROPAGATE_EXCEPTIONS"] = True
    app.add_url_rule("/", view_func=lambda: "a")
    with pytest.raises(RuntimeError, match=r"app\.wsgi_app = Sessions\(app\.wsgi_app"):
        app.test_client().get("/")
