"""Blueprints: prefixes, names, hooks and handlers of their own, in each other."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.web import App, Blueprint, BuildError, abort, request, url_for
from tests.middleware.kit import ask


def where() -> dict[str, Any]:
    return {"endpoint": request.endpoint, "blueprint": request.blueprint, "blueprints": request.blueprints}


def test_rules_are_below_the_prefix_and_endpoints_behind_the_name() -> None:
    app, outer, inner = App(__name__), Blueprint("outer", url_prefix="/o"), Blueprint("inner", url_prefix="/<int:n>")
    inner.get("/x", endpoint="x")(lambda n: where())
    inner.get("", endpoint="root")(lambda n: where())
    outer.get("/", endpoint="index")(where)
    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    assert ask(app, "GET", "/o/").text == '{"endpoint":"outer.index","blueprint":"outer","blueprints":["outer"]}'
    assert ask(app, "GET", "/o/5/x").text == (
        '{"endpoint":"outer.inner.x","blueprint":"outer.inner","blueprints":["outer.inner","outer"]}'
    )
    assert ask(app, "GET", "/o/5").status == 200
    assert app.url_for("outer.inner.x", n=5) == "/o/5/x"


def test_relative_endpoints_are_those_of_the_blueprint_in_hand() -> None:
    app, one, other = App(__name__), Blueprint("one", url_prefix="/one"), Blueprint("other", url_prefix="/other")
    for blueprint in (one, other):
        blueprint.get("/", endpoint="index")(lambda: url_for(".index") + url_for("index") + url_for("one.index"))
    app.get("/", endpoint="index")(lambda: url_for(".index"))
    app.register_blueprint(one)
    app.register_blueprint(other)
    assert ask(app, "GET", "/other/").text == "/other///one/"
    assert ask(app, "GET", "/").text == "/"


def test_a_blueprint_may_be_put_in_twice_under_two_names() -> None:
    app, blueprint = App(__name__), Blueprint("bp", url_prefix="/a")
    blueprint.get("/", endpoint="index")(lambda: url_for(".index"))
    blueprint.register_error_handler(404, lambda error: ("handled", 404))
    blueprint.get("/abort", endpoint="abort")(lambda: abort(404))
    app.register_blueprint(blueprint)
    app.register_blueprint(blueprint, url_prefix="/b", name="second")
    with pytest.raises(ValueError, match="there is a blueprint 'bp' already; give this one a name"):
        app.register_blueprint(blueprint)
    assert ask(app, "GET", "/a/").text == "/a/"
    assert ask(app, "GET", "/b/").text == "/b/"
    assert ask(app, "GET", "/b/abort").text == "handled"


def test_two_blueprints_of_one_name_within_another_are_refused() -> None:
    outer = Blueprint("outer")
    outer.register_blueprint(Blueprint("same"))
    with pytest.raises(ValueError, match="there is a blueprint 'same' already"):
        outer.register_blueprint(Blueprint("same"))
    outer.register_blueprint(Blueprint("same"), name="other")


def test_a_blueprint_is_in_no_circle() -> None:
    one, other, third = Blueprint("one"), Blueprint("other"), Blueprint("third")
    one.register_blueprint(other)
    other.register_blueprint(third)
    for blueprint in (one, other, third):
        with pytest.raises(ValueError, match="cannot be put into itself"):
            third.register_blueprint(blueprint)


@pytest.mark.parametrize("name", ["", "a.b"])
def test_a_name_has_no_points(name: str) -> None:
    with pytest.raises(ValueError, match="want a name without points"):
        Blueprint(name)
    with pytest.raises(ValueError, match="want a name without points"):
        App(__name__).register_blueprint(Blueprint("x"), name=name or "a.b")


@pytest.mark.parametrize("prefix", ["admin", "/admin/", "/"])
def test_a_prefix_begins_with_a_slash_and_does_not_end_with_one(prefix: str) -> None:
    with pytest.raises(ValueError, match="want a slash at its beginning and none at its end"):
        Blueprint("x", url_prefix=prefix)
    with pytest.raises(ValueError, match="want a slash at its beginning and none at its end"):
        App(__name__).register_blueprint(Blueprint("x"), url_prefix=prefix)


def test_what_is_for_the_application_is_from_wherever_it_is_asked() -> None:
    calls: list[str] = []
    app, outer, inner = App(__name__), Blueprint("outer"), Blueprint("inner")
    for name, blueprint in (("outer", outer), ("inner", inner)):
        blueprint.before_app_request(lambda name=name: calls.append(f"before {name}"))
        blueprint.after_app_request(lambda response, name=name: calls.append(f"after {name}") or response)
        blueprint.teardown_app_request(lambda error, name=name: calls.append(f"teardown {name}"))
        blueprint.record(lambda app, name=name: calls.append(f"record {name} {app.name}"))
    inner.app_errorhandler(404)(lambda error: ("handled", 404))
    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    assert calls == [f"record outer {app.name}", f"record inner {app.name}"]
    calls.clear()
    assert ask(app, "GET", "/nope").text == "handled"
    assert calls == ["before outer", "before inner", "after inner", "after outer", "teardown inner", "teardown outer"]


def test_urls_of_the_application_are_filled_and_read_by_its_blueprint_too() -> None:
    app, blueprint = App(__name__), Blueprint("bp")

    @blueprint.app_url_value_preprocessor
    def pull(endpoint: str | None, values: dict[str, Any]) -> None:
        request.g.language = values.pop("lang", "en")

    @blueprint.app_url_defaults
    def push(endpoint: str, values: dict[str, Any]) -> None:
        values.setdefault("lang", request.g.language)

    app.register_blueprint(blueprint)
    app.get("/<lang>/here", endpoint="here")(lambda: url_for("here"))
    assert ask(app, "GET", "/de/here").text == "/de/here"


def test_what_comes_too_late_for_the_application_is_told() -> None:
    app, blueprint = App(__name__), Blueprint("bp")
    app.register_blueprint(blueprint)
    for use in (
        lambda: blueprint.before_app_request(lambda: None),
        lambda: blueprint.app_errorhandler(404)(lambda error: ""),
        lambda: blueprint.record(lambda app: None),
        lambda: blueprint.register_blueprint(Blueprint("inner")),
    ):
        with pytest.raises(RuntimeError, match="'bp' has been put into an application already"):
            use()
    # Rules and hooks of its own it takes up to the first request.
    blueprint.get("/")(lambda: "text")
    assert ask(app).text == "text"


def test_a_mount_of_a_blueprint_is_below_its_prefix() -> None:
    def inner(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [environ["SCRIPT_NAME"].encode()]

    app, blueprint = App(__name__), Blueprint("bp", url_prefix="/p")
    blueprint.mount("/m", inner)
    app.register_blueprint(blueprint)
    assert ask(app, "GET", "/p/m/x").text == "/p/m"


def test_defaults_of_urls_are_those_of_the_endpoints_blueprints() -> None:
    app, one, other = App(__name__), Blueprint("one", url_prefix="/one"), Blueprint("other", url_prefix="/other")
    for blueprint in (one, other):
        blueprint.get("/<int:n>", endpoint="n")(lambda n: f"{n}")
    one.url_defaults(lambda endpoint, values: values.setdefault("n", 1))
    app.register_blueprint(one)
    app.register_blueprint(other)
    assert app.url_for("one.n") == "/one/1"
    with pytest.raises(BuildError):
        app.url_for("other.n")


def test_an_inner_name_that_begins_as_another_is_not_its_blueprint() -> None:
    app = App(__name__)
    for name in ("ad", "admin"):
        blueprint = Blueprint(name, url_prefix=f"/{name}")
        blueprint.get("/", endpoint="index")(lambda: request.blueprint or "")
        blueprint.url_defaults(lambda endpoint, values, name=name: values.update(by=name))
        app.register_blueprint(blueprint)
    assert app.url_for("admin.index") == "/admin/?by=admin"
    assert ask(app, "GET", "/admin/").text == "admin"


def test_what_a_blueprint_asks_of_the_application_is_done_once_though_it_is_put_in_twice() -> None:
    calls: list[str] = []
    inner, outer = Blueprint("inner"), Blueprint("outer")
    inner.before_app_request(lambda: calls.append("before"))
    inner.teardown_app_request(lambda error: calls.append("teardown"))
    inner.record_once(lambda app: calls.append("once"))
    inner.record(lambda app: calls.append("each time"))
    inner.before_request(lambda: calls.append("own"))
    inner.get("/")(lambda: "text")
    outer.register_blueprint(inner)

    def made() -> App:
        app = App(__name__)
        app.register_blueprint(outer, url_prefix="/one")
        app.register_blueprint(outer, url_prefix="/two", name="again")
        return app

    # An application that a test makes anew is another one.
    for _ in range(2):
        app = made()
        assert calls == ["once", "each time", "each time"]
        calls.clear()
        for path in ("/one/", "/two/"):
            assert ask(app, "GET", path).text == "text"
            assert calls == ["before", "own", "teardown"]
            calls.clear()
