"""The first request decides: once, for all threads, wholly or not at all; afterwards nothing is taken."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from dragoman.middleware import RequestId
from dragoman.web import App, Blueprint
from dragoman.web.rules import RuleError
from tests.middleware.kit import ask

DEADLINE_S = 30


def asked_by_many(app: Any, count: int = 50, target: str = "/") -> list[Any]:
    """What `count` threads get that ask at once: statuses, or what was raised."""
    barrier = threading.Barrier(count)
    seen: list[Any] = []

    def asks() -> None:
        barrier.wait(DEADLINE_S)
        try:
            seen.append(ask(app, "GET", target).status)
        except Exception as error:
            seen.append(error)

    threads = [threading.Thread(target=asks) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    assert len(seen) == count
    return seen


def test_fifty_threads_at_once_freeze_an_application_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import dragoman.web.app as module

    frozen: list[App] = []
    original = module.compiled
    monkeypatch.setattr(module, "compiled", lambda app: frozen.append(app) or original(app))
    app = App(__name__)
    app.add_url_rule("/", "here", lambda: "text")
    assert asked_by_many(app) == [200] * 50
    assert frozen == [app]


def test_a_fault_of_the_rules_is_told_to_each_request_and_nothing_is_half_frozen() -> None:
    app = App(__name__)
    app.add_url_rule("/", "here", lambda: "text")
    app.add_url_rule("/<nosuch:x>", "bad", lambda x: x)
    errors = asked_by_many(app)
    assert {type(error) for error in errors} == {RuleError}
    assert len({str(error) for error in errors}) == 1
    assert not app.is_frozen
    # What was wrong can still be mended.
    app.converters["nosuch"] = app.converters["int"]
    assert asked_by_many(app) == [200] * 50


@pytest.mark.parametrize("wraps", ["wsgi_app", "outside", "nothing"])
def test_layers_stay_around_an_application_through_its_first_request(wraps: str) -> None:
    app = App(__name__)
    app.add_url_rule("/", "here", lambda: "text")
    application: Any = app
    if wraps == "wsgi_app":
        app.wsgi_app = RequestId(app.wsgi_app)
        app.wsgi_app = RequestId(app.wsgi_app, header="X-Other")
    if wraps == "outside":
        application = RequestId(app)
    for _ in range(3):
        answer = ask(application)
        assert answer.text == "text"
        assert (answer.value("X-Request-ID") is not None) is (wraps != "nothing")
        assert (answer.value("X-Other") is not None) is (wraps == "wsgi_app")


def test_a_layer_may_be_put_around_after_the_first_request() -> None:
    app = App(__name__)
    app.add_url_rule("/", "here", lambda: "text")
    ask(app)
    app.wsgi_app = RequestId(app.wsgi_app)
    assert ask(app).value("X-Request-ID") is not None


def test_after_the_first_request_nothing_is_registered_in_any_part() -> None:
    app, outer, inner = App(__name__), Blueprint("outer"), Blueprint("inner", url_prefix="/i")
    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    app.add_url_rule("/", "here", lambda: "text")
    ask(app)
    for part in (app, outer, inner):
        for use in (
            lambda part=part: part.get("/x")(lambda: ""),
            lambda part=part: part.before_request(lambda: None),
            lambda part=part: part.after_request(lambda response: response),
            lambda part=part: part.teardown_request(lambda error: None),
            lambda part=part: part.url_value_preprocessor(lambda endpoint, values: None),
            lambda part=part: part.url_defaults(lambda endpoint, values: None),
            lambda part=part: part.context_processor(lambda: {}),
            lambda part=part: part.errorhandler(404)(lambda error: ""),
            lambda part=part: part.mount("/m", lambda environ, start_response: []),
            lambda part=part: part.register_blueprint(Blueprint("late")),
        ):
            with pytest.raises(RuntimeError, match="has answered its first request, and takes no more rules, hooks"):
                use()
    for part in (outer, inner):
        for use in (
            lambda part=part: part.before_app_request(lambda: None),
            lambda part=part: part.app_errorhandler(404)(lambda error: ""),
            lambda part=part: part.record(lambda app: None),
        ):
            with pytest.raises(RuntimeError):
                use()


def test_hooks_that_are_none_are_told_at_once() -> None:
    app = App(__name__)
    for name in ("before_request", "after_request", "teardown_request", "url_defaults", "context_processor"):
        with pytest.raises(TypeError, match=f"{name}: want a function"):
            getattr(app, name)(None)


def test_one_blueprint_may_be_in_two_applications() -> None:
    blueprint = Blueprint("bp")
    blueprint.get("/")(lambda: "text")
    one, other = App("one"), App("other")
    one.register_blueprint(blueprint)
    other.register_blueprint(blueprint, url_prefix="/x")
    assert ask(one).text == ask(other, "GET", "/x/").text == "text"


def test_routes_tell_what_there_is_in_order() -> None:
    app = App(__name__)
    view = lambda **values: ""  # noqa: E731
    app.add_url_rule("/b", "b", view, methods=["post", "GET"])
    app.add_url_rule("/a/<int:n>", "a", view)
    assert app.routes() == [
        {"rule": "/b", "endpoint": "b", "methods": ["POST", "GET"], "view": view},
        {"rule": "/a/<int:n>", "endpoint": "a", "methods": ["GET"], "view": view},
    ]


def test_a_converter_that_comes_after_the_first_request_is_refused_and_not_ignored() -> None:
    app = App(__name__)
    app.add_url_rule("/", "here", lambda: "text")
    app.converters["ref"] = app.converters["int"]
    assert ask(app).status == 200
    late: list[Callable[[], object]] = [
        lambda: app.converters.__setitem__("late", app.converters["int"]),
        lambda: app.converters.update(late=app.converters["int"]),
        lambda: app.converters.setdefault("late", app.converters["int"]),
        lambda: app.converters.pop("ref"),
    ]
    for change in late:
        with pytest.raises(RuntimeError, match=r"^converters: .* has answered its first request"):
            change()
    assert "late" not in app.converters
