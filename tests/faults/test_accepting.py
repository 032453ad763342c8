"""No descriptor or memory left at accept(): the server pauses, spins never, ends never, and goes on by itself."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import select
import time
from collections.abc import Iterator

import pytest

from tests.faults.kit import cpu_s, descriptors, eventually
from tests.faults.shim import Shim
from tests.support.probe import Channel
from tests.support.server import Server
from tests.support.wire import request_bytes

APP = "tests.faults.apps_faults:app"
WATCHED_S = 0.6
"""How long the processor time of a server in want is watched."""


@contextlib.contextmanager
def does_not_spin(pid: int) -> Iterator[None]:
    """The block, and the time after it, cost the server far less processor time than a loop would take."""
    before = cpu_s(pid)
    yield
    time.sleep(WATCHED_S)  # the passing of time is what is tested: a busy machine makes the cost less, not more
    assert cpu_s(pid) - before < WATCHED_S / 2


def test_clients_beyond_the_last_descriptor_take_those_of_idle_connections(probe_listener: object) -> None:
    with Server(APP) as server, server.connect() as kept, contextlib.ExitStack() as stack:
        assert kept.request("GET", "/hello").body == b"hello"
        _, hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (descriptors(server.pid), hard))
        for _ in range(20):
            assert stack.enter_context(server.connect()).request("GET", "/hello").body == b"hello"
        kept.expect_close()
        assert "accepting pauses" not in server.log.text


def test_clients_beyond_the_last_descriptor_wait_and_are_answered_later(channel: Channel) -> None:
    with Server(APP) as server, server.connect() as busy:
        busy.send(request_bytes("GET", channel.target("/held")))
        channel.expect("call")
        _, hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (descriptors(server.pid), hard))
        with contextlib.ExitStack() as stack:
            waiting = [stack.enter_context(server.connect()) for _ in range(20)]
            with does_not_spin(server.pid):
                for wire in waiting:
                    wire.send(request_bytes("GET", "/hello"))
                server.log.wait_for("accepting pauses")
            resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (hard, hard))
            for wire in waiting:
                assert wire.read_response().body == b"hello"
            channel.open("go")
            assert busy.read_response().body == b"held"
        assert server.log.text.count("accepting pauses") == 1, "one line, not one for each attempt"


def test_descriptors_that_clients_give_back_serve_the_next_ones(probe_listener: object) -> None:
    """The limit stays: what ends is enough for what comes."""
    with Server(APP) as server:
        first = server.connect()
        assert first.request("GET", "/hello").body == b"hello"
        _, hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (descriptors(server.pid), hard))
        for _ in range(3):
            with server.connect() as second:
                second.send(request_bytes("GET", "/hello"))
                first.close()
                assert second.read_response().body == b"hello"
                first = server.connect()
        first.close()


def test_connections_beyond_the_limit_of_the_worker_wait_for_their_turn(
    probe_listener: object, channel: Channel
) -> None:
    with Server(APP, "--worker-connections", "5") as server, contextlib.ExitStack() as stack:
        busy, waiting = ([stack.enter_context(server.connect()) for _ in range(count)] for count in (5, 10))
        with does_not_spin(server.pid):
            for wire in busy:
                wire.send(request_bytes("GET", channel.target("/held"), [("Connection", "close")]))
            channel.expect_count("call", len(busy))
            for wire in waiting:
                wire.send(request_bytes("GET", "/hello", [("Connection", "close")]))
            server.log.wait_for("accepting pauses: the limit of connections is reached")
        readable, _, _ = select.select([wire.socket for wire in waiting], [], [], 0)
        assert readable == []
        channel.open("go")
        for wire in busy:
            assert wire.read_response().body == b"held"
        for wire in waiting:
            assert wire.read_response().body == b"hello"


@pytest.mark.parametrize("error", [errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_accept_that_fails_for_want_pauses_and_goes_on(probe_listener: object, fault: Shim, error: int) -> None:
    with Server(APP, env=fault.env) as server, server.connect() as kept:
        assert kept.request("GET", "/hello").body == b"hello"
        fault.fail_accepts(error)
        with server.connect() as waiting:
            waiting.send(request_bytes("GET", "/hello"))
            eventually(lambda: fault.refused_accepts > 0, "accept is tried")
            tried = fault.refused_accepts
            with does_not_spin(server.pid):
                assert kept.request("GET", "/hello").body == b"hello"
            # A pause lasts 0.1 to 1 s, so that a second has ten attempts at most; a late reader of the clock sees more.
            assert fault.refused_accepts - tried < 100
            fault.fail_accepts(0)
            assert waiting.read_response().body == b"hello"
        host, port = server.address
        server.log.wait_for(f"accepting pauses: {os.strerror(error)} .*; listener {host}:{port}")


@pytest.mark.parametrize("error", [errno.ECONNABORTED, errno.EPROTO, errno.EPERM, errno.EINTR])
def test_accept_that_fails_for_one_client_goes_on_with_the_next(
    probe_listener: object, fault: Shim, error: int
) -> None:
    """accept(2): errors that are already pending on the new connection are passed on by accept()."""
    with Server(APP, env=fault.env) as server:
        fault.fail_accepts(error)
        with server.connect() as wire:
            wire.send(request_bytes("GET", "/hello"))
            eventually(lambda: fault.refused_accepts > 0, "accept is tried")
            fault.fail_accepts(0)
            assert wire.read_response().body == b"hello"


def test_drain_ends_while_accepting_pauses(probe_listener: object, fault: Shim) -> None:
    with Server(APP, "--drain-linger", "0", env=fault.env) as server:
        fault.fail_accepts(errno.EMFILE)
        with server.connect() as waiting:
            eventually(lambda: fault.refused_accepts > 0, "accept is tried")
            assert server.stop() == 0
            assert waiting.expect_end() == b""
