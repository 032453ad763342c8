"""The limits on heads and bodies: 414, 431 and 413, each at its own edge, each changed by its flag."""

from __future__ import annotations

import pytest

from tests.support.probe import Channel
from tests.support.server import Serve, Server
from tests.support.wire import chunked_request_bytes, request_bytes

SMALL = ("--limit-request-line", "100", "--limit-request-fields", "5", "--limit-request-field_size", "200")
HEAD_AND_BODY = ("--limit-head", "1000", "--limit-body", "5000")


def status_of(server: Server, message: bytes) -> int:
    """Status of the one answer to the message; an error closes the connection in good order."""
    with server.connect() as wire:
        wire.send(message)
        response = wire.read_response()
        if response.status != 200:
            assert response.value("Connection") == "close"
            wire.expect_close()
        return response.status


def line_of(length: int) -> bytes:
    """A request whose line has that many bytes without its CR LF."""
    return b"GET /%b HTTP/1.1\r\nHost: test\r\n\r\n" % (b"a" * (length - len("GET / HTTP/1.1")))


@pytest.mark.parametrize(("length", "status"), [(8192, 200), (8193, 414), (60_000, 414)])
def test_request_line_above_8_kib_is_414(serve: Serve, length: int, status: int) -> None:
    assert status_of(serve("tests.wire.apps_wire:seen"), line_of(length)) == status


@pytest.mark.parametrize(("count", "status"), [(99, 200), (100, 431), (500, 431)])
def test_more_than_a_hundred_fields_are_431(serve: Serve, count: int, status: int) -> None:
    """With Host there is one more."""
    fields = [(f"X-{number}", "v") for number in range(count)]
    assert status_of(serve("tests.wire.apps_wire:seen"), request_bytes("GET", "/", fields)) == status


@pytest.mark.parametrize(("size", "status"), [(16_000, 200), (16_385, 431), (50_000, 431)])
def test_field_above_16_kib_is_431(serve: Serve, size: int, status: int) -> None:
    assert status_of(serve("tests.wire.apps_wire:seen"), request_bytes("GET", "/", [("X", "v" * size)])) == status


@pytest.mark.parametrize(("size", "status"), [(15_000, 200), (16_300, 431)])
def test_head_above_64_kib_is_431(serve: Serve, size: int, status: int) -> None:
    fields = [(f"X-{number}", "v" * size) for number in range(4)] + [("X-Last", "v" * 400)]
    assert status_of(serve("tests.wire.apps_wire:seen"), request_bytes("GET", "/", fields)) == status


@pytest.mark.parametrize(("length", "status"), [(100, 200), (101, 414)])
def test_limit_of_the_line_is_a_setting(serve: Serve, length: int, status: int) -> None:
    assert status_of(serve("tests.wire.apps_wire:seen", *SMALL), line_of(length)) == status


@pytest.mark.parametrize(("count", "status"), [(4, 200), (5, 431)])
def test_limit_of_the_number_of_fields_is_a_setting(serve: Serve, count: int, status: int) -> None:
    fields = [(f"X-{number}", "v") for number in range(count)]
    assert status_of(serve("tests.wire.apps_wire:seen", *SMALL), request_bytes("GET", "/", fields)) == status


@pytest.mark.parametrize(("size", "status"), [(190, 200), (201, 431)])
def test_limit_of_a_field_is_a_setting(serve: Serve, size: int, status: int) -> None:
    assert (
        status_of(serve("tests.wire.apps_wire:seen", *SMALL), request_bytes("GET", "/", [("X", "v" * size)])) == status
    )


@pytest.mark.parametrize(("size", "status"), [(300, 200), (500, 431)])
def test_limit_of_the_head_is_a_setting(serve: Serve, size: int, status: int) -> None:
    fields = [("X-One", "v" * size), ("X-Two", "v" * size)]
    assert status_of(serve("tests.wire.apps_wire:seen", *HEAD_AND_BODY), request_bytes("GET", "/", fields)) == status


@pytest.mark.parametrize(("size", "status"), [(5000, 200), (5001, 413), (10**12, 413)])
def test_content_length_above_the_limit_is_413_at_the_head(serve: Serve, size: int, status: int) -> None:
    server = serve("tests.wire.apps_wire:seen", *HEAD_AND_BODY)
    head = request_bytes("POST", "/", [("Content-Length", str(size))])
    assert status_of(server, head + (b"x" * size if status == 200 else b"")) == status


@pytest.mark.parametrize(("size", "status"), [(5000, 200), (5001, 413), (50_000, 413)])
def test_chunked_body_above_the_limit_is_413(serve: Serve, size: int, status: int) -> None:
    server = serve("tests.wire.apps_wire:seen", *HEAD_AND_BODY)
    body = b"x" * size
    message = chunked_request_bytes("/", [body[start : start + 999] for start in range(0, size, 999)])
    assert status_of(server, message) == status


def test_expectation_of_a_body_above_the_limit_is_413_and_never_100(serve: Serve) -> None:
    server = serve("tests.wire.apps_wire:seen", *HEAD_AND_BODY)
    with server.connect() as wire:
        wire.send(request_bytes("POST", "/", [("Expect", "100-continue"), ("Content-Length", "5001")]))
        assert wire.read_head().status == 413


def test_limit_of_the_body_is_64_mib_by_default(serve: Serve) -> None:
    server = serve("tests.wire.apps_wire:seen")
    assert status_of(server, request_bytes("POST", "/", [("Content-Length", str((64 << 20) + 1))])) == 413


def test_limit_of_the_body_0_is_none(serve: Serve, channel: Channel) -> None:
    server = serve("tests.wire.apps_wire:app", "--limit-body", "0")
    with server.connect() as wire:
        wire.send(request_bytes("POST", channel.target("/read-slowly"), [("Content-Length", str(10**12))]))
        channel.expect("call")


def test_refused_request_never_reaches_the_application(serve: Serve, channel: Channel) -> None:
    server = serve("tests.wire.apps_wire:app", *HEAD_AND_BODY)
    target = channel.target("/read-slowly")
    assert status_of(server, request_bytes("POST", target, [("Content-Length", "5001")])) == 413
    assert status_of(server, request_bytes("GET", target, [("X", "v" * 2000)])) == 431
    assert status_of(server, request_bytes("GET", "/hello")) == 200
    assert channel.count("call") == 0
