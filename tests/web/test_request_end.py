"""The end of a request: it comes once, in whatever way it ends, and all that waits for it is called, faults or not."""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dragoman.web import App, HTTPException, Response, abort, after_this_request, g, request, send_file
from tests.middleware.kit import ask, environ_of
from tests.web.kit import noting, opened


class Fault(Exception):
    """What the handlers of these tests raise."""


class Ends:
    """An application that counts ends: of requests, of streams, and what teardown was told."""

    def __init__(self, **config: Any) -> None:
        self.app = App(__name__)
        self.app.config.update(config)
        self.torn: list[BaseException | None] = []
        self.closed: list[str] = []
        app = self.app
        app.teardown_request(self.torn.append)
        app.get("/text", endpoint="e/text")(lambda: "text")
        app.get("/json", endpoint="e/json")(lambda: {"a": 1})
        app.get("/stream", endpoint="e/stream")(self.blocks)
        app.get("/empty-stream", endpoint="e/empty-stream")(lambda: (self.blocks(), 204))
        app.get("/file", endpoint="e/file")(lambda: send_file(Closing(b"content", self.closed), mimetype="text/plain"))
        app.get("/breaks", endpoint="e/breaks")(lambda: self.blocks(Fault("in the middle")))
        app.get("/raises")(self.raises)
        app.get("/aborts", endpoint="e/aborts")(lambda: abort(409))
        app.get("/handled")(self.handled)
        app.get("/bad", endpoint="e/bad")(lambda: None)
        app.get("/wsgi", endpoint="e/wsgi")(lambda: self.wsgi)
        app.get("/head-raises", endpoint="e/head-raises")(lambda: (self.blocks(), {"X": "y"}))
        app.register_error_handler(LookupError, lambda error: ("handled", 400))

    def blocks(self, error: Exception | None = None) -> Iterator[str]:
        try:
            yield "one"
            if error is not None:
                raise error
            yield "two"
        finally:
            self.closed.append("stream")

    def raises(self) -> str:
        raise Fault("in the handler")

    def handled(self) -> str:
        raise LookupError("nothing")

    def wsgi(self, environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return (block.encode() for block in self.blocks())


class Closing(io.BytesIO):
    def __init__(self, content: bytes, closed: list[str]) -> None:
        super().__init__(content)
        self.notes = closed

    def close(self) -> None:
        if not self.closed:
            self.notes.append("file")
        super().close()


EVERYTHING = [
    "/text",
    "/json",
    "/stream",
    "/empty-stream",
    "/file",
    "/raises",
    "/aborts",
    "/handled",
    "/bad",
    "/wsgi",
    "/nope",
]


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
@pytest.mark.parametrize("target", EVERYTHING)
def test_a_request_that_is_read_to_its_end_ends_once(target: str, method: str) -> None:
    ends = Ends()
    ask(ends.app, method, target)
    assert len(ends.torn) == 1
    assert len(ends.closed) <= 1


@pytest.mark.parametrize("blocks", [0, 1])
@pytest.mark.parametrize("target", EVERYTHING)
def test_a_request_whose_client_is_gone_ends_once(target: str, blocks: int) -> None:
    ends = Ends()
    answer = opened(ends.app, environ_of("GET", target))
    for _ in range(blocks):
        next(answer.blocks, None)
    answer.close()
    answer.close()
    assert len(ends.torn) == 1
    if blocks and target in ("/stream", "/wsgi"):
        assert ends.closed == ["stream"]
    if target == "/file":
        assert ends.closed == ["file"]


def test_a_stream_ends_with_its_last_block_and_not_before() -> None:
    ends = Ends()
    answer = opened(ends.app, environ_of("GET", "/stream"))
    assert list(answer.blocks) == [b"one", b"two"]
    assert ends.torn == []
    answer.close()
    assert ends.torn == [None]


def test_a_stream_that_breaks_ends_once_and_teardown_is_told_why() -> None:
    ends = Ends()
    answer = opened(ends.app, environ_of("GET", "/breaks"))
    assert next(answer.blocks) == b"one"
    with pytest.raises(Fault):
        next(answer.blocks)
    answer.close()
    [error] = ends.torn
    assert isinstance(error, Fault)
    assert ends.closed == ["stream"]


@pytest.mark.parametrize(
    ("target", "told"),
    [("/text", None), ("/raises", Fault), ("/aborts", None), ("/handled", None), ("/nope", None), ("/bad", TypeError)],
)
def test_teardown_is_told_of_what_nobody_has_handled(target: str, told: type[Exception] | None) -> None:
    ends = Ends()
    ask(ends.app, "GET", target)
    [error] = ends.torn
    assert error is None if told is None else isinstance(error, told)


def test_a_request_that_raises_through_the_application_ends_once() -> None:
    ends = Ends(TESTING=True)
    with pytest.raises(Fault):
        ask(ends.app, "GET", "/raises")
    [error] = ends.torn
    assert isinstance(error, Fault)


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_a_request_that_is_ended_by_more_than_an_exception_ends_once_and_passes_it_on(
    stop: type[BaseException],
) -> None:
    ends = Ends()

    @ends.app.get("/stops")
    def stops() -> str:
        raise stop

    with pytest.raises(stop):
        ask(ends.app, "GET", "/stops")
    [error] = ends.torn
    assert isinstance(error, stop)


@pytest.mark.parametrize("target", ["/text", "/stream", "/file", "/wsgi", "/raises"])
def test_a_server_that_refuses_the_head_ends_the_request_once(target: str) -> None:
    class Refused(Exception):
        pass

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        raise Refused

    ends = Ends()
    with pytest.raises(Refused):
        ends.app(environ_of("GET", target), start_response)
    assert len(ends.torn) == 1
    assert ends.closed == (["file"] if target == "/file" else [])


def test_each_teardown_is_called_though_another_raises() -> None:
    calls: list[str] = []
    app = App(__name__)

    def failing(error: BaseException | None) -> None:
        calls.append("failing")
        raise Fault("in teardown")

    app.teardown_request(noting(calls, "last"))
    app.teardown_request(failing)
    app.teardown_request(noting(calls, "first"))
    app.get("/text", endpoint="e/text")(lambda: "text")
    app.get("/stream", endpoint="e/stream")(lambda: iter(["a"]))
    for target in ("/text", "/stream"):
        calls.clear()
        with pytest.raises(Fault, match="in teardown"):
            ask(app, "GET", target)
        assert calls == ["first", "failing", "last"]


def test_a_stream_is_closed_where_a_hook_after_raises() -> None:
    ends = Ends()
    started = threading.Event()

    class Blocks:
        def __iter__(self) -> Iterator[bytes]:
            started.set()
            return iter([])

        def close(self) -> None:
            ends.closed.append("blocks")

    @ends.app.after_request
    def failing(response: Response) -> Response:
        if request.path == "/blocks" and response.status_code == 200:
            raise Fault("after")
        return response

    ends.app.get("/blocks", endpoint="e/blocks")(lambda: Response(Blocks()))
    assert ask(ends.app, "GET", "/blocks").status == 500
    assert ends.closed == ["blocks"]
    assert len(ends.torn) == 1
    assert not started.is_set()


def test_a_close_that_raises_keeps_no_teardown_from_being_called() -> None:
    ends = Ends()

    class Blocks:
        def __iter__(self) -> Iterator[bytes]:
            return iter([b"a"])

        def close(self) -> None:
            raise Fault("close")

    ends.app.get("/blocks", endpoint="e/blocks")(lambda: Response(Blocks()))
    for method in ("GET", "HEAD"):
        ends.torn.clear()
        with pytest.raises(Fault, match="close"):
            ask(ends.app, method, "/blocks")
        assert len(ends.torn) == 1


def test_files_of_a_form_are_closed_when_the_request_has_ended() -> None:
    kept: list[Any] = []
    app = App(__name__)

    @app.post("/")
    def upload() -> Iterator[str]:
        kept.append(request.files["f"])
        return iter([kept[0].read().decode(), "!"])

    body = b'--b\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\nabc\r\n--b--\r\n'
    answer = ask(app, "POST", "/", {"Content-Type": "multipart/form-data; boundary=b"}, body)
    assert answer.text == "abc!"
    assert kept[0].stream.closed


@pytest.mark.parametrize("result", ["text", {"a": 1}, Response("text")], ids=["text", "JSON", "Response"])
@pytest.mark.parametrize("is_late", [False, True])
def test_what_waits_for_the_close_of_a_whole_body_is_called_then(result: Any, is_late: bool) -> None:
    calls: list[str] = []
    app = App(__name__)

    def waiting(response: Response) -> Response:
        assert not response.is_passthrough
        response.call_on_close(lambda: calls.append("closed"))
        return response

    @app.get("/")
    def handler() -> Any:
        if is_late:
            after_this_request(waiting)
        return result

    if not is_late:
        app.after_request(waiting)
    answer = opened(app, environ_of("GET", "/"))
    assert list(answer.blocks) and calls == []
    answer.close()
    assert calls == ["closed"]


def test_call_on_close_is_called_when_the_answer_has_been_sent() -> None:
    calls: list[str] = []
    app = App(__name__)

    @app.get("/<kind>")
    def handler(kind: str) -> Response:
        response = Response("text" if kind == "text" else iter(["a"]))
        response.call_on_close(lambda: calls.append("closed"))
        return response

    for kind in ("text", "stream"):
        calls.clear()
        answer = opened(app, environ_of("GET", f"/{kind}"))
        assert list(answer.blocks)
        assert calls == []
        answer.close()
        assert calls == ["closed"]


def test_what_is_to_be_called_with_an_answer_is_told_where_its_head_has_gone_out() -> None:
    app = App(__name__)

    @app.get("/")
    def view() -> Iterator[str]:
        yield "a"
        after_this_request(lambda response: response)
        yield "b"

    answer = opened(app, environ_of())
    assert next(answer.blocks) == b"a"
    with pytest.raises(RuntimeError, match="the head of the answer has gone out"):
        next(answer.blocks)
    answer.close()


@pytest.mark.parametrize("raising", range(3))
def test_a_teardown_hook_that_raises_does_not_keep_the_later_ones_from_being_called(raising: int) -> None:
    app = App(__name__)
    seen: list[int] = []

    def hook_of(number: int) -> Callable[[BaseException | None], None]:
        def hook(error: BaseException | None) -> None:
            seen.append(number)
            if number == raising:
                raise ValueError("no")

        return hook

    # They are called in the reverse order.
    for number in (2, 1, 0):
        app.teardown_request(hook_of(number))
    app.add_url_rule("/", "hello", lambda: "hello")
    with pytest.raises(ValueError, match="no") as caught:
        ask(app)
    assert seen == [0, 1, 2]
    # What has been written for these hooks can be read where it stands in a traceback.
    lines = [str(one.statement).strip() for one in caught.traceback]
    assert f"teardown_{raising}(None)" in lines


@pytest.mark.parametrize("touches_request", [False, True])
def test_teardown_comes_also_where_a_hook_after_and_the_close_of_the_stream_both_fail(touches_request: bool) -> None:
    class Blocks:
        def __iter__(self) -> Iterator[bytes]:
            return iter(())

        def close(self) -> None:
            raise Fault("close")

    app, ends = App(__name__), []

    @app.get("/")
    def handler() -> Any:
        if touches_request:
            g.value = request.path
        return Blocks()

    @app.after_request
    def failing(response: Response) -> Response:
        if response.is_streamed:
            raise Fault("after")
        return response

    app.teardown_request(lambda error: ends.append(str(error)))
    assert ask(app).status == 500
    assert ends == ["close"]


# Faults within faults


def test_a_hook_after_that_always_raises_ends_in_one_page_and_two_lines_of_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ends = Ends()

    @ends.app.after_request
    def failing(response: Response) -> Response:
        raise Fault("after")

    with caplog.at_level(logging.ERROR):
        assert ask(ends.app, "GET", "/text").status == 500
    assert len(caplog.records) == 2
    assert len(ends.torn) == 1


def test_hooks_after_see_the_pages_of_errors_too() -> None:
    ends = Ends()
    seen: list[int] = []

    @ends.app.after_request
    def note(response: Response) -> Response:
        seen.append(response.status_code)
        return response

    for target in ("/aborts", "/handled", "/raises", "/nope", "/text"):
        ask(ends.app, "GET", target)
    assert seen == [409, 400, 500, 404, 200]


def test_a_hook_before_that_aborts_is_answered_as_a_handler_that_does() -> None:
    app = App(__name__)
    app.get("/", endpoint="e/")(lambda: "text")
    app.before_request(lambda: abort(403, "Not you."))
    app.register_error_handler(403, lambda error: (f"handled: {error.description}", 403))
    assert ask(app).text == "handled: Not you."


def test_the_error_of_an_error_handler_is_500() -> None:
    app = App(__name__)
    app.get("/", endpoint="e/")(lambda: abort(404))

    @app.errorhandler(404)
    def failing(error: HTTPException) -> str:
        raise Fault("in the error handler")

    assert ask(app).status == 500
    app = App(__name__)
    app.get("/", endpoint="e/")(lambda: 1 / 0)
    app.errorhandler(500)(failing)
    assert ask(app).status == 500
