"""Hooks: their order, what they may answer and change; the end of a request has tests of its own."""

from __future__ import annotations

import re
from typing import Any

import pytest

from dragoman.web import App, Blueprint, Response, after_this_request, g, request
from tests.middleware.kit import ask
from tests.web.kit import noting


def app_with_hooks(calls: list[str]) -> App:
    app = App(__name__)
    outer, inner = Blueprint("outer", url_prefix="/outer"), Blueprint("inner", url_prefix="/inner")
    for name, part in (("app", app), ("outer", outer), ("inner", inner)):
        for number in (1, 2):
            part.before_request(noting(calls, f"before {name} {number}"))
            part.after_request(noting(calls, f"after {name} {number}"))
            part.teardown_request(noting(calls, f"teardown {name} {number}"))
        part.url_value_preprocessor(noting(calls, f"values {name}"))
        part.get("/")(noting(calls, "handler", "text"))
    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    return app


def test_hooks_are_called_from_the_outside_in_and_back() -> None:
    calls: list[str] = []
    app = app_with_hooks(calls)
    assert ask(app, "GET", "/outer/inner/").text == "text"
    names = ["app", "outer", "inner"]
    assert calls == [
        *[f"values {name}" for name in names],
        *[f"before {name} {number}" for name in names for number in (1, 2)],
        "handler",
        *[f"after {name} {number}" for name in reversed(names) for number in (2, 1)],
        *[f"teardown {name} {number}" for name in reversed(names) for number in (2, 1)],
    ]
    calls.clear()
    ask(app, "GET", "/")
    assert [call for call in calls if "inner" in call or "outer" in call] == []


@pytest.mark.parametrize(
    ("target", "method", "status"), [("/nope", "GET", 404), ("/", "DELETE", 405), ("/outer", "GET", 308)]
)
def test_hooks_of_the_application_see_what_no_rule_is_for(target: str, method: str, status: int) -> None:
    calls: list[str] = []
    app = app_with_hooks(calls)
    assert ask(app, method, target).status == status
    assert calls == ["before app 1", "before app 2", "after app 2", "after app 1", "teardown app 2", "teardown app 1"]


def test_what_a_hook_before_gives_is_the_answer_and_the_rest_is_not_called() -> None:
    calls: list[str] = []
    app = App(__name__)
    app.before_request(noting(calls, "first"))
    app.before_request(noting(calls, "second", ("stop", 403)))
    app.before_request(noting(calls, "third"))
    app.after_request(noting(calls, "after"))
    app.teardown_request(noting(calls, "teardown"))
    app.get("/")(noting(calls, "handler", "text"))
    answer = ask(app)
    assert (answer.status, answer.text) == (403, "stop")
    assert calls == ["first", "second", "after", "teardown"]


@pytest.mark.parametrize("answer", ["", b"", [], {}])
def test_an_empty_answer_of_a_hook_is_one(answer: Any) -> None:
    app = App(__name__)
    app.before_request(lambda: answer)
    app.get("/", endpoint="e/")(lambda: "text")
    assert ask(app).text in ("", "[]", "{}")


def test_a_hook_after_may_give_another_response() -> None:
    app = App(__name__)
    app.get("/", endpoint="e/")(lambda: "text")
    app.after_request(lambda response: Response(response.get_data() + b"!", 202))
    answer = ask(app)
    assert (answer.status, answer.text) == (202, "text!")


def test_a_hook_after_that_gives_nothing_is_told_by_name(caplog: pytest.LogCaptureFixture) -> None:
    app = App(__name__)
    app.get("/", endpoint="e/")(lambda: "text")

    @app.after_request
    def forgetful(response: Response) -> None:
        response.headers["X"] = "y"

    assert ask(app).status == 500
    assert re.search(
        r"after_request hook forgetful \(.*test_hooks\.py:\d+\) gave NoneType: want the response, or another one",
        caplog.text,
    )


def test_values_of_the_rule_may_be_taken_and_changed_before_the_handler_is_called() -> None:
    app = App(__name__)

    @app.url_value_preprocessor
    def language(endpoint: str | None, values: dict[str, Any]) -> None:
        g.language = values.pop("lang", None)
        if "n" in values:
            values["n"] += 1

    @app.get("/<lang>/<int:n>")
    def handler(n: int) -> dict[str, Any]:
        return {"n": n, "language": g.language}

    assert ask(app, "GET", "/de/6").text == '{"n":7,"language":"de"}'
    assert ask(app, "GET", "/de/6/7").status == 404


def test_hooks_may_be_async() -> None:
    calls: list[str] = []
    app = App(__name__)

    @app.before_request
    async def before() -> None:
        calls.append(f"before {request.path}")

    @app.after_request
    async def after(response: Response) -> Response:
        calls.append("after")
        return response

    @app.teardown_request
    async def teardown(error: BaseException | None) -> None:
        calls.append(f"teardown {error!r}")

    app.get("/", endpoint="e/")(lambda: "text")
    assert ask(app).status == 200
    assert calls == ["before /", "after", "teardown None"]


@pytest.mark.parametrize("result", ["text", Response("text")], ids=["text", "Response"])
def test_what_a_hook_after_asks_for_after_this_request_comes_too_late(result: Any) -> None:
    app = App(__name__)
    calls: list[str] = []

    @app.after_request
    def after(response: Response) -> Response:
        after_this_request(lambda response: calls.append("late") or response)  # type: ignore[func-returns-value]
        return response

    app.add_url_rule("/", "handler", lambda: result)
    assert ask(app).text == "text" and calls == []


@pytest.mark.parametrize("kind", ["before_request", "after_request", "teardown_request", "errorhandler"])
def test_a_coroutine_among_hooks_is_refused_where_the_setting_refuses_coroutines(kind: str) -> None:
    app = App(__name__)
    app.config["ASYNC_HANDLERS"] = False

    async def hook(*args: Any) -> Any:
        """Nothing."""

    getattr(app, kind)(404)(hook) if kind == "errorhandler" else getattr(app, kind)(hook)
    with pytest.raises(TypeError, match=r"hook \(.*test_hooks\.py:\d+\) is an async def, and ASYNC_HANDLERS is off"):
        app.freeze()


def test_what_a_hook_does_to_the_fields_of_one_response_is_not_seen_in_the_next() -> None:
    app = App(__name__)
    seen: list[list[tuple[str, str]]] = []

    @app.after_request
    def marked(response: Response) -> Response:
        seen.append(list(response.headers))
        response.headers["X-Number"] = len(seen)
        response.mimetype = "text/plain"
        return response

    app.add_url_rule("/", "hello", lambda: "hello")
    answers = [ask(app) for _ in range(3)]
    assert [one.value("X-Number") for one in answers] == ["1", "2", "3"]
    assert seen == [[("Content-Type", "text/html; charset=utf-8")]] * 3
