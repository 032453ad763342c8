"""`dragoman.testing.LiveServer`: the engine in the process of a test, from any thread, without a trace."""

from __future__ import annotations

import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.errors import ApplicationError, OperatorError, UsageError
from dragoman.testing import LiveServer
from tests.support.wire import DEADLINE_S, Wire, request_bytes

Environ = dict[str, Any]


def hello(environ: Environ, start_response: Any) -> list[bytes]:
    body = environ["SCRIPT_NAME"].encode() + b"hello"
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def fails(environ: Environ, start_response: Any) -> Iterable[bytes]:
    raise LookupError(environ["PATH_INFO"])


class Gate:
    """An application whose calls wait until they may go on."""

    def __init__(self) -> None:
        self.inside = threading.Event()
        self.go = threading.Event()

    def __call__(self, environ: Environ, start_response: Any) -> list[bytes]:
        self.inside.set()
        assert self.go.wait(DEADLINE_S)
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]


def get(server: LiveServer, path: str = "/") -> bytes:
    with Wire((server.host, server.port)) as wire:
        return wire.request("GET", path).body


# --- where, and with which settings ------------------------------------------------------------------------------


def test_it_serves_on_a_free_port_until_the_block_ends() -> None:
    with LiveServer(hello) as server:
        assert server.url == f"http://127.0.0.1:{server.port}" and server.host == "127.0.0.1"
        with urllib.request.urlopen(server.url, timeout=DEADLINE_S) as response:
            assert response.read() == b"hello"
    with pytest.raises(ConnectionRefusedError):
        Wire((server.host, server.port))
    assert server.log == [] and server.reports == [] and server.errors == ""


def test_settings_are_taken_by_name_and_checked_when_it_is_made() -> None:
    with LiveServer(hello, root_path="/shop", threads=1) as server:
        assert get(server, "/shop/x") == b"/shophello"
    with pytest.raises(UsageError, match="--threads"):
        LiveServer(hello, threads=0)
    with pytest.raises(UsageError, match="did you mean threads"):
        LiveServer(hello, thread=1)
    with pytest.raises(UsageError, match="workers has no effect here"):
        LiveServer(hello, workers=2)
    with pytest.raises(ApplicationError):
        LiveServer(hello(dict.fromkeys(["SCRIPT_NAME"], ""), print))  # type: ignore[arg-type]


def test_the_environment_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_ROOT_PATH", "/elsewhere")
    monkeypatch.setenv("PORT", "1")
    with LiveServer(hello) as server:
        assert get(server) == b"hello" and server.host == "127.0.0.1"


def test_a_unix_socket_is_served_and_its_file_is_removed(tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with LiveServer(hello, bind=f"unix:{path}") as server:
        assert (server.url, server.host, server.port) == (f"unix:{path}", "", 0)
        with Wire(path) as wire:
            assert wire.request().body == b"hello"
    assert not os.path.exists(path)


def test_an_address_that_is_taken_is_told_and_leaves_nothing_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        before = len(os.listdir("/proc/self/fd"))
        server = LiveServer(hello, bind=f"127.0.0.1:{other.getsockname()[1]}")
        with pytest.raises(OperatorError, match="address in use"):
            server.start()
        # Less is what the engine of an earlier test lets go of at its next tick.
        assert len(os.listdir("/proc/self/fd")) <= before
        server.stop()


def test_an_access_log_is_written_where_it_is_asked_for(tmp_path: Path) -> None:
    with LiveServer(hello, access_logfile=tmp_path / "log", access_logformat="%(m)s %(U)s %(s)s") as server:
        get(server, "/x")
    assert (tmp_path / "log").read_text() == "GET /x 200\n"


# --- what it says ------------------------------------------------------------------------------------------------


def test_exceptions_breaches_and_the_applications_own_words_are_captured(capfd: pytest.CaptureFixture[str]) -> None:
    def app(environ: Environ, start_response: Any) -> Iterable[Any]:
        print("own words", file=environ["wsgi.errors"])
        start_response("200 OK", [])
        return ["text"] if environ["PATH_INFO"] == "/text" else fails(environ, start_response)

    with LiveServer(app) as server:
        get(server, "/text")
        get(server, "/raises")
    assert [message.splitlines()[0] for message in server.log] == [
        "contract: body-not-bytes",
        "exception in the application: GET /raises",
    ]
    assert server.log[1].endswith("LookupError: /raises")
    assert server.reports == server.log[:1]
    assert server.errors == "own words\nown words\n"
    assert capfd.readouterr() == ("", "")


def test_lesser_messages_come_when_they_are_asked_for() -> None:
    with LiveServer(hello, log_level="info") as server, Wire((server.host, server.port)) as wire:
        wire.send(b"GET / HTTP/1.1\n\n")
        assert wire.read_response().status == 400
    assert any("bare-lf" in message for message in server.log), server.log


def test_the_first_exception_is_raised_at_the_end_if_that_is_asked_for() -> None:
    def fail_twice() -> None:
        with server:
            get(server, "/first")
            get(server, "/second")
            raise AssertionError("the test sees a 500 where it wants a 200")

    server = LiveServer(fails, raise_exceptions=True)
    with pytest.raises(LookupError, match="/first") as caught:
        fail_twice()
    assert isinstance(caught.value.__context__, AssertionError)
    server.stop()
    with LiveServer(fails) as other:
        get(other, "/")


# --- starts, stops and threads -----------------------------------------------------------------------------------


def test_starting_and_stopping_twice_is_as_once_and_it_can_start_again() -> None:
    server = LiveServer(hello)
    server.stop()
    assert server.start() is server
    port = server.port
    server.start()
    assert server.port == port and get(server) == b"hello"
    server.stop()
    server.stop()
    with server:
        assert get(server) == b"hello"


def test_several_run_at_once_started_from_several_threads() -> None:
    bodies: list[bytes] = []

    def one(number: int) -> None:
        with LiveServer(hello, root_path=f"/{number}") as server:
            together.wait(DEADLINE_S)
            bodies.append(get(server, f"/{number}/"))
            together.wait(DEADLINE_S)

    together = threading.Barrier(5)
    threads = [threading.Thread(target=one, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    assert sorted(bodies) == [b"/%dhello" % number for number in range(5)]


def test_signal_handlers_and_streams_are_left_alone() -> None:
    def state() -> tuple[object, ...]:
        wakeup = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(wakeup)
        handlers = [signal.getsignal(number) for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}]
        return handlers, wakeup, sys.stdin, sys.stdout, sys.stderr, os.getcwd(), list(sys.path), gc.get_freeze_count()

    before = state()
    with LiveServer(hello) as server:
        get(server)
        assert state() == before
    assert state() == before


def test_a_request_under_way_is_answered_at_the_end() -> None:
    gate = Gate()
    server = LiveServer(gate).start()
    with Wire((server.host, server.port)) as wire:
        wire.send(request_bytes())
        assert gate.inside.wait(DEADLINE_S)
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        gate.go.set()
        response = wire.read_response()
        assert response.body == b"ok"
        stopping.join(DEADLINE_S)
        assert not stopping.is_alive()


def test_a_request_that_does_not_end_is_cut_after_the_graceful_timeout_and_named() -> None:
    gate = Gate()
    server = LiveServer(gate, graceful_timeout=0.1).start()
    with Wire((server.host, server.port)) as wire:
        wire.send(request_bytes("GET", "/stuck"))
        assert gate.inside.wait(DEADLINE_S)
        with pytest.raises(AssertionError, match="still inside of the application: GET /stuck"):
            server.stop()
        server.stop()
        gate.go.set()
        wire.expect_end()


def test_a_call_that_does_not_return_is_told_with_its_place_and_its_client_does_not_wait_for_it() -> None:
    gate = Gate()
    server = LiveServer(gate, graceful_timeout=0.1).start()
    with Wire((server.host, server.port)) as wire:
        wire.send(request_bytes("GET", "/stuck"))
        assert gate.inside.wait(DEADLINE_S)
        with pytest.raises(AssertionError) as caught:
            server.stop()
        wire.expect_end()
        assert not gate.go.is_set()
    sentence, what, thread, *stack = str(caught.value).splitlines()
    assert sentence == "still inside of the application: GET /stuck"
    assert "no thread can be ended" in what
    assert thread.startswith("thread dragoman-")
    assert __file__ in stack[0] and "__call__" in stack[0], stack
    gate.go.set()


def test_a_call_that_waits_for_its_client_ends_with_its_connection() -> None:
    inside, closed = threading.Event(), threading.Event()

    def endless(environ: Environ, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        try:
            while True:
                inside.set()
                yield b"x" * 100_000
        finally:
            closed.set()

    server = LiveServer(endless, graceful_timeout=0.1).start()
    with Wire((server.host, server.port)) as wire:
        wire.send(request_bytes())
        assert inside.wait(DEADLINE_S)
        server.stop()
        assert closed.wait(DEADLINE_S)


@pytest.mark.parametrize("is_stopped", [True, False])
def test_an_interpreter_ends_in_peace_though_a_call_goes_on(is_stopped: bool) -> None:
    program = f"""
import contextlib, socket, threading, time
from dragoman.testing import LiveServer
inside = threading.Event()
def app(environ, start_response):
    inside.set()
    while True:
        time.sleep(0.001)
server = LiveServer(app, graceful_timeout=0.1).start()
client = socket.create_connection((server.host, server.port))
client.sendall(b"GET /loop HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
inside.wait()
if {is_stopped}:
    with contextlib.suppress(AssertionError):
        server.stop()
raise SystemExit(7)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=DEADLINE_S * 2, check=False)
    assert done.returncode == 7, done


def test_fifty_starts_leave_no_thread_no_descriptor_and_no_reference() -> None:
    def traces() -> tuple[int, int, int]:
        gc.collect()
        return len(os.listdir("/proc/self/task")), len(os.listdir("/proc/self/fd")), threading.active_count()

    class App:
        def __call__(self, environ: Environ, start_response: Any) -> list[bytes]:
            return hello(environ, start_response)

    def once() -> weakref.ref[App]:
        app = App()
        with LiveServer(app) as server:
            assert get(server) == b"hello"
        return weakref.ref(app)

    once()
    before = traces()
    references = [once() for _ in range(50)]
    # What the last one's threads have let go of without the interpreter's lock, the next server's release.
    with LiveServer(hello) as server:
        get(server)
    gc.collect()
    assert [reference() for reference in references] == [None] * 50
    until = time.monotonic() + DEADLINE_S
    # The engine's own thread sees the end at its next tick.
    while not is_no_more(after := traces(), before) and time.monotonic() < until:
        time.sleep(0.01)
    assert is_no_more(after, before), (before, after)


def is_no_more(after: Iterable[int], before: Iterable[int]) -> bool:
    # Less is what the threads of earlier tests leave behind them.
    return all(now <= then for now, then in zip(after, before, strict=True))


def test_a_server_that_is_forgotten_ends() -> None:
    server = LiveServer(hello).start()
    address = (server.host, server.port)
    del server
    gc.collect()
    with pytest.raises(ConnectionRefusedError):
        Wire(address)


def test_a_child_that_is_forked_holds_no_connection_and_ends_in_peace() -> None:
    with LiveServer(hello) as server, Wire((server.host, server.port)) as wire:
        assert wire.request().body == b"hello"
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(writer)
            os.read(reader, 1)
            server.stop()
            os._exit(7)
        os.close(reader)
        try:
            server.stop()
            assert wire.expect_end() == b""
        finally:
            os.close(writer)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_an_interpreter_ends_in_peace_with_a_server_that_still_runs() -> None:
    program = """
import sys, threading, urllib.request
from dragoman.testing import LiveServer
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"hello"]
server = LiveServer(app).start()
print(urllib.request.urlopen(server.url).read())
sys.exit(5)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (5, "b'hello'\n", "")
