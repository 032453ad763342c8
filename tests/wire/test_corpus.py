"""Every case of the corpus over a real socket: accepted ones are answered, refused ones are refused once and closed."""

from __future__ import annotations

import hashlib
import json
import select

import pytest

from tests.support.corpus import Case, cases, refusal_statuses
from tests.support.server import Serve, Server
from tests.support.wire import Response, Wire, request_bytes

ACCEPTED = cases("accept")
REFUSED = [case for case in cases("reject") if "refused" in case.expected]
BYTEWISE_AT_MOST = 2048
"""Longer messages are fed byte by byte in the parser's own tests; here each byte costs a system call on both sides."""

EMPTY_LINES = 3
"""That are skipped before a request line."""

# Sent silently or with an answer: a TLS client cannot read one in clear text (RFC 8446 §5.1 knows no such record).
ANSWER_IS_OPTIONAL = {"tls-on-clear-text"}


@pytest.fixture(scope="module")
def server(serve: Serve) -> Server:
    return serve("tests.wire.apps_wire:seen")


def method_of(case: Case) -> str:
    """Method in the message, for the framing of its response; behind too many empty lines none is read."""
    message = case.message
    for _ in range(EMPTY_LINES):
        message = message.removeprefix(b"\r\n")
    return message.split(b" ", 1)[0].decode("latin-1")


def send_until_answered(wire: Wire, message: bytes) -> None:
    """Sends byte by byte and stops when the server has begun to answer, as a client would."""
    for offset in range(len(message)):
        if select.select([wire.socket], [], [], 0)[0]:
            return
        try:
            wire.send(message[offset : offset + 1])
        except (BrokenPipeError, ConnectionResetError):
            return


def send_all(wire: Wire, message: bytes) -> None:
    """Sends the whole; the server may have refused its beginning already."""
    try:
        wire.send(message)
    except (BrokenPipeError, ConnectionResetError):
        return


def assert_refused(case: Case, wire: Wire) -> None:
    """One answer with the status of the refusal, `Connection: close`, and then an orderly end."""
    code = case.expected["refused"]
    received = wire.read_to_close() if code in ANSWER_IS_OPTIONAL else None
    if received == b"":
        return
    if received is not None:
        wire._buffer[:0] = received
    response = wire.read_response(method_of(case) if method_of(case) == "HEAD" else "GET")
    assert response.status == refusal_statuses()[code]
    assert_is_own_error(response)
    wire.expect_close()


def assert_is_own_error(response: Response) -> None:
    """The shape of the server's own error answers."""
    assert response.version == "HTTP/1.1"
    assert response.value("Connection") == "close"
    assert response.value("Date") is not None
    assert (response.value("Content-Type") or "").startswith("text/plain")
    assert len(response.body) < 1000


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_refused_whole(server: Server, case: Case) -> None:
    with server.connect() as wire:
        send_all(wire, case.message)
        assert_refused(case, wire)


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_refused_with_another_request_behind_it(server: Server, case: Case) -> None:
    with server.connect() as wire:
        send_all(wire, case.message + request_bytes("GET", "/smuggled"))
        assert_refused(case, wire)


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_refused_behind_another_request(server: Server, case: Case) -> None:
    with server.connect() as wire:
        send_all(wire, request_bytes("GET", "/before") + case.message)
        assert wire.read_response().json()["target"] == "/before"
        assert_refused(case, wire)


@pytest.mark.parametrize(
    "case", [case for case in REFUSED if len(case.message) <= BYTEWISE_AT_MOST], ids=lambda case: case.name
)
def test_refused_byte_by_byte(server: Server, case: Case) -> None:
    with server.connect() as wire:
        send_until_answered(wire, case.message)
        assert_refused(case, wire)


def assert_accepted(case: Case, wire: Wire) -> None:
    """The application saw the request as the case says, after a 100 where the message asked for one."""
    response = wire.read_response(method_of(case))
    assert response.status == 200, response
    if method_of(case) == "HEAD":
        return
    found = json.loads(response.body)
    for key in ("method", "target"):
        if key in case.expected:
            assert found[key] == case.expected[key]
    if "decoded-path" in case.expected:
        assert found["path"] == case.expected["decoded-path"]
    if "body" in case.expected:
        assert found["digest"] == hashlib.sha256(case.expected["body"].encode("latin-1")).hexdigest()
    if "body-length" in case.expected:
        assert found["length"] == int(case.expected["body-length"])
    if case.expected.get("framing") == "none":
        assert found["length"] == 0


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.name)
def test_accepted_whole_with_another_request_behind_it(server: Server, case: Case) -> None:
    with server.connect() as wire:
        wire.send(case.message + request_bytes("GET", "/behind", [("Connection", "close")]))
        assert_accepted(case, wire)
        if case.expected.get("keeps-alive", "yes") == "no":
            wire.expect_close()
        else:
            rest = wire.read_to_close()
            assert rest == b"" or json.loads(rest.partition(b"\r\n\r\n")[2])["target"] == "/behind"
            if b"HTTP/1.1\r\n" in case.message and case.expected.get("keeps-alive") == "yes":
                assert rest != b""


@pytest.mark.parametrize(
    "case", [case for case in ACCEPTED if len(case.message) <= BYTEWISE_AT_MOST], ids=lambda case: case.name
)
def test_accepted_byte_by_byte(server: Server, case: Case) -> None:
    with server.connect() as wire:
        wire.send_bytewise(case.message)
        assert_accepted(case, wire)
