"""What clients may use of time, memory and connections: each limit by its flag, its counter and its one log line."""

from __future__ import annotations

import contextlib
import re
import select
import threading
import time
from collections.abc import Iterator

import pytest

from tests.support.probe import Channel
from tests.support.server import Server
from tests.support.wire import DEADLINE_S, Wire, request_bytes

APP = "tests.wire.apps_wire:app"
PROCESS_APP = "tests.process.apps_process:app"
BRISK = ("--rate-grace", "0.5", "--min-body-rate", "1000", "--min-write-rate", "1000")


def counters(server: Server) -> dict[str, int]:
    """Ends the server and reads the account in its last line."""
    assert server.stop() == 0, server.log.text
    line = server.log.wait_for(r"counters: (.*)$")[1]
    return {name: int(value) for name, value in (pair.rsplit(" ", 1) for pair in line.split(", "))}


def serve(*flags: str) -> Server:
    return Server(APP, "--log-level", "debug", "--drain-linger", "0", *flags)


@contextlib.contextmanager
def trickling(wire: Wire, every_s: float = 0.05) -> Iterator[None]:
    """Sends a byte now and then, until the block ends or the server has had enough."""
    ends = threading.Event()

    def trickle() -> None:
        with contextlib.suppress(OSError):
            while not ends.wait(every_s):
                wire.send(b"x")

    thread = threading.Thread(target=trickle)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join(DEADLINE_S)


def test_bodies_that_trickle_are_refused_and_told_of_once() -> None:
    with serve(*BRISK) as server:
        for _ in range(3):
            with server.connect() as wire:
                wire.send(request_bytes("POST", "/echo", [("Content-Length", "60000")]))
                with trickling(wire):
                    response = wire.read_response()
                assert (response.status, response.body.split(b":")[0]) == (408, b"body-too-slow")
        assert server.request("GET", "/hello").body == b"hello"
        account = counters(server)
        assert (account["slow_bodies"], account["body_timeouts"]) == (3, 0)
        # The line of counters has the reason, too.
        assert len(re.findall(r"body-too-slow: ", server.log.text)) == 1


def test_a_streamed_body_that_trickles_is_a_disconnection_for_the_application() -> None:
    with serve(*BRISK) as server:
        with server.connect() as wire:
            wire.send(request_bytes("POST", "/echo", [("Content-Length", "600000")]))
            with trickling(wire):
                wire.read_to_close()
        assert counters(server)["slow_bodies"] == 1


def test_readers_that_trickle_are_cut_and_told_of_once() -> None:
    with serve(*BRISK, "--min-write-rate", "1M", "--write-timeout", "600") as server, contextlib.ExitStack() as stack:
        for _ in range(3):
            wire = stack.enter_context(server.connect(receive_buffer=4096))
            wire.send(request_bytes("GET", "/big"))
            assert wire.read_head().status == 200
        server.log.wait_for("write-too-slow")
        assert server.request("GET", "/hello").body == b"hello"
        for wire in [stack.enter_context(server.connect(receive_buffer=4096)) for _ in range(2)]:
            wire.send(request_bytes("GET", "/big"))
        account = counters(server)
        assert account["slow_readers"] >= 3
        assert len(re.findall("write-too-slow", server.log.text)) == 1


def test_requests_beyond_the_queue_are_answered_503_and_told_when_to_come_again(
    probe_listener: object, channel: Channel
) -> None:
    """One call at a time, one request that waits, and whoever comes then is told at once."""
    with Server(PROCESS_APP, "--threads", "1", "--queue", "1", "--log-level", "debug", "--drain-linger", "0") as server:
        with server.connect() as held, server.connect() as waiting, contextlib.ExitStack() as stack:
            held.send(request_bytes("GET", channel.target("/held")))
            channel.expect("call")
            waiting.send(request_bytes("GET", "/hello"))
            # Whether the one that waits is in the queue already shows in what becomes of the next ones.
            until = time.monotonic() + DEADLINE_S
            response = None
            while response is None:
                assert time.monotonic() < until, "nobody was turned away"
                late = stack.enter_context(server.connect())
                late.send(request_bytes("GET", "/hello"))
                readable, _, _ = select.select([late.socket], [], [], 0.2)
                response = late.read_response() if readable else None
            assert (response.status, response.body[:12]) == (503, b"overloaded: ")
            assert int(response.value("Retry-After") or 0) >= 1
            channel.open("go")
            assert held.read_response().body == b"held"
            assert waiting.read_response().body == b"hello"
        assert counters(server)["overloads"] >= 1


def test_at_the_limit_of_connections_the_longest_idle_make_room() -> None:
    with serve("--worker-connections", "30") as server, contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(server.connect()) for _ in range(30)]
        for wire in crowd:
            assert wire.request("GET", "/hello").body == b"hello"
        assert server.request("GET", "/hello").body == b"hello"
        crowd[0].expect_close()
        assert crowd[-1].request("GET", "/hello").body == b"hello"
        account = counters(server)
        assert (account["evictions"], account["accept_pauses"]) == (16, 0)
        assert len(re.findall("evicted", server.log.text)) == 1


@pytest.mark.parametrize(("flag", "status"), [(("--spool-quota", "100K"), 507), (("--spool-quota", "1M"), 200)])
def test_bodies_on_disk_have_a_quota(flag: tuple[str, str], status: int) -> None:
    with serve("--chunked-memory", "10K", *flag) as server:
        with server.connect() as wire:
            wire.send(request_bytes("POST", "/echo", [("Transfer-Encoding", "chunked")]))
            wire.send(b"%x\r\n%s\r\n0\r\n\r\n" % (200_000, b"x" * 200_000))
            assert wire.read_response().status == status
        assert counters(server)["spool_refusals"] == (status == 507)


def test_trailers_have_their_limits() -> None:
    head = request_bytes("POST", "/echo", [("Transfer-Encoding", "chunked")])
    with serve("--limit-trailer-fields", "2", "--limit-trailers", "100") as server:
        for trailers, status in [
            (b"A: 1\r\nB: 2", 200),
            (b"A: 1\r\nB: 2\r\nC: 3", 400),
            (b"A: " + b"1" * 100, 400),
        ]:
            with server.connect() as wire:
                wire.send(head + b"1\r\nx\r\n0\r\n" + trailers + b"\r\n\r\n")
                assert wire.read_response().status == status
