"""An application that waits 10 ms for each request, as one with a database does."""

from __future__ import annotations

import time
from typing import Any

from hello import BODY, HEADERS

WAIT_S = 0.010


def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Wait without the GIL, then answer."""
    time.sleep(WAIT_S)
    start_response("200 OK", HEADERS[:])
    return [BODY]
