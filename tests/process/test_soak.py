"""Twenty thousand mixed requests: every body is right, and memory, threads and descriptors stay flat."""

from __future__ import annotations

import hashlib
import threading
import time

from tests.support.open_files import descriptors
from tests.support.server import Server
from tests.support.wire import DEADLINE_S, ConnectionEnded, chunked_request_bytes, request_bytes

APP = "tests.process.apps_process:app"
CLIENTS = 8
WARM_UP = 4_000
REQUESTS = 20_000
GROWTH_KIB = 8 * 1024
"""What the allocator may still take after the warm-up; a leak of 500 bytes a request would be more."""


def facts(pid: int) -> dict[str, int]:
    """Resident memory in KiB, threads and descriptors of the process."""
    with open(f"/proc/{pid}/status") as status:
        values = dict(line.split(":", 1) for line in status)
    return {
        "kib": int(values["VmRSS"].split()[0]),
        "threads": int(values["Threads"]),
        "descriptors": descriptors(pid),
    }


def filling(number: int, size: int) -> bytes:
    """Bytes that no other request has."""
    pattern = hashlib.sha256(b"%d" % number).digest()
    return (pattern * (size // 32 + 1))[:size]


def run_client(server: Server, first: int, count: int, failures: list[str]) -> None:
    """Mixed requests on connections that are changed now and then; every body is compared."""
    try:
        wire = server.connect()
        for number in range(first, first + count):
            kind = number % 10
            body = filling(number, (number * 37) % 3000 if kind else 100_000)
            if kind in (1, 2, 3, 4):
                wire.send(request_bytes("GET", "/hello") * 3)
                right = all(wire.read_response().body == b"hello" for _ in range(3))
            elif kind == 5:
                blocks = [body[start : start + 700] for start in range(0, len(body), 700)]
                wire.send(chunked_request_bytes("/stream", blocks))
                right = wire.read_response().body == body
            elif kind == 6:
                right = wire.request("HEAD", "/hello").body == b""
            elif kind == 7 and number % 50 == 7:
                wire.send(request_bytes("POST", "/echo", [], body)[:-1] if body else b"GET")
                wire.reset()
                wire = server.connect()
                right = True
            elif kind == 8 and number % 20 == 8:
                wire.send(request_bytes("POST", "/echo", [("Connection", "close")], body))
                right = wire.read_response().body == body
                wire.expect_close()
                wire.close()
                wire = server.connect()
            else:
                right = wire.request("POST", "/echo", [], body).body == body
            if not right:
                failures.append(f"request {number}: another body")
        wire.close()
    except (OSError, ConnectionEnded, AssertionError) as error:
        failures.append(f"client of {first}: {error!r:.300}")


def run_clients(server: Server, first: int, count: int) -> None:
    """That many requests, shared by the clients."""
    failures: list[str] = []
    share = count // CLIENTS
    clients = [
        threading.Thread(target=run_client, args=(server, first + share * index, share, failures))
        for index in range(CLIENTS)
    ]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert failures == []


def test_twenty_thousand_mixed_requests_leave_nothing_behind(probe_listener: object) -> None:
    with Server(APP) as server:
        run_clients(server, 0, WARM_UP)
        before = facts(server.pid)
        run_clients(server, WARM_UP, REQUESTS - WARM_UP)
        until = time.monotonic() + DEADLINE_S
        while True:
            # Closed connections are seen when the reactor turns, and followers retire when they have been idle.
            after = facts(server.pid)
            if after["descriptors"] <= before["descriptors"] and after["threads"] <= before["threads"]:
                break
            assert time.monotonic() < until, f"{before} became {after}"
            time.sleep(0.05)
        assert after["kib"] - before["kib"] <= GROWTH_KIB, f"{before} became {after}"
        assert "Traceback" not in server.log.text
