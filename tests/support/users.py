"""Another user than root for tests of --user: who it is, and programs that run as it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from tests.faults.kit import unshare
from tests.support.wire import DEADLINE_S

NAME = "nobody"
USER = pwd.getpwnam(NAME)
GROUPS = sorted(os.getgrouplist(NAME, USER.pw_gid))

_BECOME = """
import os, sys
uid, gid, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
os.setgroups([])
os.setgid(gid)
os.setuid(uid)
os.execvp(command[0], command)
"""
# A directory that only root may search, such as /root, is open to all users in a mount namespace: an empty one lies
# over it, with all of its directories in it.
_OPEN = """
hidden=$1; shift
mount -t tmpfs tmpfs /mnt && mkdir /mnt/all && mount --bind "$hidden" /mnt/all
mount -t tmpfs -o mode=755 tmpfs "$hidden"
for entry in /mnt/all/* /mnt/all/.[!.]*; do
    name=${entry##*/}
    [ -d "$entry" ] && [ ! -L "$entry" ] && mkdir "$hidden/$name" && mount --bind "$entry" "$hidden/$name"
done
exec "$@"
"""


def seen_by_all() -> list[str]:
    """Command that runs the one behind it, as root, where every user may read Python and the project.

    Skips, and says what could not run, where that cannot be had.
    """
    if os.geteuid() != 0:
        pytest.skip("only root can become another user: run the tests as root to see --user and --group at work")
    wrapper, failure = _wrapper()
    if failure:
        pytest.skip(f"user {NAME} may not read Python or the project, so that --user was not seen at work: {failure}")
    return wrapper


def setpriv(*flags: str) -> list[str]:
    """Command that runs the one behind it with other capabilities; skips where there is none."""
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is missing (Debian: apt-get install util-linux): no run without capabilities was tried")
    return ["setpriv", *flags]


def run_as(
    uid: int, gid: int, command: Sequence[str], env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """The command's status and output when that user runs it, in no other groups."""
    return run_as_root([sys.executable, "-c", _BECOME, str(uid), str(gid), *command], env)


def run_as_root(command: Sequence[str], env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """The same for root."""
    return subprocess.run(
        [*seen_by_all(), *command],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **(env or {})},
    )


@contextmanager
def open_directory() -> Iterator[Path]:
    """A directory of root's that every user may read, unlike those of pytest."""
    with tempfile.TemporaryDirectory(prefix="dragoman-") as directory:
        os.chmod(directory, 0o755)
        yield Path(directory)


@cache
def _wrapper() -> tuple[list[str], str]:
    """The command of `seen_by_all`, and why it does not help."""
    import dragoman

    needed = [os.path.realpath(path) for path in (sys.executable, os.__file__, dragoman.__file__, __file__)]
    hidden = {str(parent) for path in needed for parent in Path(path).parents if not parent.stat().st_mode & 0o001}
    wrapper = list[str]()
    for directory in sorted(hidden):
        wrapper += [*unshare("--mount"), "sh", "-c", _OPEN, "sh", directory]
    become = [sys.executable, "-c", _BECOME, str(USER.pw_uid), str(USER.pw_gid)]
    tried = subprocess.run(
        [*wrapper, *become, sys.executable, "-c", "import json"], capture_output=True, text=True, check=False
    )
    return wrapper, tried.stderr.strip() if tried.returncode else ""
