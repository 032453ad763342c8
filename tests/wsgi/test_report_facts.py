"""What a report says of the one breach: the place, the exception, and when a call came too late."""

from __future__ import annotations

import re
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from http.client import IncompleteRead
from typing import Any

import pytest

from dragoman.testing import LiveServer

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
Application = Callable[[Environ, StartResponse], Iterable[Any]]

HERE = r"\(\S*test_report_facts\.py:\d+\)"


def reports_of(application: Application, requests: int = 1) -> list[str]:
    """Reports about the breaches of `application` in so many requests."""
    with LiveServer(application) as server:
        for _ in range(requests):
            try:
                urllib.request.urlopen(server.url, timeout=10).read()
            except (urllib.error.HTTPError, IncompleteRead):
                pass
    return server.reports


@pytest.mark.parametrize("returned", ["a str", None, [1], [b"too long"]], ids=["str", "None", "int block", "too long"])
def test_report_about_what_was_returned_names_the_application_and_its_line(returned: Any) -> None:
    def application(_: Environ, start_response: StartResponse) -> Any:
        start_response("200 OK", [("Content-Length", "3")])
        return returned

    (report,) = reports_of(application)
    assert re.search(rf"application  {HERE}", report), report


def test_report_about_a_late_error_page_names_the_exception() -> None:
    def application(_: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [])
        yield b"first"
        try:
            raise LookupError("no such page")
        except LookupError:
            start_response("500 Oops", [], sys.exc_info())

    report = next(report for report in reports_of(application) if "start-response-late" in report)
    assert "after the head was sent: LookupError: no such page." in report


def test_first_call_after_the_end_is_not_said_to_be_a_second_one() -> None:
    kept: list[StartResponse] = []
    texts: list[str] = []

    def application(_: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if not kept:
            kept.append(start_response)
            return "never began"  # type: ignore[return-value]
        with pytest.raises(AssertionError) as raised:
            kept[0]("200 Late", [])
        texts.append(str(raised.value))
        start_response("200 OK", [])
        return [b"body"]

    _, report = reports_of(application, requests=2)
    assert report.startswith("contract: start-response-twice")
    ended = "start_response was called after the request had ended"
    assert texts == [f"contract: start-response-twice: {ended}, got '200 Late'"]


def test_second_call_is_said_to_be_one() -> None:
    def application(_: Environ, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [])
        start_response("404 Not Found", [])
        return [b"body"]

    (report,) = reports_of(application)
    assert "was called again without exc_info, this time with '404 Not Found'" in report
