"""The timers that a server cannot do without, each lowered by its flag to where a test can wait for its event."""

from __future__ import annotations

import contextlib
import select
import time

import pytest

from tests.support.probe import Channel
from tests.support.server import Serve, Server
from tests.support.wire import DEADLINE_S, Wire, chunked_request_bytes, request_bytes
from tests.wire.apps_wire import BIG

# fmt: off
TIMERS = (
    "--first-byte-timeout", "1", "--head-timeout", "1", "--keep-alive", "1",
    "--body-timeout", "1", "--write-timeout", "1",
)
# fmt: on
SHORTEST_S = 0.9
"""No timer of one second may end before this: an end that comes at once is another event than the timer's."""


@pytest.fixture(scope="module")
def server(serve: Serve) -> Server:
    return serve("tests.wire.apps_wire:app", *TIMERS)


class NotBefore:
    """A `with` block that may not end before the timer can have run out."""

    def __enter__(self) -> None:
        self.since = time.monotonic()

    def __exit__(self, kind: object, *_: object) -> None:
        assert kind is not None or time.monotonic() - self.since >= SHORTEST_S


def test_connection_without_a_first_byte_is_closed_silently(server: Server) -> None:
    with NotBefore(), server.connect() as wire:
        wire.expect_close()


@pytest.mark.parametrize("part", [b"G", b"GET /hello HTTP/1.1\r\nHos", b"GET /hello HTTP/1.1\r\nHost: test\r\n"])
def test_head_that_stops_gets_408(server: Server, part: bytes) -> None:
    with NotBefore(), server.connect() as wire:
        wire.send(part)
        assert_timed_out(wire)


def test_head_that_trickles_gets_408(server: Server) -> None:
    """The whole head has one deadline: a byte now and then does not move it."""
    with server.connect() as wire:
        wire.send(b"GET /hello HTTP/1.1\r\nHost: test\r\nX-Slow: ")
        wire.socket.settimeout(0.1)
        status = None
        until = time.monotonic() + DEADLINE_S
        while status is None and time.monotonic() < until:
            with contextlib.suppress(TimeoutError):
                wire.send(b"x")
                status = wire.read_head().status
        assert status == 408


def test_second_head_that_stops_gets_408(server: Server) -> None:
    with server.connect() as wire:
        assert wire.request("GET", "/hello").body == b"hello"
        wire.send(b"GET /hel")
        assert_timed_out(wire)


def test_idle_connection_is_closed_after_the_keep_alive_time(server: Server) -> None:
    with server.connect() as wire:
        assert wire.request("GET", "/hello").body == b"hello"
        with NotBefore():
            wire.expect_close()


def test_keep_alive_time_begins_again_with_each_request(server: Server) -> None:
    with server.connect() as wire:
        for _ in range(3):
            assert wire.request("GET", "/hello").body == b"hello"
        with NotBefore():
            wire.expect_close()


def test_small_body_that_stops_gets_408_and_calls_nobody(server: Server, channel: Channel) -> None:
    with NotBefore(), server.connect() as wire:
        wire.send(request_bytes("POST", channel.target("/read-slowly"), [("Content-Length", "10")]) + b"12345")
        assert_timed_out(wire)
    assert channel.count("call") == 0


def test_chunked_body_that_stops_gets_408_and_calls_nobody(server: Server, channel: Channel) -> None:
    with NotBefore(), server.connect() as wire:
        wire.send(chunked_request_bytes(channel.target("/read-slowly"), [b"12345"])[:-7])
        assert_timed_out(wire)
    assert channel.count("call") == 0


def test_streamed_body_that_stops_raises_client_disconnected(server: Server, channel: Channel) -> None:
    with server.connect() as wire:
        wire.send(request_bytes("POST", channel.target("/read-slowly"), [("Content-Length", "200000")]) + b"x" * 10)
        channel.expect("call")
        with NotBefore():
            assert channel.expect("raised") == "ClientDisconnected"
        wire.expect_end()


def test_streamed_body_that_stops_shortly_before_its_end_closes_too(server: Server, channel: Channel) -> None:
    """Little enough is left to be thrown away, but nobody waits for this client again."""
    with server.connect() as wire:
        wire.send(request_bytes("POST", channel.target("/read-slowly"), [("Content-Length", "100000")]) + b"x" * 99_000)
        response = wire.read_response()
        assert (response.status, response.value("Connection")) == (408, "close")
        assert response.body.startswith(b"body-timeout: ")
        wire.expect_end()


def test_body_that_has_broken_off_stays_broken(server: Server, channel: Channel) -> None:
    """What the failed read had got is lost: to go on behind it would be a body with a hole."""
    with server.connect() as wire:
        wire.send(request_bytes("POST", channel.target("/read-on"), [("Content-Length", "200000")]) + b"x" * 100_000)
        channel.expect("failed")
        wire.send(b"x" * 100_000)
        channel.open("go")
        assert channel.expect("second") == "ClientDisconnected"
        wire.expect_end()


def test_streamed_body_that_goes_on_is_not_ended(server: Server, channel: Channel) -> None:
    """Idle time, not an absolute deadline: an upload that takes longer than the timer, with no pause as long, lives."""
    pieces, size = 12, 20_000
    with server.connect() as wire:
        head = request_bytes("POST", channel.target("/read-slowly"), [("Content-Length", str(pieces * size))])
        wire.send(head)
        for _ in range(pieces):
            wire.send(b"x" * size)
            time.sleep(0.15)  # the pace of this client is what is tested
        assert channel.expect("read") == pieces * size
        assert wire.read_response().body == b"read"


def test_reader_that_stops_is_ended_and_the_iterable_closed(server: Server, channel: Channel) -> None:
    with server.connect(receive_buffer=4096) as wire:
        wire.send(request_bytes("GET", channel.target("/endless")))
        assert wire.read_head().status == 200
        with NotBefore():
            channel.expect("close")


def test_reader_that_stops_at_a_large_block_is_ended(server: Server) -> None:
    with server.connect(receive_buffer=4096) as wire:
        wire.send(request_bytes("GET", "/big"))
        assert wire.read_head().status == 200
        # An abort is a reset: it is seen without reading, and what the server still held never comes.
        poll = select.poll()
        poll.register(wire.socket, select.POLLHUP | select.POLLERR)
        with NotBefore():
            assert poll.poll(DEADLINE_S * 1000) != []
        assert len(wire.expect_end()) < len(BIG)
    assert server.request("GET", "/hello").body == b"hello"


def test_readers_that_stop_before_their_connections_ever_rested_are_ended(server: Server) -> None:
    """The first answer of each connection comes from a slow call, so that the reactor has set it no timer before."""
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(server.connect(receive_buffer=4096)) for _ in range(16)]
        for wire in wires:
            wire.send(request_bytes("GET", "/big-late"))
        poll = select.poll()
        for wire in wires:
            assert wire.read_head().status == 200
            poll.register(wire.socket, select.POLLHUP | select.POLLERR)
        until = time.monotonic() + DEADLINE_S
        left = {wire.socket.fileno() for wire in wires}
        while left and time.monotonic() < until:
            for descriptor, _ in poll.poll((until - time.monotonic()) * 1000):
                poll.unregister(descriptor)
                left.remove(descriptor)
        assert left == set()


def test_application_may_take_longer_than_every_timer(server: Server, channel: Channel) -> None:
    with server.connect() as wire, server.connect() as other:
        wire.send(request_bytes("GET", channel.target("/held")))
        channel.expect("call")
        assert other.request("GET", "/hello").body == b"hello"
        other.expect_close()  # its keep-alive time has passed meanwhile
        channel.open("go")
        assert wire.read_response().body == b"held"


def assert_timed_out(wire: Wire) -> None:
    """408, Connection: close, and an orderly end."""
    response = wire.read_response()
    assert (response.status, response.value("Connection")) == (408, "close")
    wire.expect_close()
