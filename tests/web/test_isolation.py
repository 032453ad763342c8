"""What belongs to one request stays there: among threads, applications in each other, streams and faults."""

from __future__ import annotations

import contextlib
import contextvars
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from dragoman.web import App, Request, Response, current_app, g, has_request_context, request, session
from tests.middleware.kit import ask, environ_of
from tests.web.kit import opened

DEADLINE_S = 20


def test_outside_of_a_request_there_is_none_and_the_error_says_what_to_do() -> None:
    assert not has_request_context()
    for use in (
        lambda: request.path,
        lambda: g.anything,
        lambda: setattr(g, "a", 1),
        lambda: session["a"],
        lambda: current_app.name,
        request.get_json,
    ):
        with pytest.raises(RuntimeError, match="is that of the request in hand, and there is none here"):
            use()
    assert repr(request) == "<request of no request>"


def test_globals_can_be_looked_at_by_tools_that_ask_all_names_for_special_attributes() -> None:
    import inspect

    for one in (request, g, session, current_app):
        assert inspect.unwrap(one) is one  # type: ignore[arg-type]
        assert not hasattr(one, "__wrapped__")
        assert not inspect.iscoroutinefunction(one)


def test_after_a_request_there_is_none_again_however_it_ended() -> None:
    app = App(__name__)
    app.testing = True

    @app.get("/<kind>")
    def view(kind: str) -> Any:
        if kind == "raise":
            raise LookupError
        if kind == "stop":
            raise KeyboardInterrupt
        return iter(["a"]) if kind == "stream" else "text"

    for kind, raised in (("text", None), ("stream", None), ("raise", LookupError), ("stop", KeyboardInterrupt)):
        with pytest.raises(raised) if raised else contextlib.nullcontext():
            ask(app, "GET", f"/{kind}")
        assert not has_request_context()


def test_a_stream_sees_the_request_of_its_handler_while_others_are_answered() -> None:
    app = App(__name__)

    @app.get("/<name>")
    def view(name: str) -> Iterator[str]:
        g.name = name

        def blocks() -> Iterator[str]:
            for _ in range(3):
                yield f"{request.path} {g.name} {current_app.name} "

        return blocks()

    one, other = opened(app, environ_of("GET", "/one")), opened(app, environ_of("GET", "/other"))
    assert not has_request_context()
    mixed = [next(answer.blocks) for _ in range(3) for answer in (one, other)]
    assert b"".join(mixed[::2]) == b"/one one tests.web.test_isolation " * 3
    assert b"".join(mixed[1::2]) == b"/other other tests.web.test_isolation " * 3
    one.close()
    other.close()


def test_a_stream_may_be_read_by_one_thread_after_the_other() -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)
    app = App(__name__)

    @app.get("/")
    def view() -> Iterator[str]:
        for number in range(3):
            variable.set(variable.get() + 1)
            yield f"{request.path}{variable.get()}{number}"

    answer = opened(app, environ_of())
    blocks: list[bytes] = []
    for _ in range(3):
        thread = threading.Thread(target=lambda: blocks.append(next(answer.blocks)))
        thread.start()
        thread.join(DEADLINE_S)
    assert blocks == [b"/10", b"/21", b"/32"]
    closing = threading.Thread(target=answer.close)
    closing.start()
    closing.join(DEADLINE_S)
    assert variable.get() == 0


def test_applications_in_each_other_have_requests_of_their_own() -> None:
    inner, outer = App("inner"), App("outer")

    @inner.get("/<int:n>")
    def inside(n: int) -> str:
        g.name = "inner"
        return f"{current_app.name} {request.script_root} {request.path} {request.endpoint} {n}"

    @outer.get("/call/<int:n>")
    def around(n: int) -> str:
        g.name = "outer"
        inside_text = ask(inner, "GET", f"/{n}").text
        return f"{inside_text} | {current_app.name} {request.path} {g.name} {request.view_args}"

    @outer.get("/result")
    def result() -> Any:
        return inner

    outer.mount("/m", inner)
    inner.mount("/m", outer)
    assert ask(outer, "GET", "/call/5").text == "inner  /5 inside 5 | outer /call/5 outer {'n': 5}"
    assert ask(outer, "GET", "/m/7").text == "inner /m /7 inside 7"
    assert ask(outer, "GET", "/m/m/call/8").text.endswith("| outer /call/8 outer {'n': 8}")
    assert not has_request_context()


def test_a_stream_of_an_inner_application_has_the_inner_request() -> None:
    inner, outer = App("inner"), App("outer")

    @inner.get("/")
    def inside() -> Iterator[str]:
        yield current_app.name
        yield request.script_root

    @outer.get("/result")
    def result() -> Response:
        environ = {**request.environ, "PATH_INFO": "/", "SCRIPT_NAME": "/result"}
        from dragoman.web.wsgi_results import response_from

        return response_from(inner, environ)

    outer.mount("/m", inner)
    assert ask(outer, "GET", "/m/").text == "inner/m"
    assert ask(outer, "GET", "/result").text == "inner/result"


def test_threads_do_not_see_each_others_request() -> None:
    app = App(__name__)
    barrier = threading.Barrier(8)

    @app.get("/<int:n>")
    def view(n: int) -> str:
        g.n = n
        barrier.wait(DEADLINE_S)
        return f"{g.n} {request.path} {request.view_args['n']}"

    texts: dict[int, str] = {}

    def asks(n: int) -> None:
        texts[n] = ask(app, "GET", f"/{n}").text

    threads = [threading.Thread(target=asks, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    assert texts == {n: f"{n} /{n} {n}" for n in range(8)}


def test_a_thread_of_a_handlers_own_has_no_request_unless_it_is_given_the_context() -> None:
    seen: list[Any] = []
    app = App(__name__)

    @app.get("/")
    def view() -> str:
        for target in (has_request_context, lambda: contextvars.copy_context().run(has_request_context)):
            thread = threading.Thread(target=lambda target=target: seen.append(target()))
            thread.start()
            thread.join(DEADLINE_S)
        context = contextvars.copy_context()
        thread = threading.Thread(target=lambda: seen.append(context.run(lambda: request.path)))
        thread.start()
        thread.join(DEADLINE_S)
        return "text"

    ask(app)
    assert seen == [False, False, "/"]


def test_the_room_of_a_request_is_empty_at_first_and_has_the_methods_of_a_mapping() -> None:
    app = App(__name__)
    seen: list[Any] = []

    @app.get("/")
    def view() -> str:
        seen.append(list(g))
        g.user = "anna"
        seen.append(("user" in g, "other" in g, g.get("other", 5), g.setdefault("n", 1), g.pop("n"), sorted(g)))
        del g.user
        with pytest.raises(AttributeError):
            _ = g.user
        return "text"

    ask(app)
    ask(app)
    assert seen == [[], (True, False, 5, 1, 1, ["user"])] * 2


def test_a_request_that_is_made_by_hand_has_no_application_and_says_so() -> None:
    from dragoman.web import Request

    made = Request(environ_of("GET", "/a?b=c"))
    assert (made.path, made.args["b"], made.endpoint, made.view_args) == ("/a", "c", None, {})
    with pytest.raises(RuntimeError, match="no application has it"):
        _ = made.app
    with pytest.raises(RuntimeError, match="no application has it"):
        _ = made.session


def test_what_a_request_class_of_an_application_adds_is_on_the_global_too() -> None:
    class Own(Request):
        """Knows who asks, and what was found out later."""

        @property
        def user(self) -> str:
            return self.args["user"]

        def greeting(self, name: str) -> str:
            return f"{name}, {self.user}"

    app = App(__name__)
    app.request_class = Own

    @app.get("/")
    def greet() -> str:
        own: Any = request
        own.later = "!"
        return str(own.greeting("Hello") + own.later)

    assert ask(app, "GET", "/?user=Ann").text == "Hello, Ann!"
    with app.test_request_context("/"):
        assert not hasattr(request, "nobody")
        with pytest.raises(AttributeError, match="path is what the client has sent"):
            request.path = "/other"  # type: ignore[misc]
