"""Streams over the real server: each block when it is made, an end when the client goes, hints before the answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

from dragoman.testing import LiveServer
from dragoman.web import App, EventStream, early_hints, g, preload, render_template_string, stream_template_string

SECONDS = 30


class Client:
    """A connection, and what has come by it."""

    def __init__(self, server: LiveServer, path: str) -> None:
        self.socket = socket.create_connection((server.host, server.port), timeout=SECONDS)
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        self.received = b""

    def until(self, text: bytes) -> bytes:
        """Wait for a text, or for the end."""
        while text not in self.received and (block := self.socket.recv(65536)):
            self.received += block
        assert text in self.received, self.received
        return self.received

    def whole(self) -> bytes:
        while block := self.socket.recv(65536):
            self.received += block
        return self.received


def test_events_arrive_while_the_next_one_is_awaited_and_the_stream_ends_when_the_client_goes() -> None:
    app, more, closed = App(__name__), threading.Event(), threading.Event()
    ended: list[object] = []

    @app.get("/events")
    def events() -> EventStream:
        def made() -> Iterator[str | None]:
            try:
                more.wait(SECONDS)
                yield "first"
                while True:
                    yield None
            finally:
                closed.set()

        g.value = "kept"
        return EventStream(made())

    done = threading.Event()

    @app.teardown_request
    def teardown(error: BaseException | None) -> None:
        ended.append((closed.is_set(), g.value))
        done.set()

    with LiveServer(app) as server:
        client = Client(server, "/events")
        assert b"text/event-stream" in client.until(b":\n\n")
        assert b"data:" not in client.received
        more.set()
        client.until(b"data: first\n\n")
        client.socket.close()
        assert done.wait(SECONDS)
    assert ended == [(True, "kept")]


def test_pieces_of_a_template_arrive_as_they_are_made() -> None:
    app, more = App(__name__), threading.Event()

    def rows() -> Iterator[str]:
        yield "one"
        more.wait(SECONDS)
        yield "two"

    app.add_url_rule(
        "/", "index", lambda: stream_template_string("{% for row in rows %}<p>{{ row }}{% endfor %}", rows=rows())
    )
    with LiveServer(app) as server:
        client = Client(server, "/")
        assert b"two" not in client.until(b"one")
        more.set()
        assert client.whole().endswith(b"\r\n0\r\n\r\n") and b"two" in client.received


def test_what_is_raised_in_the_middle_of_a_stream_cuts_it() -> None:
    app = App(__name__)

    @app.get("/")
    def index() -> Iterator[str]:
        yield "half"
        raise ValueError

    with LiveServer(app) as server:
        client = Client(server, "/")
        client.until(b"half")
        assert not client.whole().endswith(b"\r\n0\r\n\r\n")
        assert any("ValueError" in message for message in server.log)


def test_hints_come_before_the_answer_is_made() -> None:
    app, more = App(__name__), threading.Event()

    @app.get("/")
    def index() -> str:
        assert early_hints(preload("/app.css", "style"))
        more.wait(SECONDS)
        return render_template_string("page")

    with LiveServer(app) as server:
        client = Client(server, "/")
        hints = client.until(b"\r\n\r\n")
        assert hints == b"HTTP/1.1 103 Early Hints\r\nLink: </app.css>; rel=preload; as=style\r\n\r\n"
        more.set()
        answer = client.whole()[len(hints) :]
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and answer.endswith(b"page")
        assert b"\r\nLink: </app.css>; rel=preload; as=style\r\n" in answer
