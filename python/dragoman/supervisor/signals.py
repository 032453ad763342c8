"""The signals that a supervisor takes, and what is left of them to its children."""

import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from types import FrameType

from dragoman.supervisor import plan
from dragoman.supervisor.plan import Event
from dragoman.supervisor.starting import ASKED

__all__ = ["CAUGHT", "Signals", "take_usual_signals"]

EVENTS: Mapping[int, Event] = {signal.Signals[row.name]: row.event for row in plan.SIGNALS}
CAUGHT = (*EVENTS, signal.SIGCHLD)


class Signals:
    """Signals become bytes in a socket (signal.set_wakeup_fd), so that none is lost between two waits for it."""

    def __init__(self) -> None:
        self.socket, self.writer = socket.socketpair()
        self.socket.setblocking(False)
        self.writer.setblocking(False)

    def catch(self) -> None:
        """Take those that come from now on."""
        signal.set_wakeup_fd(self.writer.fileno(), warn_on_full_buffer=False)
        for number in CAUGHT:
            signal.signal(number, note_signal)

    def take(self) -> Sequence[Event]:
        """What the signals say that have come since the last call, in their order."""
        try:
            numbers = self.socket.recv(4096)
        except BlockingIOError:
            return ()
        return [EVENTS[number] for number in numbers if number in EVENTS]

    def close(self) -> None:
        """In a child: they are the supervisor's."""
        self.socket.close()
        self.writer.close()


def take_usual_signals(reopen_logs: Callable[[], None]) -> None:
    """In a child: signals end it, but those that are the supervisor's to act on do nothing.

    Not SIG_IGN, which the programs that an application starts would inherit.
    """
    signal.set_wakeup_fd(-1)
    # But for the one by which a start that hangs is asked where: that it is in place already.
    for number in set(CAUGHT) - {ASKED}:
        signal.signal(number, signal.SIG_DFL)
    for number in {signal.SIGHUP, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU} - {ASKED}:
        signal.signal(number, note_signal)
    # Logs may be rotated while the application is loaded; the worker's own handler comes with its engine.
    signal.signal(signal.SIGUSR1, lambda number, frame: reopen_logs())


def note_signal(number: int, frame: FrameType | None) -> None:
    """Nothing: the byte in the wake-up socket is what counts, and a handler has to be there for it to be written."""
