"""`Deadline`: how much time a request has, which come too late, and where those are that take too long."""

from __future__ import annotations

import doctest
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dragoman.middleware import Deadline, deadline, watchdog
from dragoman.middleware.deadline import DEADLINE, QUEUED_AT_MOST_S, seconds_left, start_of
from dragoman.middleware.watchdog import EVERY_S, MOST_STACKS, WATCHDOG, Overrun, Seldom, Watchdog
from tests.middleware.kit import Inner, ask, environ_of
from tests.support.wire import DEADLINE_S

NOW = 1_790_000_000.0
TEXT = ("Content-Type", "text/plain")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time since 1970; the other clock stands at 1000."""
    now = [NOW]
    monkeypatch.setattr("time.time", lambda: now[0])
    monkeypatch.setattr("time.monotonic", lambda: 1000.0)
    return now


def deadline_of(app: Deadline, *arguments: Any, **more: Any) -> float | None:
    return ask(app, *arguments, **more).environ.get(DEADLINE)


def quiet(**options: Any) -> Deadline:
    return Deadline(Inner(), **{"log_overruns": False, **options})


def test_the_examples_are_true() -> None:
    assert doctest.testmod(deadline).failed == 0


def test_a_request_has_its_time_from_when_it_came(clock: list[float]) -> None:
    app = quiet(budget_s=10)
    assert deadline_of(app) == 1010.0
    assert deadline_of(app, headers={"X-Request-Start": f"t={NOW - 4}"}) == 1006.0
    environ = ask(app).environ
    assert seconds_left(environ) == 10.0
    assert (seconds_left({}), seconds_left({}, 30), seconds_left({DEADLINE: 900.0})) == (None, 30, 0.0)


@pytest.mark.parametrize(
    "text", ["1789999996", "t=1789999996.0", "1789999996000", "t=1789999996000000", " t=1789999996"]
)
def test_proxies_may_write_the_time_in_any_unit(clock: list[float], text: str) -> None:
    assert deadline_of(quiet(budget_s=10), headers={"X-Request-Start": text}) == 1006.0


@pytest.mark.parametrize(
    "text", ["", "now", "t=", "-5", "1e9", "t=1790000005", "0", "9" * 20, "9" * 5000, f"t={NOW - QUEUED_AT_MOST_S - 1}"]
)
def test_what_cannot_be_is_no_time(clock: list[float], text: str) -> None:
    assert deadline_of(quiet(budget_s=10), headers={"X-Request-Start": text}) == 1010.0
    assert start_of(text) is None or isinstance(start_of(text), float)


def test_a_request_that_has_waited_too_long_is_refused_before_the_application_is_called(
    clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    app = quiet(budget_s=10)
    late = {"X-Request-Start": f"t={NOW - 10}"}
    refused = ask(app, target="/a?secret=1", headers=late)
    assert (refused.status, refused.value("Retry-After"), app.app.calls) == (503, "1", 0)  # type: ignore[attr-defined]
    for _ in range(5):
        ask(app, headers=late)
    assert caplog.messages == ["deadline: GET '/a' was refused, it had waited for 10.0 s of the 10.0 s that it has"]
    assert ask(quiet(budget_s=10, status=504), headers=late).status == 504
    assert ask(quiet(budget_s=10, start_header=None), headers=late).status == 200
    assert ask(quiet(budget_s=10, start_header="X-Queue"), headers={"X-Queue": f"t={NOW - 10}"}).status == 503


def test_paths_have_times_of_their_own_or_none(clock: list[float]) -> None:
    app = quiet(budget_s=10, by_path={"/reports": 120, "/events": None})
    assert [deadline_of(app, target=target) for target in ("/", "/reports/7", "/events")] == [1010.0, 1120.0, None]
    assert deadline_of(quiet(by_path={"/reports": 5})) is None


def test_an_inner_layer_can_only_shorten_the_time(clock: list[float]) -> None:
    assert deadline_of(Deadline(quiet(budget_s=100), budget_s=10, log_overruns=False)) == 1010.0
    assert deadline_of(Deadline(quiet(budget_s=3), budget_s=10, log_overruns=False)) == 1003.0


class Stuck:
    """An application that stays where it is until it is let go."""

    def __init__(self) -> None:
        self.gate = threading.Event()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        self.wait_for_the_gate()
        start_response("200 OK", [TEXT])
        return [b"Hello"]

    def wait_for_the_gate(self) -> None:
        assert self.gate.wait(DEADLINE_S)


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


@pytest.fixture
def telling(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    """As in a process that has told of nothing yet."""
    fresh = Watchdog()
    monkeypatch.setattr(WATCHDOG, "late", fresh.late)
    monkeypatch.setattr(WATCHDOG, "answered", fresh.answered)
    caplog.set_level(logging.WARNING)
    return caplog


def test_a_request_that_takes_too_long_is_told_with_where_it_is(telling: pytest.LogCaptureFixture) -> None:
    stuck = Stuck()
    app = Deadline(stuck, budget_s=0.02)
    answers: list[Any] = []
    asking = threading.Thread(
        target=lambda: answers.append(ask(app, target="/slow?" + "secr" + "et", **{"dragoman.request_id": "id-7"}))
    )
    asking.start()
    wait_for(lambda: "is not answered" in telling.text)
    [message] = telling.messages
    assert re.match(
        r"deadline: GET '/slow' \(id-7\) is not answered after 0\.\d s; its thread is at this place:\n", message
    )
    assert "wait_for_the_gate" in message and "secret" not in message
    stuck.gate.set()
    asking.join(DEADLINE_S)
    assert answers[0].body == b"Hello"
    assert re.fullmatch(r"deadline: GET '/slow' \(id-7\) took \d\.\d s until it was answered", telling.messages[1])
    assert WATCHDOG.watched == {}


def test_one_thread_watches_all(telling: pytest.LogCaptureFixture) -> None:
    stuck = Stuck()
    app = Deadline(stuck, budget_s=0.02, by_path={"/later": 0.05})
    asking = [threading.Thread(target=ask, args=(app, "GET", target)) for target in ("/", "/later", "/")]
    for one in asking:
        one.start()
    wait_for(lambda: telling.text.count("is not answered") == 3)
    assert [one.name for one in threading.enumerate()].count("dragoman-deadlines") == 1
    stuck.gate.set()
    for one in asking:
        one.join(DEADLINE_S)


def test_a_head_in_time_is_enough_and_a_stream_may_go_on(telling: pytest.LogCaptureFixture) -> None:
    inner = Inner(blocks=[b"a", b"b"])
    app = Deadline(inner, budget_s=DEADLINE_S)
    result = app(environ_of(), lambda *words: lambda block: None)
    assert WATCHDOG.watched == {}
    # Passed on as it is: nothing is in the way of the stream.
    assert list(result) == [b"a", b"b"]
    result.close()  # type: ignore[attr-defined]
    inner.settled()


def test_a_generator_is_watched_until_its_first_block(telling: pytest.LogCaptureFixture) -> None:
    def late(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [TEXT])
        yield b"a"
        yield b"b"

    app = Deadline(late, budget_s=DEADLINE_S)
    result = app(environ_of(), lambda *words: lambda block: None)
    assert len(WATCHDOG.watched) == 1
    assert next(iter(result)) == b"a"
    assert WATCHDOG.watched == {}
    result.close()  # type: ignore[attr-defined]
    assert ask(app).blocks == [b"a", b"b"]


def test_what_raises_is_over() -> None:
    with pytest.raises(RuntimeError, match="by plan"):
        ask(Deadline(Inner(raises=RuntimeError("by plan")), budget_s=DEADLINE_S))
    assert WATCHDOG.watched == {}


def test_an_earlier_time_wakes_the_watchdog(telling: pytest.LogCaptureFixture) -> None:
    # The thread sleeps until an hour from now, when another request has less.
    far = Overrun(time.monotonic() + 3600, time.monotonic(), 0, environ_of())
    near = Overrun(time.monotonic() + 0.01, time.monotonic(), -1, environ_of(target="/near"))
    WATCHDOG.watch(far)
    WATCHDOG.watch(near)
    wait_for(lambda: "'/near'" in telling.text)
    assert "(not known)" in telling.text and "'/'" not in telling.text
    WATCHDOG.leave(far)
    WATCHDOG.leave(near)
    WATCHDOG.leave(near)


def test_a_child_of_fork_has_a_watchdog_of_its_own(telling: pytest.LogCaptureFixture) -> None:
    over = Overrun(time.monotonic() + 3600, 0.0, 0, environ_of())
    WATCHDOG.watch(over)
    if (pid := os.fork()) == 0:
        status = 1
        try:
            assert WATCHDOG.watched == {}
            WATCHDOG.watch(Overrun(time.monotonic() - 1, 0.0, 0, environ_of()))
            wait_for(lambda: WATCHDOG.late.told == 1)
            status = 0
        finally:
            os._exit(status)
    WATCHDOG.leave(over)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_many_that_are_late_do_not_flood_the_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr(watchdog.time, "monotonic", lambda: now[0])
    seldom = Seldom("late: %s", MOST_STACKS)
    assert [seldom.tell(number) for number in range(100)] == [True] * MOST_STACKS + [False] * (100 - MOST_STACKS)
    now[0] += EVERY_S
    assert seldom.tell("again")
    assert caplog.messages[0] == "late: 0"
    assert caplog.messages[-1] == "late: again; 90 more like it since the last one"


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, "want budget_s, or by_path"),
        ({"budget_s": 0}, "budget_s: want seconds above 0"),
        ({"budget_s": "5"}, "budget_s: want seconds above 0"),
        ({"budget_s": float("inf")}, "budget_s: want seconds above 0"),
        ({"budget_s": 5, "by_path": {"/a": -1}}, "by_path: /a: want seconds above 0"),
        ({"budget_s": 5, "by_path": {"a": 1}}, 'want paths that begin with "/"'),
        ({"budget_s": 5, "start_header": "X Start"}, "start_header: want the name of a field"),
        ({"budget_s": 5, "status": 500}, "status: want 503 or 504"),
    ],
)
def test_options_that_cannot_be_are_refused_with_what_is_wanted(options: dict[str, Any], wanted: str) -> None:
    with pytest.raises(ValueError, match=re.escape(wanted)):
        Deadline(Inner(), **options)
