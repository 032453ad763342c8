"""The workloads: each one a question, an application, and the groups of connections that ask it."""

from __future__ import annotations

from dataclasses import dataclass

HELLO = ("--reply-text", "Hello, world!\n")
MIB = 1 << 20


@dataclass(frozen=True)
class Group:
    """Connections that send the same request; ``request`` are options of the load client."""

    name: str
    connections: int
    request: tuple[str, ...]

    def arguments(self) -> list[str]:
        """The group as the load client's options."""
        return ["--group", self.name, "--connections", str(self.connections), *self.request]


@dataclass(frozen=True)
class Workload:
    """A question put to every server in the same way."""

    name: str
    question: str
    app: str
    groups: tuple[Group, ...]
    is_waiting: bool = False
    """The application waits, so servers with a thread setting get their settings for that."""
    is_core: bool = False
    # It is measured in one of so many rounds: 1 where a claim of the project rests on it.
    share: int = 1
    """Part of ``make bench``; the others run when named, or with ``--all``."""
    idle_connections: int = 0
    """Kept open beside the groups, each after one answer."""
    workers: int = 1
    """Worker processes that the server is to run."""
    body_mib: float | None = None
    """Size of the one body that each request moves, for the cost of a byte."""
    ideal_per_second: float | None = None
    """What the sleep alone would allow, for the closed loop of the first group."""

    def arguments(self) -> list[str]:
        """All groups as the load client's options."""
        return [word for group in self.groups for word in group.arguments()]


def _one(connections: int, *request: str) -> tuple[Group, ...]:
    return (Group("all", connections, request),)


def _sleep(connections: int, *, is_core: bool = False) -> Workload:
    return Workload(
        f"sleep-{connections}",
        f"Do {connections} connections wait for 10 ms at the same time, or one after the other?",
        "sleep10:app",
        _one(connections, *HELLO),
        is_waiting=True,
        is_core=is_core,
        ideal_per_second=min(connections, 64) / 0.010,
    )


def _idle(connections: int) -> Workload:
    return Workload(
        f"idle-{connections}",
        f"What do {connections:,} idle connections cost, and what do they cost the active ones?",
        "hello:app",
        _one(32, *HELLO),
        idle_connections=connections,
        share=3,
    )


TABLE: tuple[Workload, ...] = (
    Workload("hello", "What does the server itself cost?", "hello:app", _one(32, *HELLO), is_core=True),
    Workload(
        "pipelined",
        "And when the kernel's share is small: 16 requests in one write?",
        "hello:app",
        _one(32, "--depth", "16", *HELLO),
        is_core=True,
    ),
    _sleep(64, is_core=True),
    Workload(
        "slow-beside-fast",
        "Do 16 connections of 10 ms requests delay 8 connections of fast ones?",
        "slowfast:app",
        (Group("slow", 16, ("--path", "/slow", *HELLO)), Group("fast", 8, ("--path", "/fast", *HELLO))),
        is_waiting=True,
        is_core=True,
    ),
    _sleep(16),
    _sleep(256),
    Workload(
        "cpu-beside-fast",
        "Do 4 connections of requests that compute for 1 ms delay 8 of fast ones?",
        "cpu:app",
        (Group("slow", 4, ("--path", "/cpu", *HELLO)), Group("fast", 8, ("--path", "/fast", *HELLO))),
        share=3,
    ),
    Workload(
        "cpu-1ms",
        "What is left of the difference when each request computes for 1 ms?",
        "cpu:app",
        _one(16, "--path", "/cpu", *HELLO),
        ideal_per_second=1_000,
        share=3,
    ),
    Workload(
        "workers-4",
        "And what does one question cost four worker processes? (Their memory stands under start-up and memory.)",
        "hello:app",
        _one(32, *HELLO),
        workers=4,
    ),
    _idle(1_000),
    _idle(10_000),
    Workload("fresh", "What does a new connection for each request cost?", "hello:app", _one(32, "--fresh", *HELLO)),
    Workload("browser", "What does a browser's header set cost?", "hello:app", _one(32, "--browser", *HELLO), share=3),
    Workload(
        "echo-8k",
        "What does a form cost: 8 KiB in, 8 KiB out?",
        "bodies:app",
        _one(32, "--path", "/echo", "--body-bytes", "8192", "--reply-echo"),
        share=3,
    ),
    Workload(
        "upload-1m",
        "What does a large upload cost?",
        "bodies:app",
        _one(8, "--path", "/upload", "--body-bytes", str(MIB), "--reply-text", f"{MIB}\n"),
        body_mib=1,
    ),
    Workload(
        "download-1m",
        "What does a large body in one block cost?",
        "bodies:app",
        _one(8, "--path", f"/download?{MIB}", "--reply-bytes", str(MIB)),
        body_mib=1,
    ),
    Workload(
        "stream-64",
        "What does a generator of 64 blocks of 1 KiB cost, with no length given?",
        "bodies:app",
        _one(32, "--path", "/stream", "--reply-bytes", "65536"),
        share=3,
    ),
    Workload(
        "file-10m",
        "What does a static file of 10 MiB by wsgi.file_wrapper cost, and by nginx?",
        "static_file:app",
        _one(8, "--path", "/10m", "--reply-bytes", str(10 * MIB)),
        body_mib=10,
    ),
    Workload(
        "json",
        "And a JSON document?",
        "bodies:app",
        _one(32, "--path", "/json", "--reply-text", '{"message": "Hello, world!", "items": [1, 2, 3], "ok": true}'),
        share=3,
    ),
    Workload("flask", "What is left of the difference under Flask?", "flask_hello:app", _one(32, *HELLO), share=3),
    Workload("django", "Under Django?", "django_hello:app", _one(32, *HELLO), share=3),
    Workload("falcon", "Under Falcon?", "falcon_hello:app", _one(32, *HELLO), share=3),
)


def by_name(names: list[str]) -> list[Workload]:
    """The named workloads in the table's order; ValueError names what does not exist."""
    known = {workload.name: workload for workload in TABLE}
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"no workload {', '.join(unknown)}; there are {', '.join(known)}")
    return [workload for workload in TABLE if workload.name in names]
