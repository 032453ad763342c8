"""A service manager hears of the start, the end and the life of a server (Type=notify)."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.manager import Manager, abstract_name
from tests.support.probe import Channel
from tests.support.server import Server
from tests.support.wire import request_bytes

APP = "tests.process.apps_surroundings:app"
BOTH = pytest.mark.parametrize("workers", ["0", "2"])


@pytest.fixture
def manager(tmp_path: Path, probe_listener: object) -> Iterator[Manager]:
    with Manager(str(tmp_path / "notify")) as manager:
        yield manager


def serve(manager: Manager, workers: str, **env: str) -> Server:
    flags = ("--workers", workers, "--drain-linger", "0")
    return Server(APP, *flags, env={"NOTIFY_SOCKET": manager.name, **env})


@BOTH
def test_a_manager_hears_when_requests_are_answered_and_where(manager: Manager, workers: str) -> None:
    with serve(manager, workers) as server:
        message = manager.hear()
        assert message["READY"] == "1"
        assert APP in message["STATUS"] and server.url("").rstrip("/") in message["STATUS"]
        assert server.request("GET", "/hello").body == b"hello"


@BOTH
def test_a_manager_hears_of_the_end_when_it_begins(manager: Manager, channel: Channel, workers: str) -> None:
    with serve(manager, workers) as server, server.connect() as wire:
        manager.hear_of("READY")
        wire.send(request_bytes("GET", channel.target("/held")))
        channel.expect("call")
        server.signal(signal.SIGTERM)
        assert manager.hear_of("STOPPING")["STOPPING"] == "1"
        channel.open("go")
        assert wire.read_response().body == b"held"
        assert server.wait() == 0


@BOTH
def test_an_abstract_socket_is_a_manager_too(probe_listener: object, workers: str) -> None:
    with Manager(abstract_name()) as manager, serve(manager, workers):
        assert manager.hear()["READY"] == "1"


@BOTH
def test_a_manager_that_goes_away_changes_nothing(manager: Manager, workers: str) -> None:
    with serve(manager, workers) as server:
        manager.hear_of("READY")
        manager.close()
        assert server.request("GET", "/hello").body == b"hello"
        assert server.stop() == 0


@BOTH
def test_programs_of_the_application_cannot_speak_for_the_service(manager: Manager, workers: str) -> None:
    with serve(manager, workers, WATCHDOG_USEC="60000000") as server:
        environment = server.request("GET", "/environment").json()
    assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} & set(environment)


@BOTH
def test_a_server_feeds_the_watchdog(manager: Manager, workers: str) -> None:
    with serve(manager, workers, WATCHDOG_USEC="200000"):
        manager.hear_of("READY")
        for _ in range(3):
            assert manager.hear()["WATCHDOG"] == "1"


@BOTH
def test_a_server_that_stands_still_does_not_feed_the_watchdog(manager: Manager, workers: str) -> None:
    with serve(manager, workers, WATCHDOG_USEC="200000") as server:
        manager.hear_of("WATCHDOG")
        os.kill(server.pid, signal.SIGSTOP)
        try:
            manager.wait_for_silence(1.0)
        finally:
            os.kill(server.pid, signal.SIGCONT)


def test_a_manager_hears_of_a_reload_and_of_its_end(manager: Manager) -> None:
    with serve(manager, "2") as server:
        manager.hear_of("READY")
        server.signal(signal.SIGHUP)
        assert int(manager.hear_of("RELOADING")["MONOTONIC_USEC"]) > 0
        assert manager.hear_of("READY")["STATUS"].startswith(f"serving {APP} at http://")


def test_a_manager_hears_that_a_reload_has_failed(manager: Manager, tmp_path: Path) -> None:
    module = tmp_path / "shop.py"
    module.write_text("def app(environ, start):\n    start('200 OK', [])\n    return [b'shop']\n")
    with Server("shop:app", "--workers", "2", "--chdir", str(tmp_path), env={"NOTIFY_SOCKET": manager.name}) as server:
        manager.hear_of("READY")
        module.write_text("raise LookupError('of the new code')\n")
        server.signal(signal.SIGHUP)
        manager.hear_of("RELOADING")
        status = manager.hear_of("READY")["STATUS"]
        assert "not reloaded" in status and "of the new code" in status
        assert server.request().body == b"shop"


def test_a_manager_hears_which_process_is_the_service_after_an_upgrade(manager: Manager) -> None:
    with serve(manager, "1") as server:
        manager.hear_of("READY")
        server.signal(signal.SIGUSR2)
        successor = int(manager.hear_of("MAINPID")["MAINPID"])
        assert server.wait() == 0
        assert server.request("GET", "/hello").body == b"hello"
        os.kill(successor, signal.SIGTERM)
        assert manager.hear_of("STOPPING")["STOPPING"] == "1"
