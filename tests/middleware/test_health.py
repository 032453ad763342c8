"""`Health`: liveness never asks a check, readiness asks all of them, once, and not for ever."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from dragoman.middleware import Health
from tests.middleware.kit import Answered, Inner, ask

DEADLINE_S = 20


class Gate:
    """A check that waits until it is let go."""

    def __init__(self) -> None:
        self.calls = 0
        self.entered = threading.Event()
        self.opened = threading.Event()

    def __call__(self) -> None:
        self.calls += 1
        self.entered.set()
        assert self.opened.wait(DEADLINE_S)


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.opened.set()


def status(answer: Answered) -> tuple[int, Any]:
    assert (answer.value("Content-Type"), answer.value("Cache-Control")) == ("application/json", "no-store")
    return answer.status, json.loads(answer.text)


def failing() -> None:
    raise ConnectionRefusedError("postgresql://user:secret@db is away")


def test_both_paths_are_answered_and_others_passed_on() -> None:
    inner = Inner()
    app = Health(inner)
    assert status(ask(app, "GET", "/livez")) == (200, {"status": "live"})
    assert status(ask(app, "GET", "/readyz")) == (200, {"status": "ready"})
    assert ask(app, "GET", "/livez/x").text == "Hello"
    assert inner.calls == 1
    inner.settled()


def test_a_head_request_has_the_same_head() -> None:
    app = Health(Inner())
    head, whole = ask(app, "HEAD", "/readyz"), ask(app, "GET", "/readyz")
    assert (head.status, head.headers, head.blocks) == (whole.status, whole.headers, [])


def test_other_methods_are_refused() -> None:
    answer = ask(Health(Inner()), "POST", "/livez")
    assert (answer.status, answer.value("Allow")) == (405, "GET, HEAD")


def test_paths_can_be_chosen_and_left_out() -> None:
    app = Health(Inner(), live=None, ready="/health")
    assert ask(app, "GET", "/health").status == 200
    assert ask(app, "GET", "/livez").text == "Hello"
    assert ask(app, "GET", "/health", SCRIPT_NAME="/shop").text == "Hello"


def test_a_check_that_fails_takes_readiness_and_not_liveness() -> None:
    app = Health(Inner(), checks={"cache": lambda: None, "database": failing, "queue": lambda: False})
    checks = {"cache": "ok", "database": "failed", "queue": "failed"}
    assert status(ask(app, "GET", "/readyz")) == (503, {"status": "not ready", "checks": checks})
    assert ask(app, "GET", "/livez").status == 200


def test_what_a_check_has_raised_is_in_the_log_alone_and_once(caplog: pytest.LogCaptureFixture) -> None:
    app = Health(Inner(), checks={"database": failing}, remember_s=0)
    with caplog.at_level(logging.DEBUG, "dragoman.middleware"):
        answers = [ask(app, "GET", "/readyz") for _ in range(3)]
    assert all("secret" not in answer.text for answer in answers)
    [record] = caplog.records
    assert record.getMessage().startswith(
        "health: database cannot be reached, this process says that it is not ready: "
    )


def test_a_check_that_passes_again_is_ready_again(caplog: pytest.LogCaptureFixture) -> None:
    outcomes = iter([False, True])
    app = Health(Inner(), checks={"queue": lambda: next(outcomes)}, remember_s=0)
    with caplog.at_level(logging.DEBUG, "dragoman.middleware"):
        assert [ask(app, "GET", "/readyz").status for _ in range(2)] == [503, 200]
    assert caplog.records[-1].getMessage() == "health: queue is there again, after 1 failures"


def test_details_can_be_left_out() -> None:
    app = Health(Inner(), checks={"database": failing}, details=False)
    assert status(ask(app, "GET", "/readyz")) == (503, {"status": "not ready"})


def test_a_check_may_be_named_as_in_a_file_of_settings() -> None:
    app = Health(Inner(), checks={"directory": "os:getcwd", "failing": f"{__name__}:failing"})
    assert status(ask(app, "GET", "/readyz"))[1]["checks"] == {"directory": "ok", "failing": "failed"}


def test_what_a_check_has_said_holds_for_a_while() -> None:
    calls: list[int] = []
    app = Health(Inner(), checks={"x": lambda: calls.append(1)}, remember_s=3600)
    assert [ask(app, "GET", "/readyz").status for _ in range(3)] == [200, 200, 200]
    assert calls == [1]


def test_a_check_that_hangs_has_failed_and_is_not_called_again_while_it_does(gate: Gate) -> None:
    app = Health(Inner(), checks={"slow": gate}, timeout_s=0.05, remember_s=0)
    for _ in range(3):
        assert status(ask(app, "GET", "/readyz"))[1]["checks"] == {"slow": "failed"}
    assert gate.calls == 1
    gate.opened.set()
    assert app.checks[0].run is not None and app.checks[0].run.done.wait(DEADLINE_S)
    # Let go, it is called anew, and passes.
    assert ask(Health(Inner(), checks={"slow": gate}, timeout_s=DEADLINE_S), "GET", "/readyz").status == 200


def test_checks_run_at_once_so_that_one_timeout_is_enough() -> None:
    both = threading.Barrier(2)

    def meet() -> None:
        both.wait(DEADLINE_S)

    app = Health(Inner(), checks={"a": meet, "b": meet}, timeout_s=DEADLINE_S)
    assert ask(app, "GET", "/readyz").status == 200


def test_many_who_ask_at_once_make_one_call(gate: Gate) -> None:
    app = Health(Inner(), checks={"slow": gate}, timeout_s=DEADLINE_S)
    answers: list[int] = []
    threads = [threading.Thread(target=lambda: answers.append(ask(app, "GET", "/readyz").status)) for _ in range(6)]
    for thread in threads:
        thread.start()
    assert gate.entered.wait(DEADLINE_S)
    gate.opened.set()
    for thread in threads:
        thread.join(DEADLINE_S)
    assert (answers, gate.calls) == ([200] * 6, 1)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"live": "livez"}, ValueError, 'live: want a path such as "/livez", or None'),
        ({"live": None, "ready": None}, ValueError, "want one of them at least"),
        ({"live": "/x", "ready": "/x"}, ValueError, "want two paths, got '/x' for both"),
        ({"timeout_s": 0}, ValueError, "timeout_s, remember_s: want seconds"),
        ({"remember_s": -1}, ValueError, "timeout_s, remember_s: want seconds"),
        ({"checks": {"db": True}}, TypeError, "checks: db: want a function, got True"),
        ({"checks": {"db": "os:nothing"}}, ValueError, 'checks: db: want "MODULE:NAME", got .os:nothing.: '),
        ({"checks": {"db": "no_such_module:x"}}, ValueError, "got .no_such_module:x.: No module named"),
        ({"checks": {"db": "1:x"}}, ValueError, "checks: db: want"),
        ({"checks": {"db": "os:sep"}}, TypeError, "checks: db: want a function, got '/'"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Health(**options)
