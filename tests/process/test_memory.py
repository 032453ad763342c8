"""Memory: few heaps however many threads serve, unless the operator has chosen a number."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path

import pytest

from tests.support.probe import Channel
from tests.support.server import Server
from tests.support.wire import request_bytes

CALLS = 12


def heaps_after_many_calls_at_once(server: Server, channel: Channel) -> int:
    with contextlib.ExitStack() as stack:
        wires = [stack.enter_context(server.connect()) for _ in range(CALLS)]
        for wire in wires:
            wire.send(request_bytes("GET", channel.target("/held-with-memory")))
        for _ in wires:
            channel.expect("call")
        heaps = json.loads(server.request("GET", "/heaps").body)
        channel.open("go")
        for wire in wires:
            assert wire.read_response("GET").body == b"held"
    assert isinstance(heaps, int)
    return heaps


@pytest.mark.parametrize(("chosen", "most"), [({}, 2), ({"MALLOC_ARENA_MAX": "1"}, 1)])
def test_threads_share_heaps(channel: Channel, chosen: dict[str, str], most: int) -> None:
    with Server("tests.process.apps_process:app", env=chosen) as server:
        assert heaps_after_many_calls_at_once(server, channel) <= most


def test_number_of_heaps_that_the_operator_chose_stands(channel: Channel) -> None:
    with Server("tests.process.apps_process:app", env={"MALLOC_ARENA_MAX": "16"}) as server:
        assert heaps_after_many_calls_at_once(server, channel) > 2


def test_soft_limit_of_descriptors_is_raised_to_what_the_process_may_have(probe_listener: object) -> None:
    """The soft limit is for programs that call select(2); 80 % of the limit is how many connections there may be."""
    with Server("tests.process.apps_process:app", wrapper=("prlimit", "--nofile=300:2000")) as server:
        limits = Path(f"/proc/{server.pid}/limits").read_text()
        assert re.search(r"Max open files\s+2000\s+2000", limits), limits
