"""Listeners: unix sockets, inherited descriptors, IPv6, several at once."""

from __future__ import annotations

import os
import signal
import socket
import stat
from pathlib import Path

import pytest

from tests.support.server import Server
from tests.support.wire import Wire

DUMP = "tests.wsgi.apps_environ:dump"


@pytest.fixture
def unix(tmp_path: Path, probe_listener: object) -> str:
    return str(tmp_path / "socket")


class TestUnixSocket:
    """A client on a unix socket has no address; what the environ says of it is never made up."""

    def test_serves_requests(self, unix: str) -> None:
        with Server(DUMP, binds=[f"unix:{unix}"]) as server:
            assert server.address == unix
            with server.connect() as wire:
                for _ in range(3):
                    assert wire.request("GET", "/a%20b").json()["values"]["PATH_INFO"] == "/a b"

    def test_gives_an_empty_remote_address_and_no_port(self, unix: str) -> None:
        with Server(DUMP, binds=[f"unix:{unix}"]) as server:
            values = server.request().json()["values"]
        assert values["REMOTE_ADDR"] == ""
        assert "REMOTE_PORT" not in values

    def test_takes_server_name_and_port_from_host(self, unix: str) -> None:
        with Server(DUMP, binds=[f"unix:{unix}"]) as server, server.connect() as wire:
            found = []
            for host in (b"shop.example:8443", b"shop.example", b"[::1]:81"):
                wire.send(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
                values = wire.read_response().json()["values"]
                found.append((values["SERVER_NAME"], values["SERVER_PORT"]))
        assert found == [("shop.example", "8443"), ("shop.example", "80"), ("[::1]", "81")]

    def test_never_leaves_server_name_and_port_empty(self, unix: str) -> None:
        with Server(DUMP, binds=[f"unix:{unix}"]) as server, server.connect() as wire:
            wire.send(b"GET / HTTP/1.0\r\n\r\n")
            values = wire.read_response().json()["values"]
        assert values["SERVER_NAME"] != "" and values["SERVER_PORT"] == "80"

    def test_is_removed_at_the_end(self, unix: str) -> None:
        with Server(DUMP, binds=[f"unix:{unix}"]) as server:
            assert stat.S_ISSOCK(os.stat(unix).st_mode)
            assert server.stop() == 0
        assert not os.path.exists(unix)

    def test_left_behind_by_a_dead_server_is_replaced(self, unix: str) -> None:
        with Server(DUMP, binds=[f"unix:{unix}"]) as server:
            server.signal(signal.SIGKILL)
            server.wait()
        assert os.path.exists(unix)
        with Server(DUMP, binds=[f"unix:{unix}"]) as server:
            assert server.request().status == 200


def test_inherited_descriptor_is_served(probe_listener: object) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        with Server(DUMP, binds=[f"fd://{listener.fileno()}"], pass_fds=[listener.fileno()]):
            with Wire(address) as wire:
                values = wire.request().json()["values"]
        assert values["SERVER_PORT"] == str(address[1])


def test_inherited_unix_socket_is_served_and_not_removed(unix: str) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(unix)
        listener.listen()
        with Server(DUMP, binds=[f"fd://{listener.fileno()}"], pass_fds=[listener.fileno()]):
            with Wire(unix) as wire:
                assert wire.request().json()["values"]["REMOTE_ADDR"] == ""
    assert os.path.exists(unix)


def test_ipv6_is_served_with_its_own_addresses(probe_listener: object) -> None:
    with Server(DUMP, binds=["[::1]:0"]) as server:
        assert server.address[0] == "::1"
        with server.connect() as wire:
            values = wire.request().json()["values"]
            assert values["REMOTE_ADDR"] == "::1"
            assert values["REMOTE_PORT"] == str(wire.socket.getsockname()[1])
            assert values["SERVER_PORT"] == str(server.address[1])


def test_several_listeners_serve_one_application(unix: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        binds = [f"unix:{unix}", f"fd://{listener.fileno()}"]
        with Server(DUMP, binds=binds, pass_fds=[listener.fileno()]):
            for address in (unix, listener.getsockname()):
                with Wire(address) as wire:
                    assert wire.request().status == 200
