"""RFC 9112 §9.3.2: pipelined requests are answered in order, however they arrive."""

from __future__ import annotations

import json
import threading

import pytest

from tests.support.probe import Channel
from tests.support.server import Serve, Server
from tests.support.wire import chunked_request_bytes, request_bytes
from tests.wire.apps_wire import filling

SIZES = [0, 1, 5, 100, 1000, 4096, 16_384, 65_536, 200_000]


@pytest.fixture(scope="module")
def server(serve: Serve) -> Server:
    return serve("tests.wire.apps_wire:app")


def numbered(number: int) -> tuple[bytes, bytes]:
    """A request of mixed kind and the body that answers it."""
    size = SIZES[number % len(SIZES)]
    kind = number % 4
    if kind == 0:
        return request_bytes("GET", f"/block?size={size}&seed={number}"), filling(size, number)
    if kind == 1:
        return request_bytes("GET", f"/stream?size={size}&seed={number}"), filling(size, number)
    body = filling(min(size, 16_384), number)
    if kind == 2:
        return request_bytes("POST", "/echo", [], body), body
    blocks = [body[offset : offset + 777] for offset in range(0, len(body), 777)]
    return chunked_request_bytes("/echo", blocks), body


def test_a_hundred_requests_of_mixed_kind_are_answered_in_order(server: Server) -> None:
    exchanges = [numbered(number) for number in range(100)]
    with server.connect() as wire:
        # The server may stop reading while its answers wait, so that sending and reading go side by side.
        sender = threading.Thread(target=wire.send, args=(b"".join(request for request, _ in exchanges),))
        sender.start()
        for number, (_, body) in enumerate(exchanges):
            assert wire.read_response().body == body, f"response {number}"
        sender.join()


def test_a_hundred_small_requests_in_one_segment_are_answered_in_order(serve: Serve) -> None:
    server = serve("tests.wire.apps_wire:seen")
    with server.connect() as wire:
        wire.send(b"".join(request_bytes("GET", f"/{number}") for number in range(100)))
        assert [wire.read_response().json()["target"] for _ in range(100)] == [f"/{number}" for number in range(100)]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 61, 1459])
def test_requests_cut_at_every_multiple_of_a_size_are_answered_in_order(serve: Serve, size: int) -> None:
    server = serve("tests.wire.apps_wire:seen")
    stream = b"".join(request_bytes("POST", f"/{number}", [], b"b" * number) for number in range(12))
    with server.connect() as wire:
        for offset in range(0, len(stream), size):
            wire.send(stream[offset : offset + size])
        found = [wire.read_response().json() for _ in range(12)]
    assert [(one["target"], one["length"]) for one in found] == [(f"/{number}", number) for number in range(12)]


def test_request_cut_at_every_single_place_is_read_the_same(serve: Serve) -> None:
    server = serve("tests.wire.apps_wire:seen")
    message = b"POST /a%20b?c HTTP/1.1\r\nHost: test\r\nContent-Length: 4\r\n\r\nbody"
    with server.connect() as wire:
        expected = None
        for cut in range(1, len(message)):
            wire.send(message[:cut])
            wire.send(message[cut:])
            found = wire.read_response().json()
            expected = expected or found
            assert found == expected, f"cut at {cut}"


def test_chunked_request_cut_at_every_single_place_is_read_the_same(server: Server) -> None:
    message = chunked_request_bytes("/echo", [b"first", b"second" * 3])
    with server.connect() as wire:
        for cut in range(1, len(message)):
            wire.send(message[:cut])
            wire.send(message[cut:])
            assert wire.read_response().body == b"first" + b"second" * 3, f"cut at {cut}"


def test_one_call_at_a_time_runs_for_a_connection(server: Server, channel: Channel) -> None:
    with server.connect() as wire:
        wire.send(request_bytes("GET", channel.target("/held")) * 3 + request_bytes("GET", "/hello"))
        channel.expect("call")
        assert server.request("GET", "/hello").body == b"hello"
        assert channel.count("call") == 1
        channel.open("go")
        assert [wire.read_response().body for _ in range(4)] == [b"held"] * 3 + [b"hello"]


def test_finished_answer_does_not_wait_for_a_slow_successor(server: Server, channel: Channel) -> None:
    with server.connect() as wire:
        wire.send(request_bytes("GET", "/hello") + request_bytes("GET", channel.target("/held")))
        assert wire.read_response().body == b"hello"
        channel.open("go")
        assert wire.read_response().body == b"held"


def test_deep_pipeline_is_bounded_by_back_pressure_and_answered_whole(server: Server, channel: Channel) -> None:
    """More is sent behind a held request than is read ahead (64 KiB): the rest waits in the kernel, none is lost."""
    following = request_bytes("GET", "/hello", [("X-Filler", "f" * 4000)])
    with server.connect() as wire:
        wire.send(request_bytes("GET", channel.target("/held")) + following * 100)
        channel.expect("call")
        channel.open("go")
        assert wire.read_response().body == b"held"
        assert [wire.read_response().body for _ in range(100)] == [b"hello"] * 100


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
def test_requests_behind_a_closing_one_are_not_answered(server: Server, channel: Channel, version: str) -> None:
    closing = request_bytes("GET", "/hello", [("Connection", "close")], version=version)
    with server.connect() as wire:
        wire.send(closing + request_bytes("GET", channel.target("/held")))
        assert wire.read_response().body == b"hello"
        wire.expect_close()
    assert server.request("GET", "/hello").body == b"hello"
    assert channel.count("call") == 0


def test_responses_of_many_connections_never_mix(server: Server) -> None:
    wires = [server.connect() for _ in range(20)]
    for turn in range(5):
        for number, wire in enumerate(wires):
            wire.send(request_bytes("POST", "/echo", [], json.dumps([turn, number]).encode()) * 3)
        for number, wire in enumerate(wires):
            assert [json.loads(wire.read_response().body) for _ in range(3)] == [[turn, number]] * 3
    for wire in wires:
        wire.close()
