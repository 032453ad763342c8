"""Clients that vanish: reset, no window, or gone without a word. Each costs its own connection and nothing more."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.faults.kit import cpu_s, eventually, unshare
from tests.support.open_files import descriptors
from tests.support.probe import Channel
from tests.support.server import REPOSITORY, Server
from tests.support.wire import DEADLINE_S, chunked_request_bytes, request_bytes

APP = "tests.faults.apps_faults:app"
PIDFD_GETFD = 438
"""System call number, the same on every architecture (pidfd_getfd(2))."""


@pytest.fixture(scope="module")
def server(probe_listener: object) -> Iterator[Server]:
    with Server(APP, "--write-timeout", "1", "--drain-linger", "0") as server:
        yield server


@contextlib.contextmanager
def connections_of(server: Server) -> Iterator[list[socket.socket]]:
    """Copies of the server's own ends of its TCP connections."""
    ends: list[socket.socket] = []
    process = os.pidfd_open(server.pid)
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        for name in os.listdir(f"/proc/{server.pid}/fd"):
            if not os.readlink(f"/proc/{server.pid}/fd/{name}").startswith("socket:"):
                continue
            copy = libc.syscall(PIDFD_GETFD, process, int(name), 0)
            if copy < 0:
                pytest.skip(f"pidfd_getfd(2) is not possible here: {os.strerror(ctypes.get_errno())}")
            end = socket.socket(fileno=copy)
            is_connection = end.family == socket.AF_INET and not end.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
            ends.append(end) if is_connection else end.close()
        yield ends
    finally:
        os.close(process)
        for end in ends:
            end.close()


def test_client_that_is_gone_without_a_word_is_asked_for_by_the_kernel(server: Server) -> None:
    """Probes while nothing is under way, TCP_USER_TIMEOUT (RFC 5482) while something is."""
    with server.connect() as wire:
        assert wire.request("GET", "/hello").body == b"hello"
        with connections_of(server) as ends:
            own = [end for end in ends if end.getpeername() == wire.socket.getsockname()]
            assert len(own) == 1
            assert own[0].getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert own[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
            assert own[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 10
            assert own[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000
        assert wire.request("GET", "/hello").body == b"hello", "a copy that is closed ends nothing"


def test_timer_of_the_probes_runs(server: Server) -> None:
    """/proc/net/tcp, columns `tr tm->when`: 02 is the keep-alive timer."""
    with server.connect() as wire:
        assert wire.request("GET", "/hello").body == b"hello"
        local, remote = (f"0100007F:{end[1]:04X}" for end in (wire.socket.getpeername(), wire.socket.getsockname()))
        with open("/proc/net/tcp") as table:
            (row,) = [line for line in table if re.match(rf"\s*\d+: {local} {remote} ", line)]
        assert row.split()[5].startswith("02:")


@pytest.mark.parametrize("path", ["/stream", "/endless"])
def test_zero_window_is_ended_after_the_write_timeout(server: Server, channel: Channel, path: str) -> None:
    with server.connect(receive_buffer=4096) as wire:
        wire.send(request_bytes("GET", channel.target(path)))
        assert wire.read_head().status == 200
        poll = select.poll()
        poll.register(wire.socket, select.POLLHUP | select.POLLERR)
        assert poll.poll(DEADLINE_S * 1000) != [], "an abort is a reset"
    if path == "/endless":
        channel.expect("close")


@pytest.mark.parametrize("leave", ["reset", "close", "half_close"])
@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"GET /hel",
        request_bytes("GET", "/hello"),
        request_bytes("POST", "/length", [], b"x" * 300_000)[:-1],
        request_bytes("POST", "/length", [], b"x" * 3000)[:-1],
        chunked_request_bytes("/length", [b"x" * 3000])[:-1],
        request_bytes("GET", "/stream"),
        request_bytes("GET", "/hello") * 50,
    ],
    ids=["nothing", "head", "request", "long-body", "short-body", "chunked", "response", "pipeline"],
)
def test_client_that_leaves_at_any_point_leaves_no_descriptor_and_no_loop(
    server: Server, message: bytes, leave: str
) -> None:
    assert server.request("GET", "/hello").body == b"hello"
    eventually(lambda: idle(server) == 0, "earlier connections are gone")
    before = descriptors(server.pid)
    for _ in range(5):
        wire = server.connect()
        wire.send(message)
        getattr(wire, leave)()
        if leave == "half_close":
            wire.expect_end()
            wire.close()
    eventually(lambda: descriptors(server.pid) <= before, "its descriptors are closed")
    assert server.request("GET", "/hello").body == b"hello"
    assert "Traceback" not in server.log.text


def test_half_closed_connections_of_slow_calls_cost_no_loop(server: Server, channel: Channel) -> None:
    """A level-triggered hang-up that is reported again and again would be seen here."""
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(server.connect()) for _ in range(4)]
        for wire in wires:
            wire.send(request_bytes("GET", channel.target("/held")))
            wire.half_close()
        channel.expect_count("call", len(wires))
        before = cpu_s(server.pid)
        time.sleep(0.5)  # the passing of time is what is tested: a busy machine makes the cost less, not more
        assert cpu_s(server.pid) - before < 0.25
        channel.open("go")
        for wire in wires:
            assert wire.read_response().body == b"held"


def test_clients_that_are_gone_without_fin_are_given_up(probe_listener: object) -> None:
    """Their packets vanish by a route of a network namespace; `vanished.py` holds what the server does then."""
    run_vanished("timers")


def test_clients_that_are_gone_are_given_up_by_the_kernel_when_no_timer_of_the_server_runs_out(
    probe_listener: object,
) -> None:
    """After `--vanished-timeout`: by its probes where nothing is under way, else by what is not acknowledged."""
    run_vanished("kernel")


def run_vanished(who: str) -> None:
    command = [*unshare("--net"), sys.executable, "-m", "tests.faults.vanished", who]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def idle(server: Server) -> int:
    """Connections of the server that are still there."""
    assert not isinstance(server.address, str)
    local = f"0100007F:{server.address[1]:04X}"
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table]
    return sum(row[1] == local and row[3] == "01" for row in rows[1:])
