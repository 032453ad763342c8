"""`--workers N`: processes that share the listener, are replaced when they die, and end together."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from tests.support.probe import Channel
from tests.support.server import Server
from tests.support.wire import DEADLINE_S, Wire, request_bytes

APP = "tests.process.apps_process:app"


@pytest.fixture
def server(probe_listener: object) -> Iterator[Server]:
    with Server(APP, "--workers", "2", "--drain-linger", "0") as server:
        yield server


def pid_of(server: Server) -> int:
    """The worker that answers a new connection."""
    return int(server.request("GET", "/process").json()["pid"])


def wait_for_pids(server: Server, count: int, without: int | None = None) -> set[int]:
    """Process ids of that many workers, found by asking until each has answered."""
    found: set[int] = set()
    until = time.monotonic() + DEADLINE_S
    idle: list[Wire] = []
    try:
        while len(found) < count:
            assert time.monotonic() < until, f"only {found} answered"
            # Kept connections tip the balance towards the worker that has fewer.
            wire = server.connect()
            idle.append(wire)
            try:
                pid = int(wire.request("GET", "/process").json()["pid"])
            except OSError:
                continue
            if pid != without:
                found.add(pid)
    finally:
        for wire in idle:
            wire.close()
    return found


def wait_until_gone(pid: int) -> None:
    """Returns when no process has that id any more."""
    until = time.monotonic() + DEADLINE_S
    while time.monotonic() < until:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.01)
    raise AssertionError(f"process {pid} is still there")


def test_each_request_is_served_by_one_of_the_workers(server: Server) -> None:
    pids = wait_for_pids(server, 2)
    assert server.pid not in pids


def test_environ_says_multiprocess(server: Server) -> None:
    assert server.request("GET", "/process").json()["multiprocess"] is True


def test_killed_worker_is_replaced_and_the_other_ones_request_is_untouched(server: Server, channel: Channel) -> None:
    pids = wait_for_pids(server, 2)
    with server.connect() as wire:
        wire.send(request_bytes("GET", channel.target("/held")))
        holder = channel.expect("call")
        victim = next(pid for pid in pids if pid != holder)
        os.kill(victim, signal.SIGKILL)
        assert holder in (after := wait_for_pids(server, 2, without=victim))
        assert after != pids
        channel.open("go")
        assert wire.read_response().body == b"held"
        assert wire.request("GET", "/process").json()["pid"] == holder
    assert str(victim) in server.log.text


def test_client_of_a_killed_worker_sees_its_end(server: Server, channel: Channel) -> None:
    with server.connect() as wire:
        wire.send(request_bytes("GET", channel.target("/held")))
        os.kill(channel.expect("call"), signal.SIGKILL)
        assert wire.expect_end() == b""
    wait_for_pids(server, 2)


def test_workers_killed_again_and_again_are_replaced(server: Server) -> None:
    for _ in range(3):
        victim = pid_of(server)
        os.kill(victim, signal.SIGKILL)
        wait_until_gone(victim)
        wait_for_pids(server, 2, without=victim)


def test_term_drains_all_workers(server: Server, channel: Channel) -> None:
    pids = wait_for_pids(server, 2)
    with server.connect() as wire:
        wire.send(request_bytes("GET", channel.target("/held")))
        channel.expect("call")
        server.signal(signal.SIGTERM)
        channel.open("go")
        assert wire.read_response().body == b"held"
    assert server.wait() == 0
    for pid in pids:
        wait_until_gone(pid)


def test_int_stops_all_workers_at_once(server: Server, channel: Channel) -> None:
    pids = wait_for_pids(server, 2)
    with server.connect() as wire:
        wire.send(request_bytes("GET", channel.target("/held")))
        channel.expect("call")
        server.signal(signal.SIGINT)
        assert server.wait() == 0
        assert wire.expect_end() == b""
    for pid in pids:
        wait_until_gone(pid)


def test_workers_of_a_killed_supervisor_drain_and_leave(server: Server, channel: Channel) -> None:
    pids = wait_for_pids(server, 2)
    with server.connect() as wire:
        wire.send(request_bytes("GET", channel.target("/held")))
        channel.expect("call")
        server.signal(signal.SIGKILL)
        server.wait()
        channel.open("go")
        assert wire.read_response().body == b"held"
    for pid in pids:
        wait_until_gone(pid)
