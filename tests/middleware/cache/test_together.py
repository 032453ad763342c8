"""Requests that come together: one makes the answer, others wait or get a stale one; and background threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from dragoman.middleware import Cache
from dragoman.middleware.cache.flights import APART_S, MOST_APART, Flights
from dragoman.middleware.cache.refreshing import Refreshing, anonymous
from tests.middleware.kit import Answered, ask, environ_of
from tests.support.wire import DEADLINE_S

TEXT = ("Content-Type", "text/plain")


class Slow:
    """An application that answers when it is let; it counts how many calls it is in."""

    def __init__(self, cache_control: str) -> None:
        self.cache_control = cache_control
        self.lock = threading.Lock()
        self.calls = 0
        self.gate = threading.Event()
        self.entered = threading.Semaphore(0)
        self.environs: list[dict[str, Any]] = []
        self.fails = False
        self.body = b"Hello"

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        with self.lock:
            self.calls += 1
            self.environs.append(dict(environ))
        self.entered.release()
        assert self.gate.wait(DEADLINE_S)
        if self.fails:
            raise RuntimeError("by plan")
        start_response("200 OK", [TEXT, ("Cache-Control", self.cache_control)])
        return [self.body]

    def wait_for_call(self) -> None:
        assert self.entered.acquire(timeout=DEADLINE_S)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(20) as made:
        yield made


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


def results(futures: list[Future[Answered]]) -> list[Answered]:
    return [future.result(DEADLINE_S) for future in futures]


def test_of_many_requests_for_one_answer_one_makes_it(pool: ThreadPoolExecutor) -> None:
    inner = Slow("max-age=60")
    app = Cache(inner, wait_s=DEADLINE_S)
    first = pool.submit(ask, app)
    inner.wait_for_call()
    others = [pool.submit(ask, app) for _ in range(10)]
    wait_for(lambda: app.flights.waiting == 10)
    inner.gate.set()
    assert all(answered.body == b"Hello" for answered in results([first, *others]))
    assert inner.calls == 1
    assert {one.value("Cache-Status") for one in results(others)} == {"dragoman; fwd=uri-miss; collapsed"}
    assert (app.flights.waiting, app.flights.under_way) == (0, {})


def test_nobody_waits_longer_than_he_is_to(pool: ThreadPoolExecutor) -> None:
    inner = Slow("max-age=60")
    app = Cache(inner, wait_s=0.01)
    first = pool.submit(ask, app)
    inner.wait_for_call()
    second = pool.submit(ask, app)
    inner.wait_for_call()
    inner.gate.set()
    results([first, second])
    assert inner.calls == 2


def test_an_answer_that_is_never_ended_is_waited_for_once() -> None:
    inner = Slow("max-age=60")
    inner.gate.set()
    app = Cache(inner, wait_s=0.01)
    # Neither taken nor closed, as no server may do it.
    left_alone = app(environ_of(), lambda *words: lambda block: None)
    assert len(app.flights.under_way) == 1
    assert ask(app).value("Cache-Status") == "dragoman; fwd=uri-miss; stored"
    assert app.flights.under_way == {}
    assert (ask(app).value("Cache-Status") or "").startswith("dragoman; hit; ")
    del left_alone


def test_so_many_wait_and_no_more(pool: ThreadPoolExecutor) -> None:
    inner = Slow("max-age=60")
    app = Cache(inner, wait_s=DEADLINE_S, max_waiting=1)
    futures = [pool.submit(ask, app)]
    inner.wait_for_call()
    futures.append(pool.submit(ask, app))
    wait_for(lambda: app.flights.waiting == 1)
    futures.append(pool.submit(ask, app))
    inner.wait_for_call()
    inner.gate.set()
    results(futures)
    assert inner.calls == 2


def test_those_who_wait_for_what_cannot_be_kept_make_their_own_at_once(pool: ThreadPoolExecutor) -> None:
    inner = Slow("no-store")
    app = Cache(inner, wait_s=DEADLINE_S)
    first = pool.submit(ask, app)
    inner.wait_for_call()
    others = [pool.submit(ask, app) for _ in range(5)]
    wait_for(lambda: app.flights.waiting == 5)
    inner.gate.set()
    results([first, *others])
    assert inner.calls == 6
    # From now on nobody waits for another one of it.
    inner.gate.clear()
    later = [pool.submit(ask, app) for _ in range(3)]
    for _ in later:
        inner.wait_for_call()
    inner.gate.set()
    results(later)


def test_those_who_wait_for_what_fails_make_their_own(pool: ThreadPoolExecutor) -> None:
    inner = Slow("max-age=60")
    app = Cache(inner, wait_s=DEADLINE_S)
    inner.fails = True
    first = pool.submit(ask, app)
    inner.wait_for_call()
    second = pool.submit(ask, app)
    wait_for(lambda: app.flights.waiting == 1)
    inner.gate.set()
    for future in (first, second):
        with pytest.raises(RuntimeError, match="by plan"):
            future.result(DEADLINE_S)
    assert app.flights.under_way == {}


def test_a_client_that_leaves_does_not_leave_others_waiting(pool: ThreadPoolExecutor) -> None:
    def streaming(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [TEXT, ("Cache-Control", "max-age=60")])
        yield b"a"
        yield b"b"

    app = Cache(streaming, wait_s=DEADLINE_S)
    result = app(environ_of(), lambda *words: lambda block: None)
    next(iter(result))
    other = pool.submit(ask, app)
    wait_for(lambda: app.flights.waiting == 1)
    result.close()  # type: ignore[attr-defined]
    assert other.result(DEADLINE_S).body == b"ab"


def test_a_stale_answer_is_given_at_once_and_made_anew_beside_it() -> None:
    inner = Slow("max-age=0, stale-while-revalidate=1000")
    inner.gate.set()
    app = Cache(inner)
    ask(app)
    inner.gate.clear()
    inner.body = b"New"
    answers = [ask(app) for _ in range(3)]
    assert [one.body for one in answers] == [b"Hello"] * 3
    inner.wait_for_call()
    assert inner.calls == 2
    inner.gate.set()
    wait_for(lambda: ask(app).body == b"New")


def test_what_is_made_anew_is_made_for_nobody_in_particular() -> None:
    inner = Slow("public, max-age=0, stale-while-revalidate=1000")
    inner.gate.set()
    app = Cache(inner)
    ask(app)
    personal = {
        "Cookie": "session=anna",
        "Authorization": "Basic x",
        "If-None-Match": '"a"',
        "Range": "bytes=0-0",
        "Accept": "text/html",
    }
    ask(app, "HEAD", headers=personal, REMOTE_USER="anna", body=b"", **{"dragoman.session": {"user": "anna"}})
    inner.wait_for_call()
    inner.wait_for_call()
    environ = inner.environs[1]
    assert environ["REQUEST_METHOD"] == "GET" and environ["HTTP_ACCEPT"] == "text/html"
    assert not {"HTTP_COOKIE", "HTTP_AUTHORIZATION", "HTTP_IF_NONE_MATCH", "HTTP_RANGE", "REMOTE_USER"} & set(environ)
    assert "dragoman.session" not in environ
    assert environ["dragoman.cache"] is app
    assert environ["wsgi.input"].read() == b""


def test_fields_that_answers_vary_by_stay() -> None:
    environ = environ_of(headers={"Cookie": "a=1", "Authorization": "x"})
    assert "HTTP_COOKIE" in anonymous(environ, ["cookie"])
    assert "HTTP_AUTHORIZATION" not in anonymous(environ, ["cookie"])


def test_a_failure_in_the_background_is_told_and_the_stale_answer_stays(caplog: pytest.LogCaptureFixture) -> None:
    inner = Slow("max-age=0, stale-while-revalidate=1000")
    inner.gate.set()
    app = Cache(inner)
    ask(app)
    inner.fails = True
    ask(app)
    wait_for(lambda: "a stale answer could not be made anew" in caplog.text)
    assert "by plan" in caplog.text
    assert ask(app).body == b"Hello"
    wait_for(lambda: app.refreshing.running == 0)


def test_so_many_are_made_anew_at_once() -> None:
    inner = Slow("max-age=0, stale-while-revalidate=1000")
    inner.gate.set()
    app = Cache(inner, max_refreshing=2)
    for number in range(5):
        ask(app, target=f"/{number}")
    inner.gate.clear()
    for number in range(5):
        assert ask(app, target=f"/{number}").body == b"Hello"
    assert app.refreshing.running == 2
    inner.gate.set()
    wait_for(lambda: app.refreshing.running == 0)
    assert inner.calls == 7
    assert app.flights.under_way == {}


def test_a_child_of_fork_does_not_count_the_threads_of_its_parent() -> None:
    refreshing = Refreshing(1)
    refreshing.running, refreshing.pid = 1, -1
    done = threading.Event()
    assert refreshing.start(done.set) is True
    assert done.wait(DEADLINE_S)


def test_flights_that_are_apart_are_bounded_and_end() -> None:
    now = [0.0]
    flights = Flights(1, clock=lambda: now[0])
    for number in range(MOST_APART + 10):
        flight = flights.begin(str(number))
        assert flight is not None
        flight.end(is_of_use=False)
        flight.end(is_of_use=False)
    assert len(flights.apart) == MOST_APART
    assert flights.begin("0") is not None
    assert flights.begin(str(MOST_APART)) is None
    now[0] += APART_S
    assert flights.begin(str(MOST_APART)) is not None
