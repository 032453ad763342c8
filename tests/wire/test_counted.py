"""Every limit that a client may run into is counted by its reason, and told of in one line with a sample client."""

from __future__ import annotations

import contextlib
import re
import select
import time

from tests.support.probe import Channel
from tests.support.server import Server
from tests.support.wire import DEADLINE_S, Wire, chunked_request_bytes, request_bytes
from tests.wire.apps_wire import BIG
from tests.wire.test_pressure import PROCESS_APP, counters, serve

CHUNKED = request_bytes("POST", "/echo", [("Transfer-Encoding", "chunked")])
# fmt: off
SMALL = (
    "--limit-request-line", "200", "--limit-request-fields", "5", "--limit-request-field_size", "300",
    "--limit-head", "600", "--limit-body", "500K", "--limit-trailer-fields", "2", "--limit-trailers", "100",
)
BRIEF = (
    "--first-byte-timeout", "1", "--head-timeout", "1", "--keep-alive", "1", "--body-timeout", "1",
    "--write-timeout", "1", "--linger-timeout", "1", "--body-buffer", "1K",
)
# fmt: on
REFUSED = {
    "request-line-too-long": b"GET /%b HTTP/1.1\r\nHost: test\r\n\r\n" % (b"a" * 200),
    "method-too-long": b"%b / HTTP/1.1\r\nHost: test\r\n\r\n" % (b"M" * 33),
    "too-many-fields": request_bytes("GET", "/", [(f"X-{number}", "v") for number in range(5)]),
    "field-too-large": request_bytes("GET", "/", [("X", "v" * 300)]),
    "head-too-large": request_bytes("GET", "/", [(f"X-{number}", "v" * 200) for number in range(3)]),
    "content-too-large": request_bytes("POST", "/echo", [("Content-Length", "512001")]),
    "too-many-trailers": CHUNKED + b"0\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n",
    "trailers-too-large": CHUNKED + b"0\r\nA: " + b"1" * 100 + b"\r\n\r\n",
    "chunk-extension-too-long": CHUNKED + b"1;" + b"e" * 300,
    "chunk-extensions-too-long": CHUNKED + b"".join(b"400;%b\r\n%b\r\n" % (b"e" * 250, b"x" * 1024) for _ in range(66)),
    "chunk-overhead": CHUNKED + b"0000000000001\r\nx\r\n" * 2500,
    "bare-lf": b"GET / HTTP/1.1\nHost: test\n\n",
}
"""A message for each limit on messages, and one without a limit, by the code of its refusal."""
KINDS = ("first-byte", "head", "idle", "body", "write", "discard", "linger")


def lines_of(server: Server, reason: str) -> list[str]:
    """Lines of the log for this reason."""
    return re.findall(rf"^.*\] {reason}: .*$", server.log.text, re.MULTILINE)


def test_every_refusal_is_counted_by_its_code_and_told_of_with_a_sample_client() -> None:
    tls_hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
    with serve(*SMALL) as server:
        for code, message in REFUSED.items():
            for _ in range(2):
                with server.connect() as wire:
                    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                        wire.send(message)
                    assert wire.read_response().body.startswith(code.encode() + b": "), code
        with server.connect() as wire:
            wire.send(tls_hello)
            wire.expect_close()
        account = counters(server)
        assert {code: account.get(code) for code in REFUSED} == dict.fromkeys(REFUSED, 2)
        assert (account["tls-on-clear-text"], account["refused"]) == (1, 2 * len(REFUSED) + 1)
        for code in [*REFUSED, "tls-on-clear-text"]:
            (line,) = lines_of(server, code)
            assert "; peer 127.0.0.1:" in line


def test_every_end_by_the_clock_is_counted_and_told_of_with_a_sample_client() -> None:
    """Two clients of each kind; what nobody is to blame for is said at debug level alone."""
    with serve(*BRIEF) as server, contextlib.ExitStack() as stack:
        silent, heads, idle, bodies, unread, refused, readers = (
            [stack.enter_context(server.connect(receive_buffer=4096)) for _ in range(2)] for _ in KINDS
        )
        for wire in heads:
            wire.send(b"GET /hel")
        for wire in idle:
            assert wire.request("GET", "/hello").body == b"hello"
        for wire in bodies:
            wire.send(request_bytes("POST", "/echo", [("Content-Length", "10")]) + b"12345")
        for wire in unread:
            wire.send(request_bytes("POST", "/hello", [("Content-Length", "50000")]))
            assert wire.read_response().body == b"hello"
        for wire in refused:
            wire.send(REFUSED["bare-lf"])
        poll = select.poll()
        for wire in readers:
            wire.send(request_bytes("GET", "/big"))
            assert wire.read_head().status == 200
            poll.register(wire.socket, select.POLLHUP | select.POLLERR)
        for wire in [*heads, *bodies]:
            assert wire.read_response().status == 408
        # Whoever is waited for after the last answer must not end its side before the time is over.
        for wire in [*silent, *heads, *idle, *bodies, *unread, *refused]:
            wire.read_to_close()
        for _ in readers:
            ((descriptor, _),) = poll.poll(DEADLINE_S * 1000)[:1]
            poll.unregister(descriptor)
        until = time.monotonic() + DEADLINE_S
        while not all(lines_of(server, f"{kind}-timeout") for kind in KINDS):
            assert time.monotonic() < until, server.log.text
            time.sleep(0.05)
        stack.close()
        account = counters(server)
        ends = ("first_byte_timeouts", "head_timeouts", "idle_timeouts", "body_timeouts")
        cuts = ("write_timeouts", "discard_timeouts")
        assert {name: account[name] for name in (*ends, *cuts)} == dict.fromkeys((*ends, *cuts), 2)
        assert account["linger_timeouts"] >= 1
        assert (account["head-timeout"], account["body-timeout"]) == (2, 2)
        for kind in KINDS:
            (line,) = lines_of(server, f"{kind}-timeout")
            assert "; peer 127.0.0.1:" in line
            assert ("[DEBUG]" in line) == (kind in ("idle", "linger"))


def test_a_request_that_waits_too_long_for_a_thread_is_answered_503_and_told_when_to_come_again(
    probe_listener: object, channel: Channel
) -> None:
    flags = ("--threads", "1", "--queue-timeout", "1", "--log-level", "debug", "--drain-linger", "0")
    with Server(PROCESS_APP, *flags) as server:
        with server.connect() as held, contextlib.ExitStack() as stack:
            held.send(request_bytes("GET", channel.target("/held")))
            channel.expect("call")
            begun = time.monotonic()
            late = [stack.enter_context(server.connect()) for _ in range(2)]
            for wire in late:
                wire.send(request_bytes("GET", "/hello"))
            for wire in late:
                response = wire.read_response()
                assert (response.status, response.body[:15]) == (503, b"queue-timeout: ")
                assert int(response.value("Retry-After") or 0) >= 1
            assert time.monotonic() - begun >= 0.9
            channel.open("go")
            assert held.read_response().body == b"held"
        account = counters(server)
        assert (account["queue_timeouts"], account["queue-timeout"]) == (2, 2)
        (line,) = lines_of(server, "queue-timeout")
        assert "; peer 127.0.0.1:" in line


def test_a_client_has_its_grace_before_the_least_rate_counts() -> None:
    with serve("--rate-grace", "2", "--body-timeout", "600") as server:
        with server.connect() as wire:
            begun = time.monotonic()
            wire.send(request_bytes("POST", "/echo", [("Content-Length", "60000")]))
            response = wire.read_response()
            took = time.monotonic() - begun
        assert (response.status, response.body[:15]) == (408, b"body-too-slow: ")
        assert 1.8 <= took < 8, f"{took:.1f} s of 2 s"
        assert counters(server)["slow_bodies"] == 1


def test_a_body_left_unread_up_to_the_limit_keeps_the_connection_and_a_longer_one_does_not() -> None:
    with serve("--limit-unread", "1000", "--body-buffer", "100") as server:
        for size in (1000, 1001):
            with server.connect() as wire:
                wire.send(request_bytes("POST", "/hello", [("Content-Length", str(size))]))
                response = wire.read_response()
                assert (response.body, response.value("Connection")) == (b"hello", "close" if size > 1000 else None)
                if size == 1000:
                    wire.send(b"x" * size)
                    assert wire.request("GET", "/hello").body == b"hello"
                else:
                    wire.expect_close()
        assert counters(server)["unread_bodies"] == 1


def test_bodies_up_to_the_buffer_are_whole_before_the_call_and_longer_ones_are_read_in_it(
    probe_listener: object, channel: Channel
) -> None:
    with serve("--body-buffer", "10") as server, server.connect() as short, server.connect() as long:
        target = channel.target("/read-slowly")
        short.send(request_bytes("POST", target, [("Content-Length", "10")]) + b"12345")
        long.send(request_bytes("POST", target, [("Content-Length", "11")]) + b"12345")
        channel.expect("call")
        assert server.request("GET", "/hello").body == b"hello"
        assert channel.count("call") == 1
        long.send(b"6789ab")
        assert long.read_response().body == b"read"
        assert channel.expect("read") == 11
        short.send(b"67890")
        assert short.read_response().body == b"read"


def test_bodies_in_files_and_producers_that_wait_are_counted() -> None:
    """The single thread of the second server must not wait: what it makes goes to a file instead."""
    body = chunked_request_bytes("/echo", [b"x" * 20_000])
    with serve("--chunked-memory", "10K", "--output-buffer", "64K") as server:
        with server.connect() as wire:
            for _ in range(2):
                wire.send(body)
                assert wire.read_response().body == b"x" * 20_000
        with server.connect(receive_buffer=4096) as wire:
            read_what_is_made_in_blocks(wire)
        account = counters(server)
        assert (account["spooled_bodies"], account["spilled_answers"]) == (2, 0)
        assert account["producer_waits"] >= 1
    with serve("--threads", "1", "--output-buffer", "64K") as server:
        with server.connect(receive_buffer=4096) as wire:
            read_what_is_made_in_blocks(wire)
        account = counters(server)
        assert (account["spooled_bodies"], account["spilled_answers"], account["producer_waits"]) == (0, 1, 0)


def read_what_is_made_in_blocks(wire: Wire) -> None:
    """Each block is more than the kernel and the server's buffer take at once."""
    wire.send(request_bytes("GET", "/big-without-length"))
    assert len(wire.read_response().body) == len(BIG)
