"""The readiness probe (`--ready-path`): what a balancer is told, before and after TERM."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.support.probe import Channel
from tests.support.server import Server, run_command
from tests.support.wire import DEADLINE_S, Response, request_bytes

APP = "tests.process.apps_process:app"
PROBED = ("--ready-path", "/-/ready", "--graceful-timeout", "600", "--drain-linger", "0")


def probe_until_unready(server: Server) -> Response:
    """The first answer to a probe that is not 200."""
    until = time.monotonic() + DEADLINE_S
    while (response := server.request("GET", "/-/ready")).status == 200:
        assert time.monotonic() < until, "TERM has no effect"
    return response


def test_without_the_setting_every_path_is_the_applications(probe_listener: object) -> None:
    with Server(APP) as server:
        assert server.request("GET", "/-/ready").status == 404


def test_the_probe_is_answered_without_the_application(probe_listener: object) -> None:
    with Server(APP, *PROBED) as server, server.connect() as wire:
        for _ in range(3):
            response = wire.request("GET", "/-/ready")
            assert (response.status, response.body, response.value("Connection")) == (200, b"ready\n", None)
            assert response.value("Cache-Control") == "no-store"
        head = wire.request("HEAD", "/-/ready")
        assert (head.status, head.value("Content-Length"), head.body) == (200, "6", b"")
        assert wire.request("POST", "/-/ready").status == 404
        assert wire.request("GET", "/hello").body == b"hello"


def test_the_probe_comes_through_while_the_only_thread_is_busy(probe_listener: object, channel: Channel) -> None:
    with Server(APP, *PROBED, "--threads", "1") as server, server.connect() as held:
        held.send(request_bytes("GET", channel.target("/held")))
        channel.expect("call")
        assert server.request("GET", "/-/ready").body == b"ready\n"
        channel.open("go")
        assert held.read_response().body == b"held"


def test_in_the_drain_delay_the_probe_says_no_and_everything_is_still_served(probe_listener: object) -> None:
    with Server(APP, *PROBED, "--drain-delay", "600") as server:
        with server.connect() as kept, server.connect() as idle:
            assert kept.request("GET", "/hello").body == b"hello"
            assert idle.request("GET", "/hello").body == b"hello"
            server.signal(signal.SIGTERM)
            response = probe_until_unready(server)
            assert (response.status, response.body) == (503, b"draining\n")
            assert (response.value("Connection"), response.value("Retry-After")) == ("close", "1")
            for wire in (kept, idle):
                answer = wire.request("GET", "/hello")
                assert (answer.body, answer.value("Connection")) == (b"hello", "close")
                wire.expect_close()
        fresh = server.request("GET", "/hello")
        assert (fresh.body, fresh.value("Connection")) == (b"hello", "close")
        server.signal(signal.SIGTERM)
        assert server.request("GET", "/hello").body == b"hello"
        server.signal(signal.SIGINT)
        assert server.wait() == 0


def test_when_the_drain_delay_is_over_the_drain_begins(probe_listener: object) -> None:
    with Server(APP, *PROBED, "--drain-delay", "0.5") as server:
        since = time.monotonic()
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        assert time.monotonic() - since >= 0.5


def test_the_graceful_timeout_begins_when_the_delay_is_over(probe_listener: object, channel: Channel) -> None:
    flags = ("--drain-delay", "0.5", "--graceful-timeout", "0.5", "--drain-linger", "0")
    with Server(APP, *flags) as server, server.connect() as held:
        held.send(request_bytes("GET", channel.target("/held")))
        channel.expect("call")
        since = time.monotonic()
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        assert time.monotonic() - since >= 1.0
        channel.open("go")


def test_the_probe_on_a_kept_connection_says_no_in_the_drain(probe_listener: object, channel: Channel) -> None:
    with Server(APP, "--ready-path", "/-/ready", "--drain-linger", "600") as server:
        with server.connect() as held, server.connect() as kept, server.connect() as watch:
            held.send(request_bytes("GET", channel.target("/held")))
            channel.expect("call")
            assert kept.request("GET", "/-/ready").status == 200
            server.signal(signal.SIGTERM)
            until = time.monotonic() + DEADLINE_S
            while watch.request("GET", "/hello").value("Connection") != "close":
                assert time.monotonic() < until, "TERM has no effect"
            assert kept.request("GET", "/-/ready").status == 503
            kept.expect_close()
            channel.open("go")
            assert held.read_response().body == b"held"
        assert server.wait() == 0


def test_probes_are_in_the_access_log(tmp_path: Path, probe_listener: object) -> None:
    path = tmp_path / "access.log"
    flags = ("--access-logfile", str(path), "--access-logformat", "%(m)s %(U)s %(s)s %(B)s")
    with Server(APP, *PROBED, *flags) as server:
        server.request("GET", "/-/ready")
        server.request("HEAD", "/-/ready")
        assert server.stop() == 0
    assert path.read_text() == "GET /-/ready 200 6\nHEAD /-/ready 200 0\n"


@pytest.mark.parametrize("path", ["ready", "/ready?now", "/re ady", "/ready#now"])
def test_a_path_that_no_request_can_have_is_refused_at_the_start(path: str) -> None:
    status, output = run_command(APP, "--ready-path", path)
    assert status == 2
    assert output.startswith(f'dragoman: --ready-path "{path}": want a path that starts with /')
