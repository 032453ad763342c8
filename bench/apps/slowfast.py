"""Slow and fast requests in one application: does the slow one make the fast one wait?"""

from __future__ import annotations

import time
from typing import Any

from hello import BODY, HEADERS

WAIT_S = 0.010


def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """``/slow`` waits 10 ms; every other path is answered at once."""
    if environ["PATH_INFO"] == "/slow":
        time.sleep(WAIT_S)
    start_response("200 OK", HEADERS[:])
    return [BODY]
