"""Handlers that are `async def`: their values, exceptions, context and end, on one loop in each process."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import AsyncIterator
from typing import Any

import pytest

from dragoman.web import App, Blueprint, Response, abort, g, request
from dragoman.web.background import loop_of_process
from tests.middleware.kit import ask, environ_of
from tests.web.kit import opened

DEADLINE_S = 20
SEEN: contextvars.ContextVar[str] = contextvars.ContextVar("seen", default="unset")


def app_of(view: Any, **config: Any) -> App:
    app = App(__name__)
    app.config.update(config)
    app.add_url_rule("/", "here", view)
    return app


def in_time(function: Any) -> Any:
    """What `function` gives or raises; a test whose request hangs fails instead of hanging."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append(("gave", function()))
        except BaseException as error:
            outcome.append(("raised", error))

    thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True)
    thread.start()
    thread.join(DEADLINE_S)
    assert outcome, "the request has no end"
    [(kind, value)] = outcome
    if kind == "raised":
        raise value
    return value


def test_a_coroutine_gives_what_a_function_would() -> None:
    async def view(n: int) -> tuple[dict[str, Any], int]:
        await asyncio.sleep(0)
        return {"n": n, "path": request.path}, 201

    app = App(__name__)
    app.get("/<int:n>")(view)
    answer = ask(app, "GET", "/7")
    assert (answer.status, answer.text) == (201, '{"n":7,"path":"/7"}')


class Asynchronous:
    async def __call__(self) -> str:
        return "object"

    async def method(self) -> str:
        return "method"


async def with_argument(text: str) -> str:
    return text


@pytest.mark.parametrize(
    ("view", "text"),
    [
        (Asynchronous(), "object"),
        (Asynchronous().method, "method"),
        (functools.partial(with_argument, "partial"), "partial"),
    ],
)
def test_other_callables_may_be_async_too(view: Any, text: str) -> None:
    assert ask(app_of(view)).text == text


def test_all_coroutines_of_a_process_share_a_loop_and_run_at_once() -> None:
    inside = asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def first() -> str:
        loops.append(asyncio.get_running_loop())
        await asyncio.wait_for(inside.wait(), DEADLINE_S)
        return "first"

    async def second() -> str:
        loops.append(asyncio.get_running_loop())
        inside.set()
        return "second"

    app = App(__name__)
    app.get("/first")(first)
    app.get("/second")(second)
    texts: list[str] = []
    thread = threading.Thread(target=lambda: texts.append(ask(app, "GET", "/first").text))
    thread.start()
    texts.append(ask(app, "GET", "/second").text)
    thread.join(DEADLINE_S)
    assert sorted(texts) == ["first", "second"]
    assert loops[0] is loops[1] is loop_of_process().loop


def test_exceptions_reach_the_error_handlers_with_their_tracebacks() -> None:
    async def view() -> str:
        await asyncio.sleep(0)
        raise LookupError("inside")

    app = app_of(view)

    @app.errorhandler(LookupError)
    async def handler(error: LookupError) -> tuple[str, int]:
        assert error.__traceback__ is not None
        return f"handled {error}", 418

    assert ask(app).text == "handled inside"


@pytest.mark.parametrize("stop", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_what_ends_a_thread_ends_the_request_and_not_the_loop(stop: BaseException) -> None:
    async def view() -> str:
        raise stop

    app = app_of(view)
    with pytest.raises(type(stop)):
        in_time(lambda: ask(app))

    async def other() -> str:
        return "still there"

    assert in_time(lambda: ask(app_of(other)).text) == "still there"


def test_a_coroutine_that_cancels_itself_is_500() -> None:
    async def view() -> str:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(DEADLINE_S)
        return "never"

    torn: list[BaseException | None] = []
    app = app_of(view)
    app.teardown_request(torn.append)
    assert in_time(lambda: ask(app).status) == 500
    assert len(torn) == 1


def test_a_coroutine_that_nothing_but_itself_refers_to_is_not_collected() -> None:
    waited_for: list[weakref.ref[asyncio.Future[str]]] = []
    is_waiting = threading.Event()

    async def view() -> str:
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        waited_for.append(weakref.ref(future))
        asyncio.get_running_loop().call_soon(is_waiting.set)
        return await future

    texts: list[str] = []
    thread = threading.Thread(target=lambda: texts.append(ask(app_of(view)).text), daemon=True)
    thread.start()
    assert is_waiting.wait(DEADLINE_S)
    gc.collect()
    future = waited_for[0]()
    assert future is not None
    loop_of_process().loop.call_soon_threadsafe(future.set_result, "kept")
    thread.join(DEADLINE_S)
    assert texts == ["kept"]


def test_context_variables_go_in_and_come_back() -> None:
    app = App(__name__)

    @app.before_request
    def before() -> None:
        SEEN.set("before")
        g.steps = ["before"]

    @app.get("/")
    async def view() -> str:
        assert SEEN.get() == "before"
        await asyncio.sleep(0)
        SEEN.set("view")
        g.steps.append("view")
        return "text"

    @app.after_request
    async def after(response: Response) -> Response:
        response.headers["X-Seen"] = SEEN.get()
        SEEN.set("after")
        return response

    @app.teardown_request
    def teardown(error: BaseException | None) -> None:
        g.steps.append(SEEN.get())
        steps.extend(g.steps)

    steps: list[str] = []
    answer = contextvars.copy_context().run(ask, app)
    assert answer.value("X-Seen") == "view"
    assert steps == ["before", "view", "after"]


def test_context_variables_come_back_with_an_exception_too() -> None:
    async def view() -> str:
        SEEN.set("raised")
        raise LookupError

    app = app_of(view)
    app.register_error_handler(LookupError, lambda error: SEEN.get())
    assert contextvars.copy_context().run(ask, app).text == "raised"


def test_requests_at_once_do_not_see_each_others_context() -> None:
    barrier = threading.Barrier(4)

    async def view(n: int) -> str:
        SEEN.set(str(n))
        g.n = n
        for _ in range(5):
            await asyncio.sleep(0)
        return f"{SEEN.get()} {g.n} {request.path}"

    app = App(__name__)
    app.get("/<int:n>")(view)
    texts: dict[int, str] = {}

    def asks(n: int) -> None:
        barrier.wait(DEADLINE_S)
        texts[n] = ask(app, "GET", f"/{n}").text

    threads = [threading.Thread(target=asks, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    assert texts == {n: f"{n} {n} /{n}" for n in range(4)}


def test_an_asynchronous_stream_keeps_its_context_from_block_to_block() -> None:
    async def blocks() -> AsyncIterator[str]:
        SEEN.set("first")
        yield request.path
        yield SEEN.get()

    app = App(__name__)
    app.get("/")(blocks)
    answer = opened(app, environ_of())
    assert next(answer.blocks) == b"/"
    others: list[bytes] = []
    thread = threading.Thread(target=lambda: others.append(next(answer.blocks)))
    thread.start()
    thread.join(DEADLINE_S)
    assert others == [b"first"]
    answer.close()


def test_a_coroutine_cannot_wait_for_the_loop_that_it_runs_in(caplog: pytest.LogCaptureFixture) -> None:
    async def view() -> str:
        return loop_of_process().run(asyncio.sleep(0, "never"))

    assert in_time(lambda: ask(app_of(view)).status) == 500
    assert "this is the thread of the event loop: await it instead" in caplog.text


def test_the_setting_refuses_coroutines_at_the_start() -> None:
    async def view() -> str:
        return ""

    app = app_of(view, ASYNC_HANDLERS=False)
    with pytest.raises(
        TypeError, match=r"view \(.*test_background\.py:\d+\) is an async def, and ASYNC_HANDLERS is off"
    ):
        app.freeze()


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [("/", 200, "NoneType"), ("/nowhere", 404, "NoneType"), ("/gone", 410, "NoneType"), ("/fault", 500, "KeyError")],
)
def test_async_hooks_are_called_in_the_answers_to_errors_too(path: str, status: int, error: str) -> None:
    app, calls = App(__name__), []

    @app.before_request
    async def before() -> None:
        calls.append("before")

    @app.after_request
    async def after(response: Response) -> Response:
        response.headers["X-After"] = "here"
        return response

    @app.teardown_request
    async def teardown(error: BaseException | None) -> None:
        calls.append(type(error).__name__)

    @app.teardown_appcontext
    async def last(error: BaseException | None) -> None:
        calls.append("last")

    app.add_url_rule("/", "index", lambda: "text")
    app.add_url_rule("/gone", "gone", lambda: abort(410))
    app.add_url_rule("/fault", "fault", lambda: {}["fault"])
    answer = ask(app, "GET", path)
    assert (answer.status, answer.value("X-After")) == (status, "here")
    assert calls == ["before", error, "last"]


def test_async_hooks_are_called_in_contexts_that_are_entered_by_hand() -> None:
    app, calls = App(__name__), []

    @app.url_value_preprocessor
    async def change(endpoint: str | None, values: dict[str, Any]) -> None:
        values["name"] = values["name"].upper()

    @app.before_request
    async def before() -> str:
        return f"by the hook, {request.view_args}"

    @app.teardown_appcontext
    async def last(error: BaseException | None) -> None:
        calls.append("last")

    app.add_url_rule("/<name>", "index", lambda name: name)
    with app.test_request_context("/ann"):
        assert app.preprocess_request() == "by the hook, {'name': 'ANN'}"
    with app.app_context():
        pass
    assert calls == ["last", "last"]


def test_hooks_of_a_blueprint_may_be_async() -> None:
    blueprint = Blueprint("bp")

    @blueprint.before_request
    async def before() -> str:
        return "by the hook"

    blueprint.get("/")(lambda: "by the handler")
    app = App(__name__)
    app.register_blueprint(blueprint)
    assert ask(app).text == "by the hook"


@pytest.fixture
def child() -> Any:
    """Runs a function in a forked process; gives what it printed."""

    def run(function: Any) -> str:
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                os.write(writing, function().encode())
                status = 0
            finally:
                os._exit(status)
        os.close(writing)
        with os.fdopen(reading) as file:
            text = file.read()
        assert os.waitpid(pid, 0)[1] == 0
        return text

    return run


def test_a_process_that_was_forked_has_a_loop_of_its_own(child: Any) -> None:
    async def view() -> str:
        return str(os.getpid())

    app = app_of(view)
    assert ask(app).text == str(os.getpid())
    assert child(lambda: in_time(lambda: ask(app).text)) not in ("", str(os.getpid()))


def test_a_process_that_was_forked_while_a_loop_began_is_not_locked(child: Any) -> None:
    from dragoman.web import background

    async def view() -> str:
        return "answered"

    app = app_of(view)
    with background.LOCKS[0]:
        assert child(lambda: in_time(lambda: ask(app).text)) == "answered"


def test_asyncio_is_loaded_for_those_alone_who_have_coroutines() -> None:
    program = (
        "import sys; from dragoman.web import App; App('x').test_client().get('/'); print('asyncio' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "False\n"
