"""Bodies that the application leaves, bodies that never come whole, and Expect: 100-continue."""

from __future__ import annotations

import pytest

from tests.support.probe import Channel
from tests.support.server import Serve, Server
from tests.support.wire import ConnectionEnded, Wire, chunked_request_bytes, request_bytes

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: test\r\n\r\n"
LONG = 150_000
"""Above what is read before the application is called (64 KiB), so that the body streams."""


@pytest.fixture(scope="module")
def server(serve: Serve) -> Server:
    return serve("tests.wsgi.apps_input:app")


def send_what_is_taken(wire: Wire, data: bytes) -> None:
    """Sends until the server has closed: it owes an unread body nothing."""
    try:
        wire.send(data)
    except (BrokenPipeError, ConnectionResetError):
        return


@pytest.mark.parametrize("count", [1, 100, 1724, 1725, 3000, 100_000])
@pytest.mark.parametrize("path", ["/unread", "/half-read"])
def test_unread_body_is_never_the_next_request(server: Server, path: str, count: int) -> None:
    body = SMUGGLED * count
    with server.connect() as wire:
        send_what_is_taken(wire, request_bytes("POST", path, [], body))
        response = wire.read_response()
        assert response.body == (b"unread" if path == "/unread" else SMUGGLED[:10])
        send_what_is_taken(wire, request_bytes("POST", "/echo", [("Connection", "close")], b"next"))
        rest = wire.expect_end()
    assert b"SMUGGLED" not in rest
    assert rest == b"" or rest.endswith(b"next")


@pytest.mark.parametrize("count", [1, 100, 1600])
def test_unread_body_within_the_buffer_keeps_the_connection(server: Server, count: int) -> None:
    with server.connect() as wire:
        for _ in range(3):
            assert wire.request("POST", "/unread", [], SMUGGLED * count).body == b"unread"
            wire.send(chunked_request_bytes("/half-read", [SMUGGLED] * count))
            assert wire.read_response().body == SMUGGLED[:10]


def test_answer_to_an_unread_long_body_is_not_lost_to_a_reset(server: Server) -> None:
    with server.connect() as wire:
        send_what_is_taken(wire, request_bytes("POST", "/refuses", [], b"x" * 2_000_000))
        response = wire.read_response()
        assert (response.status, response.body) == (403, b"no")


def test_small_body_is_whole_before_the_application_is_called(server: Server, channel: Channel) -> None:
    request = request_bytes("POST", channel.target("/unread"), [], b"0123456789")
    with server.connect() as wire:
        wire.send(request[:-1])
        assert server.request("POST", "/echo", [], b"meanwhile").body == b"meanwhile"
        assert channel.count("call") == 0
        wire.send(request[-1:])
        assert wire.read_response().body == b"unread"
    assert channel.count("call") == 1


def test_chunked_body_is_whole_before_the_application_is_called(server: Server, channel: Channel) -> None:
    request = chunked_request_bytes(channel.target("/unread"), [b"x" * 100_000] * 15)
    with server.connect() as wire:
        wire.send(request[:-2])
        assert server.request("POST", "/echo", [], b"meanwhile").body == b"meanwhile"
        assert channel.count("call") == 0
        wire.send(request[-2:])
        assert wire.read_response().body == b"unread"


def test_long_body_streams_to_the_application_while_it_comes(server: Server, channel: Channel) -> None:
    body = b"x" * LONG
    with server.connect() as wire:
        wire.send(request_bytes("POST", channel.target("/gates"), [("Content-Length", str(LONG))]) + body[:20])
        channel.expect("call")
        channel.open("read")
        assert channel.expect("start") == 10
        wire.send(body[20:])
        assert channel.expect("rest") == LONG - 10
        assert wire.read_response().json() == LONG


class TestClientGoneInMidBody:
    """The reader gets ClientDisconnected (an OSError), never a short read that it could take for the end."""

    @pytest.mark.parametrize("how", ["half_close", "close", "reset"])
    @pytest.mark.parametrize("came", [20, 70_000])
    def test_raises_client_disconnected(self, server: Server, channel: Channel, how: str, came: int) -> None:
        wire = server.connect()
        head = request_bytes("POST", channel.target("/gates"), [("Content-Length", str(LONG))])
        wire.send(head + b"x" * came)
        channel.expect("call")
        channel.open("read")
        channel.expect("start")
        getattr(wire, how)()
        assert channel.expect("raised") == ["ClientDisconnected", True]
        wire.close()

    @pytest.mark.parametrize("operation", ["read", "readinto", "readline", "iterate", "readlines"])
    def test_raises_whatever_reads(self, server: Server, channel: Channel, operation: str) -> None:
        with server.connect() as wire:
            target = channel.target(f"/raises-by?{operation}")
            wire.send(request_bytes("POST", target, [("Content-Length", str(LONG))]) + b"x" * 1000)
            channel.expect("call")
            wire.half_close()
            assert channel.expect("raised") == "ClientDisconnected"

    def test_is_no_traceback_and_no_response(self, server: Server, channel: Channel) -> None:
        since = len(server.log.text)
        with server.connect() as wire:
            wire.send(request_bytes("POST", channel.target("/gates"), [("Content-Length", str(LONG))]) + b"x" * 100)
            channel.expect("call")
            channel.open("read")
            channel.expect("start")
            wire.half_close()
            channel.expect("raised")
            wire.expect_end()
        assert server.request("POST", "/echo", [], b"next").body == b"next"
        assert "Traceback" not in server.log.text[since:]

    def test_swallowed_leaves_the_worker_sound(self, server: Server, channel: Channel) -> None:
        with server.connect() as wire:
            wire.send(request_bytes("POST", channel.target("/swallows"), [("Content-Length", str(LONG))]) + b"x")
            wire.half_close()
            channel.expect("swallowed")
            wire.expect_end()
        assert server.request("POST", "/echo", [], b"next").body == b"next"

    @pytest.mark.parametrize("framing", ["length", "chunked"])
    def test_before_the_call_calls_nobody(self, server: Server, channel: Channel, framing: str) -> None:
        if framing == "length":
            request = request_bytes("POST", channel.target("/unread"), [("Content-Length", "100")]) + b"x" * 99
        else:
            request = chunked_request_bytes(channel.target("/unread"), [b"x" * 99])[:-1]
        with server.connect() as wire:
            wire.send(request)
            wire.half_close()
            wire.expect_end()
        assert server.request("POST", "/echo", [], b"next").body == b"next"
        assert channel.count("call") == 0


class TestExpectContinue:
    """RFC 9110 §10.1.1: 100 goes out at the application's first read, unless it is not needed any more."""

    EXPECT = ("Expect", "100-continue")

    @pytest.mark.parametrize("length", [20, LONG])
    def test_is_sent_at_the_first_read_and_not_before(self, server: Server, channel: Channel, length: int) -> None:
        with server.connect() as wire:
            wire.send(request_bytes("POST", channel.target("/gates"), [self.EXPECT, ("Content-Length", str(length))]))
            channel.expect("call")
            wire.socket.setblocking(False)
            with pytest.raises(BlockingIOError):
                wire.read_head()
            wire.socket.setblocking(True)
            wire.socket.settimeout(20)
            channel.open("read")
            assert wire.read_head().status == 100
            wire.send(b"x" * length)
            response = wire.read_response()
            assert (response.json(), response.interim) == (length, ())
            assert wire.request("POST", "/echo", [], b"next").body == b"next"

    @pytest.mark.parametrize("spelling", ["100-continue", "100-Continue", "100-CONTINUE"])
    def test_is_found_in_any_case(self, server: Server, spelling: str) -> None:
        with server.connect() as wire:
            wire.send(request_bytes("POST", "/echo", [("Expect", spelling), ("Content-Length", "4")]))
            assert wire.read_head().status == 100
            wire.send(b"four")
            assert wire.read_response().body == b"four"

    @pytest.mark.parametrize("length", [20, LONG])
    def test_is_not_sent_when_the_application_answers_unread_and_closes(
        self, server: Server, channel: Channel, length: int
    ) -> None:
        with server.connect() as wire:
            wire.send(request_bytes("POST", channel.target("/refuses"), [self.EXPECT, ("Content-Length", str(length))]))
            response = wire.read_response()
            assert (response.status, response.interim) == (403, ())
            assert response.value("Connection") == "close"
            wire.expect_close()

    def test_is_not_sent_when_the_body_came_with_the_head(self, server: Server) -> None:
        with server.connect() as wire:
            response = wire.request("POST", "/echo", [self.EXPECT], b"body")
            assert (response.body, response.interim) == (b"body", ())
            assert wire.request("POST", "/echo", [], b"next").body == b"next"

    def test_is_not_sent_without_a_body(self, server: Server) -> None:
        with server.connect() as wire:
            assert wire.request("POST", "/echo", [self.EXPECT, ("Content-Length", "0")]).interim == ()
            assert wire.request("GET", "/echo", [self.EXPECT]).interim == ()

    def test_is_sent_for_a_chunked_body_when_spooling_starts(self, server: Server, channel: Channel) -> None:
        request = chunked_request_bytes(channel.target("/gates"), [b"x" * 1000] * 20, [self.EXPECT])
        head, _, body = request.partition(b"\r\n\r\n")
        with server.connect() as wire:
            wire.send(head + b"\r\n\r\n")
            assert wire.read_head().status == 100
            wire.send(body)
            channel.open("read")
            response = wire.read_response()
            assert (response.json(), response.interim) == (20_000, ())

    def test_is_ignored_in_http_1_0(self, server: Server) -> None:
        with server.connect() as wire:
            wire.send(request_bytes("POST", "/echo", [self.EXPECT, ("Content-Length", "4")], version="HTTP/1.0"))
            wire.send(b"four")
            response = wire.read_response()
            assert (response.body, response.interim) == (b"four", ())

    @pytest.mark.parametrize("value", ["100-continued", "200-ok", "100-continue, other", "100-continue=1"])
    def test_of_another_kind_is_417(self, server: Server, value: str) -> None:
        with server.connect() as wire:
            wire.send(request_bytes("POST", "/echo", [("Expect", value), ("Content-Length", "4")]))
            assert wire.read_response().status == 417
            wire.expect_close()

    def test_client_that_leaves_instead_of_sending_is_disconnected(self, server: Server, channel: Channel) -> None:
        with server.connect() as wire:
            wire.send(request_bytes("POST", channel.target("/gates"), [self.EXPECT, ("Content-Length", "20")]))
            channel.open("read")
            assert wire.read_head().status == 100
            wire.half_close()
            assert channel.expect("raised") == ["ClientDisconnected", True]
            with pytest.raises((ConnectionEnded, ConnectionResetError)):
                wire.read_head()
