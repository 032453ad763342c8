"""The processes with the loaded application, one for a generation: made, heard, and ended by the supervisor."""

import os
import signal
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from dragoman.errors import OperatorError
from dragoman.supervisor.channel import Channel, Kind, channel_pair
from dragoman.supervisor.mold import Mold, adopt_orphans, die_with_parent
from dragoman.supervisor.plan import Phase
from dragoman.supervisor.process import Process, cause_of, early_end_of
from dragoman.supervisor.setbacks import LOADING
from dragoman.supervisor.signals import CAUGHT, take_usual_signals
from dragoman.supervisor.starting import Starting

if TYPE_CHECKING:
    from dragoman.supervisor.parent import Supervisor

__all__ = ["Molds"]

# Between the end of what a process says and its own: it may have closed everything and go on, too.
REAPED_S = 0.2


class Molds:
    """Those of one supervisor. That of the generation before stays until the next one serves: else it goes on."""

    def __init__(self, supervisor: "Supervisor") -> None:
        self.supervisor = supervisor
        self.by_generation: dict[int, Mold] = {}

    def has(self, generation: int) -> bool:
        """Whether the application of this generation is loaded; else it is being so from now on."""
        if generation not in self.by_generation:
            self.make(generation)
        return self.is_ready(generation)

    def is_ready(self, generation: int) -> bool:
        """Whether workers of this generation can be forked now."""
        mold = self.by_generation.get(generation)
        return mold is not None and mold.is_ready

    def make(self, generation: int) -> None:
        """Fork the process that loads the application for a generation."""
        supervisor = self.supervisor
        if not adopt_orphans():
            raise OperatorError("--preload: this kernel does not let the workers be ours (PR_SET_CHILD_SUBREAPER)")
        before = signal.pthread_sigmask(signal.SIG_BLOCK, CAUGHT)

        def live(channel: Channel, ordered: socket.socket) -> NoReturn:
            def preload() -> int:
                # A Ctrl-C reaches it too: it ends with the supervisor.
                for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):
                    signal.signal(number, lambda number, frame: None)
                die_with_parent()
                return supervisor.host.preload(
                    channel, ordered, partial(take_usual_signals, supervisor.host.reopen_logs)
                )

            supervisor.run_child(preload, before)

        try:
            mold = Mold.fork(generation, Starting(supervisor.host.settings.start_timeout), live)
        except OSError as error:
            supervisor.fork_failed((generation, LOADING), f"the application cannot be loaded: {error.strerror}")
            return
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self.by_generation[generation] = mold
        supervisor.watch(mold.channel, lambda: self.hear(mold))

    def hear(self, mold: Mold) -> None:
        """The process says that the application is loaded, or why it cannot be, or has ended."""
        if self.by_generation.get(mold.generation) is not mold:
            return  # dropped in the same turn
        for message in mold.hear():
            if message.kind is Kind.FILES:
                self.supervisor.watcher.add(message.text)
            elif message.kind is Kind.ENDED:
                self.lose(mold)

    def press(self, mold: Mold) -> None:
        """The application takes longer to be loaded than it may: its process says where it is, and is ended then."""
        if cause := mold.starting.overdue(mold.pid):
            mold.failure = mold.failure or cause
            self.lose(mold)

    def lose(self, mold: Mold) -> None:
        """The process has ended, or has to."""
        mold.failure = mold.failure or end_of(mold.pid)
        self.drop(mold.generation)
        supervisor = self.supervisor
        is_needed = supervisor.phase is Phase.SERVING and mold.generation == supervisor.fleet.generation
        if mold.is_ready or not is_needed:
            return
        cause = mold.failure
        if supervisor.fleet.abandon(can_restart=self.is_ready(supervisor.fleet.before)):
            supervisor.host.reload_failed()
            supervisor.log.error(f"not reloaded, what serves goes on: the application cannot be loaded: {cause}")
            supervisor.end_reload(cause)
            return
        supervisor.log.error(f"the application cannot be loaded: {cause}")
        supervisor.rest()

    def fork_worker(self, generation: int, key: int, number: int) -> Process:
        """A worker of the generation, which is loaded. OSError when it cannot be had."""
        ours, theirs = channel_pair()
        starting = Starting(self.supervisor.host.settings.start_timeout)
        try:
            pid = self.by_generation[generation].fork_worker(number, theirs, starting.stacks)
            # Only a child of ours is signalled later, whoever the process with the application has become.
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except OSError:
            ours.close()
            starting.end()
            # What it answers late would be taken for the answer to the next order.
            self.drop(generation)
            raise
        finally:
            theirs.close()
        return Process(key, number, generation, pid, ours, starting)

    @property
    def deadlines(self) -> list[tuple[float | None, Callable[[], None]]]:
        """What is due, and when."""
        return [(mold.starting.due_at, partial(self.press, mold)) for mold in self.by_generation.values()]

    def keep_only(self, generation: int) -> None:
        """The others have served their turn."""
        for other in [one for one in self.by_generation if one != generation]:
            self.drop(other)

    def drop(self, generation: int) -> None:
        """No more workers of that generation: its process ends."""
        mold = self.by_generation.pop(generation)
        self.supervisor.forget(mold.channel)
        mold.close()
        # It may be in the middle of loading, or hang there, and holds the listening sockets open.
        mold.kill()

    def drop_all(self) -> None:
        """No more workers at all."""
        for generation in list(self.by_generation):
            self.drop(generation)

    def reaped(self, pid: int) -> None:
        """The number is free for another process."""
        for mold in self.by_generation.values():
            if mold.pid == pid:
                mold.pid = 0

    def close(self) -> None:
        """In a child: they are the supervisor's."""
        for mold in self.by_generation.values():
            mold.close()


def end_of(pid: int) -> str:
    """How the process that loads the application has ended, of which nothing more is to be heard."""
    until = time.monotonic() + REAPED_S
    while pid and time.monotonic() < until:
        found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if found is not None:
            code = found.si_status if found.si_code == os.CLD_EXITED else -found.si_status
            return f"the process that loads it {early_end_of(code, cause_of(code))}"
        time.sleep(0.005)
    return "the process that loads it ended early"
