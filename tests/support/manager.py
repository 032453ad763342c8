"""A service manager for tests: hears what a service tells it, and passes sockets to one."""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Sequence

from tests.support.wire import DEADLINE_S

# sd_listen_fds(3): the descriptors are numbered from 3, and LISTEN_PID is known only in the process that becomes the
# service. "-" leaves a number without a socket.
_PASS = """
import fcntl, os, sys
given, names, command = sys.argv[1].split(","), sys.argv[2], sys.argv[3:]
kept = [None if fd == "-" else fcntl.fcntl(int(fd), fcntl.F_DUPFD, 100) for fd in given]
for number, fd in enumerate(kept, 3):
    if fd is None:
        try:
            os.close(number)
        except OSError:
            pass
    else:
        os.dup2(fd, number)
        os.close(fd)
os.environ.update(LISTEN_FDS=str(len(given)), LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES=names)
os.execvp(command[0], command)
"""


class Manager:
    """The socket behind NOTIFY_SOCKET. `name` is a path, or `@name` for an abstract one."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + name[1:] if name.startswith("@") else name)
        self._socket.settimeout(DEADLINE_S)

    def __enter__(self) -> Manager:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nobody hears any more."""
        self._socket.close()

    def hear(self) -> dict[str, str]:
        """The assignments of the next message; waits for it."""
        message = self._socket.recv(65536).decode()
        return dict(line.split("=", 1) for line in message.split("\n"))

    def hear_of(self, name: str) -> dict[str, str]:
        """The next message that assigns `name`; those before it are passed over."""
        while name not in (message := self.hear()):
            pass
        return message

    def wait_for_silence(self, silence_s: float) -> None:
        """Returns when nothing has come for so long, and fails where that never happens."""
        until = time.monotonic() + DEADLINE_S
        self._socket.settimeout(silence_s)
        try:
            while time.monotonic() < until:
                self._socket.recv(65536)
        except TimeoutError:
            return
        finally:
            self._socket.settimeout(DEADLINE_S)
        raise AssertionError(f"the service went on speaking for {DEADLINE_S} s")


def passing(*descriptors: int | None, names: Sequence[str] = ()) -> list[str]:
    """Command that runs the one behind it with these sockets from descriptor 3 on; None leaves a number closed."""
    given = ",".join("-" if fd is None else str(fd) for fd in descriptors)
    return [sys.executable, "-c", _PASS, given, ":".join(names)]


def abstract_name() -> str:
    """A name for `Manager` that nobody else has."""
    return f"@dragoman-test-{os.getpid()}-{os.urandom(4).hex()}"
