"""Signals in storms, SIGPIPE, and processes that are stopped and go on: nothing is lost and nobody is counted twice."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.kit import children, eventually, state, stopped
from tests.support.probe import Channel
from tests.support.server import Server
from tests.support.wire import request_bytes

APP = "tests.faults.apps_faults:app"
STORM = 200
ROTATING = """
import os, signal, time

log = os.path.join(os.path.dirname(__file__), "access.log")
if os.path.exists(log):
    os.rename(log, log + ".1")
    os.kill(os.getppid() if os.environ["SUPERVISED"] else os.getpid(), signal.SIGUSR1)
    until = time.monotonic() + 10
    while not os.path.exists(log) and time.monotonic() < until:
        time.sleep(0.01)


def app(environ, start_response):
    start_response("200 OK", [("Content-Length", "6")])
    return [b"served"]
"""
"""An application in whose loading its logs are rotated, by the first worker that comes to it."""


@pytest.fixture
def server(probe_listener: object) -> Iterator[Server]:
    with Server(APP, "--workers", "2", "--drain-linger", "0") as server:
        yield server


@pytest.mark.parametrize("workers", ["0", "2"])
def test_storm_of_harmless_signals_loses_no_request(channel: Channel, tmp_path: Path, workers: str) -> None:
    log = tmp_path / "access.log"
    flags = ("--workers", workers, "--drain-linger", "0", "--access-logfile", str(log))
    with Server(APP, *flags) as server, server.connect() as wire, server.connect() as held:
        held.send(request_bytes("GET", channel.target("/held")))
        channel.expect("call")
        for number in range(STORM):
            for kind in (signal.SIGUSR1, signal.SIGPIPE, signal.SIGCHLD, signal.SIGWINCH, signal.SIGURG):
                server.signal(kind)
            if number % 10 == 0:
                assert wire.request("GET", "/hello").body == b"hello"
        channel.open("go")
        assert held.read_response().body == b"held"
        assert server.stop() == 0
        assert "another one takes its place" not in server.log.text
    assert log.read_text().count("GET /hello") == STORM // 10


@pytest.mark.parametrize("workers", ["0", "2"])
def test_storm_of_term_is_one_drain(channel: Channel, workers: str) -> None:
    with Server(APP, "--workers", workers, "--drain-linger", "0") as server, server.connect() as wire:
        wire.send(request_bytes("GET", channel.target("/held")))
        worker = channel.expect("call")
        for _ in range(STORM):
            server.signal(signal.SIGTERM)
            os.kill(worker, signal.SIGTERM)
        channel.open("go")
        assert wire.read_response().body == b"held"
        assert server.wait() == 0
        # One account of each process that serves, and that of them all.
        accounts = re.findall(r"\bdrained \d+ requests", server.log.wait_for_end())
        assert len(accounts) == (3 if workers == "2" else 1)


def test_workers_that_die_in_a_storm_of_signals_are_all_replaced(server: Server) -> None:
    """Signals of one kind merge while one is pending: one SIGCHLD may stand for many deaths."""
    victims = children(server.pid)
    for victim in victims:
        os.kill(victim, signal.SIGKILL)
    for _ in range(STORM):
        server.signal(signal.SIGCHLD)
        server.signal(signal.SIGWINCH)
    eventually(lambda: not any(map(state, victims)), "the dead ones are waited for")
    eventually(lambda: len(children(server.pid)) == 2, "two workers are there")
    assert server.request("GET", "/hello").body == b"hello"


@pytest.mark.parametrize("workers", ["0", "2"])
def test_logs_may_be_rotated_while_the_application_is_loaded(tmp_path: Path, workers: str) -> None:
    """A worker has no engine yet then, and SIGUSR1 without a handler ends a process."""
    (tmp_path / "rotating.py").write_text(ROTATING)
    log = tmp_path / "access.log"
    flags = ("--workers", workers, "--chdir", str(tmp_path), "--access-logfile", str(log), "--drain-linger", "0")
    with Server("rotating", *flags, env={"SUPERVISED": "yes" if workers == "2" else ""}) as server:
        assert "another one takes its place" not in server.log.text
        assert server.request("GET", "/after").body == b"served"
        eventually(lambda: log.exists() and b"/after" in log.read_bytes(), "the line is in the file of that name")


def test_stopped_worker_keeps_its_requests_and_goes_on_with_them(server: Server, channel: Channel) -> None:
    with server.connect() as wire, server.connect() as held:
        worker = wire.request("GET", "/pid").json()
        held.send(request_bytes("GET", channel.target("/held")))
        holder = channel.expect("call")
        with stopped(worker):
            wire.send(request_bytes("GET", "/pid"))
            channel.open("go")
            if holder != worker:
                assert held.read_response().body == b"held"
        assert wire.read_response().json() == worker
        if holder == worker:
            assert held.read_response().body == b"held"
    assert "another one takes its place" not in server.log.text


def test_stopped_worker_leaves_new_clients_to_the_others(server: Server) -> None:
    still, other = children(server.pid)
    with stopped(still):
        for _ in range(20):
            assert server.request("GET", "/pid").json() == other


def test_worker_that_dies_while_the_supervisor_is_stopped_is_replaced_when_it_goes_on(server: Server) -> None:
    dead, other = children(server.pid)
    with stopped(server.pid):
        os.kill(dead, signal.SIGKILL)
        eventually(lambda: state(dead) == "Z", "the worker is dead")
        assert server.request("GET", "/pid").json() == other
    eventually(lambda: state(dead) == "" and len(children(server.pid)) == 2, "another worker is there")
    assert other in children(server.pid)


def test_single_process_that_was_stopped_answers_what_came_meanwhile(probe_listener: object) -> None:
    with Server(APP) as server, server.connect() as kept:
        assert kept.request("GET", "/hello").body == b"hello"
        with stopped(server.pid):
            late = server.connect()
            late.send(request_bytes("GET", "/hello"))
            kept.send(request_bytes("GET", "/hello"))
        with late:
            assert late.read_response().body == b"hello"
            assert kept.read_response().body == b"hello"


def test_nobody_holds_the_port_after_the_supervisor_was_killed(probe_listener: object) -> None:
    """Not the workers, which drain, and not what the application has forked or started."""
    with Server(APP, "--workers", "2", "--drain-linger", "0") as server:
        child = server.request("GET", "/fork-and-stay").json()
        try:
            workers = children(server.pid)
            server.signal(signal.SIGKILL)
            server.wait()
            eventually(lambda: not any(state(worker) not in ("", "Z") for worker in workers), "the workers have left")
            with pytest.raises(ConnectionRefusedError):
                server.connect()
        finally:
            os.kill(child, signal.SIGKILL)
