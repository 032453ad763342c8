"""No request is lost while workers are replaced under load: `bench/rolling.py` in short, and what its clients see."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from tests.support.server import REPOSITORY, Server
from tests.support.wire import DEADLINE_S

sys.path.insert(0, str(REPOSITORY / "bench"))  # the load is the benchmarks' own

from harness import callers
from harness.callers import KINDS, Kind, Load
from harness.procfs import client_ports
from harness.scenario import Site, Step, carry_out, plan
from harness.tally import Failure, Row, Tally

SEED = 5
WORKERS = 2
STEPS = {Step.RELOAD: 3, Step.MORE: 1, Step.KILL: 1, Step.TERM: 1}
MOST_THINK_S = 0.5
"""Far below the linger of a drain: an idle connection that closes without a warning could meet a request otherwise."""
CLIENTS = [replace(kind, count=max(1, kind.count // 3), think_s=min(kind.think_s, MOST_THINK_S)) for kind in KINDS]
PACE = 3
"""So many times as fast as in the long form do the steps follow each other."""

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def drive(server: Server, tally: Tally, site: Site) -> None:
    assert not isinstance(server.address, str)
    steps = [replace(one, pause_s=one.pause_s / PACE) for one in plan(SEED, STEPS, before_kill_s=0.0)]
    async with Load(server.address, tally, SEED, CLIENTS) as load:
        await carry_out(steps, site, load, tally)


def test_no_request_fails_but_those_in_the_hands_of_a_killed_worker() -> None:
    with Server("rolling:app", "--workers", str(WORKERS), "--chdir", str(REPOSITORY / "bench" / "apps")) as server:
        assert not isinstance(server.address, str)
        tally, site = Tally(), Site(server.pid, server.address[1], WORKERS)
        asyncio.run(drive(server, tally, site))
        assert site.faults == [], server.log.text[-4000:]
        assert server.wait() == 0
    total = tally.total()
    assert total.failures == {}, tally.examples
    assert total.answered > 100


def test_the_same_seed_gives_the_same_steps_and_another_one_another_order() -> None:
    counts = {Step.RELOAD: 20, Step.UPGRADE: 3, Step.MORE: 3, Step.KILL: 1, Step.TERM: 1}
    assert plan(1, counts) == plan(1, counts)
    assert [one.step for one in plan(1, counts)] != [one.step for one in plan(2, counts)]


def test_one_worker_more_is_followed_by_one_worker_fewer_and_term_is_last() -> None:
    for seed in range(50):
        steps = [one.step for one in plan(seed, {Step.RELOAD: 5, Step.MORE: 3, Step.KILL: 1, Step.TERM: 1})]
        assert len(steps) == 13
        assert steps[-1] is Step.TERM
        assert all(steps[index + 1] is Step.FEWER for index, step in enumerate(steps) if step is Step.MORE)


def test_a_process_holds_the_connections_that_it_has_accepted_and_no_others() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        with socket.create_connection(address) as first, socket.create_connection(address):
            held, (_, port) = listener.accept()
            with held:
                assert client_ports(os.getpid(), address[1]) == {port} == {first.getsockname()[1]}


# What a server does wrong, and as what the clients count it


async def request_name(reader: asyncio.StreamReader) -> bytes:
    """The last part of the target of the next request, whose head is read."""
    head = await reader.readuntil(b"\r\n\r\n")
    return head.split(b" ")[1].rpartition(b"/")[2]


def right_answer(name: bytes, fields: bytes = b"") -> bytes:
    body = (name + b"\n") * callers.LINES
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%b\r\n%b" % (len(body), fields, body)


async def says_nothing_and_closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request_name(reader)


async def closes_in_the_middle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(right_answer(await request_name(reader))[:-1])


async def closes_a_kept_connection_under_a_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(right_answer(await request_name(reader)))
    await request_name(reader)


async def answers_for_another(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request_name(reader)
    writer.write(right_answer(b"other"))


async def answers_503(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(right_answer(await request_name(reader)).replace(b"200 OK", b"503 Busy"))


async def speaks_no_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request_name(reader)
    writer.write(b"220 ready\r\n\r\n")


async def says_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await request_name(reader)
    await reader.read()


async def says_that_it_closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(right_answer(await request_name(reader), b"Connection: close\r\n"))


async def closes_an_idle_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(right_answer(await request_name(reader)))


async def tally_of(talk: Talk | None, kind: Kind, is_enough: Callable[[Row], bool]) -> Row:
    """What one client of that kind counts at a server that talks so, or at none."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            assert talk is not None
            await talk(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has left
        finally:
            writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    address = listener.sockets[0].getsockname()
    if talk is None:
        listener.close()
        await listener.wait_closed()
    tally = Tally()
    try:
        async with Load(address, tally, SEED, [kind]):
            until = asyncio.get_running_loop().time() + DEADLINE_S
            while not is_enough(tally.total()):
                assert asyncio.get_running_loop().time() < until, tally.examples
                await asyncio.sleep(0.01)
    finally:
        listener.close()
    return tally.total()


@pytest.mark.parametrize(
    ("talk", "failure"),
    [
        (None, Failure.REFUSED),
        (says_nothing_and_closes, Failure.NO_BYTE),
        (closes_in_the_middle, Failure.CUT),
        (closes_a_kept_connection_under_a_request, Failure.RACE),
        (answers_for_another, Failure.WRONG),
        (answers_503, Failure.WRONG),
        (speaks_no_http, Failure.WRONG),
        (says_nothing, Failure.TIMEOUT),
    ],
)
def test_each_way_to_fail_is_counted_as_what_it_is(
    talk: Talk | None, failure: Failure, monkeypatch: pytest.MonkeyPatch
) -> None:
    if failure is Failure.TIMEOUT:
        monkeypatch.setattr(callers, "ANSWER_S", 0.2)
    row = asyncio.run(tally_of(talk, Kind("one", 1, 0.01, callers.page), lambda row: row.failed >= 3))
    assert set(row.failures) == {failure}


@pytest.mark.parametrize("talk", [says_that_it_closes, closes_an_idle_connection])
def test_a_connection_that_ends_between_requests_is_no_failure(talk: Talk) -> None:
    kind = Kind("one", 1, 0.01, callers.page)
    row = asyncio.run(tally_of(talk, kind, lambda row: row.answered >= 5))
    assert row.failures == {}


def test_pipelined_requests_behind_an_answer_that_closes_are_told_apart() -> None:
    kind = Kind("one", 1, 0.01, callers.page, batch=3)
    row = asyncio.run(tally_of(says_that_it_closes, kind, lambda row: row.answered >= 2))
    assert row.left_behind == 2 * row.answered
    assert row.failures == {}
