"""Clients for tests of applications: in-process and over the real server; ``app.test_client()`` makes one."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from dragoman.web.testing.client import Client
from dragoman.web.testing.cookies import Cookie
from dragoman.web.testing.response import TestResponse

if TYPE_CHECKING:
    from dragoman.web.testing.commands import CliRunner
    from dragoman.web.testing.live import LiveClient
else:
    MODULE_OF = {"CliRunner": "commands", "LiveClient": "live"}

    def __getattr__(name: str) -> object:
        # Most tests need neither the engine nor click's own tools for tests.
        if name in MODULE_OF:
            return getattr(importlib.import_module(f"{__name__}.{MODULE_OF[name]}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["CliRunner", "Client", "Cookie", "LiveClient", "TestResponse"]
