"""A start that must not take for ever: how long it may, and where it hangs, by the process's own word."""

import faulthandler
import os
import re
import signal
import time
from contextlib import suppress

from dragoman.loader import is_machinery

__all__ = ["ASKED", "Stacks", "Starting"]

# How long a process may take to write its stacks: they come from a signal handler that needs no interpreter lock.
WRITING_S = 1.0
STACKS_BYTES = 16 * 1024
# A worker takes this one for nothing else, now or later (`take_usual_signals`): it may come too late and does no harm.
ASKED = signal.SIGTTIN
PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep
FRAME = re.compile(r'  File "(?P<path>.*)", line (?P<line>\d+) in .*')


class Stacks:
    """Memory that a process shares with its parent, for the Python stacks of its threads."""

    def __init__(self, fd: int | None = None) -> None:
        """Make it, or take the one behind `fd`. Where it cannot be had, nothing will be known."""
        try:
            self.fd = os.memfd_create("stacks") if fd is None else fd
        except OSError:
            self.fd = -1

    def write_when_asked(self) -> None:
        """In the process: from now on, also while it waits in a call that never returns."""
        if self.fd >= 0:
            faulthandler.register(ASKED, file=self.fd, all_threads=True)

    def forget(self) -> None:
        """In the process: it has started, and the signal is what it was."""
        if self.fd >= 0:
            faulthandler.unregister(ASKED)
        self.close()

    def read(self) -> str:
        """In the parent: what has been written."""
        return os.pread(self.fd, STACKS_BYTES, 0).decode("utf-8", "replace") if self.fd >= 0 else ""

    def close(self) -> None:
        """Let go of it."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class Starting:
    """The start of one process, as its parent sees it."""

    def __init__(self, timeout_s: float) -> None:
        """It may take `timeout_s` from now on; 0 is without an end."""
        self.timeout_s = timeout_s
        self.stacks = Stacks()
        self.has_asked = False
        # When `overdue` is to be called, monotonic; None for never.
        self.due_at = time.monotonic() + timeout_s if timeout_s else None

    def overdue(self, pid: int) -> str:
        """At `due_at`: ask where the process is, and say nothing yet; a moment later, why it is to be given up.

        pid   0 when it is gone, and its end has not been heard yet
        """
        if not self.has_asked:
            self.has_asked = True
            self.due_at = time.monotonic() + WRITING_S
            if pid:
                with suppress(ProcessLookupError):
                    os.kill(pid, ASKED)
            return ""
        self.due_at = None
        where, stacks = told(self.stacks.read())
        sentence = f"it was not ready within {self.timeout_s:g} s{where}; --start-timeout gives it longer"
        return f"{sentence}\n{stacks}".rstrip("\n")

    def end(self) -> None:
        """It is ready, or need not become so any more."""
        self.due_at = None
        self.stacks.close()


def told(dump: str) -> tuple[str, str]:
    """Where the main thread is, in words, and the stacks that faulthandler has written, without what is not the
    application's."""
    threads = [tidy(thread) for thread in re.split(r"\n(?=\S)", dump.strip()) if "\n" in thread]
    if not threads:
        return " and does not say where it hangs", ""
    # The last one is the oldest. It may wait for a thread that is in the application.
    inside = [one for one in threads if not (first_frame(one) or {"path": PACKAGE})["path"].startswith(PACKAGE)]
    frame = first_frame((inside or threads)[-1])
    where = f", and hangs at {frame['path']}:{frame['line']}" if frame else ""
    return where, "\n".join(line for thread in threads for line in thread)


def first_frame(lines: list[str]) -> re.Match[str] | None:
    """Where a tidied thread is."""
    return next(filter(None, map(FRAME.match, lines[1:])), None)


def tidy(thread: str) -> list[str]:
    """The lines of one thread: what is called last stands first, and ends where the application was called."""
    heading, *lines = thread.splitlines()
    frames = [(match["path"], line) for line in lines if (match := FRAME.match(line)) and "<frozen " not in line]
    # Up to our own; a thread that hangs in those shows all of them.
    ours = [index for index, (path, _) in enumerate(frames) if path.startswith(PACKAGE)]
    frames = frames[: ours[0]] if ours and ours[0] > 0 else frames
    while len(frames) > 1 and is_machinery(frames[-1][0]):
        frames.pop()
    # Without the thread's address, which is another one in each process.
    return [re.sub(r" 0x[0-9a-f]+", "", heading), *(line for _, line in frames)]
