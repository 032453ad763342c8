"""Typed, with functions as helpers, and names that gunicorn ignores without a word."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path


@dataclasses.dataclass
class Defaults:
    workers: int = 2
    log_level: str = "warning"


def number(name: str, default: int) -> int:
    return int(os.environ.get(name, default))


defaults = Defaults()
wsgi_app = "tests.gunicorn_configs.apps:app"
bind: str = "127.0.0.1:0"
workers: int = number("SHOP_WORKERS", defaults.workers)
logfile = str(Path("shop.log"))
loglevel = defaults.log_level
log_level = "debug"
reload = False
reload_extra_files: list[str] = []
pythonpath = str(Path(__file__).resolve().parent)
