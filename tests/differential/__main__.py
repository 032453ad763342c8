"""Runs the comparison: `python -m tests.differential --count 20000 --seed 1`; findings give exit status 1."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tests.differential import servers
from tests.differential.compare import Difference, difference
from tests.differential.known import known
from tests.differential.mutations import Message, corpus, mutations
from tests.differential.observe import Outcome, observe

AT_ONCE = 24
"""Connections open at once to a server."""
PATIENCE_S, PATIENCE_AGAIN_S = 1.0, 4.0
"""Silence that counts as waiting for more; a difference is looked at again with more patience before it is one."""
SHOWN = 25
OURS = "dragoman"
UNPIPELINED = {"gunicorn", "hypercorn"}
"""Servers that look at what is behind a request when further bytes come, or refuse a last request for them."""


def main() -> int:
    """0: nothing but known differences. 1: findings, which were printed."""
    parser = argparse.ArgumentParser(prog="python -m tests.differential", description=__doc__)
    parser.add_argument("--count", type=int, default=20_000, help="mutated messages (default 20000)")
    parser.add_argument("--seed", type=int, default=1, help="what they depend on (default 1)")
    options = parser.parse_args()
    messages = [*corpus(), *mutations(options.seed, options.count)]
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="dragoman-differential-") as directory:
        running = servers.start_all(Path(directory))
        try:
            found, accepted = asyncio.run(compare_all(messages, running))
        finally:
            for server in running.values():
                server.stop()
    return report(options.seed, len(messages), accepted, found, time.monotonic() - began)


async def compare_all(messages: list[Message], running: dict[str, servers.Server]) -> tuple[list[Difference], int]:
    """All differences, known ones too, and how many messages had a request in them that we accept."""
    outcomes = await observe_all(messages, running[OURS])
    accepted = [(message, ours) for message, ours in zip(messages, outcomes, strict=True) if ours.requests]
    found: list[Difference] = []
    peers = [server for name, server in running.items() if name != OURS]
    read = await asyncio.gather(*(observe_all([message for message, _ in accepted], peer) for peer in peers))
    for peer, theirs in zip(peers, read, strict=True):
        first = [
            difference(message, peer.name, ours, their) for (message, ours), their in zip(accepted, theirs, strict=True)
        ]
        differing = [one for one in first if one is not None]
        silent = [one for one in differing if one.theirs.end == "waits" and known(one) is None]
        found += [one for one in differing if one not in silent]
        # A busy machine makes servers silent: what differs by silence alone is asked again, with more patience.
        again = await observe_all([one.message for one in silent], peer, PATIENCE_AGAIN_S)
        second = [difference(one.message, peer.name, one.ours, their) for one, their in zip(silent, again, strict=True)]
        found += [one for one in second if one is not None]
    return found, len(accepted)


async def observe_all(
    messages: Iterable[Message], server: servers.Server, patience_s: float = PATIENCE_S
) -> list[Outcome]:
    """What the server makes of each, in their order."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(message: Message) -> Outcome:
        async with gate:
            return await observe(server.port, message.data, patience_s, pipelines=server.name not in UNPIPELINED)

    return list(await asyncio.gather(*map(one, messages)))


def report(seed: int, sent: int, accepted: int, found: list[Difference], took_s: float) -> int:
    """Prints what was found; the exit status."""
    versions = ", ".join(f"{name} {version}" for name, version in servers.versions().items())
    print(f"{sent} messages (seed {seed}), {accepted} with a request that is accepted; {versions}; {took_s:.0f} s")
    rows: Counter[tuple[str, str]] = Counter()
    findings = []
    for one in found:
        row = known(one)
        if row is None:
            findings.append(one)
        else:
            rows[one.peer, row.name] += 1
    for (peer, name), count in sorted(rows.items()):
        print(f"  known: {peer:10} {count:6}  {name}")
    groups: dict[tuple[str, str, str], list[Difference]] = {}
    for one in findings:
        groups.setdefault((one.peer, one.kind, one.theirs.end), []).append(one)
    for (peer, kind, end), members in sorted(groups.items()):
        print(f"FINDING: {peer} {kind} ({end}): {len(members)}")
        for one in sorted(members, key=lambda one: len(one.message.data))[:SHOWN]:
            print(f"  {one.message.origin}\n    {one.message.data!r}\n    ours   {one.ours}\n    theirs {one.theirs}")
    print(f"{len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
