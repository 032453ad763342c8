"""What the tests of faults share: waiting for a claim, facts of a process, and namespaces of their own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache

import pytest

from tests.support.wire import DEADLINE_S

TMPFS = "/mnt"
"""Where `on_tmpfs` puts its file system: in the mount namespace of the server alone."""


def eventually(is_so: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Returns when the claim is true; a claim that never becomes true is a failure that says `what`."""
    until = time.monotonic() + deadline_s
    while not is_so():
        assert time.monotonic() < until, f"never so: {what}"
        time.sleep(0.01)


def cpu_s(pid: int) -> float:
    """Seconds of processor time that the process has used, all of its threads together."""
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def descriptors(pid: int) -> int:
    """How many descriptors the process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def children(pid: int) -> list[int]:
    """Process ids of the children of the process, whichever of its threads has made them; ended ones too."""
    found: list[int] = []
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/children") as file:
            found += map(int, file.read().split())
    return found


def state(pid: int) -> str:
    """`R`, `S`, `T` (stopped), `Z` (ended and not waited for) …; empty when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


@contextmanager
def stopped(*pids: int) -> Iterator[None]:
    """The processes stand still. A signal that was sent is only on its way: a thread may still take a request."""
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        eventually(lambda: {state for pid in pids for state in states(pid)} == {"T"}, "every thread is stopped")
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def states(pid: int) -> list[str]:
    """`state` of each thread of the process."""
    return [state(int(thread)) for thread in os.listdir(f"/proc/{pid}/task")]


def unshare(*kinds: str) -> list[str]:
    """Command that runs the one behind it in new namespaces, e.g. `--mount`; skips where that is not possible."""
    command = ["unshare", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), *kinds]
    failure = _failure(tuple(command))
    if failure:
        pytest.skip(f"`{' '.join(command)}` is not possible here, neither as root nor by a user namespace: {failure}")
    return command


def on_tmpfs(size_kib: int) -> list[str]:
    """Wrapper of a server that sees a file system of that size at `TMPFS`, and nobody else does."""
    mount = f'mount -t tmpfs -o size={size_kib}k,mode=777 tmpfs {TMPFS} && exec "$@"'
    return [*unshare("--mount"), "sh", "-c", mount, "sh"]


def tmpfs_of(pid: int) -> str:
    """The path by which this process reaches the `TMPFS` of the server."""
    return f"/proc/{pid}/root{TMPFS}"


@cache
def _failure(command: tuple[str, ...]) -> str:
    if shutil.which("unshare") is None:
        return "unshare is missing (Debian: apt-get install util-linux)"
    tried = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
    return "" if tried.returncode == 0 else tried.stderr.strip() or f"status {tried.returncode}"
