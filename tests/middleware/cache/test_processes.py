"""Two processes with one cache in Redis, and a Redis that is killed and comes back."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from dragoman.middleware import Cache
from dragoman.middleware.cache.key import target_of
from dragoman.middleware.stores import FileStore, RedisStore
from tests.middleware.kit import Inner, ask
from tests.support.backends import Backend
from tests.support.wire import DEADLINE_S

REPOSITORY = Path(__file__).resolve().parents[3]

OTHER = """
    import sys
    from dragoman.middleware import Cache
    from dragoman.middleware.stores import RedisStore
    from tests.middleware.kit import Inner, ask
    inner = Inner(headers=[("Content-Type", "text/plain"), ("Cache-Control", "max-age=600"), ("Cache-Tag", "t")],
                  blocks=[b"of the other"])
    app = Cache(inner, store=RedisStore(sys.argv[1]))
    for line in sys.stdin:
        words = line.split()
        if words[0] == "ask":
            print(ask(app, words[1], words[2]).text, flush=True)
        else:
            getattr(app, words[0])(words[1])
            print("done", flush=True)
"""


class Process:
    """Another process with the same cache, which does what it is told."""

    def __init__(self, url: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(OTHER), url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": f"{REPOSITORY / 'python'}{os.pathsep}{REPOSITORY}"},
        )

    def tell(self, *words: str) -> str:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(" ".join(words) + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


def test_two_processes_share_answers_and_purges(redis_server: Backend) -> None:
    inner = Inner(
        headers=[("Content-Type", "text/plain"), ("Cache-Control", "max-age=600"), ("Cache-Tag", "t")],
        blocks=[b"of this one"],
    )
    app = Cache(inner, store=RedisStore(redis_server.url))
    other = Process(redis_server.url)
    try:
        assert ask(app, target="/shared").text == "of this one"
        assert other.tell("ask", "GET", "/shared") == "of this one"
        assert other.tell("ask", "GET", "/theirs") == "of the other"
        assert ask(app, target="/theirs").text == "of the other"
        # A change, a purge by URL and one by tag in the one are seen in the other.
        other.tell("ask", "POST", "/theirs")
        assert ask(app, target="/theirs").text == "of this one"
        assert other.tell("purge", "http://shop.example/theirs") == "done"
        assert other.tell("ask", "GET", "/theirs") == "of the other"
        assert ask(app, target="/theirs").text == "of the other"
        assert other.tell("purge_tags", "t") == "done"
        assert ask(app, target="/shared").text == "of this one"
        assert inner.calls == 3
    finally:
        other.process.kill()
        other.process.communicate()


def test_a_purge_in_one_process_meets_an_answer_that_is_being_made_in_the_other(redis_server: Backend) -> None:
    inner = Inner(headers=[("Content-Type", "text/plain"), ("Cache-Control", "max-age=600")], blocks=[b"old", b"!"])
    app = Cache(inner, store=RedisStore(redis_server.url))
    other = Process(redis_server.url)
    try:
        result = app(ask(Inner(), target="/race").environ, lambda *words: lambda block: None)
        taken = iter(result)
        assert next(taken) == b"old"
        assert other.tell("purge", "http://shop.example/race") == "done"
        assert list(taken) == [b"!"]
        result.close()  # type: ignore[attr-defined]
        assert other.tell("ask", "GET", "/race") == "of the other"
    finally:
        other.process.kill()
        other.process.communicate()


class Gated:
    """An application whose answers wait until they are let."""

    def __init__(self, cache_control: str) -> None:
        self.cache_control = cache_control
        self.entered = threading.Semaphore(0)
        self.gate = threading.Event()
        self.calls = 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        self.calls += 1
        self.entered.release()
        assert self.gate.wait(DEADLINE_S)
        start_response("200 OK", [("Content-Type", "text/plain"), ("Cache-Control", self.cache_control)])
        return [b"of this one"]


def reads(server: Backend) -> int:
    """How many GETs the server has answered."""
    with Redis.from_url(server.url) as client:
        return int(client.info("commandstats").get("cmdstat_get", {}).get("calls", 0))  # type: ignore[union-attr]


def kept_before(app: Cache) -> None:
    """The URL is known, and what was kept of it is gone."""
    ask(app)
    app.purge("http://shop.example/")


@pytest.fixture
def gated() -> Gated:
    made = Gated("max-age=600")
    made.gate.set()
    return made


def test_of_two_processes_one_makes_the_answer_and_the_other_waits(redis_server: Backend, gated: Gated) -> None:
    app = Cache(gated, store=RedisStore(redis_server.url), wait_s=DEADLINE_S)
    kept_before(app)
    other = Process(redis_server.url)
    try:
        gated.entered.acquire()
        gated.gate.clear()
        here = threading.Thread(target=ask, args=(app,))
        here.start()
        assert gated.entered.acquire(timeout=DEADLINE_S)
        # It comes while the answer is being made, and would make one of its own.
        there: list[str] = []
        before = reads(redis_server)
        waiting = threading.Thread(target=lambda: there.append(other.tell("ask", "GET", "/")))
        waiting.start()
        # It looks again and again whether the lease is given back.
        wait_for(lambda: reads(redis_server) > before + 5)
        assert there == []
        gated.gate.set()
        here.join(DEADLINE_S)
        waiting.join(DEADLINE_S)
        assert there == ["of this one"]
    finally:
        gated.gate.set()
        other.process.kill()
        other.process.communicate()


def two(store: Path, inner: Any, **options: Any) -> tuple[Cache, Cache]:
    """Two caches that know of each other by a store alone, as those of two processes do."""
    return tuple(Cache(inner, store=FileStore(store), **options) for _ in range(2))  # type: ignore[return-value]


def test_who_does_not_wait_any_longer_makes_his_own(tmp_path: Path, gated: Gated) -> None:
    one, other = two(tmp_path, gated, wait_s=0.01)
    kept_before(one)
    flight_key = leased(one)
    # The process that has it has died.
    assert one.leases.take(flight_key) is not None
    assert ask(other).value("Cache-Status") == "dragoman; fwd=miss; stored"


def test_an_answer_that_is_not_kept_is_waited_for_once(tmp_path: Path, gated: Gated) -> None:
    one, other = two(tmp_path, gated, wait_s=DEADLINE_S)
    kept_before(one)
    flight_key = leased(one)
    gated.cache_control = "no-store"
    ask(one)
    # Given back at once, though nothing was kept.
    assert other.leases.take(flight_key) is not None


def test_one_process_makes_a_stale_answer_anew(tmp_path: Path, gated: Gated) -> None:
    gated.cache_control = "max-age=0, stale-while-revalidate=600"
    one, other = two(tmp_path, gated)
    ask(one)
    flight_key = leased(one)
    give_back = one.leases.take(flight_key)
    assert give_back is not None
    assert ask(other).text == "of this one"
    assert (gated.calls, other.refreshing.running, other.flights.under_way) == (1, 0, {})
    give_back()
    ask(other)
    wait_for(lambda: gated.calls == 2 and not other.flights.under_way)
    assert one.leases.take(flight_key) is not None


def test_no_lease_is_taken_of_what_was_never_kept(tmp_path: Path, gated: Gated) -> None:
    gated.cache_control = "no-store"
    one, _ = two(tmp_path, gated)
    swaps: list[str] = []
    one.shelf.store.swap = lambda key, *rest: swaps.append(key)  # type: ignore[method-assign, assignment]
    ask(one)
    assert swaps == []


def leased(app: Cache) -> str:
    """What the answer to a GET of "/" is leased by."""
    environ = ask(Inner()).environ
    target = target_of(environ)
    assert target is not None
    return app.flight_key(target, app.shelf.find(target, environ), environ)


def test_a_file_store_does_as_well(tmp_path: Path) -> None:
    inner = Inner(headers=[("Content-Type", "text/plain"), ("Cache-Control", "max-age=600")])
    assert ask(Cache(inner, store=FileStore(tmp_path))).text == "Hello"
    assert ask(Cache(Inner(blocks=[b"other"]), store=FileStore(tmp_path))).text == "Hello"


def test_redis_is_killed_under_load_and_comes_back(redis_server: Backend, caplog: pytest.LogCaptureFixture) -> None:
    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), ("Cache-Control", "max-age=600"), ("Cache-Tag", "t")])
        return [b"Hello"]

    app = Cache(application, store=RedisStore(redis_server.url))
    seen: Counter[tuple[int, bytes]] = Counter()
    failures: list[BaseException] = []
    done = threading.Event()
    numbers = itertools.count()

    def load() -> None:
        while not done.is_set():
            try:
                number = next(numbers)
                answered = ask(app, "POST" if number % 17 == 0 else "GET", f"/{number % 50}")
                seen[answered.status, answered.body] += 1
            except BaseException as error:
                failures.append(error)
                return

    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        wait_for(lambda: seen.total() > 20)
        redis_server.kill()
        wait_for(lambda: "cannot be reached" in caplog.text)
        before = seen.total()
        wait_for(lambda: seen.total() > before + 20)
        redis_server.start()
        wait_for(lambda: "is there again" in caplog.text)
        before = seen.total()
        wait_for(lambda: seen.total() > before + 20)
    finally:
        done.set()
        for thread in threads:
            thread.join(DEADLINE_S)
        if redis_server.process is None:
            redis_server.start()
    assert failures == []
    assert set(seen) == {(200, b"Hello")}
    assert sum("cannot be reached" in message for message in caplog.messages) == 1


def wait_for(condition: Any) -> None:
    until = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)
