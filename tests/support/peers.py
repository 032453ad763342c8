"""The command line that starts the server under test."""

from __future__ import annotations

import itertools
import os
import sys

NAME = os.environ.get("DRAGOMAN_TEST_SERVER", "dragoman")
"""Which server the tests start. Another one than `dragoman` serves to judge the tests, not the server."""

IS_DRAGOMAN = NAME == "dragoman"

# Flags that gunicorn spells in the same way and that tests use.
_GUNICORN_FLAGS = (
    "--keep-alive",
    "--limit-request-line",
    "--limit-request-fields",
    "--access-logfile",
    "--access-logformat",
    "--workers",
    "--chdir",
    "--pythonpath",
    "--env",
    "--graceful-timeout",
)


def command(application: str, binds: list[str], flags: list[str]) -> list[str]:
    """Command and arguments for the application on these binds."""
    if IS_DRAGOMAN:
        bind_flags = [part for bind in binds for part in ("--bind", bind)]
        return [sys.executable, "-m", "dragoman", application, *bind_flags, *flags]
    if NAME == "gunicorn":
        kept = _kept(flags, _GUNICORN_FLAGS)
        if "--access-logfile" not in kept:
            kept += ["--log-level", "info"]
        bind_flags = [part for bind in binds for part in ("--bind", bind)]
        return [sys.executable, "-m", "gunicorn", application, *bind_flags, "-k", "gthread", "--threads", "80", *kept]
    if NAME == "waitress":
        listen = [f"--unix-socket={b[5:]}" if b.startswith("unix:") else f"--listen={b}" for b in binds]
        return [sys.executable, "-m", "waitress", *listen, "--threads=80", application]
    raise SystemExit(f"DRAGOMAN_TEST_SERVER={NAME!r}: want dragoman, gunicorn or waitress")


def _kept(flags: list[str], known: tuple[str, ...]) -> list[str]:
    pairs = itertools.pairwise(flags)
    return [part for flag, value in pairs if flag in known for part in (flag, value)]
