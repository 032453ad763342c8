"""Contexts that are entered by hand, and what is done with that of the request in hand."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dragoman.web import (
    App,
    Blueprint,
    BuildError,
    Response,
    abort,
    after_this_request,
    copy_current_request_context,
    current_app,
    g,
    has_app_context,
    has_request_context,
    request,
    session,
    stream_with_context,
    url_for,
)
from tests.middleware.kit import ask


@pytest.fixture
def app() -> App:
    app = App(__name__)
    app.secret_key = "0123456789abcdef"
    app.add_url_rule("/user/<int:id>", "user", lambda id: f"{id}")
    return app


def test_in_the_context_of_an_application_there_are_the_application_and_a_room(app: App) -> None:
    assert not has_app_context()
    with app.app_context() as context:
        assert has_app_context() and not has_request_context()
        assert current_app.name == app.name and current_app._get_current_object() is app
        g.value = 1
        assert context.g.value == 1 and "value" in g
        with app.app_context():
            assert "value" not in g
        assert g.value == 1
    assert not has_app_context()
    with app.app_context():
        assert "value" not in g


@pytest.mark.parametrize(
    "use",
    [
        lambda: request.path,
        lambda: request.method,
        lambda: request.args,
        lambda: request.headers["Accept"],
        lambda: request.cookies,
        lambda: session["a"],
        lambda: after_this_request(lambda response: None),
        lambda: copy_current_request_context(lambda: None),
    ],
)
def test_there_is_no_request_in_it_and_that_is_told(app: App, use: Callable[[], Any]) -> None:
    with app.app_context(), pytest.raises(RuntimeError, match="there is an application"):
        use()


def test_entering_it_leaves_the_application_open_for_rules(app: App) -> None:
    with app.app_context():
        app.add_url_rule("/late", "late", lambda: "")
    assert ask(app, target="/late").status == 200


def test_urls_in_it_are_made_by_the_settings(app: App) -> None:
    with app.app_context():
        assert url_for("user", id=7) == "/user/7"
        with pytest.raises(BuildError, match="set SERVER_NAME"):
            url_for("user", id=7, _external=True)
        app.config.update(SERVER_NAME="shop.example", APPLICATION_ROOT="/shop")
        assert url_for("user", id=7, _external=True) == "https://shop.example/shop/user/7"


def test_at_its_end_teardown_functions_are_called_the_last_one_first(app: App) -> None:
    ended: list[Any] = []
    app.teardown_appcontext(lambda error: ended.append(("first", error)))
    app.teardown_appcontext(lambda error: ended.append(("second", error)))
    app.teardown_request(lambda error: ended.append("request"))
    with app.app_context():
        assert ended == []
    assert ended == [("second", None), ("first", None)]
    ended.clear()
    fault = ValueError()
    with pytest.raises(ValueError), app.app_context():
        raise fault
    assert ended == [("second", fault), ("first", fault)]


def test_they_are_called_at_the_end_of_each_request_too_after_those_of_the_request(app: App) -> None:
    ended: list[str] = []
    app.teardown_appcontext(lambda error: ended.append("app"))
    app.teardown_appcontext(lambda error: ended.append("app, later"))
    app.teardown_request(lambda error: ended.append("request"))
    part = Blueprint("part")
    part.teardown_request(lambda error: ended.append("part"))
    part.add_url_rule("/part", "part", lambda: "")
    app.register_blueprint(part)
    for target in ("/user/7", "/none", "/part"):
        ended.clear()
        ask(app, target=target)
        assert ended == ["part"] * (target == "/part") + ["request", "app, later", "app"]


def test_within_a_request_it_keeps_the_request_and_has_a_room_of_its_own(app: App) -> None:
    ended: list[Any] = []
    app.teardown_appcontext(lambda error: ended.append(g.get("value")))
    with app.test_request_context("/page"):
        g.value = "outer"
        with app.app_context():
            assert request.path == "/page" and "value" not in g
            g.value = "inner"
            session["a"] = 1
        assert g.value == "outer" and session["a"] == 1
        assert ended == ["inner"]
    assert ended == ["inner", "outer"]


def test_of_another_application_it_has_no_request(app: App) -> None:
    with app.test_request_context("/page"), App("other").app_context():
        assert current_app.name == "other" and not has_request_context()


def test_a_request_that_nobody_has_sent_is_in_hand(app: App) -> None:
    with app.test_request_context("/user/7?a=1", method="POST", data={"b": "2"}, headers={"X-Field": "c"}) as context:
        assert has_request_context() and has_app_context()
        assert (request.path, request.args["a"], request.form["b"]) == ("/user/7", "1", "2")
        assert request.headers["X-Field"] == "c"
        assert request.endpoint is None
        assert context.request.app is app and context.g is context.request.g
        assert context.session is context.request.session
    with app.test_request_context("/user/7", json={"a": 1}):
        assert (request.endpoint, request.view_args, request.json) == ("user", {"id": 7}, {"a": 1})


def test_it_has_no_handler_where_the_path_has_none(app: App) -> None:
    with app.test_request_context("/none"):
        assert (request.endpoint, request.blueprint, request.url_rule) == (None, None, None)
        assert url_for("user", id=1) == "/user/1"


def test_it_is_where_the_settings_say_the_application_is(app: App) -> None:
    app.config.update(SERVER_NAME="shop.example", APPLICATION_ROOT="/shop")
    with app.test_request_context("/user/7"):
        assert request.url == "http://shop.example/shop/user/7"
        assert url_for("user", id=8) == "/shop/user/8"


def test_it_may_be_of_an_environ(app: App) -> None:
    with app.test_request_context("/user/7") as first, app.request_context(first.request.environ):
        assert request.view_args == {"id": 7}


def test_hooks_that_come_before_are_called_when_one_says_so(app: App) -> None:
    called: list[Any] = []
    app.url_value_preprocessor(lambda endpoint, values: values.update(id=values["id"] + 1))
    app.before_request(lambda: called.append(request.view_args))
    with app.test_request_context("/user/7"):
        assert called == []
        assert app.preprocess_request() is None
        assert called == [{"id": 8}]


def test_the_answer_of_such_a_hook_is_given(app: App) -> None:
    app.before_request(lambda: "stop")
    with app.test_request_context("/user/7"):
        assert app.preprocess_request() == "stop"


def test_it_may_be_entered_and_left_by_two_calls(app: App) -> None:
    ended: list[Any] = []
    app.teardown_request(ended.append)
    context = app.test_request_context()
    context.push()
    context.push()
    context.pop()
    assert has_request_context() and ended == []
    context.pop()
    assert not has_request_context() and ended == [None]
    with pytest.raises(RuntimeError, match="was not entered"):
        context.pop()


def test_a_teardown_function_that_fails_does_not_keep_the_context(app: App) -> None:
    @app.teardown_appcontext
    def failing(error: BaseException | None) -> None:
        raise ValueError

    with pytest.raises(ValueError), app.app_context():
        pass
    assert not has_app_context()


def test_coroutines_are_teardown_functions_too(app: App) -> None:
    ended: list[int] = []

    @app.teardown_appcontext
    async def ending(error: BaseException | None) -> None:
        ended.append(1)

    with app.app_context():
        pass
    with app.test_request_context():
        pass
    ask(app, target="/user/7")
    assert ended == [1, 1, 1]


def test_after_this_request_changes_the_answer_to_this_one_alone(app: App) -> None:
    @app.get("/marked")
    def marked() -> str:
        @after_this_request
        def mark(response: Response) -> Response:
            response.headers["X-Mark"] = "first"
            return response

        @after_this_request
        def without_a_result(response: Response) -> None:
            response.headers["X-Mark"] += " second"

        if request.args:
            abort(418)
        return "text"

    @app.after_request
    def see(response: Response) -> Response:
        response.headers["X-Hook"] = response.headers.get("X-Mark", "none")
        return response

    assert ask(app, target="/marked").value("X-Hook") == "first second"
    assert ask(app, target="/marked?fail=1").value("X-Hook") == "first second"
    assert ask(app, target="/user/7").value("X-Hook") == "none"


def test_a_thread_of_ones_own_has_the_request_in_hand_with_its_own_room(app: App) -> None:
    ended: list[Any] = []
    seen: list[Any] = []
    app.teardown_appcontext(lambda error: ended.append((threading.current_thread().name, g.get("value"))))

    @app.get("/work")
    def work() -> str:
        g.value = "of the handler"

        @copy_current_request_context
        def in_thread(number: int) -> str:
            """Its text."""
            seen.append((request.path, session.get("a"), "value" in g, current_app.name, number))
            g.value = "of the thread"
            return "done"

        session["a"] = 1
        assert in_thread.__doc__ == "Its text."
        for number in range(2):
            thread = threading.Thread(target=in_thread, args=(number,), name=f"thread {number}")
            thread.start()
            thread.join(30)
        assert in_thread(3) == "done"
        return str(g.value)

    assert ask(app, target="/work").text == "of the handler"
    assert seen == [("/work", 1, False, app.name, number) for number in (0, 1, 3)]
    here = threading.current_thread().name
    assert ended == [
        ("thread 0", "of the thread"),
        ("thread 1", "of the thread"),
        (here, "of the thread"),
        (here, "of the handler"),
    ]


def test_streams_see_the_request_in_hand_with_stream_with_context_and_without(app: App) -> None:
    def blocks() -> Iterator[str]:
        yield request.path
        yield g.value

    def streamed(wrap: Callable[[Any], Any]) -> Any:
        def view() -> Any:
            g.value = " of g"
            return wrap(blocks)

        return view

    app.add_url_rule("/plain", "plain", streamed(lambda make: make()))
    app.add_url_rule("/called", "called", streamed(lambda make: Response(stream_with_context(make()))))
    app.add_url_rule("/decorated", "decorated", streamed(lambda make: stream_with_context(make)()))
    for path in ("/plain", "/called", "/decorated"):
        assert ask(app, target=path).text == f"{path} of g"
