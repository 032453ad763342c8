"""Every attack at default settings and one worker: a normal new client is answered throughout, and nothing is left."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.hostile.attacks import ATTACKS, Attack
from tests.hostile.client import Account
from tests.hostile.yardstick import Footprint, Onslaught, Prober, await_that, peak_kib, reset_peak
from tests.support.server import Server
from tests.support.wire import DEADLINE_S

APP = "tests.hostile.apps_hostile:app"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "hostile.md"

SHORT_S = 2.0
"""How long attacks last in each run of the tests, from the moment that they are under way."""
LONG_S = 15.0
"""And in the long run: past the ten seconds after which a slow head or a silent client is ended."""
SLACK_KIB = 36 << 10
"""Memory that is nobody's in particular: the stacks and heaps of up to 132 threads (64 calls at once, and as many that
wait for slow clients), and the allocator's reserve."""
RETIRE_S = 40.0
"""Threads without work retire after ten seconds each; a busy machine may need longer."""


def of_kind(kind: str) -> list[Attack]:
    return [attack for attack in ATTACKS.values() if attack.kind == kind]


KINDS = list(dict.fromkeys(attack.kind for attack in ATTACKS.values()))
MOST_HELD_KIB = max(sum(attack.held_kib * attack.clients for attack in of_kind(kind)) for kind in KINDS)
"""What the costliest kind of attack may make the server hold."""

_LOG_LINE = re.compile(r"^\[(?P<time>\S+ \S+) \+0000\] \[\d+\] \[(?P<level>[A-Z]+)\] (?P<text>.*)$", re.MULTILINE)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(APP) as server:
        yield server


@pytest.fixture(scope="module")
def rested(server: Server) -> Footprint:
    """What the server holds before anything has happened to it."""
    return Footprint.of(server.pid)


@pytest.mark.parametrize("kind", KINDS)
def test_a_normal_client_is_answered_while_attacks_of_a_kind_last(server: Server, rested: Footprint, kind: str) -> None:
    withstand(server, rested, of_kind(kind), SHORT_S)


@pytest.mark.long_attack
@pytest.mark.parametrize("name", ATTACKS)
def test_a_normal_client_is_answered_while_an_attack_lasts(server: Server, rested: Footprint, name: str) -> None:
    withstand(server, rested, [ATTACKS[name]], LONG_S)


def test_a_normal_client_is_answered_while_everything_happens_at_once(server: Server, rested: Footprint) -> None:
    withstand(server, rested, list(ATTACKS.values()), SHORT_S, clients=8)


def test_attacks_that_are_repeated_need_no_more_memory_than_the_first(server: Server, rested: Footprint) -> None:
    def held_after() -> int:
        withstand(server, rested, [ATTACKS["zero-windows"]], 0)
        return Footprint.of(server.pid).kib

    first = held_after()
    assert [again for again in (held_after(), held_after()) if again > first + SLACK_KIB] == []


def test_threads_that_attacks_have_started_retire(server: Server, rested: Footprint) -> None:
    """Those of the tests above, or of this one alone."""
    withstand(server, rested, [ATTACKS["slow-stream-readers"]], 0)
    is_back = await_that(lambda: Footprint.of(server.pid).threads <= rested.threads, RETIRE_S)
    assert is_back, f"{rested} became {Footprint.of(server.pid)}"


@pytest.mark.parametrize("seconds", [SHORT_S, pytest.param(2 * LONG_S, marks=pytest.mark.long_attack)])
def test_64_slow_uploads_beside_64_slow_readers_are_not_cut(server: Server, rested: Footprint, seconds: float) -> None:
    """Both just above the least rate, so that they may last; the normal client is answered meanwhile."""
    attacks = [ATTACKS["slow-uploads"], ATTACKS["slow-stream-readers"]]
    assert withstand(server, rested, attacks, seconds).ended == 0


def test_the_page_names_every_attack() -> None:
    page = PAGE.read_text()
    missing = [
        attack.name
        for attack in ATTACKS.values()
        if f"| {attack.name} | {attack.clients} | {attack.does} |" not in page
    ]
    assert missing == []


def withstand(
    server: Server, rested: Footprint, attacks: list[Attack], seconds: float, clients: int | None = None
) -> Account:
    """The yardstick, all through the attacks; then what the server holds, and what it has written."""
    pid = server.pid
    before = Footprint.of(pid)
    reset_peak(pid)
    names = [attack.name for attack in attacks]
    with Prober(server.address) as prober:
        with Onslaught(address_of(server), *names, clients=clients) as onslaught:
            is_under_way = onslaught.is_under_way(DEADLINE_S)
            time.sleep(seconds)
        # The normal client goes on asking while the server clears up.
        is_back = await_that(lambda: descriptors_left(pid, prober) <= rested.descriptors, DEADLINE_S)
    facts = f"{prober}; {onslaught.account}; {rested} → {Footprint.of(pid)}\n{server.log.text[-2000:]}"
    assert server.process.poll() is None, f"the server has ended: {facts}"
    assert is_under_way, f"the attack never was what it is: {facts}"
    assert prober.failures == [], facts
    assert prober.seconds, facts
    assert is_back, f"descriptors are left over: {facts}"
    held_kib = sum(attack.held_kib * (clients or attack.clients) for attack in attacks)
    assert peak_kib(pid) <= before.kib + held_kib + SLACK_KIB, facts
    # The allocator may keep what an earlier attack has needed, but attacks do not add up.
    assert Footprint.of(pid).kib <= rested.kib + MOST_HELD_KIB + SLACK_KIB, facts
    assert "Traceback" not in server.log.text and "panicked" not in server.log.text, facts
    assert_log_is_calm(server.log.text)
    return onslaught.account


def address_of(server: Server) -> tuple[str, int]:
    assert not isinstance(server.address, str)
    return server.address


def descriptors_left(pid: int, prober: Prober) -> int:
    """Open ones, the prober's own connection aside."""
    return Footprint.of(pid).descriptors - prober.is_asking


def assert_log_is_calm(text: str) -> None:
    """At most one line for each reason and minute."""
    said: dict[str, datetime] = {}
    for line in _LOG_LINE.finditer(text):
        reason = line["text"].partition(": ")[0]
        at = datetime.fromisoformat(line["time"])
        # The log's clock has whole seconds, and its minute may be counted from another moment.
        assert reason not in said or (at - said[reason]).total_seconds() >= 59, f"{reason!r} again in {line[0]!r}"
        said[reason] = at
