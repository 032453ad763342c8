"""What Flask people write by habit: classes as handlers, app.json, resources, instance folders, session.permanent."""

from __future__ import annotations

import io
import json as json_of_python
import logging
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from dragoman.contract import Checked
from dragoman.embedded import written_name
from dragoman.middleware import RequestId
from dragoman.web import App, Blueprint, current_app, json, jsonify, make_response, request, session
from dragoman.web.config import OF_FLASK
from dragoman.web.errors import HTTPException, NotFound
from dragoman.web.instance import instance_folder_of
from dragoman.web.views import MethodView, View
from tests.web.environs import environ_for


def answer(app: Any, path: str = "/", method: str = "GET", **others: Any) -> tuple[str, dict[str, str], bytes]:
    """Status, fields and body of the application's answer, which keeps the contract."""
    findings: list[Any] = []
    got: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], object]:
        got[:] = [status, dict(headers)]
        return lambda block: None

    result = Checked(app, findings.append)(environ_for(path, method, **others), start_response)
    try:
        body = b"".join(result)
    finally:
        getattr(result, "close", lambda: None)()
    assert findings == []
    return got[0], got[1], body


# Classes as handlers


def test_a_class_answers_with_the_arguments_of_as_view_and_the_values_of_the_rule() -> None:
    class Greeting(View):
        def __init__(self, word: str) -> None:
            self.word = word

        def dispatch_request(self, **values: Any) -> str:
            return f"{self.word}, {values['name']}"

    app = App()
    app.add_url_rule("/hello/<name>", view_func=Greeting.as_view("hello", "Hello"))
    app.add_url_rule("/bye/<name>", view_func=Greeting.as_view("bye", word="Bye"))
    assert answer(app, "/hello/Ada")[2] == b"Hello, Ada"
    assert answer(app, "/bye/Ada")[2] == b"Bye, Ada"
    assert app.url_for("bye", name="Ada") == "/bye/Ada"


def test_each_request_has_an_object_of_its_own_unless_the_class_says_otherwise() -> None:
    class Counting(View):
        def __init__(self) -> None:
            self.count = 0

        def dispatch_request(self, **values: Any) -> str:
            self.count += 1
            return str(self.count)

    class Shared(Counting):
        init_every_request = False

    app = App()
    app.add_url_rule("/each", view_func=Counting.as_view("each"))
    app.add_url_rule("/shared", view_func=Shared.as_view("shared"))
    assert [answer(app, "/each")[2] for _ in range(2)] == [b"1", b"1"]
    assert [answer(app, "/shared")[2] for _ in range(2)] == [b"1", b"2"]


class Users(MethodView):
    def get(self, number: int) -> dict[str, int]:
        return {"number": number}

    async def put(self, number: int) -> tuple[str, int]:
        return f"put {number}", 201


def test_a_class_has_a_method_for_each_method_of_http() -> None:
    app = App()
    app.add_url_rule("/users/<int:number>", view_func=Users.as_view("users"))
    assert answer(app, "/users/7")[2] == b'{"number":7}'
    assert answer(app, "/users/7", "PUT")[::2] == ("201 Created", b"put 7")
    assert answer(app, "/users/7", "HEAD")[1]["Content-Length"] == "12"
    status, fields, _ = answer(app, "/users/7", "DELETE")
    assert (status[:3], fields["Allow"]) == ("405", "GET, HEAD, OPTIONS, PUT")


def test_a_class_inherits_the_methods_of_its_bases() -> None:
    class More(Users):
        def delete(self, number: int) -> tuple[str, int]:
            return "", 204

    assert set(More.methods or ()) == {"GET", "PUT", "DELETE"}
    assert Users.methods == ("GET", "PUT")


def test_decorators_of_a_class_are_around_its_function() -> None:
    def loud(view: Callable[..., Any]) -> Callable[..., Any]:
        assert view.__name__ == "about"

        def louder(**values: Any) -> Any:
            return view(**values).upper()

        return louder

    class About(View):
        methods = ("POST",)
        decorators = [loud]

        def dispatch_request(self, **values: Any) -> str:
            return "about"

    app = App()
    app.add_url_rule("/about", view_func=About.as_view("about"))
    assert answer(app, "/about", "POST")[2] == b"ABOUT"
    assert answer(app, "/about")[0].startswith("405")


def test_a_class_without_an_answer_says_what_is_missing() -> None:
    app = App()
    app.testing = True
    app.add_url_rule("/", view_func=View.as_view("index"))
    with pytest.raises(NotImplementedError, match="want a method dispatch_request"):
        answer(app)


# JSON


@dataclass
class Point:
    x: int


class Money:
    def __init__(self, cents: int) -> None:
        self.cents = cents


@pytest.fixture(params=["bare", "with a hook"])
def shop(request: pytest.FixtureRequest) -> App:
    app = App()
    app.testing = True

    def plain(value: object) -> Any:
        if isinstance(value, Money):
            return value.cents
        raise TypeError(f"{value!r} is no money")

    app.json.default = plain
    if request.param == "with a hook":
        app.after_request(lambda response: response)

    app.get("/dict")(lambda: {"price": Money(5)})
    app.add_url_rule("/list", "list", lambda: [Money(5)])
    app.add_url_rule("/tuple", "tuple", lambda: ({"price": Money(5)}, 201))
    app.add_url_rule("/jsonify", "jsonify", lambda: jsonify(price=Money(5)))
    app.add_url_rule("/response", "response", lambda: make_response({"price": Money(5)}, 201))
    app.add_url_rule("/dumps", "dumps", lambda: json.dumps({"price": Money(5)}))
    app.add_url_rule("/error", "error", lambda: {"price": object()})

    @app.get("/raise")
    def raising() -> None:
        raise NotFound

    app.register_error_handler(404, lambda error: ({"price": Money(0)}, 404))
    return app


@pytest.mark.parametrize("path", ["/dict", "/tuple", "/jsonify", "/response", "/dumps"])
def test_the_applications_own_way_to_write_json_holds_everywhere(shop: App, path: str) -> None:
    assert json_of_python.loads(answer(shop, path)[2]) == {"price": 5}


def test_it_holds_in_lists_and_error_handlers_too(shop: App) -> None:
    assert answer(shop, "/list")[2] == b"[5]"
    assert answer(shop, "/raise")[2] == b'{"price":0}'
    with pytest.raises(TypeError, match="is no money"):
        answer(shop, "/error")


def test_json_is_written_and_read_as_by_python() -> None:
    value = {"b": [1, None, "ä"], "a": {"x": True}}
    assert json_of_python.loads(json.dumps(value)) == json.loads(json.dumps(value)) == value
    assert json.dumps(value, indent=2, sort_keys=True) == json_of_python.dumps(
        value, indent=2, sort_keys=True, ensure_ascii=False
    )
    file = io.StringIO()
    json.dump(value, file)
    file.seek(0)
    assert json.load(file) == value


def test_json_has_dates_numbers_and_dataclasses() -> None:
    value = {"d": date(2024, 2, 29), "n": Decimal("1.10"), "u": uuid.UUID(int=1), "p": Point(1)}
    assert json.loads(json.dumps(value)) == {
        "d": "2024-02-29",
        "n": "1.10",
        "u": "00000000-0000-0000-0000-000000000001",
        "p": {"x": 1},
    }


@pytest.mark.parametrize("text", ["{", "", "nan", "[" * 100_000])
def test_what_is_no_json_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="no JSON"):
        json.loads(text)


def test_values_and_names_together_are_refused() -> None:
    with pytest.raises(TypeError, match="not both"):
        jsonify(1, a=2)


# Errors


def test_the_page_of_an_exception_can_be_changed_by_a_handler() -> None:
    app = App()

    @app.errorhandler(HTTPException)
    def handled(error: HTTPException) -> Any:
        response = error.get_response()
        response.data = json.dumps({"code": error.code, "name": error.name})
        response.content_type = "application/json"
        return response

    status, fields, body = answer(app, "/nowhere")
    assert (status, fields["Content-Type"], body) == (
        "404 Not Found",
        "application/json",
        b'{"code":404,"name":"Not Found"}',
    )
    assert NotFound().get_response({"HTTP_ACCEPT": "application/json"}).is_json


# Files


def test_resources_are_beside_the_module_and_are_read_only() -> None:
    app, blueprint = App(__name__), Blueprint("admin", __name__)
    for part in (app, blueprint):
        with part.open_resource("environs.py") as file:
            assert file.read().startswith(b'"""Environs')
        with part.open_resource("environs.py", "r") as file:
            assert file.read().startswith('"""Environs')
        with pytest.raises(ValueError, match="want 'r' or 'rb'"):
            part.open_resource("environs.py", "w")


def test_the_instance_folder_is_where_flask_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import flask

    assert instance_folder_of(__name__) == Path(flask.Flask(__name__).instance_path)
    assert Path(App("pytest").instance_path) == Path(flask.Flask("pytest").instance_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "lonely_module.py").write_text("")
    import lonely_module  # type: ignore[import-not-found]

    assert instance_folder_of("lonely_module") == Path(flask.Flask("lonely_module").instance_path)
    assert lonely_module


def test_settings_are_read_from_the_instance_folder_where_that_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "config.py").write_text("SECRET_KEY = 'from the instance'\n")
    (tmp_path / "config.json").write_text('{"OTHER": 1}')
    app = App(__name__, instance_path=str(tmp_path), instance_relative_config=True)
    app.config.from_pyfile("config.py")
    app.config.from_file("config.json", json_of_python.load, text=True)
    assert (app.config["SECRET_KEY"], app.config["OTHER"]) == ("from the instance", 1)
    with app.open_instance_resource("notes", "w") as file:
        file.write("x")
    with app.open_instance_resource("notes") as file:
        assert file.read() == b"x"
    with pytest.raises(ValueError, match="want an absolute path"):
        App(instance_path="instance")


# Settings


def test_a_setting_of_flask_that_does_nothing_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    app = App()
    app.config["PERMANENT_SESSION_LIFETIME"] = 60
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            answer(app)
    told = [record.getMessage() for record in caplog.records]
    assert told == ["the setting PERMANENT_SESSION_LIFETIME does nothing here: set SESSION_IDLE_S, in seconds"]


def test_each_setting_of_flask_is_known_or_said_to_do_nothing() -> None:
    import flask

    assert set(flask.Flask.default_config) == (set(App().config) | set(OF_FLASK)) & set(flask.Flask.default_config)
    assert not set(OF_FLASK) & set(App().config)


# Blueprints


def test_what_a_blueprint_records_once_is_done_once() -> None:
    blueprint, seen = Blueprint("b", __name__), []
    blueprint.record(lambda app: seen.append("each time"))
    blueprint.record_once(lambda app: seen.append("once"))
    app = App()
    app.register_blueprint(blueprint)
    app.register_blueprint(blueprint, name="again")
    assert seen == ["each time", "once", "each time"]
    assert list(app.iter_blueprints()) == [blueprint, blueprint]


def test_a_blueprint_has_hooks_of_the_applications_urls() -> None:
    blueprint = Blueprint("b", __name__)

    @blueprint.app_url_defaults
    def language(endpoint: str, values: dict[str, Any]) -> None:
        values.setdefault("language", "da")

    @blueprint.app_url_value_preprocessor
    def upper(endpoint: str | None, values: dict[str, Any]) -> None:
        values["language"] = values["language"].upper()

    app = App()

    @app.get("/<language>/")
    def index(language: str) -> str:
        return language

    app.register_blueprint(blueprint)
    assert app.url_for("index") == "/da/"
    assert answer(app, "/da/")[2] == b"DA"


# Sessions


@pytest.fixture
def visited() -> App:
    app = App()
    app.secret_key = "a secret of more than sixteen bytes"
    app.testing = True

    @app.get("/")
    def index() -> dict[str, Any]:
        was = session.new
        session.permanent = True
        session["visits"] = session.get("visits", 0) + 1
        session.modified = True
        return {"visits": session["visits"], "was_new": was, "is": [session.modified, session.permanent]}

    @app.get("/logout")
    def logout() -> str:
        session.clear()
        return "bye"

    @app.get("/short")
    def short() -> str:
        session.permanent = False
        return ""

    return app


def cookie_of(fields: dict[str, str]) -> str:
    return fields["Set-Cookie"].partition(";")[0]


def test_the_attributes_of_flasks_sessions_are_there(visited: App) -> None:
    _, fields, body = answer(visited)
    assert json.loads(body) == {"visits": 1, "was_new": True, "is": [True, True]}
    _, _, body = answer(visited, HTTP_COOKIE=cookie_of(fields))
    assert json.loads(body) == {"visits": 2, "was_new": False, "is": [True, True]}


def test_a_session_that_is_cleared_ends_with_its_cookie(visited: App) -> None:
    cookie = cookie_of(answer(visited)[1])
    assert "Max-Age=0" in answer(visited, "/logout", HTTP_COOKIE=cookie)[1]["Set-Cookie"]


def test_a_session_cannot_be_made_to_end_with_the_browser(visited: App) -> None:
    with pytest.raises(AttributeError, match="lives for SESSION_IDLE_S"):
        answer(visited, "/short")


# Serving


def test_what_is_wrong_with_an_application_is_on_its_page_where_somebody_works_on_it() -> None:
    app = App()
    app.debug = True

    @app.get("/double/<int:number>")
    def double(number: str) -> str:
        return number

    for accepted in ("text/html", "application/json"):
        status, _, body = answer(app, HTTP_ACCEPT=accepted)
        assert status.startswith("500")
        assert "is int by the rule, and str by the annotation" in body.decode()
    app.debug = False
    with pytest.raises(ValueError, match="is int by the rule"):
        app(environ_for(), lambda status, headers, exc_info=None: lambda block: None)


def test_run_serves_at_the_address_that_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    served: list[Any] = []
    monkeypatch.setattr("dragoman.embedded.serve", lambda app, **settings: served.append((app, settings)))
    app = App()
    app.run(debug=True)
    app.run("::1", 9000, threads=2)
    assert served == [(app, {"bind": "127.0.0.1:8000"}), (app, {"bind": "[::1]:9000", "threads": 2})]
    assert app.debug


def test_the_application_that_is_served_is_called_what_its_module_calls_it(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = ModuleType("shop")
    monkeypatch.setitem(sys.modules, "shop", shop)
    shop.site = App("shop")  # type: ignore[attr-defined]
    assert written_name(shop.site) == "shop:site"
    monkeypatch.setattr(sys.modules["__main__"], "own", App("elsewhere"), raising=False)
    assert written_name(sys.modules["__main__"].own) == "__main__:own"  # type: ignore[attr-defined]
    assert written_name(App("factory")) == "App('factory')"
    assert written_name(RequestId(App("factory"))) == f"{RequestId.__module__}:RequestId"
    assert written_name(served_function) == f"{__name__}:served_function"


def served_function(environ: Any, start_response: Any) -> list[bytes]:
    raise NotImplementedError


def test_the_application_in_hand_has_its_attributes_and_methods() -> None:
    app = App(__name__)

    @app.get("/")
    def index() -> str:
        with current_app.open_resource("environs.py") as file:
            return f"{current_app.name} {request.path} {len(file.read()) > 0}"

    assert answer(app)[2].decode() == f"{__name__} / True"


def test_the_rule_of_a_request_is_a_text_and_has_the_attributes_that_monitoring_asks_for() -> None:
    app = App(__name__)
    app.get("/user/<int:id>", endpoint="user")(lambda id: "text")
    with app.test_request_context("/user/7"):
        found = request.url_rule
        assert found == "/user/<int:id>"
        assert (found.rule, found.endpoint, type(found.rule)) == ("/user/<int:id>", "user", str)
    with app.test_request_context("/nowhere"):
        assert request.url_rule is None
