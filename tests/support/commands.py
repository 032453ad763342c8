"""A server that another program's command starts: a script, gunicorn, manage.py, flask."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.server import REPOSITORY, Server, start_process
from tests.support.wire import DEADLINE_S, Address


class CommandServer(Server):
    """As `Server`, for `python ARGUMENTS`."""

    def __init__(
        self,
        *arguments: str,
        env: Mapping[str, str] | None = None,
        cwd: Path = REPOSITORY,
        address: Address | None = None,
    ) -> None:
        """Starts it, and returns when it listens. `address` is where it will, if its log does not say so."""
        self.application = arguments[0]
        self.status = None
        self._take(start_process([sys.executable, *arguments], env=env, cwd=cwd), address)


def run_to_end(*arguments: str, env: Mapping[str, str] | None = None, cwd: Path = REPOSITORY) -> tuple[int, str]:
    """Exit status and both outputs of `python ARGUMENTS`, for runs that end by themselves."""
    process = start_process([sys.executable, *arguments], env=env, cwd=cwd)
    try:
        output, errors = process.communicate(timeout=DEADLINE_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, errors = process.communicate()
        raise AssertionError(f"did not end by itself:\n{(output + errors).decode()}") from None
    return process.returncode, (output + errors).decode("utf-8", "backslashreplace")
