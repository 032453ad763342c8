"""PEP 3333 "Optional Platform-Specific File Handling": wsgi.file_wrapper sends what read() would give."""

from __future__ import annotations

import pytest

from tests.support.probe import Channel
from tests.support.server import Serve, Server
from tests.support.wire import ConnectionEnded, request_bytes
from tests.wsgi.apps_files import CONTENT, FILES

BIG = b"".join(b"%-4096d" % page for page in range(2560))


@pytest.fixture(scope="module")
def server(serve: Serve) -> Server:
    return serve("tests.wsgi.apps_files:app")


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
@pytest.mark.parametrize("file", sorted(FILES))
def test_file_of_any_kind_is_sent_from_where_it_stands(server: Server, file: str, version: str) -> None:
    with server.connect() as wire:
        wire.send(request_bytes("GET", f"/wrapped?file={file}", version=version))
        assert wire.read_response().body == FILES[file][1]


@pytest.mark.parametrize("file", sorted(FILES))
def test_file_of_any_kind_leaves_the_connection_usable(server: Server, file: str) -> None:
    with server.connect() as wire:
        for _ in range(2):
            assert wire.request("GET", f"/wrapped?file={file}&block=777").body == FILES[file][1]
        assert wire.request("GET", "/unused").body == b"another body"


@pytest.mark.parametrize("file", ["FileIO", "BufferedReader", "BufferedReader-at-an-offset", "BytesIO", "GzipFile"])
def test_content_length_below_the_file_is_kept_to(server: Server, file: str) -> None:
    with server.connect() as wire:
        assert wire.request("GET", f"/wrapped?file={file}&length=1234").body == FILES[file][1][:1234]
        assert wire.request("GET", "/unused").body == b"another body"


@pytest.mark.parametrize("file", ["FileIO", "BufferedReader", "BytesIO"])
def test_content_length_above_the_file_closes_the_connection(server: Server, file: str) -> None:
    with server.connect() as wire, pytest.raises(ConnectionEnded) as ended:
        wire.request("GET", f"/wrapped?file={file}&length={len(CONTENT) + 5}")
    assert ended.value.received == CONTENT


@pytest.mark.parametrize("file", ["FileIO", "BufferedReader-at-an-offset"])
def test_regular_file_gets_its_rest_as_content_length(server: Server, file: str) -> None:
    """Its size is known, as len() of one block is."""
    assert server.request("GET", f"/wrapped?file={file}").value("Content-Length") == str(len(FILES[file][1]))


@pytest.mark.parametrize("file", sorted(FILES))
def test_wrapper_is_an_iterable_for_middleware(server: Server, file: str) -> None:
    assert server.request("GET", f"/middleware?file={file}").body == FILES[file][1].replace(b"\n", b"-")


@pytest.mark.parametrize("file", ["FileIO", "BytesIO"])
def test_head_sends_no_content_and_the_head_of_get(server: Server, file: str) -> None:
    with server.connect() as wire:
        get = wire.request("GET", f"/wrapped?file={file}")
        head = wire.request("HEAD", f"/wrapped?file={file}")
        assert wire.request("GET", "/unused").body == b"another body"
    assert head.body == b""
    assert head.values("Content-Length") == get.values("Content-Length")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_close_of_the_file_is_called_once(server: Server, channel: Channel, method: str) -> None:
    server.request(method, channel.target("/closed"))
    channel.expect("close")
    server.request("GET", "/unused")
    assert channel.count("close") == 1


def test_read_that_fails_cuts_the_response_and_closes_the_file(server: Server, channel: Channel) -> None:
    with server.connect() as wire:
        wire.send(request_bytes("GET", channel.target("/fails")))
        head = wire.read_head()
        with pytest.raises(ConnectionEnded):
            wire.read_body(head)
    channel.expect("close")
    server.log.wait_for("the disk has gone")


def test_file_is_closed_when_the_client_goes(server: Server, channel: Channel) -> None:
    wire = server.connect(receive_buffer=4096)
    wire.send(request_bytes("GET", channel.target("/closed")))
    assert wire.read_head().status == 200
    wire.reset()
    channel.expect("close")


def test_written_data_goes_out_before_the_file(server: Server) -> None:
    assert server.request("GET", "/written-first").body == b"before " + CONTENT


@pytest.mark.parametrize("query", ["", "?length"])
def test_ten_mebibytes_arrive_whole(server: Server, query: str) -> None:
    with server.connect() as wire:
        for _ in range(2):
            assert wire.request("GET", f"/big{query}").body == BIG


def test_ten_mebibytes_arrive_whole_at_a_reader_of_small_steps(server: Server) -> None:
    with server.connect(receive_buffer=8192) as wire:
        wire.send(request_bytes("GET", "/big?length"))
        assert wire.read_head().status == 200
        received = bytearray()
        while len(received) < len(BIG):
            received += wire.read_exactly(min(5000, len(BIG) - len(received)))
        assert bytes(received) == BIG


def test_no_descriptor_is_left_open(server: Server) -> None:
    with server.connect() as wire:
        wire.request("GET", "/wrapped?file=FileIO")
        before = int(wire.request("GET", "/descriptors").body)
        for _ in range(30):
            for path in ("/wrapped?file=FileIO", "/wrapped?file=BufferedReader&length=10", "/middleware?file=FileIO"):
                wire.request("GET", path)
        assert int(wire.request("GET", "/descriptors").body) <= before
