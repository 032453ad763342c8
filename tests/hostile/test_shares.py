"""One client's share: what it can make the kernel hold and the server do, counted instead of timed."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from tests.faults.kit import stopped
from tests.hostile.yardstick import await_that
from tests.support.probe import Channel
from tests.support.server import Server
from tests.support.wire import DEADLINE_S, chunked_request_bytes, request_bytes

APP = "tests.hostile.apps_hostile:app"
CHUNKS = 1_200_000
"""Of one byte: more than the server keeps in memory of a chunked body."""
CALLS = 20_000
KERNEL_BYTES = 1 << 20
MIB = 1 << 20
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
READ_AHEAD_BYTES = 64 << 10
UPLOAD_BYTES = 4 << 20
WINDOW_BYTES = 256 * 1024
"""Of clients that read: a fixed one, since the kernel's own may grow until it takes a whole answer."""
WIDE_QUEUES = 32
"""Readers for which the kernel may hold more."""


def test_a_body_of_tiny_chunks_is_not_written_to_its_file_chunk_by_chunk() -> None:
    with Server(APP) as server:
        before = write_calls(server.pid)
        with server.connect() as wire:
            wire.send(chunked_request_bytes("/read", [b"a"] * CHUNKS))
            assert wire.read_response().body == b"%d" % CHUNKS
        assert write_calls(server.pid) - before <= CALLS


def test_the_kernel_holds_little_for_a_client_that_does_not_read() -> None:
    """Megabytes for each would be memory that no limit of the server counts, and a copy that all others wait for."""
    with Server(APP) as server, server.connect(receive_buffer=4096) as wire:
        wire.send(request_bytes("GET", "/large"))
        ports = server.address[1], wire.socket.getsockname()[1]
        assert await_that(lambda: unacknowledged(*ports) > 0, DEADLINE_S)
        # The answer to another client comes after the turn in which the first one's output was sent.
        server.request()
        held = unacknowledged(*ports)
        assert held <= KERNEL_BYTES, f"{held / 2**20:.1f} MiB"


def test_the_kernel_holds_more_for_a_few_clients_that_have_read_well() -> None:
    with Server(APP) as server, contextlib.ExitStack() as stack:
        wires = [stack.enter_context(server.connect(receive_buffer=WINDOW_BYTES)) for _ in range(WIDE_QUEUES + 8)]
        for wire in wires:
            wire.send(request_bytes("GET", "/large"))
            assert wire.read_response().status == 200
        for wire in wires:
            wire.send(request_bytes("GET", "/large"))
        ports = [(server.address[1], wire.socket.getsockname()[1]) for wire in wires]

        def held_much() -> int:
            return sum(unacknowledged(*pair) > KERNEL_BYTES for pair in ports)

        assert await_that(lambda: all(unacknowledged(*pair) > 0 for pair in ports), DEADLINE_S)
        assert await_that(lambda: held_much() >= WIDE_QUEUES, DEADLINE_S), held_much()
        server.request()
        assert held_much() == WIDE_QUEUES


def test_the_kernel_holds_little_for_clients_that_take_what_their_kernels_take_and_read_nothing() -> None:
    """Their receive buffers have the default size: what fills them is acknowledged, though nobody has read it."""
    with Server(APP) as server, contextlib.ExitStack() as stack:
        wires = [stack.enter_context(server.connect()) for _ in range(WIDE_QUEUES + 8)]
        for wire in wires:
            wire.send(request_bytes("GET", "/large"))
        ports = [(server.address[1], wire.socket.getsockname()[1]) for wire in wires]
        assert await_that(lambda: all(unacknowledged(*pair) > 0 for pair in ports), DEADLINE_S)
        server.request()
        assert max(unacknowledged(*pair) for pair in ports) <= KERNEL_BYTES


def test_clients_that_have_read_well_and_rest_leave_their_wide_queues_to_others() -> None:
    with Server(APP) as server, contextlib.ExitStack() as stack:
        wires = []
        for _ in range(2 * WIDE_QUEUES):
            wire = stack.enter_context(server.connect(receive_buffer=WINDOW_BYTES))
            wires.append(wire)
            for _ in range(2):
                wire.send(request_bytes("GET", "/large"))
                assert wire.read_response().status == 200
        # The first half has them no more, and those that have come last must not have lost them for good.
        for wire in wires[:WIDE_QUEUES]:
            wire.send(request_bytes("GET", "/large"))
        ports = [(server.address[1], wire.socket.getsockname()[1]) for wire in wires]

        def held_much() -> int:
            return sum(unacknowledged(*pair) > KERNEL_BYTES for pair in ports)

        assert await_that(lambda: held_much() == WIDE_QUEUES, DEADLINE_S), held_much()


def test_memory_that_a_crowd_made_the_server_hold_is_given_back_when_it_has_gone() -> None:
    with Server(APP) as server:
        server.request()
        before = resident(server.pid)
        with contextlib.ExitStack() as stack:
            wires = [stack.enter_context(server.connect()) for _ in range(600)]
            for wire in wires:
                wire.send(chunked_request_bytes("/read", [b"a" * 60_000])[:-10])
            assert await_that(lambda: resident(server.pid) > before + 32 * MIB, DEADLINE_S), resident(server.pid)
        # Nobody asks for anything any more.
        assert await_that(lambda: resident(server.pid) < before + 8 * MIB, DEADLINE_S), resident(server.pid)


def test_slow_clients_hold_no_more_memory_together_than_the_setting_says() -> None:
    with Server(APP, "--held-memory", "32M") as server, contextlib.ExitStack() as stack:
        server.request()
        before = resident(server.pid)
        for _ in range(200):
            wire = stack.enter_context(server.connect())
            wire.send(chunked_request_bytes("/read", [b"a" * 1_000_000])[:-10])
        for _ in range(60):
            assert server.request().status == 200
        # What is in the hands of threads at a time is not counted; without the bound it would be 190 MiB.
        assert resident(server.pid) < before + 64 * MIB, (resident(server.pid) - before) / MIB


def resident(pid: int) -> int:
    """Bytes of the process that are in memory (proc(5), statm)."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES


@pytest.mark.parametrize("first", ["/held", "/large"])
def test_behind_a_request_that_is_under_way_64_kib_are_read_and_the_rest_waits_in_the_kernel(
    probe_listener: object, channel: Channel, first: str
) -> None:
    """The request is in the application, or its answer waits for the client: what came and what is left is counted."""
    message = request_bytes("GET", channel.target(first))
    behind = request_bytes("GET", "/") * 100_000
    with Server(APP) as server, server.connect(receive_buffer=4096) as wire:
        ports = server.address[1], wire.socket.getsockname()[1]
        # The kernel gives more room to a connection that has brought much.
        assert wire.request("POST", "/read", [], bytes(UPLOAD_BYTES)).body == b"%d" % UPLOAD_BYTES
        with stopped(server.pid):
            wire.socket.setblocking(False)
            sent = wire.socket.send(message)
            assert sent == len(message)
            with contextlib.suppress(BlockingIOError):
                while True:
                    sent += wire.socket.send(behind)
            assert unread(*ports) > 2 * READ_AHEAD_BYTES, "more is there than may be read"
        wire.socket.setblocking(True)
        if first == "/held":
            channel.expect("call")
        else:
            assert wire.read_head().status == 200
        wire.socket.setblocking(False)
        # Until neither kernel takes more, and some of it is left in both.
        for _ in range(3):
            with contextlib.suppress(BlockingIOError):
                while True:
                    sent += wire.socket.send(behind)
            assert server.request("GET", "/").body == b"hello"
        assert await_that(lambda: unread(*ports) > READ_AHEAD_BYTES, DEADLINE_S)

        def read() -> int:
            return sent - unacknowledged(ports[1], ports[0]) - unread(*ports)

        # What came and is not acknowledged yet stands in both queues for a moment.
        assert await_that(lambda: read() >= len(message), DEADLINE_S), f"{read()} bytes"
        assert read() <= READ_AHEAD_BYTES + len(message), f"{read()} bytes"
        channel.open("go")


def write_calls(pid: int) -> int:
    """write(2) and its kin so far (proc(5), io)."""
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("syscw:"))


def unacknowledged(local_port: int | str, remote_port: int) -> int:
    """Bytes in the kernel's send queue of the connection between these loopback ports (proc(5), net/tcp)."""
    return queues(local_port, remote_port)[0]


def unread(local_port: int | str, remote_port: int) -> int:
    """The same of its receive queue."""
    return queues(local_port, remote_port)[1]


def queues(local_port: int | str, remote_port: int) -> tuple[int, int]:
    """Bytes that were sent and not acknowledged, and bytes that came and were not read."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        local, remote = (int(end.partition(":")[2], 16) for end in fields[1:3])
        if (local, remote) == (local_port, remote_port):
            waiting, _, come = fields[4].partition(":")
            return int(waiting, 16), int(come, 16)
    return 0, 0
