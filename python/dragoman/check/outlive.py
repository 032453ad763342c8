"""Runs the check in a child process: the parent tells how the application has ended that, and in which request.

The child goes on as if nothing had happened, so that what measures or debugs it (coverage, pdb) does so; the process
that was started only waits, and ends with the child's status.
"""

from __future__ import annotations

import ctypes
import faulthandler
import mmap
import os
import signal
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from dragoman.errors import ApplicationError
from dragoman.values import printable

__all__ = ["Journal", "in_child"]

SIZE = 16 << 10
ERRORS = 2
# Where in it the time limit is, and where the words begin.
LIMIT, WORDS = 2, 2 + 8
# What is longer under way than a check may take holds the interpreter: so much later it is shown where, and so often a
# second is waited until it is ended. Seconds that the parent has slept through are none.
SHOWN_AFTER_S, SECONDS_MORE = 2.0, 4
NAMED_AT_MOST = 8
PASSED_ON = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2})
PR_SET_PDEATHSIG = 1
LOADING = "while it was loaded"
UNKNOWN = 255


class Journal:
    """What the child is at, in memory that both processes have: whether, with which exit status it ends, and words."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, SIZE)
        self._memory[1] = UNKNOWN

    @contextmanager
    def open(self) -> Iterator[None]:
        """The application's code may run: from loading it to the last request."""
        self.write(LOADING)
        self._memory[0] = 1
        try:
            yield
        finally:
            self._memory[0] = 0

    def close(self, status: int) -> None:
        """This is the child's exit status, whatever is done at its end."""
        self._memory[1] = status

    @property
    def status(self) -> int | None:
        """The exit status, if it is settled."""
        return None if self._memory[1] == UNKNOWN else self._memory[1]

    @contextmanager
    def time_limit(self, seconds: float) -> Iterator[None]:
        """What runs meanwhile has come to its end by then, unless no thread can."""
        self._memory[LIMIT:WORDS] = struct.pack("d", time.monotonic() + seconds)
        faulthandler.dump_traceback_later(seconds + SHOWN_AFTER_S, file=ERRORS)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
            self._memory[LIMIT:WORDS] = bytes(WORDS - LIMIT)

    @property
    def is_over_time(self) -> bool:
        """Whether the time limit has passed."""
        (limit_s,) = struct.unpack("d", self._memory[LIMIT:WORDS])
        return bool(limit_s) and time.monotonic() >= limit_s

    def write(self, text: str) -> None:
        """Where the child is now."""
        data = text.encode("utf-8", "replace")[: SIZE - WORDS - 1] + b"\0"
        self._memory[WORDS : WORDS + len(data)] = data

    def under_way(self, requests: Sequence[object]) -> None:
        """These requests are, and no others."""
        named = ", ".join(map(str, requests[:NAMED_AT_MOST]))
        self.write(
            f"in {named}" if len(requests) == 1 else f"while these ran: {named}" if named else "between requests"
        )

    def read(self) -> str:
        """Where the child has ended; "" if its work was done by then."""
        if not self._memory[0]:
            return ""
        data = self._memory[WORDS:]
        return data[: data.index(b"\0")].decode("utf-8", "replace")


def in_child() -> Journal:
    """Fork, and return in the child alone; the parent ends with it, and tells why if that was before its time."""
    journal = Journal()
    parent = os.getpid()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, *PASSED_ON})
    pid = os.fork()
    if pid:
        wait(pid, journal)
    # Who ends the parent means the check.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return journal


def wait(pid: int, journal: Journal) -> NoReturn:
    """The parent: pass signals on until the child has ended."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    is_told_to_end = False
    seconds_over = 0
    while True:
        found = signal.sigtimedwait({signal.SIGCHLD, *PASSED_ON}, 1)
        if found is None:
            seconds_over += journal.is_over_time
            if seconds_over == SECONDS_MORE:
                os.kill(pid, signal.SIGKILL)
        elif found.si_signo in PASSED_ON:
            is_told_to_end = True
            # The terminal's own go to all processes in front of it.
            if found.si_code <= 0:
                os.kill(pid, found.si_signo)
        elif (ended := os.waitpid(pid, os.WNOHANG))[0]:
            break
    code = os.waitstatus_to_exitcode(ended[1])
    if journal.status is not None:
        code = journal.status
    where = journal.read()
    if where and not is_told_to_end:
        text = held_up(where) if seconds_over >= SECONDS_MORE else text_of(code, where)
        print(f"dragoman: {text}", file=sys.stderr, flush=True)
        code = ApplicationError.exit_status if where == LOADING else 1
    # Nothing that is done at the end of a process: the child has done it.
    os._exit(code if code >= 0 else 128 - code)


def text_of(code: int, where: str) -> str:
    """How it has ended, in a sentence."""
    try:
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"was ended with exit status {code}"
    except ValueError:
        how = f"was killed by signal {-code}"
    if where == LOADING:
        return f"the application cannot be served: the process {how} {where}"
    return (
        f"the process {how} {printable(where)}: a server's worker would end there, and with it the requests of others; "
        "answer instead, and leave the end of the process to the server. There is no report"
    )


def held_up(where: str) -> str:
    """It was ended, because it has not done so by itself."""
    return (
        f"the application did not come back {printable(where)}, and let nothing else run: a server's worker would stand"
        " still, with all requests that it has. There is no report"
    )
