"""What one request holds of the server, and that nothing of it reaches another: leases, memos and references."""

from __future__ import annotations

import socket
import sys
import threading
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from dragoman._native import ClientDisconnected
from dragoman.testing import LiveServer

DEADLINE = 10.0
Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


class Client:
    """One kept connection."""

    def __init__(self, server: LiveServer) -> None:
        self.socket = socket.create_connection((server.host, server.port), timeout=DEADLINE)
        self.file = self.socket.makefile("rb")

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.socket.close()

    def send(self, line: str, fields: str = "Host: x\r\n", body: bytes = b"") -> None:
        self.socket.sendall(f"{line} HTTP/1.1\r\n{fields}\r\n".encode() + body)

    def answer(self) -> tuple[int, bytes]:
        """Status and body of a response with Content-Length."""
        status = int(self.file.readline().split()[1])
        length = 0
        while (line := self.file.readline()) not in (b"\r\n", b""):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        return status, self.file.read(length)

    def ask(self, line: str, fields: str = "Host: x\r\n", body: bytes = b"") -> tuple[int, bytes]:
        self.send(line, fields, body)
        return self.answer()


def answering(given: Callable[[Environ], object]) -> Application:
    """An application that answers with the text of what `given` finds."""

    def application(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = str(given(environ)).encode("latin-1")
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    return application


def test_requests_with_one_field_block_get_their_own_target_method_and_peer() -> None:
    names = ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "RAW_URI", "REMOTE_PORT", "HTTP_HOST")
    application = answering(lambda environ: [environ[name] for name in names])
    with LiveServer(application) as server, Client(server) as first, Client(server) as second:
        for count in range(6):
            for client in (first, second):
                port, host = str(client.socket.getsockname()[1]), f"other{count}"
                expected = ["GET", f"/{count}", "a", f"/{count}?a", port, "x"]
                assert client.ask(f"GET /{count}?a") == (200, str(expected).encode())
                expected = ["POST", f"/{count}", "", f"/{count}", port, "x"]
                assert client.ask(f"POST /{count}") == (200, str(expected).encode())
                target = f"http://{host}/"
                assert client.ask(f"GET {target}") == (200, str(["GET", "/", "", target, port, host]).encode())


def test_application_that_empties_its_environ_leaves_the_next_one_whole() -> None:
    def given(environ: Environ) -> object:
        text = sorted(key for key in environ if isinstance(key, str))
        environ.clear()
        return text

    with LiveServer(answering(given)) as server, Client(server) as client:
        answers = {client.ask("GET /") for _ in range(5)}
    assert len(answers) == 1


def test_more_field_blocks_than_are_kept_stay_apart() -> None:
    with LiveServer(answering(lambda environ: environ["HTTP_X_N"])) as server, Client(server) as client:
        for _ in range(3):
            for number in range(150):
                answer = client.ask("GET /", f"Host: x\r\nX-N: {number}\r\n")
                assert answer == (200, str(number).encode())


def test_callables_kept_from_a_request_are_no_later_requests() -> None:
    kept: list[tuple[Environ, Callable[..., Any], Callable[..., Any]]] = []

    def application(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        if kept:
            old_environ, old_start_response, old_write = kept[0]
            assert old_environ["dragoman.disconnected"]() is True
            old_environ["wsgi.early_hints"]([("Link", "</old>")])
            with pytest.raises(AssertionError, match="contract: start-response-twice"):
                old_start_response("418 Old", [])
            with pytest.raises(AssertionError, match="contract: write-after-end"):
                old_write(b"old")
        assert environ["dragoman.disconnected"]() is False
        kept.append((environ, start_response, start_response("200 OK", [("Content-Length", "3")])))
        return [b"new"]

    with LiveServer(application) as server, Client(server) as client:
        for _ in range(3):
            assert client.ask("GET /") == (200, b"new")


def test_body_may_be_read_by_another_thread_while_the_call_waits() -> None:
    def given(environ: Environ) -> object:
        found: list[bytes] = []
        reader = threading.Thread(target=lambda: found.append(environ["wsgi.input"].read()))
        reader.start()
        reader.join(DEADLINE)
        return found[0].decode()

    body = b"body " * 50_000
    with LiveServer(answering(given)) as server, Client(server) as client:
        assert client.ask("POST /", f"Host: x\r\nContent-Length: {len(body)}\r\n", body) == (200, body)


def test_thread_that_still_reads_the_body_when_the_request_ends_is_let_out() -> None:
    length = 200_000
    found: list[object] = []
    reading, done = threading.Event(), threading.Event()

    def given(environ: Environ) -> object:
        def read() -> None:
            reading.set()
            try:
                found.append(len(environ["wsgi.input"].read()))
            except (OSError, ValueError) as error:
                found.append(type(error))
            done.set()

        threading.Thread(target=read).start()
        assert reading.wait(DEADLINE)
        return "done"

    with LiveServer(answering(given)) as server, Client(server) as client:
        client.send("POST /", f"Host: x\r\nContent-Length: {length}\r\n", b"x")
        assert reading.wait(DEADLINE)
        client.socket.sendall(b"x" * (length - 1))
        assert client.answer() == (200, b"done")
        assert done.wait(DEADLINE)
    assert found in ([length], [ValueError], [ClientDisconnected])


def test_thread_that_waits_for_the_body_holds_up_neither_the_call_nor_its_answer() -> None:
    raised: list[BaseException] = []
    waits, done = threading.Event(), threading.Event()

    def given(environ: Environ) -> object:
        def read() -> None:
            environ["wsgi.input"].read(1)
            waits.set()
            try:
                environ["wsgi.input"].read()
            except (OSError, ValueError) as error:
                raised.append(error)
            done.set()

        threading.Thread(target=read).start()
        assert waits.wait(DEADLINE)
        # Asks the exchange while the other thread waits; the client sends no more.
        return environ["dragoman.disconnected"]()

    # Longer than any deadline of this test.
    with LiveServer(answering(given), body_timeout=600) as server, Client(server) as client:
        client.send("POST /", "Host: x\r\nContent-Length: 200000\r\n", b"x")
        assert client.answer() == (200, b"False")
        assert done.wait(DEADLINE)
    assert [type(error) for error in raised] == [ValueError]


def test_thread_beside_the_call_asks_for_the_body_and_its_patience_ends() -> None:
    raised: list[BaseException] = []

    def given(environ: Environ) -> object:
        read: list[bytes] = []

        def collect() -> None:
            try:
                while piece := environ["wsgi.input"].read(5):
                    read.append(piece)
            except OSError as error:
                raised.append(error)

        reader = threading.Thread(target=collect)
        reader.start()
        reader.join(DEADLINE)
        return b"".join(read).decode()

    with LiveServer(answering(given), body_timeout=1) as server, Client(server) as client:
        client.send("POST /", "Host: x\r\nContent-Length: 200000\r\nExpect: 100-continue\r\n")
        assert client.file.readline() == b"HTTP/1.1 100 Continue\r\n"
        assert client.file.readline() == b"\r\n"
        client.socket.sendall(b"12345")
        assert client.answer() == (200, b"12345")
    assert [type(error) for error in raised] == [ClientDisconnected]


def test_streamed_input_fails_after_its_request_and_a_complete_one_does_not() -> None:
    kept: list[Any] = []
    with LiveServer(answering(lambda environ: kept.append(environ["wsgi.input"]))) as server:
        for length in (5, 200_000):
            with Client(server) as client:
                client.ask("POST /", f"Host: x\r\nContent-Length: {length}\r\n", b"x" * length)
    assert kept[0].read() == b"xxxxx"
    with pytest.raises(ValueError, match="ended"):
        kept[1].read()


def test_client_that_leaves_in_mid_body_raises_for_the_reader() -> None:
    raised: list[BaseException] = []
    ended = threading.Event()

    def given(environ: Environ) -> object:
        try:
            return environ["wsgi.input"].read()
        except OSError as error:
            raised.append(error)
            raise
        finally:
            ended.set()

    with LiveServer(answering(given)) as server:
        with Client(server) as client:
            client.send("POST /", "Host: x\r\nContent-Length: 200000\r\n", b"too little")
        assert ended.wait(DEADLINE)
    assert [type(error) for error in raised] == [ClientDisconnected]


class Marker:
    """Something that can be referred to weakly."""


@pytest.mark.parametrize("fails", [False, True])
def test_request_is_let_go_at_its_end(fails: bool) -> None:
    markers: list[weakref.ref[Marker]] = []

    def given(environ: Environ) -> object:
        alive = [marker() for marker in markers]
        marker = Marker()
        environ["test.marker"] = marker
        markers.append(weakref.ref(marker))
        if fails and len(markers) < 4:
            raise ValueError("on purpose")
        return alive

    with LiveServer(answering(given)) as server, Client(server) as client:
        answers = [client.ask("GET /") for _ in range(4)]
    assert answers[-1] == (200, b"[None, None, None]")


def test_large_body_is_let_go_once_it_is_sent() -> None:
    body = b"large" * 1_000_000

    def application(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        sent = body if environ["PATH_INFO"] == "/large" else str(sys.getrefcount(body)).encode()
        start_response("200 OK", [("Content-Length", str(len(sent)))])
        return [sent]

    with LiveServer(application) as server, Client(server) as client:
        before = client.ask("GET /")
        for _ in range(5):
            assert client.ask("GET /large") == (200, body)
        # The reference is given back by whichever thread takes the interpreter's lock next.
        client.ask("GET /")
        assert client.ask("GET /") == before


def test_name_with_a_line_end_stands_escaped_in_the_exception() -> None:
    texts: list[str] = []

    def application(_: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        try:
            start_response("200 OK", [("X-A\r\nERROR forged", "b")])
        except AssertionError as error:
            texts.append(str(error))
        return []

    with LiveServer(application) as server, Client(server) as client:
        assert client.ask("GET /")[0] == 500
    assert texts and "\n" not in texts[0] and "contract: header-" in texts[0]


@pytest.mark.parametrize(
    ("call", "given"),
    [
        (lambda start_response: start_response("200 OK"), "1 by position"),
        (lambda start_response: start_response("200 OK", headers=[]), "1 by position, headers= by name"),
        (lambda start_response: start_response("200 OK", [], None, None), "4 by position"),
    ],
)
def test_wrong_arguments_of_start_response_are_named(call: Callable[[Any], object], given: str) -> None:
    def application(_: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        call(start_response)
        return []

    with LiveServer(application) as server, Client(server) as client:
        assert client.ask("GET /")[0] == 500
    assert len(server.reports) == 1
    assert server.reports[0].startswith("contract: start-response-arguments")
    assert given in server.reports[0]
