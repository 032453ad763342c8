"""Fast, slow and CPU-bound calls side by side, with no setting and with `--threads 1`."""

from __future__ import annotations

import pytest

from tests.support.probe import Channel
from tests.support.server import Serve, Server
from tests.support.wire import request_bytes

APP = "tests.process.apps_process:app"


@pytest.fixture(scope="module")
def server(serve: Serve) -> Server:
    return serve(APP)


@pytest.mark.parametrize("count", [2, 16, 64])
def test_slow_calls_are_all_inside_together_with_no_setting(server: Server, channel: Channel, count: int) -> None:
    """No call is let go before all of them have begun."""
    wires = [server.connect() for _ in range(count)]
    for wire in wires:
        wire.send(request_bytes("GET", channel.target("/held")))
    channel.expect_count("call", count)
    channel.open("go")
    for wire in wires:
        assert wire.read_response().body == b"held"
        wire.close()


def test_more_slow_calls_than_threads_are_all_answered(server: Server, channel: Channel) -> None:
    wires = [server.connect() for _ in range(150)]
    for wire in wires:
        wire.send(request_bytes("GET", channel.target("/held")))
    channel.expect_count("call", 64)
    channel.open("go")
    for wire in wires:
        assert wire.read_response().body == b"held"
        wire.close()
    assert channel.count("call") == 150


def test_calls_are_never_more_than_threads_allows(serve: Serve, channel: Channel) -> None:
    server = serve(APP, "--threads", "3")
    wires = [server.connect() for _ in range(10)]
    for wire in wires:
        wire.send(request_bytes("GET", channel.target("/held")))
    channel.expect_count("call", 3)
    channel.open("go")
    for wire in wires:
        assert wire.read_response().body == b"held"
        wire.close()
    assert server.request("GET", "/most").json() <= 3


def test_fast_calls_are_answered_beside_slow_ones(server: Server, channel: Channel) -> None:
    slow = [server.connect() for _ in range(16)]
    for wire in slow:
        wire.send(request_bytes("GET", channel.target("/held")))
    channel.expect_count("call", 16)
    with server.connect() as wire:
        for _ in range(500):
            assert wire.request("GET", "/hello").body == b"hello"
    channel.open("go")
    for wire in slow:
        assert wire.read_response().body == b"held"
        wire.close()


def test_requests_that_arrive_behind_a_slow_call_are_answered_meanwhile(server: Server, channel: Channel) -> None:
    """The slow call begins on the thread that reads the network; others must take that over."""
    for _ in range(10):
        with server.connect() as slow, server.connect() as fast:
            slow.send(request_bytes("GET", channel.target("/held")))
            fast.send(request_bytes("GET", "/hello"))
            assert fast.read_response().body == b"hello"
            channel.open("go")
            assert slow.read_response().body == b"held"


def test_fast_calls_are_answered_beside_one_that_computes(server: Server, channel: Channel) -> None:
    with server.connect() as spinner, server.connect() as wire:
        spinner.send(request_bytes("GET", channel.target("/spin")))
        channel.expect("spinning")
        for _ in range(20):
            assert wire.request("GET", "/hello").body == b"hello"
        assert wire.request("GET", "/unspin").json() is True
        assert spinner.read_response().json() > 0


class TestOneThread:
    """`--threads 1`: never two application calls at once in the process; I/O stays concurrent."""

    FLAGS = ("--threads", "1")

    def test_is_said_in_the_environ(self, serve: Serve) -> None:
        assert serve(APP, *self.FLAGS).request("GET", "/process").json()["multithread"] is False

    def test_never_runs_two_calls_at_once(self, serve: Serve, channel: Channel) -> None:
        server = serve(APP, *self.FLAGS)
        wires = [server.connect() for _ in range(20)]
        for wire in wires:
            wire.send(request_bytes("GET", channel.target("/held")))
        channel.expect("call")
        channel.open("go")
        for wire in wires:
            assert wire.read_response().body == b"held"
            wire.close()
        assert channel.count("call") == 20
        assert server.request("GET", "/most").json() == 1

    def test_never_runs_a_call_while_another_streams(self, serve: Serve, channel: Channel) -> None:
        server = serve(APP, *self.FLAGS)
        with server.connect() as first, server.connect() as second:
            first.send(request_bytes("GET", channel.target("/held-stream")))
            channel.expect("call")
            second.send(request_bytes("GET", channel.target("/held-stream")))
            self.assert_io_goes_on(server)
            assert channel.count("call") == 1
            channel.open("go")
            assert first.read_response().body == b"begun and ended"
            assert second.read_response().body == b"begun and ended"

    def test_reads_refuses_and_finishes_for_others_during_a_call(self, serve: Serve, channel: Channel) -> None:
        server = serve(APP, *self.FLAGS)
        with server.connect() as wire:
            wire.send(request_bytes("GET", channel.target("/held")))
            channel.expect("call")
            self.assert_io_goes_on(server)
            channel.open("go")
            assert wire.read_response().body == b"held"

    def test_takes_long_bodies_while_nobody_holds_the_one_thread(self, serve: Serve) -> None:
        """A long upload that has stopped in the middle must not take the only thread from the others."""
        server = serve(APP, *self.FLAGS)
        with server.connect() as uploader:
            uploader.send(request_bytes("POST", "/echo", [("Content-Length", "300000")]) + b"x" * 100_000)
            for _ in range(20):
                assert server.request("GET", "/hello").body == b"hello"
            uploader.send(b"x" * 200_000)
            assert uploader.read_response().body == b"x" * 300_000

    @staticmethod
    def assert_io_goes_on(server: Server) -> None:
        """Heads are read and refused while the application's one call runs."""
        with server.connect() as wire:
            wire.send(b"GET /%zz HTTP/1.1\r\nHost: test\r\n\r\n")
            assert wire.read_response().status == 400
