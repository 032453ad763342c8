"""Handing over to a new supervisor: a program of its own that takes our sockets, and drains us when it serves."""

import json
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dragoman.errors import OperatorError
from dragoman.forking import fork_own
from dragoman.supervisor.sockets import Listener

__all__ = ["Origin", "Predecessor", "start_successor", "take_predecessor"]

VARIABLE = "DRAGOMAN_UPGRADE"


@dataclass(frozen=True)
class Origin:
    """How this program was started: what its successor is started with."""

    arguments: tuple[str, ...]
    directory: str
    environment: Mapping[str, str]

    @classmethod
    def of_this_process(cls) -> "Origin":
        """To be asked before the settings change directory and environment."""
        return cls(tuple(sys.orig_argv), os.getcwd(), dict(os.environ))


@dataclass(frozen=True)
class Predecessor:
    """The supervisor that has started this one, and the sockets that it has handed over, by their address."""

    pid: int
    descriptors: Mapping[str, int] = field(default_factory=dict)
    control: int = -1

    def drain(self) -> None:
        """Tell it that this one serves now."""
        # Our parent, as long as it lives: its number cannot have been given to another.
        if os.getppid() == self.pid:
            os.kill(self.pid, signal.SIGTERM)


def take_predecessor() -> Predecessor | None:
    """What the environment says of a predecessor, taken out of it; None when there is none."""
    text = os.environ.pop(VARIABLE, "")
    if not text:
        return None
    told = json.loads(text)
    if told["pid"] != os.getppid():
        return None  # inherited by a program that an application has started
    return Predecessor(told["pid"], told["descriptors"], told["control"])


def start_successor(origin: Origin, listeners: Sequence[Listener], control: socket.socket | None) -> int:
    """Start the program of `origin` anew with our sockets; its process id. Raises OperatorError."""
    if os.getpid() == 1:
        raise OperatorError("process 1 cannot hand over to a child of its own; replace the container instead")
    told = {
        "pid": os.getpid(),
        "descriptors": {listener.address: listener.socket.fileno() for listener in listeners},
        "control": -1 if control is None else control.fileno(),
    }
    environment = {**origin.environment, VARIABLE: json.dumps(told)}
    sockets = [listener.socket for listener in listeners] + ([control] if control is not None else [])
    try:
        pid = fork_own()
    except OSError as error:
        raise OperatorError(f"no process can be started: {error.strerror}") from None
    if pid == 0:
        become_successor(origin, environment, sockets)
    return pid


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
        os.execve(sys.executable, [*origin.arguments], environment)
    except BaseException as error:
        os.write(2, f"dragoman: the program cannot be started: {error}\n".encode("utf-8", "backslashreplace"))
    finally:
        os._exit(127)
