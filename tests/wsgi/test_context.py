"""What surrounds a call: its context, its thread, the errors stream, and what it learns of the client."""

from __future__ import annotations

import pytest

from tests.support.probe import Channel
from tests.support.server import Serve, Server
from tests.support.wire import request_bytes


@pytest.fixture(scope="module")
def server(serve: Serve) -> Server:
    return serve("tests.wsgi.apps_environ:app")


def test_each_request_runs_in_a_context_of_its_own(server: Server, channel: Channel) -> None:
    with server.connect() as wire:
        for _ in range(3):
            assert wire.request("GET", channel.target("/context")).body == b"set in the call"
            assert channel.expect("call")[0] == "nothing"


def test_call_iteration_and_close_share_one_context(server: Server, channel: Channel) -> None:
    assert server.request("GET", channel.target("/context")).body == b"set in the call"
    assert channel.expect("close") == "set in the call"


def test_context_is_as_it_stood_when_the_application_was_loaded(server: Server, channel: Channel) -> None:
    server.request("GET", channel.target("/context"))
    assert channel.expect("call")[1] == "set at import"


def test_call_runs_in_a_named_thread_that_python_knows(server: Server) -> None:
    found = server.request("GET", "/thread").json()
    assert found["type"] == "Thread"
    assert found["name"].startswith("dragoman")
    assert found["is_main"] is False
    assert found["is_listed"] is True


def test_errors_stream_reaches_the_log(server: Server) -> None:
    assert server.request("GET", "/errors-stream").status == 200
    server.log.wait_for("written: na.*ve")
    server.log.wait_for("first line")
    server.log.wait_for("second line")


@pytest.mark.parametrize("how", ["half_close", "reset"])
def test_disconnected_becomes_true_when_the_client_goes(server: Server, channel: Channel, how: str) -> None:
    wire = server.connect()
    wire.send(request_bytes("GET", channel.target("/disconnected")))
    assert channel.expect("before") is False
    getattr(wire, how)()
    channel.open("client acted")
    assert channel.expect("after") == [True, True]
    wire.close()


def test_response_is_still_sent_after_a_half_close(server: Server, channel: Channel) -> None:
    with server.connect() as wire:
        wire.send(request_bytes("GET", channel.target("/disconnected")))
        channel.expect("before")
        wire.half_close()
        channel.open("client acted")
        assert wire.read_response().body == b"still sent"
        wire.expect_close()


def test_disconnected_can_be_called_after_its_request(server: Server, channel: Channel) -> None:
    with server.connect() as wire:
        wire.send(request_bytes("GET", channel.target("/disconnected")))
        channel.expect("before")
        wire.half_close()
        channel.open("client acted")
        assert wire.read_response().body == b"still sent"
    assert server.request("GET", "/disconnected-of-ended-request").json() is True
