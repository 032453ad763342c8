"""The parts for those who run an application: pages for what fails, the log, health, maintenance."""

from __future__ import annotations

import json

from dragoman.middleware import AccessLog, ErrorPages, Health, Maintenance
from tests.middleware.part import Part, Probe
from tests.middleware.parts.front import greets
from tests.support.wire import Response


def is_a_page(response: Response) -> None:
    assert (response.status, response.value("Content-Type")) == (500, "text/html; charset=utf-8")
    assert "500 Internal Server Error" in response.text and "by plan" not in response.text


def is_a_problem(response: Response) -> None:
    assert (response.status, response.value("Content-Type")) == (500, "application/problem+json")
    assert json.loads(response.text)["title"] == "Internal Server Error"


def is_empty(response: Response) -> None:
    assert (response.status, response.body) == (204, b"")


def is_ready(response: Response) -> None:
    assert (response.status, response.text) == (200, '{"status": "ready", "checks": {"database": "ok"}}\n')


def is_away(response: Response) -> None:
    assert (response.status, response.value("Retry-After")) == (503, "300")


def health() -> Health:
    """Its paths are looked for from the root of the host on, where parts are mounted in this suite."""
    return Health(ready="/health/plain/readyz", checks={"database": lambda: None})


PARTS = [
    Part(
        "error-pages",
        ErrorPages,
        (
            Probe("/hello", greets),
            Probe("/empty", is_empty),
            Probe("/raise", is_a_page, fields={"Accept": "text/html"}),
            Probe("/raise", is_a_problem, fields={"Accept": "application/json"}),
        ),
    ),
    Part("access-log", lambda: AccessLog(to=lambda line: None, force=True), (Probe("/hello", greets),)),
    Part("health", health, (Probe("/hello", greets),)),
    Part(
        "maintenance",
        lambda: Maintenance(when=lambda environ: environ["PATH_INFO"] == "/hello"),
        (Probe("/hello", is_away), Probe("/empty", is_empty)),
    ),
]
