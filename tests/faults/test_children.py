"""Processes that the application starts: they are judged by nobody, wherever they end."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator

import pytest

from tests.faults.kit import children, eventually, state, unshare
from tests.support.server import Server

APP = "tests.faults.apps_faults:app"
WORKERS = ("--workers", "2", "--drain-linger", "0")
# prctl(2): orphans below this process become its children, as they become those of process 1. Survives the exec.
SUBREAPER = (
    "import ctypes, os, sys; assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0; os.execvp(sys.argv[1], sys.argv[1:])"
)


@pytest.fixture(scope="module")
def server(probe_listener: object) -> Iterator[Server]:
    """A supervisor to which orphans come."""
    with Server(APP, *WORKERS, wrapper=[sys.executable, "-c", SUBREAPER]) as server:
        yield server


def test_zombies_of_the_application_are_no_deaths_of_workers(server: Server) -> None:
    workers = set(children(server.pid))
    zombies = server.request("GET", "/leave-zombies").json()
    eventually(lambda: all(state(zombie) == "Z" for zombie in zombies), "its children have ended")
    assert server.request("GET", "/hello").body == b"hello"
    assert set(children(server.pid)) == workers
    assert "another one takes its place" not in server.log.text


def test_application_gets_the_exit_status_of_its_own_child(server: Server) -> None:
    for _ in range(10):
        assert server.request("GET", "/wait-for-a-child").json() == 7


def test_orphan_that_fails_under_the_supervisor_is_reaped_and_judged_by_nobody(server: Server) -> None:
    workers = set(children(server.pid))
    for _ in range(5):
        orphan = server.request("GET", "/leave-an-orphan").json()
        eventually(lambda: state(orphan) == "", "the orphan is waited for")  # noqa: B023
    assert set(children(server.pid)) == workers
    assert "another one takes its place" not in server.log.text


@pytest.mark.parametrize("workers", ["0", "2"])
def test_process_1_serves_and_ends_by_term(probe_listener: object, workers: str) -> None:
    """Signals have no default effect on process 1, and orphans are its children."""
    wrapper = unshare("--pid", "--fork", "--kill-child", "--mount-proc")
    with Server(APP, "--workers", workers, "--drain-linger", "0", wrapper=wrapper) as server:
        (first,) = children(server.pid)
        with open(f"/proc/{first}/status") as status:
            (namespaced,) = [line.split()[-1] for line in status if line.startswith("NSpid:")]
        assert namespaced == "1"
        if workers == "0":
            assert server.request("GET", "/pid").json() == 1
        server.request("GET", "/leave-an-orphan")
        assert server.request("GET", "/wait-for-a-child").json() == 7
        assert "another one takes its place" not in server.log.text
        os.kill(first, signal.SIGTERM)
        assert server.wait() == 0
