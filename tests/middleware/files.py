"""Files for the tests of `Static`, and how they are asked for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tests.middleware.kit import Answered, ask

TEXT = b"".join(b"line %d\n" % number for number in range(200))
A_TIME_S = 1_700_000_000


def put(root: Path, name: str, content: bytes = TEXT, time_s: float = A_TIME_S) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (time_s, time_s))
    return path


def got(app: Any, target: str = "/static/app.css", method: str = "GET", **fields: str) -> Answered:
    return ask(app, method, target, {name.replace("_", "-"): value for name, value in fields.items()})
