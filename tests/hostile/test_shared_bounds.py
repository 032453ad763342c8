"""Attacks larger than what all clients share: each bound is lowered by its setting, so that few attackers fill it."""

from __future__ import annotations

import time

import pytest

from tests.hostile.apps_hostile import LONG_PIECES, PIECE
from tests.hostile.attacks import ATTACKS
from tests.hostile.yardstick import ANSWER_S, Onslaught, Prober, await_that
from tests.support.open_files import descriptors
from tests.support.server import Server
from tests.support.wire import DEADLINE_S, chunked_request_bytes, request_bytes

APP = "tests.hostile.apps_hostile:app"
CONNECTIONS = 128
WAITING = 32
FILES = 256
"""Open files that the process may have."""
LAST_S = 4.0
UPLOAD = [b"x" * 8192] * 25
TRIES = 5
# Clients that have moved much in their first second are taken for quick ones until the next has passed, so that a table
# full of them keeps newcomers waiting for longer than ANSWER_S (docs/hostile.md).
QUICK_AT_FIRST = {"spool-hoards", "slow-stream-readers"}
# What an application computes for each client is its own: as many calls as --threads has, all of which compute, keep
# the next one waiting until one of them waits for its client (docs/hostile.md).
COMPUTING = {"tiny-blocks"}
FILL_THE_TABLE = [
    name
    for name in ATTACKS
    if ATTACKS[name].kind in ("crowds", "slow senders", "slow readers") and name not in QUICK_AT_FIRST | COMPUTING
]


def address_of(server: Server) -> tuple[str, int]:
    assert not isinstance(server.address, str)
    return server.address


@pytest.mark.parametrize("name", FILL_THE_TABLE)
def test_a_normal_client_is_answered_though_the_table_of_connections_is_full(name: str) -> None:
    with Server(APP, "--worker-connections", str(CONNECTIONS)) as server:
        with Prober(server.address) as prober:
            with Onslaught(address_of(server), name, clients=CONNECTIONS + 32):
                time.sleep(LAST_S)
        assert prober.failures == [], prober
        assert prober.seconds != []


@pytest.mark.parametrize(
    ("waiting", "clients"), [(WAITING, 4 * WAITING), pytest.param(256, 700, marks=pytest.mark.long_attack)]
)
def test_a_normal_reader_of_a_stream_gets_all_of_it_though_all_waiting_threads_are_taken(
    waiting: int, clients: int
) -> None:
    """Every second client takes the stream, and nothing of it."""
    with Server(APP, "--waiting-threads", str(waiting)) as server:
        with Onslaught(address_of(server), "zero-windows", clients=clients) as onslaught:
            assert onslaught.is_under_way(DEADLINE_S)
            for _ in range(TRIES):
                with server.connect() as wire:
                    wire.send(request_bytes("GET", "/long-stream"))
                    assert len(wire.read_response().body) == LONG_PIECES * len(PIECE)


def test_a_normal_upload_finds_room_on_the_disk_though_others_hoard_it() -> None:
    with Server(APP, "--spool-quota", "4M", "--chunked-memory", "64K") as server:
        with Onslaught(address_of(server), "spool-hoards", clients=64):
            time.sleep(1)  # they come again as soon as they are refused, so that there is no event to wait for
            for _ in range(TRIES):
                # While all who hold room have only begun, the next one is told to come again.
                assert await_that(lambda: upload(server) == 200, DEADLINE_S)


@pytest.mark.parametrize(
    ("name", "line"),
    [("spool-hoards", "a request body could not be kept"), ("slow-stream-readers", "accepting pauses")],
)
def test_a_fifth_of_the_descriptors_is_left_to_the_application(name: str, line: str) -> None:
    """A file for each body, or what ends each wait, are as many as the connections, and count with them."""
    with Server(APP, "--chunked-memory", "64K", wrapper=["prlimit", f"--nofile={FILES}:{FILES}"]) as server:
        own = descriptors(server.pid)
        with Onslaught(address_of(server), name, clients=160):
            server.log.wait_for(line)
            held = []
            for _ in range(20 * TRIES):
                with server.connect() as wire:
                    assert wire.request("GET", "/opened").status == 200
                held.append(descriptors(server.pid) - own)
                time.sleep(0.02)  # for the attack to go on
            # For a moment there may be more, of connections that were there before.
            assert sorted(held)[len(held) // 2] <= FILES * 4 // 5, held
            assert await_that(lambda: upload(server) == 200, DEADLINE_S)


def upload(server: Server) -> int:
    with server.connect(deadline_s=ANSWER_S) as wire:
        wire.send(chunked_request_bytes("/read", UPLOAD))
        response = wire.read_response()
        assert response.status == 507 or response.body == b"%d" % sum(map(len, UPLOAD))
        return response.status
