"""A worker dies: its own requests end, nobody else's, and another worker takes its place."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.kit import eventually, state, stopped
from tests.support.probe import Channel
from tests.support.server import Server, start_process
from tests.support.wire import DEADLINE_S, ConnectionEnded, Wire, request_bytes

APP = "tests.faults.apps_faults:app"

ONE_FAILED_START = """
import os, signal, sys
from dragoman.log import Log
from dragoman.settings import settings_from
from dragoman.supervisor.notify import Notifier
from dragoman.supervisor.parent import supervise

class Host:
    settings = settings_from({"workers": ["1"]}, {})
    log = Log(2)
    notifier = Notifier({})

    def work(self, channel, number):
        with open(sys.argv[1], "a") as starts:
            starts.write("x")
            number = starts.tell()
        if number == 3:
            os._exit(7)
        channel.ready("shop:app")
        if number < 3:
            os._exit(1)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        os.write(1, b"serves")
        os.kill(os.getppid(), signal.SIGTERM)
        signal.sigwait([signal.SIGTERM])
        return 0

    def tell_start(self, name):
        pass

    def reopen_logs(self):
        pass

    def stop_listening(self):
        pass

    def call_hook(self, name, number=0, pid=None, **more):
        pass

    def reload_done(self):
        pass

    def reload_failed(self):
        pass

sys.exit(supervise(Host()))
"""
"""A supervisor of one worker: the first two serve and die, the third fails to start, the fourth serves."""


@pytest.fixture(scope="module")
def server(probe_listener: object) -> Iterator[Server]:
    with Server(APP, "--workers", "2", "--drain-linger", "0") as server:
        yield server


def wire_to_another(server: Server, pid: int) -> Wire:
    """A connection that another worker than that one has."""
    tried = []
    until = time.monotonic() + DEADLINE_S
    try:
        while time.monotonic() < until:
            wire = server.connect()
            try:
                if wire.request("GET", "/pid").json() != pid:
                    return wire
            except (OSError, ConnectionEnded):
                pass  # it was the one that has just died
            tried.append(wire)  # kept, so that the next one goes to the worker with fewer
    finally:
        for other in tried:
            other.close()
    raise AssertionError(f"every connection goes to {pid}")


@pytest.mark.parametrize("path", ["/killed", "/segfault", "/aborts", "/exits"])
def test_worker_that_dies_costs_its_own_requests_alone(server: Server, channel: Channel, path: str) -> None:
    with server.connect() as held:
        held.send(request_bytes("GET", channel.target("/held")))
        holder = channel.expect("call")
        with wire_to_another(server, holder) as dying:
            victim = dying.request("GET", "/pid").json()
            dying.send(request_bytes("GET", path))
            assert dying.expect_end() == b"", "a dying worker answers nothing"
        with wire_to_another(server, holder) as next_one:
            successor = next_one.request("GET", "/pid").json()
        assert successor not in (victim, holder)
        channel.open("go")
        assert held.read_response().body == b"held"
        assert held.request("GET", "/pid").json() == holder
    assert state(victim) == ""
    server.log.wait_for(rf"\(pid {victim}\) .*another one takes its place")


def test_response_that_a_death_cuts_does_not_look_whole(server: Server) -> None:
    with server.connect() as wire:
        wire.send(request_bytes("GET", "/exits-in-mid-response"))
        received = wire.expect_end()
    assert received.endswith(b"begun\r\n") or b"begun" not in received
    assert not received.endswith(b"0\r\n\r\n")


def test_request_that_waits_in_the_backlog_is_answered_by_the_next_worker(probe_listener: object) -> None:
    """The supervisor holds the listening socket: no moment without a worker is a moment without a server."""
    with Server(APP, "--workers", "2", "--drain-linger", "0") as server:
        pids: set[int] = set()
        while len(pids) < 2:
            with wire_to_another(server, 0) as wire:
                pids.add(wire.request("GET", "/pid").json())
        with stopped(*pids), server.connect() as wire:
            wire.send(request_bytes("GET", "/pid"))
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            assert wire.read_response().json() not in pids
        eventually(lambda: not any(map(state, pids)), "the killed workers are waited for")


def test_single_worker_that_dies_ends_the_server_and_frees_its_port(probe_listener: object) -> None:
    with Server(APP) as server:
        with server.connect() as wire:
            wire.send(request_bytes("GET", "/killed"))
            assert wire.expect_end() == b""
        assert server.wait() == -signal.SIGKILL
        with pytest.raises(ConnectionRefusedError):
            server.connect()


def test_workers_that_have_served_and_died_are_no_failed_starts(tmp_path: Path) -> None:
    """What gives up are three starts in a row that fail: here it is one, after two workers that were ready."""
    starts = tmp_path / "starts"
    process = start_process([sys.executable, "-c", ONE_FAILED_START, str(starts)])
    output, errors = process.communicate(timeout=DEADLINE_S)
    assert b"giving up" not in errors, errors.decode()
    assert (process.returncode, output, starts.read_text()) == (0, b"serves", "xxxx")
