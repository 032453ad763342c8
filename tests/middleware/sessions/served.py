"""Counts visits in sessions in Redis, for servers with several processes; the environment says where and how."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any

from dragoman.middleware import Sessions
from dragoman.middleware.sessions import SESSION
from dragoman.middleware.stores import RedisStore


def count(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    session = environ[SESSION]
    visits = session.change("visits", lambda count: count + 1, 0)
    session[environ.get("QUERY_STRING") or "unnamed"] = True
    told = {"pid": os.getpid(), "visits": visits, "is_available": session.is_available, "keys": len(session)}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(told).encode()]


app = Sessions(
    count,
    store=RedisStore(os.environ["SESSIONS_URL"]),
    when_down=os.environ["SESSIONS_WHEN_DOWN"],  # type: ignore[arg-type]
    secure=False,
)
