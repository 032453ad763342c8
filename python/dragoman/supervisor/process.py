"""One worker as its supervisor sees it: a forked process, its channel, and when it is to leave."""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable
from typing import NoReturn

from dragoman.forking import fork_own
from dragoman.supervisor.channel import Channel, channel_pair
from dragoman.supervisor.starting import Starting

__all__ = ["Process", "cause_of", "early_end_of", "fork_worker", "resident_bytes", "signal_of"]


class Process:
    """A worker's process."""

    def __init__(
        self, key: int, number: int, generation: int, pid: int, channel: socket.socket, starting: Starting
    ) -> None:
        self.key = key
        self.number = number
        self.generation = generation
        self.pid = pid
        self.channel: socket.socket | None = channel
        self.starting = starting
        self.started_at = time.monotonic()
        self.is_ready = False
        self.failure = ""
        # The account of its drain, as JSON, and whether that is its last word.
        self.told = ""
        self.has_drained = False
        # When its lifetime is over, and when it is killed because it has not left; monotonic, None for never.
        self.retire_at: float | None = None
        self.kill_at: float | None = None

    @property
    def place(self) -> tuple[int, int]:
        """Its generation and its number."""
        return self.generation, self.number

    @property
    def who(self) -> str:
        """The worker in words."""
        return f"worker {self.number} (pid {self.pid})"

    def signal(self, number: int) -> None:
        """Send signal `number`. A process that has ended and is not reaped yet takes it without effect."""
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            pass

    def close(self) -> None:
        """There is no more to hear."""
        self.starting.end()
        if self.channel is not None:
            self.channel.close()
            self.channel = None


def fork_worker(
    key: int,
    number: int,
    generation: int,
    starting: Starting,
    signals: Iterable[int],
    live: Callable[[Channel, set[int | signal.Signals]], NoReturn],
) -> Process:
    """Fork a worker that runs `live`, which does not return; OSError where the machine cannot.

    signals   held back until the child has handlers of its own: one that comes before must wait, not be noted in the
              parent's wake-up socket; `live` gets the mask to restore
    """
    ours, theirs = channel_pair()
    # What is buffered would be written by both processes.
    sys.stdout.flush()
    sys.stderr.flush()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        pid = fork_own()
        if pid == 0:
            ours.close()
            live(Channel(theirs, starting.stacks), before)
    except OSError:
        ours.close()
        starting.end()
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
    return Process(key, number, generation, pid, ours, starting)


def resident_bytes(pid: int) -> int:
    """Resident set of the process; 0 when it is gone (proc(5), statm)."""
    try:
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def early_end_of(exit_code: int, how: str) -> str:
    """How a process has ended that was to serve and has not said why it cannot, in words: `how`, and what it means."""
    hint = "; no exception has ended it, but os._exit or something native in what it loads" if exit_code >= 0 else ""
    return f"{how} before it was ready{hint}"


def cause_of(exit_code: int) -> str:
    """How a process has ended, in words; `exit_code` as of os.waitstatus_to_exitcode."""
    if exit_code >= 0:
        return f"ended with status {exit_code}"
    hint = " (by somebody, or by the kernel when memory ran out)" if exit_code == -signal.SIGKILL else ""
    return f"{signal_of(exit_code)}{hint}"


def signal_of(exit_code: int) -> str:
    """The signal by which a process was killed, in words; `exit_code` < 0."""
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        name = f"signal {-exit_code}"
    return f"was killed by {name}"
