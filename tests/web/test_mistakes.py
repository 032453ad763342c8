"""What beginners get wrong: each mistake is told at once, with its place and with what would be right."""

from __future__ import annotations

import copy
import functools
import io
import pickle
import re
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import flask
import pytest

from dragoman.web import (
    App,
    Blueprint,
    Request,
    Response,
    after_this_request,
    current_app,
    g,
    request,
    session,
    url_for,
)
from dragoman.web.calls import HandlerError

ONE_TOO_MANY = ["before_request", "context_processor"]
ONE_TOO_FEW = ["after_request", "teardown_request", "teardown_appcontext", "url_value_preprocessor", "url_defaults"]


def refused(app: App) -> str:
    with pytest.raises(HandlerError) as caught:
        app.freeze()
    return str(caught.value)


@pytest.mark.parametrize("decorator", ONE_TOO_MANY)
def test_a_hook_with_a_parameter_that_nothing_gives_is_refused_at_the_start(decorator: str) -> None:
    app = App(__name__)

    def load_user(request: object) -> None: ...

    getattr(app, decorator)(load_user)
    told = refused(app)
    assert re.search(r"load_user \(.*test_mistakes\.py:\d+\): ", told)
    assert f"{decorator} calls it with nothing, and it takes (request" in told
    assert told.endswith("want def load_user()")


@pytest.mark.parametrize("decorator", ONE_TOO_FEW)
def test_a_hook_without_the_parameter_that_it_gets_is_refused_at_the_start(decorator: str) -> None:
    app = App(__name__)

    def hook() -> Any: ...

    getattr(app, decorator)(hook)
    assert f"{decorator} calls it with " in refused(app)


@pytest.mark.parametrize("part", ["app", "blueprint"])
def test_an_error_handler_without_parameter_is_refused_before_there_is_an_error(part: str) -> None:
    app, blueprint = App(__name__), Blueprint("b", __name__)

    def not_found() -> str:
        return "nothing"

    {"app": app, "blueprint": blueprint}[part].register_error_handler(404, not_found)  # type: ignore[arg-type]
    app.register_blueprint(blueprint)
    assert refused(app).endswith("want def not_found(error)")


def with_request(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        return function("request", *args)

    return wrapper


def test_hooks_whose_decorator_gives_them_more_are_taken() -> None:
    app = App(__name__)

    @with_request
    def before(request: str) -> None: ...

    app.before_request(before)
    app.after_request(lambda *responses: responses[0])
    app.teardown_request(functools.partial(print, end=""))
    app.context_processor(dict)
    app.errorhandler(404)(lambda error, extra=None: str(error))
    app.freeze()


@pytest.mark.parametrize("decorator", ["get", "post", "route"])
def test_a_decorator_of_rules_without_parentheses_is_refused(decorator: str) -> None:
    def index() -> str:
        return "text"

    with pytest.raises(TypeError, match=r"got index itself: .*@app\.route\('/path'\)"):
        getattr(App(__name__), decorator)(index)


def test_errorhandler_without_parentheses_is_refused() -> None:
    def failed(error: object) -> str:
        return "text"

    with pytest.raises(TypeError, match=r"got failed itself: .*@app\.errorhandler\(404\)"):
        App(__name__).errorhandler(failed)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="got failed itself"):
        Blueprint("b", __name__).app_errorhandler(failed)  # type: ignore[arg-type]


def test_a_module_in_the_place_of_its_blueprint_is_refused_with_the_name() -> None:
    module = ModuleType("shop.users")
    module.bp = Blueprint("users", __name__)  # type: ignore[attr-defined]
    for part in (App(__name__), Blueprint("outer", __name__)):
        with pytest.raises(TypeError, match=r"want a Blueprint, got the module shop\.users; did you mean its bp\?"):
            part.register_blueprint(module)  # type: ignore[arg-type]


def test_a_blueprint_of_flask_is_told_by_where_it_comes_from() -> None:
    flasks: Any = flask.Blueprint("users", __name__)
    with pytest.raises(TypeError, match=r"got <Blueprint 'users'> of flask\.blueprints: .*from dragoman\.web"):
        App(__name__).register_blueprint(flasks)


@pytest.mark.parametrize("name", ["copy", "pop", "setdefault", "update"])
def test_what_would_change_a_query_says_how_to_have_a_dict_of_ones_own(name: str) -> None:
    with App(__name__).test_request_context("/?a=1"):
        with pytest.raises(AttributeError, match=rf"MultiDict has no {name!r}, as werkzeug's has: .*to_dict\(\)"):
            getattr(request.args, name)
        with pytest.raises(AttributeError, match="has no attribute 'colour'"):
            _ = request.args.colour  # type: ignore[attr-defined]
        assert copy.deepcopy(pickle.loads(pickle.dumps(request.args))) == request.args


def test_where_flask_says_strict_slashes_the_setting_is_named() -> None:
    with pytest.raises(AttributeError, match="STRICT_SLASHES"):
        App(__name__).url_map.strict_slashes = False


@pytest.mark.parametrize(
    "name", ["json_provider_class", "session_interface", "permanent_session_lifetime", "response_class"]
)
def test_an_attribute_that_flask_looks_at_is_not_set_in_vain(name: str) -> None:
    with pytest.raises(AttributeError, match=f"App takes no {name!r}, as Flask does: "):
        setattr(App(__name__), name, object())


@pytest.mark.parametrize("name", ["dispatch_request", "json_provider_class", "response_class", "url_map_class"])
def test_a_derived_class_overrides_nothing_in_vain(name: str) -> None:
    with pytest.raises(TypeError, match=rf"Site\.{name}: nothing asks for it, as Flask does: "):
        type("Site", (App,), {name: None})


def test_a_derived_class_has_what_it_likes_of_its_own() -> None:
    class Site(App):
        def make_response(self) -> str:
            return "its own"

    app = Site(__name__)
    app.storage = "x"  # type: ignore[attr-defined]
    assert (app.make_response(), app.storage) == ("its own", "x")  # type: ignore[attr-defined]


def test_json_is_not_told_in_vain_how_to_be_written() -> None:
    app = App(__name__)
    app.json.sort_keys = app.json.ensure_ascii = False
    app.json.compact = True
    with pytest.raises(AttributeError, match=r"app\.json\.sort_keys = True: JSON is written with False: .*dumps"):
        app.json.sort_keys = True
    with pytest.raises(AttributeError, match=r"app\.json\.compact = False: .*indent=2"):
        app.json.compact = False


def test_an_attribute_of_flasks_application_says_what_there_is_instead() -> None:
    app = App(__name__)
    with app.app_context():
        for holder in (app, current_app):
            with pytest.raises(
                AttributeError, match=r"App has no 'url_map', as Flask has: .*app\.converters\['name'\]"
            ):
                holder.url_map  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(AttributeError, match=r"^'App' object has no attribute 'shop'$"):
        app.shop  # type: ignore[attr-defined]  # noqa: B018
    assert not hasattr(app, "url_map")


def test_an_attribute_that_a_request_does_not_have_is_for_g() -> None:
    with App(__name__).test_request_context():
        with pytest.raises(AttributeError, match=r"request\.user = …: .* write g\.user, "):
            request.user = "Ann"  # type: ignore[attr-defined]
        with pytest.raises(AttributeError, match=r"^g\.user: .*g\.get\('user'\) is None"):
            g.user  # noqa: B018
        assert g.get("user") is None


class OwnRequest(Request):
    """As an application derives it."""

    tenant = "none"

    @property
    def shop(self) -> str:
        return self.host.partition(".")[0]


def test_the_global_request_has_what_a_class_of_the_application_adds() -> None:
    app = App(__name__)
    app.request_class = OwnRequest
    with app.test_request_context(headers={"Host": "books.example"}):
        assert request.shop == "books"  # type: ignore[attr-defined]
        request.tenant = "Ann"  # type: ignore[attr-defined]
        assert request.tenant == "Ann"  # type: ignore[attr-defined]


def test_a_generator_that_comes_too_late_for_the_head_is_told_how_to_come_earlier() -> None:
    app = App(__name__)
    app.secret_key, app.testing = "0123456789abcdef", True

    @app.get("/session")
    def of_session() -> Iterator[str]:
        session["user"] = "Ann"
        yield "text"

    @app.get("/cookie")
    def of_cookie() -> Iterator[str]:
        after_this_request(lambda response: response)
        yield "text"

    for path in ("/session", "/cookie"):
        with pytest.raises(RuntimeError, match=r"(?i)a handler that is a generator runs after that"):
            app.test_client().get(path)


def test_outside_of_a_request_the_context_that_is_enough_is_named() -> None:
    for use in (lambda: g.user, lambda: current_app.config, lambda: url_for("index")):
        with pytest.raises(RuntimeError, match=r"write with app\.app_context\(\):"):
            use()
    for use in (lambda: request.args, lambda: session["user"]):
        with pytest.raises(RuntimeError, match=r"write with app\.test_request_context\(\):"):
            use()


def test_the_value_of_a_cookie_that_is_no_text_is_told_by_its_name() -> None:
    with pytest.raises(TypeError, match=r"^cookie visits: want a text as its value, got int$"):
        Response("text").set_cookie("visits", 1)  # type: ignore[arg-type]


def test_an_extension_of_flask_is_told_when_the_application_is_started(caplog: pytest.LogCaptureFixture) -> None:
    app = App(__name__)
    app.extensions["sqlalchemy"] = type("SQLAlchemy", (), {"__module__": "flask_sqlalchemy.extension"})()
    app.extensions["moment"] = type("moment", (), {"__module__": "flask_moment"})
    app.extensions["own"] = object()
    app.freeze()
    assert [record.getMessage().partition(",")[0] for record in caplog.records] == [
        "app.extensions['sqlalchemy'] is of flask_sqlalchemy",
        "app.extensions['moment'] is of flask_moment",
    ]
    assert "docs/web/extensions.md" in caplog.text


@pytest.mark.parametrize("name", ["headers", "mimetype_params"])
def test_what_is_not_kept_of_an_uploaded_file_is_told(name: str) -> None:
    sent = {"file": (io.BytesIO(b"text"), "a.txt", "text/plain")}
    with App(__name__).test_request_context(method="POST", data=sent):
        with pytest.raises(AttributeError, match=rf"has no {name!r}, as werkzeug's FileStorage has: .*content_type"):
            getattr(request.files["file"], name)


@pytest.mark.parametrize("verb", ["get", "post", "put", "patch", "delete"])
def test_the_decorator_of_one_method_takes_no_others_and_says_which_does(verb: str) -> None:
    for part in (App(__name__), Blueprint("b", __name__)):
        with pytest.raises(TypeError, match=rf"^{verb}\('/x', methods=…\): .* want route\(…, methods=…\)$"):
            getattr(part, verb)("/x", methods=["GET", "POST"])


@pytest.mark.parametrize(
    ("methods", "told"),
    [
        (["GET POST"], r"'GET POST' is no method: want a token"),
        (["GET", ""], r"'' is no method"),
        (["GÉT"], r"'GÉT' is no method"),
        (["GET\r\n"], r"is no method"),
        ([b"GET"], r"b'GET' is no text: want a list such as \['GET'\]"),
        ([], r"methods=\[\]: want one at least; without methods=… it is GET"),
        ("GET", r"methods='GET': want a list: \['GET'\]"),
    ],
)
def test_methods_that_are_none_are_refused_where_the_rule_is(methods: Any, told: str) -> None:
    for part in (App(__name__), Blueprint("b", __name__)):
        with pytest.raises((TypeError, ValueError), match=f"^rule '/x': .*{told}"):
            part.route("/x", methods=methods)(lambda: "text")


def test_methods_are_those_of_any_iterable_in_capitals_each_once() -> None:
    app = App(__name__)
    app.route("/x", endpoint="x", methods=(one for one in ("get", "GET", "m-search")))(lambda: "text")
    assert [rule["methods"] for rule in app.routes()] == [["GET", "M-SEARCH"]]


def test_what_is_no_class_of_converters_is_refused_where_it_is_set() -> None:
    for kind in (str, "int", object()):
        with pytest.raises(TypeError, match=r"^converters\['ref'\]: want a subclass of dragoman\.web\.converters\."):
            App(__name__).converters["ref"] = kind  # type: ignore[assignment]


@pytest.mark.parametrize("part", ["app", "blueprint"])
def test_a_hook_that_url_for_calls_and_cannot_await_is_refused_at_the_start(part: str) -> None:
    app, blueprint = App(__name__), Blueprint("b", __name__)

    async def defaults(endpoint: str, values: dict[str, Any]) -> None: ...

    {"app": app, "blueprint": blueprint}[part].url_defaults(defaults)  # type: ignore[arg-type]
    app.register_blueprint(blueprint)
    assert re.search(r"defaults \(.*:\d+\): url_for calls it, and awaits nothing: want def", refused(app))
