"""What frameworks cost for the same answers: in this process, call by call, and under our server."""

from __future__ import annotations

import importlib
import statistics
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from wsgiref.util import setup_testing_defaults

from harness import peers
from harness.measure import measure
from harness.workloads import Group, Workload

OURS, BASE = "web", "flask"
FRAMEWORKS = ("raw", OURS, "falcon", "bottle", BASE, "django")


@dataclass(frozen=True)
class Question:
    """One request, put to every framework that has an application for it.

    attribute   of the framework's module: the application
    most        the share of Flask's cost that ours may have; None without a claim
    """

    name: str
    path: str
    attribute: str = "app"
    most: float | None = None
    frameworks: tuple[str, ...] = FRAMEWORKS


QUESTIONS = (
    Question("text", "/", most=1 / 20),
    Question("number in the path", "/user/7", most=1 / 20),
    Question("JSON", "/json", most=1 / 12),
    Question("the last of 200 routes", "/page-199/7", "many", frameworks=(OURS, "falcon", "bottle", BASE)),
    Question("text, six hooks", "/", "hooked", frameworks=(OURS, BASE)),
)
# Of one request more, as a share of Flask's cost.
MOST_FOR_HOOKS = 0.015
# A route among 200 may cost so much more than the same among three.
MOST_FOR_ROUTES = 1.05

Costs = dict[tuple[str, str], list[float]]


def in_process(rounds: int, calls: int) -> tuple[list[str], list[str]]:
    """CPU µs of a call, framework by framework, interleaved: a table, and the claims that do not hold."""
    costs: Costs = {}
    for _ in range(rounds):
        for question in QUESTIONS:
            for framework in question.frameworks:
                app = application(framework, question)
                count = calls if framework in ("raw", OURS, "falcon", "bottle") else max(1, calls // 8)
                costs.setdefault((question.name, framework), []).append(call_us(app, question.path, count))
    # The least of the rounds: what disturbs only adds.
    return judged({key: min(values) for key, values in costs.items()}, "CPU µs in the process", 2)


def under_dragoman(rounds: int, seconds: float) -> tuple[list[str], list[str]]:
    """CPU µs of a request of the whole server, interleaved: a table, and the claims that do not hold."""
    costs: Costs = {}
    peer = peers.load()[peers.OURS]
    for _ in range(rounds):
        for question in QUESTIONS:
            for framework in question.frameworks:
                sample = measure(peer, workload_of(framework, question), seconds, seconds / 2)
                if sample.breaches:
                    raise RuntimeError(f"{framework}, {question.name}: {sample.breaches[0]}")
                costs.setdefault((question.name, framework), []).append(sample.cpu_us)
    medians = {key: statistics.median(values) for key, values in costs.items()}
    return judged(medians, "CPU µs under Dragoman", 1, has_server=True)


def workload_of(framework: str, question: Question) -> Workload:
    """The question as the load client asks it."""
    # Frameworks write JSON with other blanks.
    body = b"".join(application(framework, question)(environ_of(question.path), start_response)).decode()
    path = ("--path", question.path) if question.path != "/" else ()
    group = Group("all", 32, (*path, "--reply-text", body))
    return Workload(question.name, question.name, f"frameworks_{framework}:{question.attribute}", (group,))


def judged(
    costs: dict[tuple[str, str], float], unit: str, digits: int, *, has_server: bool = False
) -> tuple[list[str], list[str]]:
    """The table of costs and shares of Flask's, and the claims that do not hold.

    has_server   whether the server's time and the kernel's are in there, which no framework can save: claims are then
                 of what is above bare WSGI
    """
    lines = [f"{unit}, and the share of Flask's:", "", f"| question | {' | '.join(FRAMEWORKS)} |"]
    lines.append(f"| --- |{' ---: |' * len(FRAMEWORKS)}")
    failed = []
    for question in QUESTIONS:
        base = costs[question.name, BASE]
        cells = []
        for framework in FRAMEWORKS:
            cost = costs.get((question.name, framework))
            cells.append("" if cost is None else f"{cost:,.{digits}f} ({cost / base:.1%})")
        lines.append(f"| {question.name} | {' | '.join(cells)} |")
        ours = costs[question.name, OURS]
        bare = costs.get((question.name, "raw"), 0.0) if has_server else 0.0
        if question.most is not None and ours - bare > question.most * (base - bare):
            share = (ours - bare) / (base - bare)
            failed.append(f"{question.name}: {share:.1%} of Flask's, at most {question.most:.1%}")
        if (other := costs.get((question.name, "falcon"))) is not None and ours >= other:
            failed.append(f"{question.name}: not cheaper than Falcon")
    more = (costs["text, six hooks", OURS] - costs["text", OURS]) / costs["text", BASE]
    lines += ["", f"Six hooks cost {more:.1%} of Flask's request more."]
    if more > MOST_FOR_HOOKS:
        failed.append(f"six hooks cost {more:.1%} of Flask's request, at most {MOST_FOR_HOOKS:.1%}")
    growth = costs["the last of 200 routes", OURS] / costs["number in the path", OURS]
    if growth > MOST_FOR_ROUTES:
        failed.append(f"one of 200 routes costs {growth:.2f} times one of three")
    return lines, failed


def application(framework: str, question: Question) -> Any:
    return getattr(importlib.import_module(f"frameworks_{framework}"), question.attribute)


def call_us(app: Any, path: str, calls: int) -> float:
    """CPU µs of one call, its answer read and closed."""
    environs = [environ_of(path) for _ in range(calls)]
    before = time.process_time()
    for environ in environs:
        result: Iterable[bytes] = app(environ, start_response)
        for _ in result:
            pass
        close = getattr(result, "close", None)
        if close is not None:
            close()
    return (time.process_time() - before) / calls * 1e6


def environ_of(path: str) -> dict[str, Any]:
    """As our server makes it."""
    environ: dict[str, Any] = {"PATH_INFO": path, "RAW_URI": path, "QUERY_STRING": "", "HTTP_HOST": "localhost"}
    setup_testing_defaults(environ)
    return environ


def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Any:
    return None
