"""Files of three sizes behind `Static`, behind WhiteNoise and from nginx: CPU for each request."""

from __future__ import annotations

import os
import statistics
import sys
from dataclasses import dataclass

from harness.measure import SERVER_CORE, load, read_groups
from harness.paths import APPS, LAUNCH, OUT
from harness.peers import HOST
from harness.process import Server, free_port

DIRECTORY = OUT / "files"
SIZES = {"1k": 1 << 10, "100k": 100 << 10, "10m": 10 << 20}
APP = "static_layers"


@dataclass(frozen=True)
class Way:
    """One way to serve the directory."""

    name: str
    command: tuple[str, ...]


DRAGOMAN = ("{python}", "-m", "dragoman", "{app}", "--bind", "{host}:{port}", "--workers", "1")
GUNICORN = ("{python}", "-m", "gunicorn", "{app}", "--bind", "{host}:{port}", "-k", "gthread", "--threads", "4")
WAYS: tuple[Way, ...] = (
    Way("Dragoman, Static", tuple(word.replace("{app}", f"{APP}:ours") for word in DRAGOMAN)),
    Way("Dragoman, WhiteNoise", tuple(word.replace("{app}", f"{APP}:theirs") for word in DRAGOMAN)),
    Way("gunicorn, Static", tuple(word.replace("{app}", f"{APP}:ours") for word in GUNICORN)),
    Way("gunicorn, WhiteNoise", tuple(word.replace("{app}", f"{APP}:theirs") for word in GUNICORN)),
    Way("nginx", ("{python}", "{launch}/nginx_run.py", "/usr/sbin/nginx", "{files}", "{host}", "{port}", "1")),
)


def prepare() -> None:
    """Write the files, each byte telling its own offset: the lines of apps/pattern.py and client/src/pattern.rs."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    for name, size in SIZES.items():
        (DIRECTORY / name).write_bytes(b"".join(b"%07x\n" % offset for offset in range(0, size, 8)))


def measure(rounds: int, seconds: float) -> dict[tuple[str, str], list[float]]:
    """CPU µs for each request by (way, file), one for each round; every body is checked.

    Raises RuntimeError when an answer is wrong.
    """
    found: dict[tuple[str, str], list[float]] = {(way.name, name): [] for name in SIZES for way in WAYS}
    for number in range(rounds):
        turn = number % len(WAYS)
        for way in WAYS[turn:] + WAYS[:turn]:
            for name in SIZES:
                found[way.name, name].append(one(way, name, seconds))
    return found


def one(way: Way, name: str, seconds: float) -> float:
    port = free_port()
    facts = {"python": sys.executable, "host": HOST, "port": port, "launch": LAUNCH, "files": DIRECTORY}
    command = [word.format(**facts) for word in way.command]
    group = ["--group", "all", "--connections", "8", "--path", f"/{name}", "--reply-bytes", str(SIZES[name])]
    # The project as it stands here, where that is not the one that is installed.
    path = os.pathsep.join(filter(None, [str(APPS), os.environ.get("PYTHONPATH")]))
    with Server(way.name.replace(", ", "-"), command, port, core=SERVER_CORE, environ={"PYTHONPATH": path}) as server:
        load(port, group, ["--seconds", "0.5"])
        before = server.cpu_s()
        answer = load(port, group, ["--seconds", str(seconds)])
        cpu_s = server.cpu_s() - before
    [result] = read_groups(answer).values()
    if result.first_breach:
        raise RuntimeError(f"{way.name}: {result.first_breach}")
    return cpu_s / result.answered * 1e6


def table(found: dict[tuple[str, str], list[float]]) -> list[str]:
    """Lines of Markdown: the median of the rounds, and the ratio to nginx in the same round."""
    lines = ["| CPU µs a request | " + " | ".join(SIZES) + " |", "| --- |" + " --- |" * len(SIZES)]
    for way in WAYS:
        cells = []
        for name in SIZES:
            times, bases = found[way.name, name], found["nginx", name]
            ratio = statistics.median(time / base for time, base in zip(times, bases, strict=True))
            cells.append(f"{statistics.median(times):,.1f} [{min(times):,.1f}–{max(times):,.1f}] ×{ratio:.2f}")
        lines.append(f"| {way.name} | " + " | ".join(cells) + " |")
    return lines
