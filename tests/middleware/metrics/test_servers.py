"""`Metrics` in the workers of real servers: any of them answers for all, and no file is left behind."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dragoman.middleware import Metrics
from tests.support.server import Process, Server
from tests.support.wire import DEADLINE_S

REPOSITORY = Path(__file__).resolve().parents[3]
REQUESTS = 40
ADDRESS = "127.0.0.1:0"


def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Says which process it is in."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]


def counted() -> Metrics:
    """What the workers serve."""
    return Metrics(application, storage=os.environ["STORAGE"], registry=False, allow="*")


served = counted() if "STORAGE" in os.environ else None


def environment(storage: str) -> dict[str, str]:
    return {"STORAGE": storage, "PYTHONPATH": f"{REPOSITORY / 'python'}{os.pathsep}{REPOSITORY}"}


def dragoman(storage: str, *flags: str) -> Server:
    return Server(f"{__name__}:counted()", "--workers", "2", *flags, env=environment(storage))


def gunicorn(storage: str, *flags: str) -> Process:
    command = ["gunicorn", f"{__name__}:served", "--bind", ADDRESS, "--workers", "2", *flags]
    return Process(command, env=environment(storage))


STARTS: dict[str, Callable[[str], Server]] = {
    "dragoman": dragoman,
    "dragoman, preloaded": lambda storage: dragoman(storage, "--preload"),
    "gunicorn": gunicorn,
    "gunicorn, preloaded": lambda storage: gunicorn(storage, "--preload"),
}


def asked_until_both_have_answered(server: Server) -> tuple[int, set[bytes]]:
    count, workers = 0, set()
    until = time.monotonic() + DEADLINE_S
    while len(workers) < 2 or count < REQUESTS:
        assert time.monotonic() < until
        workers.add(server.request().body)
        count += 1
    return count, workers


def total_of(server: Server) -> int:
    lines = server.request("GET", "/metrics").text.splitlines()
    [value] = [line.split()[-1] for line in lines if line.startswith("http_server_requests_total{")]
    return int(float(value))


def wait_for_total(server: Server, count: int) -> None:
    """A worker closes a response when the client has it already."""
    until = time.monotonic() + DEADLINE_S
    while (total := total_of(server)) != count:
        assert time.monotonic() < until, f"{total} of {count} requests are counted"


@pytest.mark.parametrize("name", STARTS)
def test_each_worker_answers_for_all_and_no_file_is_left(name: str, tmp_path: Path) -> None:
    with STARTS[name](f"shm://workers?dir={tmp_path}") as server:
        count, _ = asked_until_both_have_answered(server)
        wait_for_total(server, count)
        assert [total_of(server) for _ in range(10)] == [count] * 10
        assert len(list(tmp_path.iterdir())) == 1
        assert server.stop() == 0
    # Of a process that only forks the last act may be os._exit: the next start begins with that file.
    assert len(list(tmp_path.iterdir())) <= ("preloaded" in name)


def test_what_a_killed_worker_has_counted_is_not_lost(tmp_path: Path) -> None:
    with dragoman(f"shm://workers?dir={tmp_path}") as server:
        count, workers = asked_until_both_have_answered(server)
        # A client has its answer before it is counted: that one would be lost, and rightly so.
        wait_for_total(server, count)
        os.kill(int(workers.pop()), signal.SIGKILL)
        until = time.monotonic() + DEADLINE_S
        seen = set(workers)
        while len(seen) < 2:
            assert time.monotonic() < until
            seen.add(server.request().body)
            count += 1
        wait_for_total(server, count)


def test_a_reload_loses_nothing(tmp_path: Path) -> None:
    with dragoman(f"shm://workers?dir={tmp_path}") as server:
        count, workers = asked_until_both_have_answered(server)
        server.signal(signal.SIGHUP)
        until = time.monotonic() + DEADLINE_S
        seen: set[bytes] = set()
        while len(seen) < 2:
            assert time.monotonic() < until
            body = server.request().body
            count += 1
            if body not in workers:
                seen.add(body)
        wait_for_total(server, count)


def test_a_memory_each_is_what_others_have(tmp_path: Path) -> None:
    with dragoman("memory://") as server:
        count, _ = asked_until_both_have_answered(server)
        assert total_of(server) < count
