"""Runs the check in a child process: the parent tells how the application has ended that, and in which request.

The child goes on as if nothing had happened, so that what measures or debugs it (coverage, pdb) does so; the process
that was started only waits, and ends with the child's status.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from dragoman.errors import ApplicationError
from dragoman.values import printable

__all__ = ["Journal", "in_child"]

SIZE = 16 << 10
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

    def write(self, text: str) -> None:
        """Where the child is now."""
        data = text.encode("utf-8", "replace")[: SIZE - 3] + b"\0"
        self._memory[2 : 2 + len(data)] = data

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
        data = self._memory[2:]
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
    while True:
        found = signal.sigwaitinfo({signal.SIGCHLD, *PASSED_ON})
        if found.si_signo in PASSED_ON:
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
        print(f"dragoman: {text_of(code, where)}", file=sys.stderr, flush=True)
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
