"""An upgrade as the old supervisor sees it: the process that is to take over, until it does, fails, or is not to."""

import os
import signal
import socket
from typing import TYPE_CHECKING

from dragoman.errors import DragomanError
from dragoman.supervisor.plan import Event, Phase
from dragoman.supervisor.process import cause_of

if TYPE_CHECKING:
    from dragoman.supervisor.parent import Supervisor

__all__ = ["Succession"]

# How a successor that does not serve yet is ended by what ends us. Not by our own failure: it may bring what mends it.
ENDS = {Event.TERM: signal.SIGTERM, Event.INT: signal.SIGINT, Event.QUIT: signal.SIGINT}


class Succession:
    """That of one supervisor; `pid` is 0 while there is no successor."""

    def __init__(self, supervisor: "Supervisor") -> None:
        self.supervisor = supervisor
        self.pid = 0
        # It says there that it serves.
        self.channel: socket.socket | None = None
        self.is_ending = False

    def begin(self) -> None:
        """Let the program that is installed now take over."""
        supervisor = self.supervisor
        if self.pid:
            supervisor.log.warning(f"the upgrade to process {self.pid} is still under way")
            return
        try:
            self.pid, self.channel = supervisor.host.upgrade()
        except DragomanError as error:
            supervisor.log.error(f"not upgraded, what serves goes on: {error}")
            return
        supervisor.watch(self.channel, self.hear)
        supervisor.log.info(f"upgrading: process {self.pid} takes over when it serves")

    def hear(self) -> None:
        """It serves, and this supervisor drains; or it has ended, which is told when it is reaped."""
        if self.has_said_so():
            self.supervisor.happen(Event.TERM)

    def has_said_so(self) -> bool:
        """Whether it serves: then it is no successor of ours any more, but the service."""
        if self.channel is None:
            return False
        try:
            said = self.channel.recv(1)
        except BlockingIOError:
            return False
        except OSError:
            said = b""
        self.close()
        return bool(said)

    def end(self, event: Event) -> bool:
        """This supervisor ends because of `event`; whether the service goes on in the successor.

        One that does not serve yet is ended too: nobody else would answer at the sockets that it holds.
        """
        if not self.pid or self.channel is None or self.has_said_so() or event not in ENDS:
            return bool(self.pid)
        self.supervisor.log.info(f"process {self.pid}, which was to take over, does not serve yet and is ended, too")
        self.is_ending = True
        os.kill(self.pid, ENDS[event])
        return False

    def kill(self) -> None:
        """It was told to end, and has not."""
        if self.is_ending:
            os.kill(self.pid, signal.SIGKILL)

    def reaped(self, pid: int, exit_code: int) -> None:
        """Process `pid` has ended."""
        if pid != self.pid:
            return
        supervisor = self.supervisor
        was_asked, self.pid, self.is_ending = self.is_ending, 0, False
        self.close()
        supervisor.host.upgrade_failed()
        if was_asked:
            return
        supervisor.log.error(f"not upgraded, what serves goes on: process {pid} {cause_of(exit_code)}")
        if not supervisor.fleet.wanted and supervisor.phase is Phase.SERVING:
            supervisor.scale(supervisor.host.settings.workers)

    def close(self) -> None:
        if self.channel is not None:
            self.supervisor.forget(self.channel)
            self.channel.close()
            self.channel = None
