"""The wall clock jumps an hour, either way: timers do not see it, and Date is right at once."""

from __future__ import annotations

import email.utils
import time

import pytest

from tests.faults.shim import Shim
from tests.support.probe import Channel
from tests.support.server import Server
from tests.support.wire import Response, request_bytes

APP = "tests.faults.apps_faults:app"
HOUR_S = 3600
TOLERANCE_S = 2
"""Date has whole seconds, read once per turn of the reactor, and a turn takes its time on a busy machine."""


def distance_of_date(response: Response, since: float, offset_s: int) -> float:
    """Seconds by which Date is outside of the time between the request and now, as the moved clock has it."""
    date = email.utils.parsedate_to_datetime(response.value("Date") or "").timestamp()
    return max(since + offset_s - date, date - (time.time() + offset_s), 0)


@pytest.mark.parametrize("offset_s", [HOUR_S, -HOUR_S], ids=["forward", "back"])
@pytest.mark.parametrize("workers", ["0", "2"])
def test_clock_that_jumps_ends_no_connection_and_date_follows(
    channel: Channel, fault: Shim, workers: str, offset_s: int
) -> None:
    flags = ("--workers", workers, "--drain-linger", "0")
    with Server(APP, *flags, env=fault.env) as server:
        with server.connect() as idle, server.connect() as held, server.connect() as body, server.connect() as head:
            assert idle.request("GET", "/hello").body == b"hello"
            held.send(request_bytes("GET", channel.target("/held")))
            channel.expect("call")
            upload = request_bytes("POST", "/length", [], b"x" * 200_000)
            body.send(upload[:100_000])
            head.send(b"GET /hello HTTP/1.1\r\nHost: te")

            fault.move_clock(offset_s)
            since = time.time()
            response = server.request("GET", "/wall-clock")
            assert abs(response.json() - (time.time() + offset_s)) < HOUR_S / 2, "the shim works"
            # Two turns: the first may have read its clock before the jump.
            since = time.time()
            assert distance_of_date(server.request("GET", "/hello"), since, offset_s) <= TOLERANCE_S

            channel.open("go")
            assert held.read_response().body == b"held"
            body.send(upload[100_000:])
            assert body.read_response().json() == 200_000
            head.send(b"st\r\n\r\n")
            assert head.read_response().body == b"hello"
            assert idle.request("GET", "/hello").body == b"hello"
        assert server.stop() == 0


@pytest.mark.parametrize("offset_s", [HOUR_S, -HOUR_S], ids=["forward", "back"])
def test_date_of_a_slow_call_is_the_time_of_its_answer(channel: Channel, fault: Shim, offset_s: int) -> None:
    """RFC 9110 §6.6.1: Date is when the message was made. The jump stands for the time that such a call takes."""
    with Server(APP, env=fault.env) as server, server.connect() as held:
        held.send(request_bytes("GET", channel.target("/held")))
        channel.expect("call")
        fault.move_clock(offset_s)
        since = time.time()
        channel.open("go")
        assert distance_of_date(held.read_response(), since, offset_s) <= TOLERANCE_S


@pytest.mark.parametrize("offset_s", [HOUR_S, -HOUR_S], ids=["forward", "back"])
def test_timers_end_after_their_time_whatever_the_clock_says(
    probe_listener: object, fault: Shim, offset_s: int
) -> None:
    with Server(APP, "--keep-alive", "1", "--head-timeout", "1", env=fault.env) as server:
        with server.connect() as idle, server.connect() as head:
            assert idle.request("GET", "/hello").body == b"hello"
            head.send(b"GET /hello HTTP/1.1\r\nHost: te")
            since = time.monotonic()
            fault.move_clock(offset_s)
            assert head.read_response().status == 408
            idle.expect_close()
            assert time.monotonic() - since >= 0.9, "a jump is not the time that a timer waits for"


def test_drain_keeps_to_its_time_though_the_clock_jumps(channel: Channel, fault: Shim) -> None:
    with Server(APP, "--graceful-timeout", "1", "--drain-linger", "0", env=fault.env) as server:
        with server.connect() as held:
            held.send(request_bytes("GET", channel.target("/held")))
            channel.expect("call")
            fault.move_clock(-HOUR_S)
            assert server.stop() == 0
            assert held.expect_end() == b""
            channel.open("go")
        server.log.wait_for("the graceful timeout is over")
