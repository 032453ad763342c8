"""Socket activation: the service manager listens, and a server that it starts serves what has come meanwhile."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.manager import passing
from tests.support.server import Server, start_process
from tests.support.wire import DEADLINE_S, Address, Wire, request_bytes

APP = "tests.process.apps_surroundings:app"
BOTH = pytest.mark.parametrize("workers", ["0", "2"])


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def serve(*listeners: socket.socket, workers: str = "0", binds: tuple[str, ...] = (), **env: str) -> Server:
    descriptors = [listener.fileno() for listener in listeners]
    flags = ("--workers", workers, "--drain-linger", "0")
    return Server(APP, *flags, binds=binds, env=env, pass_fds=descriptors, wrapper=passing(*descriptors))


def refusal(*descriptors: int | None, names: tuple[str, ...] = ()) -> str:
    command = [*passing(*descriptors, names=names), sys.executable, "-m", "dragoman", APP, "--workers", "0"]
    process = start_process(command, pass_fds=[fd for fd in descriptors if fd is not None])
    output = b"".join(process.communicate(timeout=DEADLINE_S)).decode()
    assert process.returncode == 1, output
    return output.strip()


@BOTH
def test_a_tcp_socket_is_served(listener: socket.socket, workers: str) -> None:
    with serve(listener, workers=workers) as server:
        assert server.address == listener.getsockname()
        assert server.request("GET", "/hello").body == b"hello"


@BOTH
def test_a_unix_socket_is_served_and_its_file_is_left_to_the_manager(tmp_path: Path, workers: str) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        with serve(listener, workers=workers) as server:
            assert server.address == path
            assert server.request("GET", "/hello").body == b"hello"
        assert os.path.exists(path)


def test_several_sockets_are_served(listener: socket.socket, tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(path)
        unix.listen()
        with serve(listener, unix):
            addresses: tuple[Address, ...] = (listener.getsockname(), path)
            for address in addresses:
                with Wire(address) as wire:
                    assert wire.request("GET", "/hello").body == b"hello"


@BOTH
def test_what_comes_during_a_restart_waits_for_the_next_server(listener: socket.socket, workers: str) -> None:
    with serve(listener, workers=workers) as server:
        assert server.stop() == 0
    with Wire(listener.getsockname()) as wire:
        wire.send(request_bytes("GET", "/hello"))
        with serve(listener, workers=workers):
            assert wire.read_response().body == b"hello"


def test_a_bind_of_the_settings_wins_and_the_sockets_are_told_of(listener: socket.socket) -> None:
    with serve(listener, binds=("127.0.0.1:0",)) as server:
        assert server.address != listener.getsockname()
        server.log.wait_for(r"WARNING\] 1 sockets were passed \(LISTEN_FDS\) and are not used, because --bind is given")


def test_sockets_for_another_process_are_told_of(probe_listener: object) -> None:
    with Server(APP, "--workers", "0", env={"LISTEN_FDS": "1", "LISTEN_PID": "1"}) as server:
        server.log.wait_for(r"WARNING\] 1 sockets were passed to process 1 and are not used")


def test_programs_of_the_application_get_no_variables(listener: socket.socket) -> None:
    with serve(listener) as server:
        environment = server.request("GET", "/environment").json()
    assert not {name for name in environment if name.startswith("LISTEN_")}


def test_a_descriptor_that_is_no_socket_is_refused_by_its_number(listener: socket.socket, tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file:
        text = refusal(listener.fileno(), file.fileno(), names=("http", "log"))
    assert text == (
        'dragoman: LISTEN_FDS: the socket that was passed as descriptor 4 ("log"): the descriptor is not a socket'
    )


def test_a_descriptor_that_is_not_open_is_refused_by_its_number() -> None:
    assert "the socket that was passed as descriptor 3: nothing is open there" in refusal(None)


def test_a_datagram_socket_is_refused_by_its_number() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        assert "descriptor 3: the descriptor is not a stream socket" in refusal(datagrams.fileno())


def test_passed_sockets_are_served_on_after_a_reload(listener: socket.socket) -> None:
    with serve(listener, workers="2") as server:
        server.signal(signal.SIGHUP)
        server.log.wait_for("reloaded: 2 workers")
        assert server.request("GET", "/hello").body == b"hello"


def test_passed_sockets_are_served_on_by_a_successor(listener: socket.socket) -> None:
    with serve(listener, workers="2") as server:
        server.signal(signal.SIGUSR2)
        successor = int(server.log.wait_for(r"upgrading: process (\d+)")[1])
        assert server.wait() == 0
        try:
            assert server.request("GET", "/hello").body == b"hello"
            assert "are not used" not in server.log.text
        finally:
            os.kill(successor, signal.SIGTERM)
        server.log.wait_for_end()
