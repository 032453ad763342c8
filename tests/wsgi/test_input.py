"""PEP 3333 "Input and Error Streams": wsgi.input behaves as io.BytesIO of the same body does, however the body came."""

from __future__ import annotations

import io
import json
import os
from typing import Any

import pytest

from tests.support.server import Serve, Server
from tests.support.wire import chunked_request_bytes, request_bytes
from tests.wsgi.apps_input import run

LINES = b"first line\nsecond\r\n\n" + b"long" * 20_000 + b"\nno end"
KIB = 1024

BODIES = {
    "nothing": b"",
    "small": b"line one\nline two\n\nlast",
    "only newlines": b"\n\n\n",
    "64 KiB less one": os.urandom(64 * KIB - 1),
    "64 KiB": os.urandom(64 * KIB),
    "64 KiB and one": os.urandom(64 * KIB + 1),
    "lines": LINES,
    "streamed lines": LINES * 4,
    "1 MiB": b"\xff\n" * (512 * KIB),
    "3 MiB": os.urandom(3 * KIB * KIB),
}

OPERATIONS: dict[str, list[list[Any]]] = {
    "read all": [["read"], ["read"], ["read", 5]],
    "read minus one": [["read", -1], ["read", -1]],
    "read none": [["read", None], ["read"]],
    "read zero": [["read", 0], ["readline", 0], ["read", 3], ["read", 0], ["read"]],
    "read in pieces": [["read", 1], ["read", 2], ["read", 100], ["read", 70_000], ["read", 7], ["read"], ["read", 1]],
    "read beyond": [["read", 10**9], ["read", 10**9]],
    "readline": [["readline"], ["readline"], ["readline"], ["readline"], ["readline"], ["read", 3], ["readline"]],
    "readline sized": [["readline", 3], ["readline", 100], ["readline", 1], ["readline", 100_000], ["readline", -1]],
    "readlines": [["readlines"], ["readlines"], ["read"]],
    "iterate": [["iterate"], ["iterate"], ["readline"]],
    "next": [["next"], ["next"], ["read", 4], ["next"], ["readline"]],
    "readinto": [
        ["readinto", 0],
        ["readinto", 4],
        ["readinto", 66_000],
        ["read", 2],
        ["readinto", 10**7],
        ["readinto", 9],
    ],
    "mixed": [["readline"], ["read", 3], ["readinto", 5], ["next"], ["readline", 2], ["readlines"], ["read"]],
    "digest": [["digest"], ["read"]],
    "digest by pieces": [["digest by pieces", 8192], ["read"]],
}


# What an operation leaves is read at last, so that the connection is kept (unread rests: test_unread_bodies.py).
OPERATIONS = {name: [*steps, ["digest"]] for name, steps in OPERATIONS.items()}


@pytest.fixture(scope="module")
def server(serve: Serve) -> Server:
    return serve("tests.wsgi.apps_input:app")


def pieces(body: bytes, size: int) -> list[bytes]:
    """The body in blocks of that size."""
    return [body[offset : offset + size] for offset in range(0, len(body), size)]


@pytest.mark.parametrize("name", sorted(OPERATIONS))
@pytest.mark.parametrize("body", sorted(BODIES))
def test_reading_a_body_with_a_length(server: Server, body: str, name: str) -> None:
    data = BODIES[body]
    fields = [("X-Operations", json.dumps(OPERATIONS[name]))]
    with server.connect() as wire:
        found = wire.request("POST", "/operations", fields, data).json()
        assert found == run(io.BytesIO(data), OPERATIONS[name])
        assert wire.request("POST", "/echo", [], b"next").body == b"next"


@pytest.mark.parametrize("name", sorted(OPERATIONS))
@pytest.mark.parametrize("body", sorted(set(BODIES) - {"64 KiB less one", "64 KiB and one"}))
def test_reading_a_chunked_body(server: Server, body: str, name: str) -> None:
    data = BODIES[body]
    fields = [("X-Operations", json.dumps(OPERATIONS[name]))]
    with server.connect() as wire:
        wire.send(chunked_request_bytes("/operations", pieces(data, max(3, len(data) // 7)), fields))
        assert wire.read_response().json() == run(io.BytesIO(data), OPERATIONS[name])
        assert wire.request("POST", "/echo", [], b"next").body == b"next"


def test_readlines_with_a_hint_gives_whole_lines(server: Server) -> None:
    """The hint is a suggestion (PEP 3333), so that only the lines themselves are certain."""
    fields = [("X-Operations", json.dumps([["readlines", 12], ["readlines"]]))]
    first, rest = server.request("POST", "/operations", fields, BODIES["small"]).json()
    assert first + rest == ["line one\n", "line two\n", "\n", "last"]
    assert len("".join(first)) >= 12


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS", "PUT", "PROPFIND"])
def test_body_of_any_method_is_read_by_its_framing(server: Server, method: str) -> None:
    with server.connect() as wire:
        assert wire.request(method, "/echo", [], b"a body").body == b"a body"
        wire.send(chunked_request_bytes("/echo", [b"a ", b"chunked ", b"body"], method=method))
        assert wire.read_response().body == b"a chunked body"


def test_body_of_head_is_not_the_next_request(server: Server) -> None:
    with server.connect() as wire:
        assert wire.request("HEAD", "/echo", [], b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n").status == 200
        assert wire.request("POST", "/echo", [], b"next").body == b"next"


@pytest.mark.parametrize("size", [1, 7, 1000, 65_536])
def test_chunked_body_of_any_chunk_size_arrives_whole(server: Server, size: int) -> None:
    data = os.urandom(20 * size + 3)
    with server.connect() as wire:
        wire.send(chunked_request_bytes("/echo", pieces(data, size)))
        assert wire.read_response().body == data


@pytest.mark.parametrize("size", [0, 10, 64 * KIB, 300 * KIB, 5 * KIB * KIB])
@pytest.mark.parametrize("path", ["/echo", "/echo-by-pieces"])
def test_body_of_any_size_comes_back(server: Server, path: str, size: int) -> None:
    data = os.urandom(size)
    with server.connect() as wire:
        for _ in range(2):
            wire.send(request_bytes("POST", path, [], data[: 64 * KIB] if path == "/echo-by-pieces" else data))
            assert wire.read_response().body == (data[: 64 * KIB] if path == "/echo-by-pieces" else data)


@pytest.mark.parametrize(("body", "length"), [(b"", "0"), (b"four", "4"), (b"x" * (2 * KIB * KIB), str(2 * KIB * KIB))])
def test_chunked_body_is_handed_over_with_its_decoded_length(server: Server, body: bytes, length: str) -> None:
    with server.connect() as wire:
        wire.send(chunked_request_bytes("/attributes", pieces(body, 100_000)))
        found = wire.read_response().json()
    assert found == {"type": "bytes", "closed": False, "length": length, "encoding": None, "terminated": True}


@pytest.mark.parametrize("size", [None, 10, 200 * KIB])
def test_input_is_open_and_terminated(server: Server, size: int | None) -> None:
    found = server.request("POST", "/attributes", [], None if size is None else b"x" * size).json()
    assert (found["type"], found["closed"], found["terminated"]) == ("bytes", False, True)


@pytest.mark.parametrize("kind", ["memory", "chunked in memory", "chunked in a file"])
def test_input_in_memory_or_a_file_can_seek(server: Server, kind: str) -> None:
    data = b"0123456789" * (200_000 if kind == "chunked in a file" else 3)
    operations: list[list[Any]] = [
        ["read", 4],
        ["tell"],
        ["seek", 0],
        ["read", 3],
        ["seek", -5, 2],
        ["read"],
        ["tell"],
        ["seek", 2],
        ["read", 2],
    ]
    fields = [("X-Operations", json.dumps(operations))]
    with server.connect() as wire:
        if kind == "memory":
            wire.send(request_bytes("POST", "/operations", fields, data))
        else:
            wire.send(chunked_request_bytes("/operations", pieces(data, 5000), fields))
        assert wire.read_response().json() == run(io.BytesIO(data), operations)


def test_body_may_be_read_when_the_response_has_begun(server: Server) -> None:
    assert server.request("POST", "/reads-late", [], b"the body").body == b"begun the body"


def test_input_kept_beyond_the_request_gives_nothing_of_another(serve: Serve) -> None:
    server = serve("tests.wsgi.apps_environ:app")
    with server.connect() as wire:
        wire.request("POST", "/keep-input", [], b"old")
        found = wire.request("POST", "/read-kept-input", [], b"own body").json()
    assert found["own"] == "own body"
    assert "own" not in found["old"]


def test_streamed_input_kept_beyond_the_request_gives_nothing_of_another(serve: Serve) -> None:
    server = serve("tests.wsgi.apps_environ:app")
    server.request("POST", "/keep-input", [("Connection", "close")], b"o" * 100_000)
    found = server.request("POST", "/read-kept-input", [], b"own body").json()
    assert found["own"] == "own body"
    assert "own" not in found["old"]
