"""Several processes under one limit: workers of a server with shared memory, and processes that share a Redis."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from dragoman.middleware import RateLimit
from tests.middleware.kit import Inner, ask
from tests.support.backends import Backend
from tests.support.server import Server
from tests.support.wire import DEADLINE_S

REPOSITORY = Path(__file__).resolve().parents[3]
LIMIT = 20
# Asked without being counted: which process is it?
WHO = "/who"


def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Says which process it is in."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]


def limited() -> RateLimit:
    """What the workers serve; the storage is named by the environment."""
    storage = os.environ["STORAGE"]
    if storage == "limits":
        # What Flask-Limiter and others use without a server.
        from limits.storage import MemoryStorage

        return RateLimit(
            application, limits=f"{LIMIT}/day", strategy="fixed-window", storage=MemoryStorage(), exempt=[WHO]
        )
    return RateLimit(application, limits=f"{LIMIT}/day", strategy="fixed-window", storage=storage, exempt=[WHO])


def allowed_by_worker(storage: str) -> Counter[bytes]:
    """How many requests each of two workers lets through, asked in turn until both refuse."""
    allowed: Counter[bytes] = Counter()
    with (
        Server(
            f"{__name__}:limited()",
            "--workers",
            "2",
            env={"STORAGE": storage, "PYTHONPATH": f"{REPOSITORY / 'python'}{os.pathsep}{REPOSITORY}"},
        ) as server,
        ExitStack() as stack,
    ):
        connections = a_connection_to_each_worker(server, stack)
        for connection in [*connections] * (2 * LIMIT):
            status, body = answer_to(connection, "/")
            assert status in (200, 429)
            if status == 200:
                allowed[body] += 1
    return allowed


def a_connection_to_each_worker(server: Server, stack: ExitStack) -> list[HTTPConnection]:
    """Kept connections, one to each of two workers: which one has accepted it is up to them."""
    assert not isinstance(server.address, str)
    found: dict[bytes, HTTPConnection] = {}
    until = time.monotonic() + DEADLINE_S
    while len(found) < 2:
        assert time.monotonic() < until, "one worker accepts every connection"
        # All stay open, so that a worker with many leaves the next one to the other.
        connection = stack.enter_context(closing(HTTPConnection(*server.address, timeout=DEADLINE_S)))
        found.setdefault(answer_to(connection, WHO)[1], connection)
    return list(found.values())


def answer_to(connection: HTTPConnection, path: str) -> tuple[int, bytes]:
    connection.request("GET", path)
    response = connection.getresponse()
    return response.status, response.read()


def test_two_workers_together_let_the_limit_through(tmp_path: Path) -> None:
    allowed = allowed_by_worker(f"shm://workers?size=64k&dir={tmp_path}")
    assert sum(allowed.values()) == LIMIT
    assert len(allowed) == 2, "one worker answered everything, so nothing was shown"


@pytest.mark.parametrize("storage", ["memory://", "limits"])
def test_two_workers_with_a_memory_each_let_twice_the_limit_through(storage: str) -> None:
    assert sorted(allowed_by_worker(storage).values()) == [LIMIT, LIMIT]


REQUESTS = """
    import sys
    from dragoman.middleware import RateLimit
    from tests.middleware.kit import Inner, ask
    app = RateLimit(Inner(), limits="50/hour", storage=sys.argv[1], strategy=sys.argv[2])
    print("ready", flush=True)
    sys.stdin.readline()
    print(sum(ask(app).status == 200 for _ in range(40)))
"""


def process(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(REQUESTS), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": f"{REPOSITORY / 'python'}{os.pathsep}{REPOSITORY}"},
    )


@pytest.mark.parametrize("strategy", ["fixed-window", "sliding-window", "token-bucket"])
def test_two_processes_share_a_limit_over_redis(redis_server: Backend, strategy: str) -> None:
    processes = [process(redis_server.url, strategy) for _ in range(2)]
    for one in processes:
        assert one.stdout is not None and one.stdout.readline() == "ready\n"
    counts = [int(one.communicate("\n", DEADLINE_S)[0]) for one in processes]
    assert sum(counts) == 50


def test_redis_and_a_table_say_the_same_of_a_token_bucket(redis_server: Backend) -> None:
    apps = [
        RateLimit(Inner(), limits="3/hour", strategy="token-bucket", storage=storage, name="same")
        for storage in (redis_server.url, "memory://")
    ]
    for _ in range(5):
        first, second = (ask(app) for app in apps)
        assert first.status == second.status
        assert abs(int(first.value("Retry-After") or 0) - int(second.value("Retry-After") or 0)) <= 1
        assert first.environ["dragoman.rate_limit"][0].remaining == second.environ["dragoman.rate_limit"][0].remaining


def test_a_clock_of_redis_that_was_set_back_keeps_nobody_out(redis_server: Backend) -> None:
    app = RateLimit(Inner(), limits="1/hour", strategy="token-bucket", storage=redis_server.url, name="clock")
    assert [ask(app).status for _ in range(2)] == [200, 429]
    with Redis.from_url(redis_server.url, decode_responses=True) as client:
        [key] = client.keys("*:dragoman/clock/*/tokens")
        client.set(key, f"{time.time() + 86_400:.6f} 3600.0")
        assert ask(app).status == 429
        at, backlog_s = map(float, str(client.get(key)).split())
    assert at < time.time() + 60
    assert backlog_s == 3600


@pytest.mark.parametrize(("when_down", "meanwhile"), [("allow", 200), ("refuse", 503), ("local", 200)])
@pytest.mark.parametrize("strategy", ["fixed-window", "sliding-window", "token-bucket"])
def test_redis_is_killed_under_load_and_comes_back(
    redis_server: Backend, strategy: str, when_down: str, meanwhile: int, caplog: pytest.LogCaptureFixture
) -> None:
    app = RateLimit(
        Inner(),
        limits="1000000/hour",
        strategy=strategy,  # type: ignore[arg-type]
        storage=redis_server.url,
        when_down=when_down,  # type: ignore[arg-type]
        name=f"killed-{when_down}",
    )
    seen: Counter[int] = Counter()
    failures: list[BaseException] = []
    done = threading.Event()

    def load() -> None:
        while not done.is_set():
            try:
                seen[ask(app).status] += 1
            except BaseException as error:
                failures.append(error)
                return

    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        wait_for(lambda: seen[200] > 5)
        redis_server.kill()
        wait_for(lambda: "cannot be reached" in caplog.text)
        before = seen[meanwhile]
        wait_for(lambda: seen[meanwhile] > before + 5)
        redis_server.start()
        wait_for(lambda: "is there again" in caplog.text)
        before = seen[200]
        wait_for(lambda: seen[200] > before + 5)
    finally:
        done.set()
        for thread in threads:
            thread.join(DEADLINE_S)
        if redis_server.process is None:
            redis_server.start()
    assert failures == []
    assert set(seen) <= {200, meanwhile}
    told = [message for message in caplog.messages if message.startswith("rate limit: ")]
    assert [("cannot be reached" in message, "is there again" in message) for message in told] == [
        (True, False),
        (False, True),
    ]


def test_a_redis_that_says_nothing_costs_one_request_its_timeout(redis_server: Backend) -> None:
    app = RateLimit(Inner(), limits="1000/hour", storage=redis_server.url, name="silent", timeout_s=0.2)
    ask(app)
    redis_server.freeze()
    try:
        assert ask(app).status == 200
        asked = app.counter.take
        calls: list[object] = []
        app.counter.take = lambda *words: calls.append(words) or asked(*words)  # type: ignore[method-assign, func-returns-value]
        app.watched.paused_until = time.monotonic() + 60
        assert [ask(app).status for _ in range(20)] == [200] * 20
        assert calls == []
    finally:
        redis_server.thaw()


def wait_for(condition: Any) -> None:
    until = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)
