"""An application that forks: the child lets go of what serves, clients see the ends of their connections."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections.abc import Iterator

import pytest

from tests.support.server import Server
from tests.support.wire import DEADLINE_S, request_bytes

APP = "tests.process.apps_forking:app"


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(APP, "--drain-linger", "0") as server:
        yield server


@contextlib.contextmanager
def child_of(server: Server) -> Iterator[int]:
    child = json.loads(server.request("GET", "/fork-and-leave").body)
    try:
        yield child
    finally:
        os.kill(child, signal.SIGKILL)


def sockets_of(child: int) -> list[str]:
    """What the process holds of sockets and epoll instances."""
    names = []
    for fd in os.listdir(f"/proc/{child}/fd"):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            names.append(os.readlink(f"/proc/{child}/fd/{fd}"))
    return [name for name in names if name.startswith("socket:") or "eventpoll" in name]


def test_client_sees_the_end_of_its_connection_while_a_forked_child_lives(server: Server) -> None:
    with server.connect() as idle, server.connect() as asking:
        assert idle.request("GET", "/hello").body == b"hello"
        asking.send(request_bytes("GET", "/fork-and-leave", [("Connection", "close")]))
        child = json.loads(asking.read_response("GET").body)
        try:
            asking.expect_close()
            idle.send(request_bytes("GET", "/hello", [("Connection", "close")]))
            assert idle.read_response("GET").body == b"hello"
            idle.expect_close()
        finally:
            os.kill(child, signal.SIGKILL)


def test_forked_child_holds_no_socket_of_the_server(server: Server) -> None:
    with server.connect() as kept:
        assert kept.request("GET", "/hello").body == b"hello"
        with child_of(server) as child:
            # The parent may answer before the child has run its first instruction.
            until = time.monotonic() + DEADLINE_S
            while held := sockets_of(child):
                assert time.monotonic() < until, held
            assert kept.request("GET", "/hello").body == b"hello"


def test_server_ends_and_frees_its_port_while_a_forked_child_lives(server: Server) -> None:
    with child_of(server):
        assert server.stop() == 0
        with pytest.raises(ConnectionRefusedError):
            server.connect()


def test_child_that_returns_from_the_application_answers_nobody(server: Server) -> None:
    with server.connect() as wire:
        answer = json.loads(wire.request("GET", "/fork-and-return").body)
        assert isinstance(answer, int)
        assert wire.request("GET", "/hello").body == b"hello"
