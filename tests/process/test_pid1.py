"""A server as process 1 of a container: it ends by TERM, reaps what the application leaves, and replaces workers."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.faults.kit import children, eventually, state, unshare
from tests.support.probe import Channel
from tests.support.server import Server
from tests.support.wire import request_bytes

APP = "tests.process.apps_surroundings:app"
BOTH = pytest.mark.parametrize("workers", ["0", "2"])


@contextmanager
def container(workers: str, *command: str) -> Iterator[tuple[Server, int]]:
    """A server in a PID namespace of its own, started by `command`: the server, and process 1 as it is seen here."""
    wrapper = [*unshare("--pid", "--fork", "--kill-child", "--mount-proc"), *command]
    with Server(APP, "--workers", workers, "--drain-linger", "0", wrapper=wrapper) as server:
        (first,) = children(server.pid)
        yield server, first
        if server.status is None:
            end(server, first)


def end(server: Server, pid: int) -> None:
    """TERM to the process, and then the end of the container with status 0."""
    os.kill(pid, signal.SIGTERM)
    assert server.wait() == 0, server.log.text[-4000:]


@BOTH
def test_term_ends_process_1_after_the_request_under_way(channel: Channel, workers: str) -> None:
    with container(workers) as (server, first), server.connect() as wire:
        wire.send(request_bytes("GET", channel.target("/held")))
        channel.expect("call")
        os.kill(first, signal.SIGTERM)
        channel.open("go")
        assert wire.read_response().body == b"held"
        assert server.wait() == 0


def test_int_ends_process_1_at_once(channel: Channel) -> None:
    with container("2") as (server, first), server.connect() as wire:
        wire.send(request_bytes("GET", channel.target("/held")))
        channel.expect("call")
        os.kill(first, signal.SIGINT)
        assert server.wait() == 0
        assert wire.expect_end() == b""


def test_orphans_of_the_application_are_reaped(probe_listener: object) -> None:
    with container("2") as (server, first):
        workers = set(children(first))
        for _ in range(3):
            server.request("GET", "/leave-an-orphan")
            eventually(lambda: len(set(children(first)) - workers) == 1, "the orphan has come to process 1")
            (orphan,) = set(children(first)) - workers
            os.kill(orphan, signal.SIGKILL)
            eventually(lambda: state(orphan) == "", "the orphan is reaped")  # noqa: B023
        assert set(children(first)) == workers
        assert "another one takes its place" not in server.log.text


def test_a_killed_worker_of_process_1_is_replaced(probe_listener: object) -> None:
    with container("2") as (server, first):
        before = set(children(first))
        victim = min(before)
        os.kill(victim, signal.SIGKILL)
        eventually(lambda: len(set(children(first)) - {victim}) == 2, "there are two workers again")
        assert len(before & set(children(first))) == 1
        for _ in range(10):
            assert server.request("GET", "/hello").body == b"hello"


@BOTH
def test_a_shell_that_ends_in_the_server_becomes_it(workers: str) -> None:
    with container(workers, "sh", "-c", 'exec "$@"', "sh") as (server, first):
        assert server.request("GET", "/hello").body == b"hello"
        assert "passes no SIGTERM on" not in server.log.text
        end(server, first)


def test_a_shell_that_stays_process_1_is_told_of(probe_listener: object) -> None:
    """It ignores TERM, as process 1 does without a handler, and so the server never hears of a stop."""
    with container("2", "sh", "-c", '"$@"; exit $?', "sh") as (server, first):
        server.log.wait_for(r"WARNING\] process 1 is sh, which passes no SIGTERM on to this server.*exec dragoman")
        (supervisor,) = children(first)
        end(server, supervisor)
