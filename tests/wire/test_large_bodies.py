"""Large bodies in both directions: whole at slow readers, by reference, by sendfile, beside other clients."""

from __future__ import annotations

import hashlib
import os
import threading

import pytest

from tests.support.server import Serve, Server
from tests.support.wire import chunked_request_bytes, request_bytes
from tests.wire.apps_wire import BIG


@pytest.fixture(scope="module")
def server(serve: Serve) -> Server:
    return serve("tests.wire.apps_wire:app")


@pytest.mark.parametrize("path", ["/big", "/big-without-length"])
def test_sixteen_mebibytes_arrive_whole(server: Server, path: str) -> None:
    with server.connect() as wire:
        for _ in range(3):
            assert wire.request("GET", path).body == BIG


@pytest.mark.parametrize("path", ["/big", "/big-without-length"])
def test_sixteen_mebibytes_arrive_whole_at_a_reader_of_small_steps(server: Server, path: str) -> None:
    with server.connect(receive_buffer=4096) as wire:
        wire.send(request_bytes("GET", path))
        head = wire.read_head()
        received = bytearray()
        while len(received) < len(BIG):
            received += (
                wire.read_chunk() if head.is_chunked else wire.read_exactly(min(65_536, len(BIG) - len(received)))
            )
        assert bytes(received) == BIG
        if head.is_chunked:
            assert wire.read_chunk() == b""
        assert wire.request("GET", "/hello").body == b"hello"


def test_pipelined_large_bodies_arrive_in_order(server: Server) -> None:
    with server.connect() as wire:
        wire.send((request_bytes("GET", "/big") + request_bytes("GET", "/hello")) * 3)
        for _ in range(3):
            assert wire.read_response().body == BIG
            assert wire.read_response().body == b"hello"


def test_readers_that_have_stopped_hold_nobody_up(server: Server) -> None:
    """More stopped readers than there are threads (64): their bodies wait with the reactor, not on threads."""
    stopped = [server.connect(receive_buffer=4096) for _ in range(80)]
    for wire in stopped:
        wire.send(request_bytes("GET", "/big"))
        assert wire.read_head().status == 200
    with server.connect() as wire:
        for _ in range(100):
            assert wire.request("GET", "/hello").body == b"hello"
    for wire in stopped[:3]:
        assert wire.read_exactly(len(BIG)) == BIG
    for wire in stopped:
        wire.reset()


def test_senders_that_have_stopped_hold_nobody_up(server: Server) -> None:
    """More stopped senders than there are threads: no thread is held while a head or a small body arrives."""
    stopped = [server.connect() for _ in range(80)]
    for number, wire in enumerate(stopped):
        request = request_bytes("POST", "/echo", [], b"x" * 60_000)
        wire.send(request[: 10 if number % 2 else 30_000])
    with server.connect() as wire:
        for _ in range(100):
            assert wire.request("GET", "/hello").body == b"hello"
    stopped[0].send(request_bytes("POST", "/echo", [], b"x" * 60_000)[30_000:])
    assert stopped[0].read_response().body == b"x" * 60_000
    for wire in stopped:
        wire.close()


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_upload_of_sixteen_mebibytes_arrives_whole(serve: Serve, framing: str) -> None:
    server = serve("tests.wire.apps_wire:seen")
    body = os.urandom(1 << 20) * 16
    with server.connect() as wire:
        if framing == "length":
            wire.send(request_bytes("POST", "/", [], body))
        else:
            wire.send(
                chunked_request_bytes("/", [body[start : start + 70_000] for start in range(0, len(body), 70_000)])
            )
        found = wire.read_response().json()
    assert (found["length"], found["digest"]) == (len(body), hashlib.sha256(body).hexdigest())


def test_large_uploads_and_downloads_run_side_by_side(server: Server) -> None:
    body = os.urandom(1 << 20) * 4
    failures: list[str] = []

    def exchange(number: int) -> None:
        try:
            with server.connect() as wire:
                for _ in range(2):
                    wire.send(request_bytes("POST", "/echo", [], body) if number % 2 else request_bytes("GET", "/big"))
                    assert wire.read_response().body == (body if number % 2 else BIG), "another body"
        except Exception as error:
            failures.append(f"client {number}: {error!r:.200}")

    clients = [threading.Thread(target=exchange, args=(number,)) for number in range(8)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert failures == []
