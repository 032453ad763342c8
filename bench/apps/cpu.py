"""An application that computes for about 1 ms with the GIL held."""

from __future__ import annotations

import time
from typing import Any

from hello import BODY, HEADERS

WORK_S = 0.001


def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """``/cpu`` burns 1 ms of this thread's CPU time; every other path is answered at once."""
    if environ["PATH_INFO"] == "/cpu":
        end = time.thread_time() + WORK_S
        while time.thread_time() < end:
            pass
    start_response("200 OK", HEADERS[:])
    return [BODY]
