"""`Deadline` under servers."""

from __future__ import annotations

import time

from dragoman.middleware import Deadline
from tests.middleware.part import Part, Probe
from tests.support.wire import Response


def is_answered(response: Response) -> None:
    assert (response.status, response.body) == (200, b"Hello, you")


def is_too_late(response: Response) -> None:
    assert (response.status, response.value("Retry-After")) == (503, "1")


PARTS = [
    Part(
        "deadline",
        lambda: Deadline(budget_s=3000),
        (
            Probe("/hello", is_answered),
            # No clock is set to the year 1970; what cannot be is no time.
            Probe("/hello", is_answered, fields={"X-Request-Start": "t=1"}),
        ),
    ),
    Part(
        "deadline-over",
        lambda: Deadline(by_path={f"/deadline-over/{kind}/hello": 30 for kind in ("plain", "flask", "django")}),
        (Probe("/hello", is_too_late, fields={"X-Request-Start": f"t={time.time() - 60:.3f}"}),),
    ),
]
