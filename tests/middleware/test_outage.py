"""An outage is two lines in the log, however many requests it meets."""

from __future__ import annotations

import logging
import threading

import pytest

from dragoman.middleware.outage import Outage


def test_an_outage_is_told_once_and_its_end_with_the_number_of_failures(caplog: pytest.LogCaptureFixture) -> None:
    outage = Outage("sessions: redis://127.0.0.1:6379/0", "requests have no session")
    with caplog.at_level(logging.DEBUG, "dragoman.middleware"):
        outage.worked()
        for _ in range(3):
            outage.failed(ConnectionRefusedError("refused"))
        outage.worked()
        outage.worked()
        outage.failed(TimeoutError("slow"))
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        (
            "ERROR",
            "sessions: redis://127.0.0.1:6379/0 cannot be reached, requests have no session: "
            "ConnectionRefusedError: refused",
        ),
        ("WARNING", "sessions: redis://127.0.0.1:6379/0 is there again, after 3 failures"),
        (
            "ERROR",
            "sessions: redis://127.0.0.1:6379/0 cannot be reached, requests have no session: TimeoutError: slow",
        ),
    ]


def test_threads_that_fail_at_once_make_one_line(caplog: pytest.LogCaptureFixture) -> None:
    outage = Outage("cache", "nothing is cached")
    start = threading.Barrier(8)

    def fail() -> None:
        start.wait(20)
        for _ in range(50):
            outage.failed(OSError("away"))

    threads = [threading.Thread(target=fail) for _ in range(8)]
    with caplog.at_level(logging.DEBUG, "dragoman.middleware"):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        outage.worked()
    assert [record.getMessage() for record in caplog.records] == [
        "cache cannot be reached, nothing is cached: OSError: away",
        "cache is there again, after 400 failures",
    ]
