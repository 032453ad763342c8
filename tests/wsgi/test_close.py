"""PEP 3333 "Specification Details": close() of the iterable is called exactly once, whatever happened."""

from __future__ import annotations

import pytest

from tests.support.probe import Channel
from tests.support.server import Serve, Server
from tests.support.wire import request_bytes

PATHS = [
    "/success",
    "/exact",
    "/exact-then-empty",
    "/sized",
    "/subclass-of-list",
    "/write-then-body",
    "/generator-finally",
    "/too-long",
    "/too-long-in-one",
    "/too-short",
    "/too-short-empty",
    "/no-content",
    "/not-modified",
    "/reset-content",
    "/no-start-response",
    "/str-block",
    "/raises-first",
    "/raises-later",
    "/iter-raises",
    "/exc-info-late",
    "/close-raises",
]


@pytest.fixture(scope="module")
def server(serve: Serve) -> Server:
    return serve("tests.wsgi.apps_iterable:app")


def assert_closed_once(server: Server, channel: Channel) -> None:
    """Waits for the first close(); a second one would come from the same thread before it takes another request."""
    channel.expect("close")
    for _ in range(3):
        assert server.request("GET", "/kind?list").body == b"ab"
    assert channel.count("close") == 1


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", PATHS)
def test_close_is_called_exactly_once(server: Server, channel: Channel, path: str, method: str, version: str) -> None:
    with server.connect() as wire:
        wire.send(request_bytes(method, channel.target(path), [("Connection", "close")], version=version))
        wire.expect_end()
    assert_closed_once(server, channel)


def test_close_that_raises_is_reported_and_the_response_stands(server: Server, channel: Channel) -> None:
    with server.connect() as wire:
        assert wire.request("GET", channel.target("/close-raises")).body == b"whole body"
        assert wire.request("GET", "/kind?list").body == b"ab"
    server.log.wait_for("contract: close-raised")
    server.log.wait_for("close failed")


@pytest.mark.parametrize("path", ["/endless", "/endless-trickle"])
@pytest.mark.parametrize("how", ["reset", "close"])
def test_iteration_stops_and_is_closed_when_the_client_is_gone(
    server: Server, channel: Channel, path: str, how: str
) -> None:
    wire = server.connect()
    wire.send(request_bytes("GET", channel.target(path)))
    assert wire.read_head().status == 200
    assert wire.read_chunk() != b""
    if how == "reset":
        wire.reset()
    else:
        wire.close()  # with unread data in its buffer the kernel sends RST
    channel.open("client gone")
    assert_closed_once(server, channel)
    assert "all produced" not in channel.events


def test_client_gone_before_the_first_block_still_gets_the_iterable_closed(server: Server, channel: Channel) -> None:
    wire = server.connect()
    wire.send(request_bytes("GET", channel.target("/success")))
    wire.reset()
    channel.expect_count("close", channel.count("iter"))
    assert server.request("GET", "/kind?list").body == b"ab"


def test_client_gone_is_no_traceback(server: Server, channel: Channel) -> None:
    since = len(server.log.text)
    wire = server.connect()
    wire.send(request_bytes("GET", channel.target("/endless")))
    assert wire.read_head().status == 200
    wire.reset()
    assert_closed_once(server, channel)
    assert "Traceback" not in server.log.text[since:]
