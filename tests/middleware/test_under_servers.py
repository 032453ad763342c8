"""Every part around a plain application, Flask and Django, under Dragoman, gunicorn and waitress."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.middleware.part import Part, Probe, all_parts
from tests.middleware.served import FILE, KINDS
from tests.support.server import Process
from tests.support.wire import Response, request_bytes

ADDRESS = "127.0.0.1:0"
APPLICATION = "tests.middleware.served:app"
COMMANDS = {
    "dragoman": ["dragoman", APPLICATION, "--bind", ADDRESS, "--workers", "0"],
    "gunicorn": ["gunicorn", APPLICATION, "--bind", ADDRESS, "-k", "gthread", "--threads", "8"],
    # By itself it takes the fields of proxies away, and ProxyHeaders could do nothing.
    "waitress": ["waitress", "--listen", ADDRESS, "--threads", "8", "--no-clear-untrusted-proxy-headers", APPLICATION],
}
PARTS = all_parts()
PROBES = [(part, probe) for part in PARTS for probe in part.probes]
gates = itertools.count()


@pytest.fixture(scope="module", params=COMMANDS)
def server(request: pytest.FixtureRequest) -> Iterator[Process]:
    """A server that all parts stand under; at its end nobody has broken the contract, and all is closed."""
    process = Process(COMMANDS[request.param])
    try:
        yield process
        findings = fetched(process, "/findings")
        assert findings == [], "\n".join(one["at"] + "\n" + one["text"] for one in findings)
        assert [name for name, (calls, closes) in fetched(process, "/closes").items() if calls != closes] == []
    finally:
        process.kill()


def fetched(server: Process, target: str) -> Any:
    return json.loads(server.request("GET", target).body)


def asked(server: Process, part: Part, kind: str, probe: Probe) -> Response:
    target = f"/{part.name}/{kind}{probe.target}"
    data = request_bytes(probe.method, target, probe.fields.items(), probe.body)
    if "Host" in probe.fields:
        data = data.replace(b"Host: test\r\n", b"", 1)
    with server.connect() as wire:
        wire.send(data)
        return wire.read_response(probe.method)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("part", "probe"), PROBES, ids=[f"{part.name}:{probe.method}{probe.target}" for part, probe in PROBES]
)
def test_a_part_does_its_work(server: Process, part: Part, probe: Probe, kind: str) -> None:
    probe.holds(asked(server, part, kind, probe))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", [part for part in PARTS if part.streams], ids=lambda part: part.name)
def test_a_block_comes_before_the_next_is_made(server: Process, part: Part, kind: str) -> None:
    gate = f"{part.name}-{kind}-{next(gates)}"
    with server.connect() as wire:
        wire.send(f"GET /{part.name}/{kind}/stream?gate={gate} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert wire.read_head().is_chunked
        blocks = [wire.read_chunk()]
        assert fetched(server, f"/open?gate={gate}") is True
        while blocks[-1]:
            blocks.append(wire.read_chunk())
    assert b"".join(blocks) == b"one\ntwo\nthree\n"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", [part for part in PARTS if part.streams], ids=lambda part: part.name)
def test_a_file_comes_whole(server: Process, part: Part, kind: str) -> None:
    response = server.request("GET", f"/{part.name}/{kind}/file")
    assert (response.status, response.body) == (200, FILE)
