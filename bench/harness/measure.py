"""One measurement: a server started for it, warmed up, loaded, its CPU time read before and after."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness import idle
from harness.paths import CLIENT
from harness.peers import HOST, Peer
from harness.process import Server, core_busy_s, free_port
from harness.workloads import Workload

SERVER_CORE, CLIENT_CORE = 0, 1
STALL_S = 10
"""The client gives up after so long without an answer."""


@dataclass(frozen=True)
class GroupResult:
    """What one group of connections saw."""

    answered: int
    aborted: int
    per_second: float
    p50_us: float
    p99_us: float
    max_us: float
    breaches: Mapping[str, int]
    first_breach: str | None


@dataclass(frozen=True)
class Sample:
    """One measurement of one server under one workload."""

    cpu_us: float
    """Server CPU time for each answered request."""
    client_busy: float
    """Share of its core that the client used; near 1, the client is what limits the throughput."""
    others_busy: float
    """Share of the server's core that other processes took meanwhile; above a few percent the figures are disturbed."""
    start_s: float
    pss_kib: int
    idle_kib: float | None
    """Memory that each idle connection added to the server; ``None`` without any."""
    groups: Mapping[str, GroupResult]

    @property
    def breaches(self) -> list[str]:
        """The first breach of each group that met one."""
        return [group.first_breach for group in self.groups.values() if group.first_breach]


def measure(peer: Peer, workload: Workload, seconds: float, warm_up_s: float) -> Sample:
    """Start ``peer``, warm it up, measure ``workload`` for ``seconds``, stop it.

    CPU time is read around a run of the client that begins and ends with no request under way, so it belongs to
    exactly the requests counted, the opening of the connections included.
    Raises ServerFailed when the server does not start, and RuntimeError when the client itself fails.
    """
    port = free_port()
    command = peer.arguments(workload.app, port, workload.is_waiting, workload.workers)
    with Server(peer.name, command, port, core=SERVER_CORE) as server:
        load(port, workload.arguments(), ["--seconds", str(warm_up_s)])
        empty_kib = server.usage().pss_kib
        with idle.held(port, workload.idle_connections):
            idle_kib = server.usage().pss_kib - empty_kib
            before, core_before = server.cpu_s(), core_busy_s(SERVER_CORE)
            answer = load(port, workload.arguments(), ["--seconds", str(seconds)])
            cpu_s, core_s = server.cpu_s() - before, core_busy_s(SERVER_CORE) - core_before
            pss_kib = server.usage().pss_kib
    groups = read_groups(answer)
    answered = sum(group.answered for group in groups.values())
    elapsed = max(float(group["elapsed_seconds"]) for group in answer["groups"])
    return Sample(
        cpu_us=cpu_s / answered * 1e6 if answered else float("nan"),
        client_busy=answer["client_cpu_seconds"] / elapsed if elapsed else float("nan"),
        others_busy=max(0.0, core_s - cpu_s) / elapsed if elapsed else float("nan"),
        start_s=server.start_s,
        pss_kib=pss_kib,
        idle_kib=idle_kib / workload.idle_connections if workload.idle_connections else None,
        groups=groups,
    )


def load(port: int, groups: list[str], limit: list[str], *, timeout_s: float = 120.0) -> dict[str, Any]:
    """Run the load client on its core and return its JSON; breaches are in it, other failures raise RuntimeError."""
    command = ["taskset", "-c", str(CLIENT_CORE), str(CLIENT), f"{HOST}:{port}", "--stall", str(STALL_S)]
    run = subprocess.run([*command, *limit, *groups], capture_output=True, text=True, timeout=timeout_s, check=False)
    if run.returncode not in (0, 1) or not run.stdout:
        raise RuntimeError(f"the load client failed ({run.returncode}): {run.stderr.strip()}")
    answer: dict[str, Any] = json.loads(run.stdout)
    return answer


def read_groups(answer: Mapping[str, Any]) -> dict[str, GroupResult]:
    """The groups of the client's JSON by name."""
    return {
        row["name"]: GroupResult(
            answered=row["answered"],
            aborted=row["aborted"],
            per_second=row["per_second"],
            p50_us=row["latency_us"]["p50"],
            p99_us=row["latency_us"]["p99"],
            max_us=row["latency_us"]["max"],
            breaches=row["breaches"],
            first_breach=row["first_breach"],
        )
        for row in answer["groups"]
    }
