"""PEP 3333 "Handling the Content-Length Header" and "Buffering and Streaming": what becomes of the iterable."""

from __future__ import annotations

import pytest

from tests.support.probe import Channel
from tests.support.server import Serve, Server
from tests.support.wire import ConnectionEnded, request_bytes
from tests.wsgi.apps_iterable import KINDS


@pytest.fixture(scope="module")
def server(serve: Serve) -> Server:
    return serve("tests.wsgi.apps_iterable:app")


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_iterable_of_any_kind_is_sent_whole(server: Server, kind: str) -> None:
    assert server.request("GET", f"/kind?{kind.replace(' ', '-')}").body == b"ab"


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_iterable_of_any_kind_is_sent_whole_to_http_1_0(server: Server, kind: str) -> None:
    with server.connect() as wire:
        wire.send(request_bytes("GET", f"/kind?{kind.replace(' ', '-')}", version="HTTP/1.0"))
        response = wire.read_response()
        assert response.body == b"ab"
        assert response.values("Transfer-Encoding") == []


@pytest.mark.parametrize("kind", ["list", "tuple", "iterator", "blank"])
def test_iterable_without_a_byte_is_an_empty_body(server: Server, kind: str) -> None:
    with server.connect() as wire:
        response = wire.request("GET", f"/empty?{kind}")
        assert (response.status, response.body) == (200, b"")
        assert wire.request("GET", "/kind?list").body == b"ab"


def test_empty_blocks_may_come_before_start_response_is_called(server: Server) -> None:
    response = server.request("GET", "/head-after-empty-blocks")
    assert (response.status, response.body) == (200, b"body")


def test_list_subclass_is_iterated_by_its_own_method(server: Server, channel: Channel) -> None:
    assert server.request("GET", channel.target("/subclass-of-list")).body == b"from __iter__"
    channel.expect("close")


@pytest.mark.parametrize(
    ("kind", "body"), [("list", b"shared list"), ("tuple", b"shared tuple"), ("one", b"one block")]
)
def test_list_or_tuple_of_the_application_is_never_changed(server: Server, kind: str, body: bytes) -> None:
    with server.connect() as wire:
        for _ in range(3):
            response = wire.request("GET", f"/shared?{kind}")
            assert (response.body, response.value("X-Intact")) == (body, "True")


def test_iterable_is_iterated_once(server: Server, channel: Channel) -> None:
    server.request("GET", channel.target("/success"))
    channel.expect("close")
    assert channel.events == ["iter", "next", "next", "exhausted", "close"]


def test_no_attribute_but_iter_len_and_close_is_touched(server: Server) -> None:
    with server.connect() as wire:
        assert wire.request("GET", "/watched").body == b"watched"
        assert set(wire.request("GET", "/watched-names").json()) <= {"__iter__", "__len__", "close"}


class TestEachBlockArrivesBeforeTheNextIsAskedFor:
    """The application waits, before it gives a block, until the test has read the one before."""

    @pytest.mark.parametrize("path", ["/steps", "/steps-of-iterator"])
    def test_in_chunks(self, server: Server, channel: Channel, path: str) -> None:
        with server.connect() as wire:
            wire.send(request_bytes("GET", channel.target(path)))
            assert wire.read_head().is_chunked
            for number in range(4):
                block = b"block %d" % number if path == "/steps" else b"%d" % number * 100_000
                received = b""
                while len(received) < len(block):
                    received += wire.read_chunk()
                assert received == block
                channel.open(f"read {number}")
            assert wire.read_chunk() == b""

    def test_within_a_content_length(self, server: Server, channel: Channel) -> None:
        with server.connect() as wire:
            wire.send(request_bytes("GET", channel.target("/steps-with-length")))
            assert wire.read_head().value("Content-Length") == "28"
            for number in range(4):
                assert wire.read_exactly(7) == b"block %d" % number
                channel.open(f"read {number}")
            channel.expect("end")
            assert wire.request("GET", "/kind?list").body == b"ab"

    def test_to_http_1_0_until_close(self, server: Server, channel: Channel) -> None:
        with server.connect() as wire:
            wire.send(request_bytes("GET", channel.target("/steps"), version="HTTP/1.0"))
            head = wire.read_head()
            assert head.values("Content-Length") + head.values("Transfer-Encoding") == []
            for number in range(4):
                assert wire.read_exactly(7) == b"block %d" % number
                channel.open(f"read {number}")
            wire.expect_close()


class TestLength:
    """Which framing a response without Content-Length gets, and how a declared one is kept to."""

    @pytest.mark.parametrize("path", ["/kind?list-of-one", "/kind?tuple-of-one", "/kind?list-of-one-subclass"])
    def test_of_a_single_block_is_declared(self, server: Server, path: str) -> None:
        assert server.request("GET", path).value("Content-Length") == "2"

    def test_of_an_iterable_with_len_one_is_declared(self, server: Server) -> None:
        response = server.request("GET", "/sized")
        assert (response.value("Content-Length"), response.body) == ("10", b"only block")

    def test_unknown_goes_chunked_in_http_1_1(self, server: Server) -> None:
        response = server.request("GET", "/kind?generator")
        assert response.is_chunked
        assert response.values("Content-Length") == []

    def test_unknown_closes_in_http_1_0(self, server: Server) -> None:
        with server.connect() as wire:
            wire.send(request_bytes("GET", "/kind?generator", [("Connection", "keep-alive")], version="HTTP/1.0"))
            response = wire.read_response()
        assert response.body == b"ab"
        assert response.values("Transfer-Encoding") + response.values("Content-Length") == []
        assert response.value("Connection") != "keep-alive"

    @pytest.mark.parametrize("path", ["/exact", "/exact-then-empty"])
    def test_met_exactly_keeps_the_connection(self, server: Server, channel: Channel, path: str) -> None:
        with server.connect() as wire:
            assert wire.request("GET", channel.target(path)).body == b"12345"
            assert wire.request("GET", "/kind?list").body == b"ab"
        channel.expect("exhausted")
        channel.expect("close")

    @pytest.mark.parametrize("path", ["/too-long", "/too-long-in-one"])
    def test_exceeded_is_cut_and_reported(self, server: Server, channel: Channel, path: str) -> None:
        with server.connect() as wire:
            wire.send(request_bytes("GET", channel.target(path)) + request_bytes("GET", "/kind?list"))
            assert wire.read_response().body == b"12345"
            assert wire.read_response().body == b"ab"
        channel.expect("close")
        server.log.wait_for("contract: body-too-long")

    def test_exceeded_ends_the_iteration_at_the_first_surplus_block(self, server: Server, channel: Channel) -> None:
        assert server.request("GET", channel.target("/too-long")).body == b"12345"
        channel.expect("close")
        assert channel.events == ["iter", "next", "next", "next", "next", "close"]

    def test_not_reached_closes_the_connection_and_is_reported(self, server: Server, channel: Channel) -> None:
        with server.connect() as wire:
            with pytest.raises(ConnectionEnded) as ended:
                wire.request("GET", channel.target("/too-short"))
            assert ended.value.received == b"123"
        channel.expect("close")
        server.log.wait_for("contract: body-too-short")

    def test_not_reached_at_all_never_leaves_the_client_waiting(self, server: Server, channel: Channel) -> None:
        """No byte was sent when the end came: a 500 says more than a body that is cut; both end the connection."""
        with server.connect() as wire:
            wire.send(request_bytes("GET", channel.target("/too-short-empty"), [("Connection", "close")]))
            wire.expect_end()
        channel.expect("close")


class TestHead:
    """HEAD: the head that GET would have, no body; the iterable is read to its first block and closed."""

    @pytest.mark.parametrize("path", ["/two-blocks", "/two-blocks-with-length", "/exact", "/kind?list-of-one"])
    def test_has_the_fields_of_get_and_no_body(self, server: Server, path: str) -> None:
        with server.connect() as wire:
            get = wire.request("GET", path)
            head = wire.request("HEAD", path)
            assert wire.request("GET", "/kind?list").body == b"ab"
        assert [field for field in head.fields if field[0] != "Date"] == [f for f in get.fields if f[0] != "Date"]
        assert (head.status, head.body) == (get.status, b"")

    @pytest.mark.parametrize("path", ["/two-blocks", "/two-blocks-with-length"])
    def test_iterates_to_the_first_block_that_is_not_empty(self, server: Server, channel: Channel, path: str) -> None:
        server.request("HEAD", channel.target(path))
        channel.expect("close")
        assert channel.events == ["iter", "next", "next", "close"]


class TestStatusWithoutBody:
    """RFC 9110 §15: 204, 205 and 304 have no body, whatever the application gives."""

    @pytest.mark.parametrize("path", ["/no-content", "/not-modified", "/reset-content"])
    def test_drops_the_body_and_keeps_the_connection(self, server: Server, channel: Channel, path: str) -> None:
        with server.connect() as wire:
            response = wire.request("GET", channel.target(path))
            assert response.body == b""
            assert response.values("Transfer-Encoding") == []
            assert wire.request("GET", "/kind?list").body == b"ab"
        channel.expect("close")
        assert "exhausted" not in channel.events

    def test_204_has_no_content_length(self, server: Server) -> None:
        assert server.request("GET", "/no-content").values("Content-Length") == []

    def test_205_has_content_length_zero(self, server: Server) -> None:
        assert server.request("GET", "/reset-content").value("Content-Length") == "0"

    def test_304_keeps_the_fields_of_the_application(self, server: Server) -> None:
        assert server.request("GET", "/not-modified").value("ETag") == '"x"'
        assert server.request("GET", "/not-modified-with-length").value("Content-Length") == "5"
