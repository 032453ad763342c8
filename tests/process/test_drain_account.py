"""The last line of a drain says what was answered, dropped and cut; and the engine tells of the limit of requests."""

from __future__ import annotations

import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from dragoman.log import Log
from dragoman.settings import settings_from
from dragoman.types import Environ, ListenerInfo, StartResponse
from dragoman.worker import Worker, options_of
from tests.support.probe import Channel
from tests.support.server import Server
from tests.support.wire import DEADLINE_S, Wire, request_bytes

APP = "tests.process.apps_process:app"
ACCOUNT = re.compile(
    r"\[(?P<level>INFO|WARNING)\] (?P<why>[a-z ]+: )?drained (?P<answered>\d+) requests in (?P<seconds>\d+\.\d) s,"
    r" (?P<dropped>\d+) dropped, (?P<cut>\d+) cut(?: \((?P<named>[^)]*)\))?"
    r"(?:; (?P<idle>\d+) idle connections closed)?$",
    re.MULTILINE,
)


def account(server: Server) -> dict[str, str | None]:
    """The one account in the log of a server that has ended."""
    found = [match.groupdict() for match in ACCOUNT.finditer(server.log.wait_for_end())]
    assert len(found) == 1, server.log.text[-4000:]
    return found[0]


def begin_drain(server: Server) -> None:
    """Send TERM, and return when it has had its effect: answers end their connections."""
    with server.connect() as watch:
        assert watch.request("GET", "/hello").value("Connection") is None
        server.signal(signal.SIGTERM)
        until = time.monotonic() + DEADLINE_S
        while watch.request("GET", "/hello").value("Connection") != "close":
            assert time.monotonic() < until, "TERM has no effect"


def a_connection_to(server: Server, pid: int, stack: ExitStack) -> Wire:
    """A connection that is kept, to that worker."""
    until = time.monotonic() + DEADLINE_S
    while True:
        wire = stack.enter_context(server.connect())
        if wire.request("GET", "/process").json()["pid"] == pid:
            return wire
        assert time.monotonic() < until, f"no connection went to {pid}"


@pytest.fixture
def patient(probe_listener: object) -> Iterator[Server]:
    with Server(APP, "--graceful-timeout", "600", "--drain-linger", "600") as server:
        yield server


def test_a_drain_that_loses_nothing_counts_what_it_has_answered_since_term(patient: Server, channel: Channel) -> None:
    assert patient.request("GET", "/hello").body == b"hello"
    with patient.connect() as held, patient.connect() as kept:
        assert kept.request("GET", "/hello").body == b"hello"
        held.send(request_bytes("GET", channel.target("/held")))
        channel.expect("call")
        begin_drain(patient)
        channel.open("go")
        assert held.read_response().body == b"held"
        kept.close()
        assert patient.wait() == 0
    found = account(patient)
    assert (found["level"], found["why"]) == ("INFO", None)
    assert (found["dropped"], found["cut"], found["named"], found["idle"]) == ("0", "0", None, None)
    # The held one and the one that told of the drain; more may have come before its effect.
    assert int(found["answered"] or 0) >= 2


def test_idle_connections_that_the_linger_closes_are_counted(probe_listener: object) -> None:
    with Server(APP, "--drain-linger", "0") as server:
        with server.connect() as used, server.connect() as unused:
            assert used.request("GET", "/hello").body == b"hello"
            server.signal(signal.SIGTERM)
            used.expect_close()
            unused.expect_close()
        assert server.wait() == 0
    found = account(server)
    assert (found["level"], found["dropped"], found["cut"], found["idle"]) == ("INFO", "0", "0", "2")


def test_the_graceful_timeout_ends_with_one_account_that_names_what_it_has_cut(
    probe_listener: object, channel: Channel
) -> None:
    with Server(APP, "--graceful-timeout", "1", "--drain-linger", "600") as server:
        with server.connect() as held, server.connect() as part, server.connect() as idle:
            assert idle.request("GET", "/hello").body == b"hello"
            part.send(b"GET /half HTTP/1.1\r\nHost")
            held.send(request_bytes("GET", channel.target("/held")))
            channel.expect("call")
            server.signal(signal.SIGTERM)
            assert server.wait() == 0
        channel.open("go")
    found = account(server)
    assert (found["level"], found["why"]) == ("WARNING", "the graceful timeout is over: ")
    assert (found["answered"], found["dropped"], found["cut"], found["idle"]) == ("0", "1", "1", "1")
    assert found["named"] == channel.target("GET /held")
    assert float(found["seconds"] or 0) >= 1.0


def test_more_than_five_that_were_cut_are_counted_and_five_are_named(probe_listener: object, channel: Channel) -> None:
    with Server(APP, "--graceful-timeout", "1") as server:
        wires = [server.connect() for _ in range(7)]
        for wire in wires:
            wire.send(request_bytes("GET", channel.target("/held")))
        channel.expect_count("call", len(wires))
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
        channel.open("go")
        for wire in wires:
            wire.close()
    found = account(server)
    assert found["cut"] == "7"
    assert found["named"] == ", ".join([channel.target("GET /held")] * 5 + ["…"])


def test_int_in_a_drain_says_what_it_has_cut(patient: Server, channel: Channel) -> None:
    with patient.connect() as held:
        held.send(request_bytes("GET", channel.target("/held")))
        channel.expect("call")
        begin_drain(patient)
        patient.signal(signal.SIGINT)
        assert patient.wait() == 0
        channel.open("go")
    found = account(patient)
    assert (found["level"], found["why"], found["cut"]) == ("WARNING", "the drain was cut short: ", "1")
    assert found["named"] == channel.target("GET /held")


def test_a_stop_without_a_drain_has_no_account(probe_listener: object) -> None:
    with Server(APP) as server:
        assert server.request("GET", "/hello").body == b"hello"
        server.signal(signal.SIGINT)
        assert server.wait() == 0
    assert "drained" not in server.log.wait_for_end()


# --- the limit of requests ---------------------------------------------------------------------------------------


def test_the_limit_of_requests_is_jittered_within_its_bounds() -> None:
    def limits(requests: int, jitter: int) -> set[int]:
        given = {"max_requests": [str(requests)], "max_requests_jitter": [str(jitter)]}
        return {options_of(settings_from(given, {}), -1)["max_requests"] for _ in range(200)}

    assert limits(0, 1000) == {0}
    assert limits(10, 0) == {10}
    assert limits(10, 2) == {10, 11, 12}


def test_the_worker_is_told_once_that_it_is_used_up_and_serves_on() -> None:
    used_up = threading.Event()
    times: list[int] = []

    def note() -> None:
        times.append(1)
        used_up.set()

    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "0")])
        return []

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        info: ListenerInfo = {"fd": listener.fileno(), "kind": "tcp", "server_name": "here", "server_port": "80"}
        settings = settings_from({"max_requests": ["5"], "drain_linger": ["0"]}, {})
        worker = Worker(app, [info], settings, log=Log(2, "warning"), report=print)
        worker.when_used_up = note
        worker.start()
        minder = threading.Thread(target=worker.mind)
        minder.start()
        try:
            with Wire(listener.getsockname()) as wire:
                for _ in range(4):
                    assert wire.request().status == 200
                assert not used_up.is_set()
                assert wire.request().status == 200
                assert used_up.wait(DEADLINE_S)
                for _ in range(10):
                    assert wire.request().status == 200
        finally:
            worker.drain()
            minder.join()
            assert worker.join() == []
    assert times == [1]


def test_the_last_line_of_a_supervised_run_is_the_account_of_all_workers(channel: Channel) -> None:
    with Server(APP, "--workers", "2", "--drain-linger", "0") as server:
        with server.connect() as held, ExitStack() as stack:
            held.send(request_bytes("GET", channel.target("/held")))
            kept = a_connection_to(server, channel.expect("call"), stack)
            server.signal(signal.SIGTERM)
            # Its worker drains, too: answered before, it would not be an answer of the drain.
            kept.expect_end()
            server.log.wait_for(r"drained 0 requests in .* 0 cut")
            channel.open("go")
            assert held.read_response().body == b"held"
        assert server.wait() == 0
        assert re.search(r"all workers: drained 1 requests in \d+\.\d s, 0 dropped, 0 cut$", server.log.text.strip())


def test_the_account_of_all_workers_names_what_the_graceful_timeout_has_cut(channel: Channel) -> None:
    with Server(APP, "--workers", "2", "--drain-linger", "0", "--graceful-timeout", "1") as server:
        with server.connect() as held:
            held.send(request_bytes("GET", channel.target("/held")))
            channel.expect("call")
            server.signal(signal.SIGTERM)
            assert server.wait() == 0
        last = server.log.text.strip().splitlines()[-1]
        assert re.search(r"\[WARNING\] all workers: drained 0 requests in .* 1 cut \(GET /held", last)


def test_a_worker_whose_call_holds_the_interpreter_lock_is_killed_soon_and_told_of(channel: Channel) -> None:
    flags = ("--workers", "1", "--drain-linger", "0", "--graceful-timeout", "0.5")
    with Server("tests.process.apps_holding:app", *flags) as server, server.connect() as wire:
        wire.send(request_bytes("GET", channel.target("/holding")))
        channel.expect("call")
        channel.open("go")
        channel.expect("holds")
        began_at = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began_at < 8
        assert re.search(r"\[WARNING\] all workers: .*; worker 1 \(pid \d+\) was killed", server.log.wait_for_end())
