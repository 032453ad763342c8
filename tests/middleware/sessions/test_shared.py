"""Sessions that two processes share over Redis, which goes away and comes back while they are asked."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.support.backends import Backend, Redis, running
from tests.support.server import Process
from tests.support.wire import DEADLINE_S, Response

ADDRESS = "127.0.0.1:0"
APPLICATION = "tests.middleware.sessions.served:app"
COMMANDS = {
    "dragoman": ["dragoman", APPLICATION, "--bind", ADDRESS, "--workers", "2"],
    "gunicorn": ["gunicorn", APPLICATION, "--bind", ADDRESS, "--workers", "2", "-k", "gthread", "--threads", "4"],
}
CLIENTS = 4


@contextmanager
def serving(command: str, redis: Backend, when_down: str) -> Iterator[Process]:
    server = Process(COMMANDS[command], {"SESSIONS_URL": redis.url, "SESSIONS_WHEN_DOWN": when_down})
    try:
        yield server
    finally:
        server.kill()


def cookie_of(response: Response) -> tuple[str, str]:
    return ("Cookie", (response.value("Set-Cookie") or "").partition(";")[0])


def until(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


@dataclass
class Load:
    """Clients that ask all the time, each with a connection for each request, so that both processes are asked."""

    server: Process
    fields: tuple[tuple[str, str], ...]
    is_over: threading.Event = field(default_factory=threading.Event)
    statuses: Counter[int] = field(default_factory=Counter)
    # (pid, is the store there) of the answers, in their order.
    told: list[tuple[int, bool]] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)

    def __enter__(self) -> Load:
        self.threads = [threading.Thread(target=self.ask) for _ in range(CLIENTS)]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_over.set()
        for thread in self.threads:
            thread.join()

    def ask(self) -> None:
        try:
            while not self.is_over.is_set():
                response = self.server.request("GET", "/", self.fields)
                self.statuses[response.status] += 1
                if response.status == 200:
                    told = json.loads(response.body)
                    self.told.append((told["pid"], told["is_available"]))
        except BaseException as error:
            self.errors.append(error)

    def has(self, since: int, is_available: bool) -> bool:
        """Whether both processes have said so since then."""
        return len({pid for pid, is_so in self.told[since:] if is_so is is_available}) == 2


@pytest.mark.parametrize("command", COMMANDS)
def test_two_processes_lose_nothing_of_one_session(redis_server: Backend, command: str) -> None:
    with serving(command, redis_server, "error") as server:
        fields = [cookie_of(server.request("GET", "/"))]
        seen: set[int] = set()
        answered: list[Any] = []

        def ask(number: int) -> None:
            turn = 0
            while turn < 25 or len(seen) < 2:
                response = server.request("GET", f"/?{number}-{turn}", fields)
                assert response.status == 200
                told = json.loads(response.body)
                seen.add(told["pid"])
                answered.append(told)
                turn += 1

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        last = json.loads(server.request("GET", "/?last", fields).body)
        # The first request, these, and the last: each has counted, and each has left its key.
        assert last["visits"] == len(answered) + 2
        assert last["keys"] == len(answered) + 3
        assert len(seen) == 2


@pytest.mark.parametrize("command", COMMANDS)
def test_redis_goes_away_and_comes_back_under_load_and_requests_have_empty_sessions_meanwhile(command: str) -> None:
    with running(Redis) as redis, serving(command, redis, "empty") as server:
        fields = (cookie_of(server.request("GET", "/")),)
        with Load(server, fields) as load:
            until(lambda: load.has(0, True), "both processes have sessions")
            redis.kill()
            place = len(load.told)
            until(lambda: load.has(place, False), "both processes have noticed")
            redis.start()
            place = len(load.told)
            until(lambda: load.has(place, True), "both processes have sessions again")
        assert load.errors == []
        assert set(load.statuses) == {200}


@pytest.mark.parametrize("command", COMMANDS)
def test_redis_goes_away_and_comes_back_under_load_and_requests_get_503_meanwhile(command: str) -> None:
    with running(Redis) as redis, serving(command, redis, "error") as server:
        fields = (cookie_of(server.request("GET", "/")),)
        with Load(server, fields) as load:
            until(lambda: load.has(0, True), "both processes have sessions")
            redis.kill()
            until(lambda: load.statuses[503] > 50, "requests are refused")
            redis.start()
            place = len(load.told)
            until(lambda: load.has(place, True), "both processes have sessions again")
        assert load.errors == []
        assert set(load.statuses) == {200, 503}


def test_a_redis_that_says_nothing_costs_a_request_its_timeout_and_not_all_of_them() -> None:
    with running(Redis) as redis, serving("dragoman", redis, "empty") as server:
        fields = (cookie_of(server.request("GET", "/")),)
        with Load(server, fields) as load:
            until(lambda: load.has(0, True), "both processes have sessions")
            redis.freeze()
            place = len(load.told)
            until(lambda: len(load.told) - place > 400, "requests are answered, far more than timeouts have passed")
            redis.thaw()
            place = len(load.told)
            until(lambda: load.has(place, True), "both processes have sessions again")
        assert load.errors == []
        assert set(load.statuses) == {200}
