"""A response that is collected while a breach is being reported is reported, too: nobody waits for his own lock."""

from __future__ import annotations

import functools
import gc
import itertools
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from dragoman.check.plan import make_plan
from dragoman.check.request import Request, Site, make_environ
from dragoman.check.routes import find_routes
from dragoman.check.run import Options, Run
from dragoman.contract import Checked, Finding
from dragoman.contract.finding import finding
from dragoman.contract.report import Reporter

FACTS: Mapping[str, Any] = {"method": "GET", "path": "/hello"}
TIMEOUT_S = 30


class Body:
    def __iter__(self) -> Iterator[bytes]:
        return iter([b"text"])

    def close(self) -> None:
        pass


def app(environ: object, start_response: Callable[..., Any]) -> Body:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return Body()


def left_in_a_cycle(watched: Checked) -> None:
    """A response that nobody has closed, and that only the collector can find."""
    response = watched(make_environ(Request("left"), Site()), lambda status, headers, exc_info=None: lambda data: None)
    cycle = [response]
    cycle.append(cycle)  # type: ignore[arg-type]


def in_a_thread(function: Callable[[], object]) -> None:
    """Run it, and fail if it does not come back."""
    done = threading.Event()

    def run() -> None:
        function()
        done.set()

    threading.Thread(target=run, daemon=True).start()
    assert done.wait(TIMEOUT_S), "it waits for a lock that it holds itself"


class Collector:
    """Called where a collection may come; in one there is no other."""

    def __init__(self, watched: Checked) -> None:
        self.watched = watched
        self.is_at_it = False

    def __call__(self) -> None:
        if not self.is_at_it:
            self.is_at_it = True
            left_in_a_cycle(self.watched)
            gc.collect()
            self.is_at_it = False


class File(str):
    """A file's name: whoever looks it up meets a collection, as each look-up may."""

    collect: Collector

    def __hash__(self) -> int:
        self.collect()
        return super().__hash__()

    __eq__ = str.__eq__


@pytest.mark.parametrize("times", [1, 2])
def test_a_reporter_takes_a_breach_while_it_reports_another(times: int) -> None:
    messages: list[str] = []
    report = Reporter(lambda message, fields: messages.append(message))
    watched = Checked(app, lambda finding: report(finding.rule, finding.facts))
    file = File("shop.py")
    file.collect = Collector(watched)
    for _ in range(times):
        in_a_thread(lambda: report("body-is-str", {**FACTS, "where": (file, 1, "hello")}))
    told = " ".join(messages)
    assert "body-is-str" in told and "close-missing" in told


def test_what_is_counted_may_be_more_by_the_time_that_it_is_told() -> None:
    messages: list[str] = []
    seconds = itertools.count(step=100)
    collect: Collector | None = None

    def clock() -> float:
        if collect is not None:
            collect()
        return next(seconds)

    report = Reporter(lambda message, fields: messages.append(message), clock=clock, later=lambda s, f: lambda: None)
    collect = Collector(Checked(app, lambda finding: report(finding.rule, finding.facts)))
    for _ in range(3):
        for line in range(3):
            facts = {**FACTS, "where": ("shop.py", line, "hello")}
            in_a_thread(functools.partial(report, "header-hop-by-hop", facts))
    collect = None
    in_a_thread(report.close)
    assert sum("header-hop-by-hop … " in message for message in messages) == 6
    assert sum("close-missing … " in message for message in messages) >= 1


def test_a_check_keeps_a_finding_while_it_keeps_another() -> None:
    routes = find_routes(app)
    run = Run(app, "shop:app", Options(), routes, make_plan(routes, (), is_unsafe=False))
    watched = Checked(app, lambda found: run.found(found, None))
    file = File("shop.py")
    file.collect = Collector(watched)
    other = finding("body-is-str", "application", "shop:app", {**FACTS, "where": (file, 1, "hello")})
    in_a_thread(lambda: run.found(other, None))
    assert {seen.what.rule for seen in run.report().breaches if isinstance(seen.what, Finding)} == {
        "body-is-str",
        "close-missing",
    }
