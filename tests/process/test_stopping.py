"""Signals: TERM drains and loses nothing, INT stops at once, and what the log says of it."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from tests.support.probe import Channel
from tests.support.server import Server
from tests.support.wire import DEADLINE_S, ConnectionEnded, Wire, request_bytes

APP = "tests.process.apps_process:app"
PATIENT = (
    *("--graceful-timeout", "600", "--drain-linger", "0"),
    *("--keep-alive", "600", "--first-byte-timeout", "600", "--head-timeout", "600"),
)
"""Limits far above every deadline here: what ends nevertheless ends by its event."""


@pytest.fixture
def server(probe_listener: object) -> Iterator[Server]:
    with Server(APP, *PATIENT) as server:
        yield server


def begin_drain(server: Server) -> None:
    """Sends TERM and returns when it has had its first effect: a kept connection is closed, or told to close."""
    with server.connect() as watch:
        assert watch.request("GET", "/hello").body == b"hello"
        server.signal(signal.SIGTERM)
        until = time.monotonic() + DEADLINE_S
        while time.monotonic() < until:
            try:
                if watch.request("GET", "/hello").value("Connection") == "close":
                    return
            except (ConnectionEnded, ConnectionResetError, BrokenPipeError):
                return
    raise AssertionError("TERM has no effect")


def wait_until_refused(server: Server) -> None:
    """Returns when the listener is closed."""
    until = time.monotonic() + DEADLINE_S
    while time.monotonic() < until:
        try:
            server.connect().reset()
        except ConnectionRefusedError:
            return
        except OSError:
            continue
    raise AssertionError("connections are still accepted")


def test_term_without_connections_leaves_at_once_with_status_0(probe_listener: object) -> None:
    with Server(APP, "--graceful-timeout", "600", "--drain-linger", "600") as server:
        assert server.request("GET", "/hello").body == b"hello"
        assert server.stop() == 0


def test_term_before_any_request_leaves_at_once(server: Server) -> None:
    assert server.stop() == 0


def test_term_refuses_new_connections_while_a_request_is_under_way(server: Server, channel: Channel) -> None:
    """A listener that stays open would take connections that nobody answers, and reset them at the end."""
    with server.connect() as wire:
        wire.send(request_bytes("GET", channel.target("/held")))
        channel.expect("call")
        begin_drain(server)
        try:
            wait_until_refused(server)
        finally:
            channel.open("go")
        assert wire.read_response().body == b"held"
    assert server.wait() == 0


def test_term_answers_what_was_accepted_and_waits_in_no_queue(server: Server, channel: Channel) -> None:
    """Every connection that the kernel has completed before TERM is answered, whether it was accepted yet or not."""
    with server.connect() as held:
        held.send(request_bytes("GET", channel.target("/held")))
        channel.expect("call")
        wires = [server.connect() for _ in range(20)]
        for wire in wires:
            wire.send(request_bytes("GET", "/hello"))
        server.signal(signal.SIGTERM)
        for wire in wires:
            assert wire.read_response().body == b"hello"
            wire.close()
        channel.open("go")
        assert held.read_response().body == b"held"
    assert server.wait() == 0


def test_term_finishes_the_request_under_way(server: Server, channel: Channel) -> None:
    with server.connect() as wire:
        wire.send(request_bytes("GET", channel.target("/held")))
        channel.expect("call")
        begin_drain(server)
        assert server.process.poll() is None
        channel.open("go")
        response = wire.read_response()
        assert (response.body, response.value("Connection")) == (b"held", "close")
        wire.expect_close()
    assert server.wait() == 0


def test_term_finishes_a_response_that_has_begun(server: Server, channel: Channel) -> None:
    with server.connect() as wire:
        wire.send(request_bytes("GET", channel.target("/held-stream")))
        channel.expect("call")
        begin_drain(server)
        channel.open("go")
        assert wire.read_response().body == b"begun and ended"
        wire.expect_close()
    assert server.wait() == 0


def test_term_takes_the_rest_of_a_body_that_has_begun(server: Server, channel: Channel) -> None:
    with server.connect() as wire:
        request = request_bytes("POST", channel.target("/held-upload"), [], b"x" * 200_000)
        wire.send(request[:100_000])
        channel.expect("call")
        begin_drain(server)
        wire.send(request[100_000:])
        assert wire.read_response().json() == 200_000
        wire.expect_close()
    assert server.wait() == 0


def test_term_finishes_a_response_that_the_client_takes_slowly(server: Server, channel: Channel) -> None:
    body = b"b" * 5_000_000
    with server.connect(receive_buffer=65_536) as wire:
        sender = threading.Thread(target=wire.send, args=(request_bytes("POST", "/echo", [], body),))
        sender.start()
        assert wire.read_head().status == 200
        sender.join()
        begin_drain(server)
        assert wire.read_exactly(len(body)) == body
        wire.expect_close()
    assert server.wait() == 0


def test_term_with_idle_connections_alone_closes_them_and_leaves(server: Server) -> None:
    wires = [server.connect() for _ in range(20)]
    for wire in wires:
        assert wire.request("GET", "/hello").body == b"hello"
    server.signal(signal.SIGTERM)
    for wire in wires:
        wire.expect_close()
    assert server.wait() == 0


def test_term_answers_the_next_request_of_a_kept_connection_with_close(probe_listener: object) -> None:
    with Server(APP, "--graceful-timeout", "600", "--drain-linger", "600") as server:
        with server.connect() as wire:
            assert wire.request("GET", "/hello").body == b"hello"
            begin_drain(server)
            response = wire.request("GET", "/hello")
            assert (response.body, response.value("Connection")) == (b"hello", "close")
            wire.expect_close()
        assert server.wait() == 0


def test_term_closes_idle_connections_after_the_linger(probe_listener: object) -> None:
    with Server(APP, "--graceful-timeout", "600", "--drain-linger", "1") as server:
        with server.connect() as wire:
            assert wire.request("GET", "/hello").body == b"hello"
            since = time.monotonic()
            server.signal(signal.SIGTERM)
            wire.expect_close()
            assert time.monotonic() - since >= 0.9
        assert server.wait() == 0


def test_term_answers_a_connection_that_was_accepted_and_not_yet_used(probe_listener: object) -> None:
    with Server(APP, "--graceful-timeout", "600", "--drain-linger", "600") as server:
        with server.connect() as unused:
            assert server.request("GET", "/hello").body == b"hello"  # so that the other one is accepted too
            begin_drain(server)
            response = unused.request("GET", "/hello")
            assert (response.body, response.value("Connection")) == (b"hello", "close")
        assert server.wait() == 0


def test_term_twice_is_one_drain(server: Server, channel: Channel) -> None:
    with server.connect() as wire:
        wire.send(request_bytes("GET", channel.target("/held")))
        channel.expect("call")
        begin_drain(server)
        for _ in range(5):
            server.signal(signal.SIGTERM)
        assert server.process.poll() is None
        channel.open("go")
        assert wire.read_response().body == b"held"
    assert server.wait() == 0


def test_term_begins_the_drain_while_a_call_computes(server: Server, channel: Channel) -> None:
    with server.connect() as spinner, server.connect() as wire:
        assert wire.request("GET", "/hello").body == b"hello"
        spinner.send(request_bytes("GET", channel.target("/spin")))
        channel.expect("spinning")
        begin_drain(server)
        wire.expect_close()
        # With the kept connections gone, nothing can end the spinning but INT.
        server.signal(signal.SIGINT)
        assert server.wait() == 0


def test_graceful_timeout_cuts_what_is_still_under_way_and_names_it(probe_listener: object, channel: Channel) -> None:
    with Server(APP, "--graceful-timeout", "1") as server:
        with server.connect() as wire:
            wire.send(request_bytes("GET", channel.target("/held")))
            channel.expect("call")
            since = time.monotonic()
            server.signal(signal.SIGTERM)
            assert server.wait() == 0
            assert time.monotonic() - since >= 0.9
            assert wire.expect_end() == b""
        assert "GET /held" in server.log.wait_for_end()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_int_and_quit_stop_at_once_whatever_is_under_way(
    server: Server, channel: Channel, number: signal.Signals
) -> None:
    with server.connect() as held, server.connect() as idle:
        held.send(request_bytes("GET", channel.target("/held")))
        channel.expect("call")
        assert idle.request("GET", "/hello").body == b"hello"
        server.signal(number)
        assert server.wait() == 0
        assert held.expect_end() == b""
        assert idle.expect_end() == b""


def test_int_during_a_drain_shortens_it(server: Server, channel: Channel) -> None:
    with server.connect() as wire:
        wire.send(request_bytes("GET", channel.target("/held")))
        channel.expect("call")
        begin_drain(server)
        server.signal(signal.SIGINT)
        assert server.wait() == 0


def test_drain_ends_with_an_account_in_the_log(server: Server) -> None:
    for _ in range(7):
        assert server.request("GET", "/hello").body == b"hello"
    assert server.stop() == 0
    assert "drained" in server.log.wait_for_end().splitlines()[-1]


def test_no_request_is_lost_under_load(probe_listener: object) -> None:
    """Clients on kept connections, stopped by `Connection: close` or a refused connect, never see a broken answer."""
    with Server(APP, "--graceful-timeout", "60") as server:
        failures: list[str] = []
        answered = threading.Event()

        def client() -> None:
            # The listener closes, which resets a connection that it was just about to complete.
            with contextlib.suppress(ConnectionRefusedError, ConnectionResetError):
                while True:
                    with server.connect() as wire:
                        if not _ask_until_close(wire, answered, failures):
                            return

        clients = [threading.Thread(target=client) for _ in range(8)]
        for thread in clients:
            thread.start()
        assert answered.wait(DEADLINE_S)
        server.signal(signal.SIGTERM)
        for thread in clients:
            thread.join(DEADLINE_S)
            assert not thread.is_alive()
        assert server.wait() == 0
        assert failures == []


def _ask_until_close(wire: Wire, answered: threading.Event, failures: list[str]) -> bool:
    """Whether the connection ended in good order. A connection that the closed listener reset was never accepted."""
    for number in range(1000):
        try:
            response = wire.request("GET", "/hello")
        except (ConnectionEnded, ConnectionResetError, BrokenPipeError) as error:
            if number > 0:
                failures.append(f"after {number} answers: {error!r}")
            return False
        if response.body != b"hello":
            failures.append(repr(response))
            return False
        answered.set()
        if response.value("Connection") == "close":
            return True
    return True
