"""RFC 9112 §9: keep-alive, close, upgrades that nobody takes, foreign protocols, and clients that leave."""

from __future__ import annotations

import pytest

from tests.support.probe import Channel
from tests.support.server import Serve, Server
from tests.support.wire import request_bytes
from tests.wire.apps_wire import BIG

# A TLS 1.2 record header, then the beginning of a ClientHello (RFC 8446 §5.1).
TLS_HELLO = bytes.fromhex("16030100c8010000c40303") + bytes(range(189))
H2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")


@pytest.fixture(scope="module")
def server(serve: Serve) -> Server:
    return serve("tests.wire.apps_wire:app")


@pytest.mark.parametrize(
    ("version", "connection", "keeps"),
    [
        ("HTTP/1.1", None, True),
        ("HTTP/1.1", "keep-alive", True),
        ("HTTP/1.1", "close", False),
        ("HTTP/1.1", "Close", False),
        ("HTTP/1.1", "x, close ,y", False),
        ("HTTP/1.1", "keep-alive, close", False),
        ("HTTP/1.1", "closed", True),
        ("HTTP/1.1", "upgrade", True),
        ("HTTP/1.0", None, False),
        ("HTTP/1.0", "close", False),
        ("HTTP/1.0", "keep-alive", True),
        ("HTTP/1.0", "Keep-Alive", True),
        ("HTTP/1.0", "x, keep-alive", True),
        ("HTTP/1.0", "keep-alive, close", False),
    ],
)
def test_connection_is_kept_as_rfc_9112_has_it(
    server: Server, version: str, connection: str | None, keeps: bool
) -> None:
    fields = [] if connection is None else [("Connection", connection)]
    with server.connect() as wire:
        wire.send(request_bytes("GET", "/hello", fields, version=version))
        response = wire.read_response()
        assert response.body == b"hello"
        if keeps:
            assert response.value("Connection") == ("keep-alive" if version == "HTTP/1.0" else None)
            assert wire.request("GET", "/hello").body == b"hello"
        else:
            assert response.value("Connection") == "close"
            wire.expect_close()


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
def test_response_says_http_1_1_whatever_the_client_speaks(server: Server, version: str) -> None:
    """RFC 9110 §6.2: the version of a response is the server's own."""
    with server.connect() as wire:
        wire.send(request_bytes("GET", "/hello", version=version))
        assert wire.read_response().version == "HTTP/1.1"


def test_a_thousand_requests_fit_on_one_connection(server: Server) -> None:
    with server.connect() as wire:
        for _ in range(1000):
            assert wire.request("GET", "/hello").body == b"hello"


@pytest.mark.parametrize(
    "fields",
    [
        [("Upgrade", "h2c"), ("Connection", "Upgrade, HTTP2-Settings"), ("HTTP2-Settings", "AAMAAABkAAQAAP__")],
        [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")],
        [("Upgrade", "TLS/1.0"), ("Connection", "upgrade")],
    ],
)
def test_upgrade_that_nobody_takes_is_ignored(server: Server, fields: list[tuple[str, str]]) -> None:
    with server.connect() as wire:
        response = wire.request("GET", "/hello", fields)
        assert (response.status, response.body) == (200, b"hello")
        assert response.values("Upgrade") == []
        assert wire.request("GET", "/hello").body == b"hello"


def test_http_2_preface_is_refused_in_the_form_of_http_1_1(server: Server) -> None:
    with server.connect() as wire:
        wire.send(H2_PREFACE)
        response = wire.read_response()
        assert response.status in (400, 505)
        assert response.value("Connection") == "close"
        wire.expect_close()


def test_tls_hello_is_closed_and_said_in_the_log(server: Server) -> None:
    with server.connect() as wire:
        wire.send(TLS_HELLO)
        received = wire.read_to_close()
    assert received == b"" or received.startswith(b"HTTP/1.1 400 ")
    server.log.wait_for("(?i)tls")


def test_half_close_after_the_request_still_gets_the_response(server: Server) -> None:
    with server.connect() as wire:
        wire.send(request_bytes("GET", "/hello"))
        wire.half_close()
        assert wire.read_response().body == b"hello"
        wire.expect_close()


def test_half_close_after_pipelined_requests_still_gets_all_responses(server: Server) -> None:
    with server.connect() as wire:
        wire.send(request_bytes("GET", "/hello") * 20)
        wire.half_close()
        assert [wire.read_response().body for _ in range(20)] == [b"hello"] * 20
        wire.expect_close()


def test_half_close_while_a_big_body_is_sent_still_gets_all_of_it(server: Server) -> None:
    with server.connect(receive_buffer=65_536) as wire:
        wire.send(request_bytes("GET", "/big"))
        assert wire.read_head().status == 200
        wire.half_close()
        assert wire.read_exactly(len(BIG)) == BIG
        wire.expect_close()


def test_half_close_of_an_idle_connection_closes_it(server: Server) -> None:
    with server.connect() as wire:
        assert wire.request("GET", "/hello").body == b"hello"
        wire.half_close()
        wire.expect_close()


def test_connection_closed_without_a_byte_is_no_event(server: Server) -> None:
    since = len(server.log.text)
    for _ in range(20):
        server.connect().close()
        server.connect().reset()
    assert server.request("GET", "/hello").body == b"hello"
    assert "Traceback" not in server.log.text[since:] and "ERROR" not in server.log.text[since:]


@pytest.mark.parametrize(
    "part", [b"G", b"GET / HTTP/1.1", b"GET / HTTP/1.1\r\nHost: te", b"GET / HTTP/1.1\r\nHost: test\r\n"]
)
def test_head_that_never_comes_whole_is_owed_nothing(server: Server, part: bytes) -> None:
    with server.connect() as wire:
        wire.send(part)
        wire.half_close()
        assert wire.read_to_close()[:13] in (b"", b"HTTP/1.1 400 ")


def test_reset_in_mid_response_ends_the_work(server: Server, channel: Channel) -> None:
    wire = server.connect(receive_buffer=4096)
    wire.send(request_bytes("GET", channel.target("/endless")))
    assert wire.read_head().status == 200
    wire.reset()
    channel.expect("close")
    assert server.request("GET", "/hello").body == b"hello"


def test_many_resets_in_mid_response_leave_the_server_sound(server: Server) -> None:
    for number in range(50):
        wire = server.connect(receive_buffer=4096)
        wire.send(request_bytes("GET", "/big" if number % 2 else "/big-without-length"))
        assert wire.read_head().status == 200
        wire.reset()
    assert server.request("GET", "/big").body == BIG
    assert "Traceback" not in server.log.text


def test_reset_while_the_application_runs_leaves_the_next_client_alone(server: Server, channel: Channel) -> None:
    wire = server.connect()
    wire.send(request_bytes("GET", channel.target("/held")))
    channel.expect("call")
    wire.reset()
    channel.open("go")
    for _ in range(5):
        assert server.request("GET", "/hello").body == b"hello"


def test_refused_request_with_much_behind_it_still_gets_its_answer(server: Server) -> None:
    """RFC 9112 §9.6: closing at once would reset the connection and destroy the answer on its way."""
    for _ in range(20):
        with server.connect() as wire:
            wire.send(b"GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" + b"x" * 30_000)
            assert wire.read_response().status == 400
            wire.expect_close()


@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_error_of_the_server_itself_is_short_plain_text(server: Server, method: str) -> None:
    with server.connect() as wire:
        wire.send(f"{method} /%zz HTTP/1.1\r\nHost: test\r\n\r\n".encode())
        response = wire.read_response(method)
        assert response.status == 400
        assert (response.value("Content-Type") or "").startswith("text/plain")
        assert response.value("Date") is not None and response.value("Connection") == "close"
        assert (response.body == b"") is (method == "HEAD")
        assert method == "HEAD" or b"target-escape" in response.body
        wire.expect_close()
