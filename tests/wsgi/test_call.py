"""PEP 3333 "The start_response() Callable": the call, start_response, exc_info and write()."""

from __future__ import annotations

import pytest

from tests.support.probe import Channel
from tests.support.server import Serve, Server
from tests.support.wire import ConnectionEnded, request_bytes


@pytest.fixture(scope="module")
def server(serve: Serve) -> Server:
    return serve("tests.wsgi.apps_call:app")


@pytest.mark.parametrize(
    ("application", "body"),
    [
        ("PepClass", b"from an instance"),
        ("instance", b"called"),
        ("bound_method", b"bound"),
        ("instance.method", b"bound"),
    ],
)
def test_any_callable_is_an_application(serve: Serve, application: str, body: bytes) -> None:
    assert serve(f"tests.wsgi.apps_call:{application}").request().body == body


def test_application_gets_two_positional_arguments(serve: Serve) -> None:
    assert serve("tests.wsgi.apps_call:recorder").request().json() == {"arguments": 2, "keywords": []}


def test_application_is_called_once_for_each_request(serve: Serve, channel: Channel) -> None:
    server = serve("tests.wsgi.apps_call:recorder")
    with server.connect() as wire:
        for number in range(1, 4):
            wire.request("GET", channel.target("/")).json()
            assert channel.count("call") == number


def test_start_response_returns_a_callable(server: Server) -> None:
    assert server.request("GET", "/returns-write").body == b"callable"


def test_subclasses_of_str_and_bytes_are_taken(server: Server) -> None:
    response = server.request("GET", "/subclasses")
    assert (response.status, response.reason, response.value("X-Sub")) == (200, "Fine", "class")
    assert response.body == b"of bytes"


@pytest.mark.parametrize("path", ["/replaced", "/replaced-after-empty-blocks"])
def test_exc_info_before_the_head_is_sent_replaces_all_of_it(server: Server, path: str) -> None:
    response = server.request("GET", path)
    assert (response.status, response.reason, response.body) == (503, "Replaced", b"error page")
    assert response.value("X-Second") == "2"
    assert response.values("X-First") + response.values("Set-Cookie") == []
    assert response.value("Date") != "never"


def test_exc_info_in_the_first_call_is_taken(server: Server) -> None:
    response = server.request("GET", "/exc-info-first")
    assert (response.status, response.reason, response.body) == (500, "Mine", b"error page")


def test_exc_info_after_the_head_was_sent_re_raises_that_very_exception(server: Server, channel: Channel) -> None:
    with server.connect() as wire:
        with pytest.raises(ConnectionEnded) as ended:
            wire.request("GET", channel.target("/late"))
    assert ended.value.received == b"sent"
    assert channel.expect("re-raised") == [True, "Canary"]


def test_exc_info_after_write_re_raises(server: Server) -> None:
    with server.connect() as wire, pytest.raises(ConnectionEnded) as ended:
        wire.request("GET", "/late-after-write")
    assert ended.value.received == b"sent"


def test_second_call_without_exc_info_raises_an_assertion_error_with_the_rule(server: Server, channel: Channel) -> None:
    response = server.request("GET", channel.target("/twice"))
    assert "start-response-twice" in channel.expect("raised")
    assert response.status == 500
    assert response.values("X-First") + response.values("X-Second") == []


def test_call_after_one_that_raised_is_a_second_call(server: Server, channel: Channel) -> None:
    server.request("GET", channel.target("/again-after-refusal"))
    raised = channel.expect("raised")
    assert ["status-malformed" in raised[0], "start-response-twice" in raised[1]] == [True, True], raised


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [("/in-iteration", 201, b"lazy"), ("/in-iteration-after-empty-block", 202, b"after an empty block")],
)
def test_start_response_may_be_called_during_iteration(server: Server, path: str, status: int, body: bytes) -> None:
    response = server.request("GET", path)
    assert (response.status, response.body) == (status, body)


def test_written_data_goes_out_before_the_yielded_blocks(server: Server) -> None:
    assert server.request("GET", "/writes").body == b"one two three four"


def test_written_data_is_the_body_of_an_empty_iterable(server: Server) -> None:
    response = server.request("GET", "/writes-only")
    assert (response.value("Content-Length"), response.body) == ("8", b"only now")


def test_each_write_is_sent_before_it_returns(server: Server, channel: Channel) -> None:
    with server.connect() as wire:
        wire.send(b"GET %b HTTP/1.1\r\nHost: test\r\n\r\n" % channel.target("/writes-flushed").encode())
        assert wire.read_head().is_chunked
        for number in range(3):
            assert wire.read_chunk() == b"block %d" % number
            channel.open(f"read {number}")
        assert wire.read_chunk() == b""


def test_write_beyond_the_content_length_never_reaches_the_client(server: Server) -> None:
    with server.connect() as wire:
        wire.send(request_bytes("GET", "/writes-too-much") + request_bytes("GET", "/alive", [("Connection", "close")]))
        assert wire.read_response().body == b"four"
        rest = wire.expect_end()
        assert rest == b"" or (rest.startswith(b"HTTP/1.1 200 ") and rest.endswith(b"alive"))


def test_write_of_a_replacing_start_response_works(server: Server) -> None:
    response = server.request("GET", "/write-from-replaced-head")
    assert (response.status, response.reason, response.body) == (500, "Mine", b"written")
    assert response.values("X-First") == []


def test_reference_to_exc_info_is_dropped_after_use(server: Server) -> None:
    with server.connect() as wire:
        assert wire.request("GET", "/drop-exc-info").body == b"page"
        assert wire.request("GET", "/is-exc-info-alive").json() is False


def test_callables_of_an_ended_request_fail_and_touch_no_other(server: Server) -> None:
    with server.connect() as wire:
        assert wire.request("GET", "/keep-callables").body == b"kept"
        response = wire.request("GET", "/use-kept-callables")
        assert response.status == 200
        assert response.values("X-Leaked") == []
        assert b"nothing" not in response.body and b"leaked" not in response.body
        assert wire.request("GET", "/alive").body == b"alive"


class TestExceptions:
    """An exception of the application: the log has all of it, the client a plain 500 or a cut, the worker lives."""

    @pytest.mark.parametrize("path", ["/raises", "/raises-in-iteration"])
    def test_before_the_head_gives_a_500_without_its_secrets(self, server: Server, path: str) -> None:
        response = server.request("GET", path)
        assert response.status == 500
        assert response.values("X-First") == []
        assert b"secret" not in response.body and b"Canary" not in response.body

    def test_500_is_plain_text_with_a_date(self, server: Server) -> None:
        response = server.request("GET", "/raises")
        assert (response.value("Content-Type") or "").startswith("text/plain")
        assert response.value("Date") is not None

    def test_500_to_head_has_no_body(self, server: Server) -> None:
        with server.connect() as wire:
            assert wire.request("HEAD", "/raises", [("Connection", "close")]).status == 500
            wire.expect_close()

    @pytest.mark.parametrize(
        ("path", "secret"),
        [
            ("/raises", "secret of the call"),
            ("/raises-in-iteration", "secret of the iteration"),
            ("/raises-midway", "secret of the middle"),
        ],
    )
    def test_is_logged_with_traceback_method_and_path(self, server: Server, path: str, secret: str) -> None:
        since = len(server.log.text)
        with server.connect() as wire:
            wire.send(request_bytes("PUT", f"{path}?query", [("Connection", "close")], b""))
            wire.expect_end()
        server.log.wait_for(f"Canary: {secret}", since)
        text = server.log.text[since:]
        assert "Traceback (most recent call last)" in text
        assert "apps_call.py" in text
        assert f"PUT {path}" in text

    def test_in_the_middle_leaves_a_chunked_body_without_its_last_chunk(self, server: Server) -> None:
        with server.connect() as wire:
            with pytest.raises(ConnectionEnded) as ended:
                wire.request("GET", "/raises-midway")
        assert ended.value.received == b"first block"
        assert ended.value.head is not None and ended.value.head.is_chunked

    def test_in_the_middle_leaves_a_body_shorter_than_its_length(self, server: Server) -> None:
        with server.connect() as wire:
            with pytest.raises(ConnectionEnded) as ended:
                wire.request("GET", "/raises-midway-with-length")
        assert ended.value.received == b"first block"

    def test_in_the_middle_of_an_http_1_0_body_resets_the_connection(self, server: Server) -> None:
        """Only a reset can tell an HTTP/1.0 client without a length that the body is not whole."""
        with server.connect() as wire:
            wire.send(b"GET /raises-midway HTTP/1.0\r\n\r\n")
            head = wire.read_head()
            assert head.status == 200
            with pytest.raises(ConnectionResetError):
                wire.read_to_close()

    @pytest.mark.parametrize(
        "kind",
        [
            "KeyboardInterrupt",
            "SystemExit",
            "StopIteration",
            "GeneratorExit",
            "BaseException",
            "MemoryError",
            "RecursionError",
        ],
    )
    def test_of_any_kind_in_the_call_ends_the_request_alone(self, server: Server, kind: str) -> None:
        pid = server.pid
        assert server.request("GET", f"/base-in-call?kind={kind}").status == 500
        assert server.request("GET", "/alive").body == b"alive"
        assert server.process.poll() is None and server.pid == pid

    @pytest.mark.parametrize("kind", ["KeyboardInterrupt", "SystemExit", "GeneratorExit", "BaseException"])
    def test_of_any_kind_in_the_iteration_cuts_the_response_alone(self, server: Server, kind: str) -> None:
        with server.connect() as wire:
            with pytest.raises(ConnectionEnded) as ended:
                wire.request("GET", f"/base-in-next?kind={kind}")
        assert ended.value.received == b"first block"
        assert server.request("GET", "/alive").body == b"alive"
        assert server.process.poll() is None

    def test_stop_iteration_of_an_iterator_is_its_end(self, server: Server) -> None:
        assert server.request("GET", "/base-in-next?kind=StopIteration").body == b"first block"
