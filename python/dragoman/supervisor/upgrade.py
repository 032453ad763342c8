"""Handing over to a new supervisor: a program of its own that takes our sockets, and drains us when it serves."""

import json
import os
import signal
import socket
import stat
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from dragoman.errors import OperatorError
from dragoman.forking import fork_own
from dragoman.supervisor.sockets import Listener
from dragoman.values import working_directory

__all__ = ["Origin", "Predecessor", "start_successor", "take_predecessor"]

VARIABLE = "DRAGOMAN_UPGRADE"
# What is handed over beside the listeners, by names that no address has.
CONTROL, CHANNEL = "control", "channel"


class Origin(NamedTuple):
    """How this program was started: what its successor is started with."""

    arguments: tuple[str, ...]
    directory: str
    environment: Mapping[str, str]

    @classmethod
    def of_this_process(cls) -> "Origin":
        """To be asked before the settings change directory and environment."""
        return cls(tuple(sys.orig_argv), working_directory(), dict(os.environ))

    def put_on_path(self, path: list[str]) -> None:
        """Let the directory of the start be found by its name: ``python -m`` has put what its links led to there."""
        here = os.getcwd()
        path[:] = [self.directory if one == here else one for one in path]

    @property
    def program(self) -> str:
        """The interpreter, by the name that it was started by: that of the release which is there now."""
        name = self.arguments[0] if self.arguments else ""
        path = os.path.join(self.directory, name)
        return path if "/" in name and os.access(path, os.X_OK) else sys.executable


class Predecessor(NamedTuple):
    """The supervisor that has started this one, and the sockets that it has handed over, by their address."""

    pid: int
    descriptors: Mapping[str, int]
    control: int
    channel: int

    @property
    def is_alive(self) -> bool:
        """Whether it still serves. It is our parent, as long as it lives."""
        return os.getppid() == self.pid

    def leave(self) -> None:
        """In a child: only the supervisor has something to say."""
        os.close(self.channel)

    def drain(self) -> None:
        """Tell it that this one serves now."""
        with socket.socket(fileno=self.channel) as sock:
            try:
                sock.send(b"R")
            except OSError:
                pass  # it is gone


def take_predecessor() -> Predecessor | None:
    """What the environment says of a predecessor, taken out of it; None when there is none.

    It need not live any more: what counts is that the sockets which it tells of are there, in this very process. In a
    program that has inherited the variable alone they are not.
    """
    text = os.environ.pop(VARIABLE, "")
    try:
        told = json.loads(text)
        handed = {name: int(fd) for name, (fd, inode) in told["sockets"].items() if inode == inode_of(fd)}
        found = Predecessor(
            told["pid"],
            {name: fd for name, fd in handed.items() if name not in (CONTROL, CHANNEL)},
            handed.get(CONTROL, -1),
            handed.get(CHANNEL, -1),
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    if handed.keys() != told["sockets"].keys() or found.channel < 0:
        return None
    for fd in handed.values():
        os.set_inheritable(fd, False)
    return found


def inode_of(fd: int) -> int:
    """The number of the socket that is open there, which no other one has; 0 where there is none."""
    try:
        status = os.fstat(fd)
    except (OSError, OverflowError):
        return 0
    return status.st_ino if stat.S_ISSOCK(status.st_mode) else 0


def start_successor(
    origin: Origin, listeners: Sequence[Listener], control: socket.socket | None
) -> tuple[int, socket.socket]:
    """Start the program of `origin` anew with our sockets; its process id, and where it says that it serves.

    Raises OperatorError.
    """
    if os.getpid() == 1:
        raise OperatorError("process 1 cannot hand over to a child of its own; replace the container instead")
    ours, theirs = socket.socketpair()
    sockets = {listener.address: listener.socket for listener in listeners} | {CHANNEL: theirs}
    if control is not None:
        sockets[CONTROL] = control
    told = {
        "pid": os.getpid(),
        "sockets": {name: (sock.fileno(), inode_of(sock.fileno())) for name, sock in sockets.items()},
    }
    environment = {**origin.environment, VARIABLE: json.dumps(told)}
    ours.setblocking(False)
    with theirs:
        try:
            pid = fork_own()
        except OSError as error:
            ours.close()
            raise OperatorError(f"no process can be started: {error.strerror}") from None
        if pid == 0:
            become_successor(origin, environment, list(sockets.values()))
    return pid, ours


def become_successor(origin: Origin, environment: dict[str, str], sockets: Sequence[socket.socket]) -> None:
    """The child's way: it becomes the new program, or ends."""
    try:
        # What the service manager has given to us alone, the successor gets. It keeps the numbers of the sockets.
        for name in ("LISTEN_PID", "WATCHDOG_PID"):
            if environment.get(name) == str(os.getppid()):
                environment[name] = str(os.getpid())
        signal.set_wakeup_fd(-1)
        # Handlers are reset by exec, what is blocked or ignored is not.
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.chdir(origin.directory)
        for one in sockets:
            one.set_inheritable(True)
        os.execve(origin.program, [*origin.arguments], environment)
    except BaseException as error:
        os.write(2, f"dragoman: the program cannot be started: {error}\n".encode("utf-8", "backslashreplace"))
    finally:
        os._exit(127)
