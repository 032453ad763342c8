"""The supervising process: forks the workers, watches them, and acts on the plan."""

import os
import selectors
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FrameType

from dragoman.errors import ApplicationError
from dragoman.log import Log
from dragoman.supervisor import plan
from dragoman.supervisor.channel import Channel, read_report
from dragoman.supervisor.plan import Action, Event, Phase

__all__ = ["supervise"]

SIGNALS: Mapping[int, Event] = {
    signal.SIGTERM: Event.TERM,
    signal.SIGINT: Event.INT,
    signal.SIGQUIT: Event.QUIT,
    signal.SIGUSR1: Event.REOPEN,
}
# How much longer than its own deadlines a worker may take before it is killed.
DRAIN_GRACE_S = 10.0
STOP_GRACE_S = 5.0


def supervise(
    work: Callable[[Channel], int],
    *,
    workers: int,
    graceful_timeout_s: float,
    log: Log,
    when_ready: Callable[[str], None],
    reopen_logs: Callable[[], None],
    stop_listening: Callable[[], None],
) -> int:
    """Keep `workers` processes running until a signal ends them; the exit status of the run.

    work             runs in each worker and returns its exit status
    when_ready       called once, when every worker has become ready, with the name that the last one has loaded
    reopen_logs      called at SIGUSR1; the workers get the signal too
    stop_listening   called when a drain begins: closes this process's copies of the listening sockets
    """
    supervisor = Supervisor(work, workers, graceful_timeout_s, log, when_ready, reopen_logs, stop_listening)
    return supervisor.run()


@dataclass
class Place:
    """One of the N workers: who fills it now, and how its last ones fared."""

    number: int
    pid: int = 0
    channel: socket.socket | None = None
    started_at: float = 0.0
    is_ready: bool = False
    failure: str = ""
    deaths_in_a_row: int = 0
    failed_starts: int = 0  # in a row
    start_at: float = 0.0


class Supervisor:
    """Holds the state of `supervise`; everything that it decides is looked up in the plan."""

    def __init__(
        self,
        work: Callable[[Channel], int],
        workers: int,
        graceful_timeout_s: float,
        log: Log,
        when_ready: Callable[[str], None],
        reopen_logs: Callable[[], None],
        stop_listening: Callable[[], None],
    ) -> None:
        self.work = work
        self.graceful_timeout_s = graceful_timeout_s
        self.log = log
        self.when_ready: Callable[[str], None] | None = when_ready
        self.reopen_logs = reopen_logs
        self.stop_listening = stop_listening
        self.places = [Place(number) for number in range(1, workers + 1)]
        self.phase = Phase.SERVING
        self.deadline: float | None = None
        self.exit_status = 0
        self.last_failure = ""
        self.selector = selectors.DefaultSelector()
        # Signals become bytes here (signal.set_wakeup_fd), so that none is lost between two waits.
        self.signals, self.signal_writer = socket.socketpair()

    def run(self) -> int:
        """Start the workers and turn until the plan has ended; the exit status."""
        self.signals.setblocking(False)
        self.signal_writer.setblocking(False)
        self.selector.register(self.signals, selectors.EVENT_READ)
        signal.set_wakeup_fd(self.signal_writer.fileno(), warn_on_full_buffer=False)
        for number in (*SIGNALS, signal.SIGCHLD):
            signal.signal(number, note_signal)
        while self.phase is not Phase.ENDED:
            self.start_due()
            for key, _ in self.selector.select(self.seconds_to_wait()):
                if key.fileobj is not self.signals:
                    self.hear(key.data)
            # Signals first: a Ctrl-C reaches the workers too, and their end is then no accident.
            self.take_signals()
            self.reap()
            if self.deadline is not None and time.monotonic() >= self.deadline:
                self.deadline = None
                self.happen(Event.DEADLINE)
            if not any(place.pid for place in self.places):
                self.happen(Event.ALL_GONE)
        return self.exit_status

    def happen(self, event: Event, place: Place | None = None) -> None:
        """Look `event` up in the plan and do what it says; `place` is the worker that it is about."""
        step = plan.step(self.phase, event)
        if step.phase is not self.phase:
            grace = {
                Phase.DRAINING: self.graceful_timeout_s + DRAIN_GRACE_S,
                Phase.STOPPING: STOP_GRACE_S,
            }.get(step.phase)
            self.deadline = None if grace is None else time.monotonic() + grace
        self.phase = step.phase
        for action in step.actions:
            self.act(action, place)

    def act(self, action: Action, place: Place | None) -> None:
        """Do one `action` of the plan; `place` is the worker that it is about."""
        match action:
            case Action.TERM_WORKERS:
                self.signal_workers(signal.SIGTERM)
            case Action.INT_WORKERS:
                self.signal_workers(signal.SIGINT)
            case Action.KILL_WORKERS:
                alive = ", ".join(str(one.pid) for one in self.places if one.pid)
                self.log.error(f"killing what has not ended in time: worker process {alive}")
                self.signal_workers(signal.SIGKILL)
            case Action.CLOSE_LISTENERS:
                self.stop_listening()
            case Action.REOPEN_LOGS:
                self.reopen_logs()
                self.signal_workers(signal.SIGUSR1)
            case Action.RESPAWN:
                if place is not None:
                    place.start_at = time.monotonic() + plan.backoff_s(place.deaths_in_a_row)
            case Action.FAIL:
                self.log.error(f"no worker serves, and {plan.BOOT_TRIES} tries to start one have failed; giving up")
                self.exit_status = ApplicationError.exit_status

    def seconds_to_wait(self) -> float | None:
        """Time until a worker is to be started or the phase's deadline is over; None when only an event can be next."""
        times = [place.start_at for place in self.places if not place.pid and self.phase is Phase.SERVING]
        if self.deadline is not None:
            times.append(self.deadline)
        return max(0.0, min(times) - time.monotonic()) if times else None

    def start_due(self) -> None:
        """Start the workers whose back-off is over."""
        for place in self.places:
            if self.phase is Phase.SERVING and not place.pid and place.start_at <= time.monotonic():
                self.start(place)

    def start(self, place: Place) -> None:
        """Fork a worker for `place`; a failed fork is tried again after the back-off."""
        ours, theirs = socket.socketpair()
        # What is buffered would be written by both processes.
        sys.stdout.flush()
        sys.stderr.flush()
        # A signal that comes before the child has handlers of its own must wait, not be noted in the parent's socket.
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, (*SIGNALS, signal.SIGCHLD))
        try:
            pid = os.fork()
        except OSError as error:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
            ours.close()
            theirs.close()
            place.deaths_in_a_row += 1
            place.start_at = time.monotonic() + plan.backoff_s(place.deaths_in_a_row)
            self.log.error(f"worker {place.number} cannot be started: {error.strerror}")
            return
        if pid == 0:
            self.become_worker(ours, theirs, blocked)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        theirs.close()
        ours.setblocking(False)
        self.selector.register(ours, selectors.EVENT_READ, place)
        place.pid, place.channel, place.started_at = pid, ours, time.monotonic()
        place.is_ready, place.failure = False, ""

    def become_worker(self, ours: socket.socket, theirs: socket.socket, blocked: set[int | signal.Signals]) -> None:
        """The child's way: it ends inside of this function, and nothing of the parent's stack is unwound."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (*SIGNALS, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            # Logs may be rotated while the application is loaded; the worker's own handler comes with its engine.
            signal.signal(signal.SIGUSR1, lambda number, frame: self.reopen_logs())
            # The ends of the others' channels too: while a copy is open, its worker would not see the parent's death.
            for place in self.places:
                if place.channel is not None:
                    place.channel.close()
            for one in (self.selector, self.signals, self.signal_writer, ours):
                one.close()
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
            status = self.work(Channel(theirs))
        except BaseException:
            self.log.error(f"a worker fails: {traceback.format_exc().rstrip()}")
        finally:
            os._exit(status)

    def hear(self, place: Place) -> None:
        """Take what the worker of `place` has said: that it is ready, why it failed, or its end."""
        if place.channel is None:
            return
        report = read_report(place.channel)
        place.failure = place.failure or report.failure
        if report.is_ready:
            place.is_ready = True
            self.last_failure = ""
            if self.when_ready is not None and all(one.is_ready for one in self.places):
                self.when_ready(report.name)
                self.when_ready = None
        else:
            # Its failure or its end: there is no more to hear, and the exit status follows.
            self.selector.unregister(place.channel)
            place.channel.close()
            place.channel = None

    def take_signals(self) -> None:
        """Let what the signals say that have come since the last turn happen, in their order."""
        try:
            numbers = self.signals.recv(4096)
        except BlockingIOError:
            return
        for number in numbers:
            if number in SIGNALS:
                self.happen(SIGNALS[number])

    def reap(self) -> None:
        """Collect every child that has ended."""
        # As process 1 we inherit the orphans of the application; they are reaped too, and judged by nobody.
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for place in self.places:
                if place.pid == pid:
                    self.bury(place, os.waitstatus_to_exitcode(status))

    def bury(self, place: Place, exit_code: int) -> None:
        """The worker of `place` is dead: hear its last words, tell of it, and let the plan say what follows."""
        if place.channel is not None:
            self.hear(place)
        if place.channel is not None:
            self.hear(place)
        pid, place.pid = place.pid, 0
        has_settled = place.is_ready and time.monotonic() - place.started_at >= plan.SETTLED_S
        place.deaths_in_a_row = 1 if has_settled else place.deaths_in_a_row + 1
        is_unbootable = not place.is_ready
        place.failed_starts = place.failed_starts + 1 if is_unbootable else 0
        if self.phase is Phase.SERVING:
            self.tell_death(place, pid, exit_code)
        place.is_ready = False
        self.happen(Event.WORKER_UNBOOTABLE if is_unbootable else Event.WORKER_DIED, place)
        if is_unbootable and place.failed_starts >= plan.BOOT_TRIES and not any(one.is_ready for one in self.places):
            self.happen(Event.BOOT_HOPELESS)

    def tell_death(self, place: Place, pid: int, exit_code: int) -> None:
        """Log how a worker ended; a reason that was told for the one before is not told again."""
        who = f"worker {place.number} (pid {pid})"
        if place.failure and place.failure == self.last_failure:
            self.log.error(f"{who} could not start, for the same reason")
        elif place.failure:
            self.last_failure = place.failure
            self.log.error(f"{who} could not start: {place.failure}")
        elif exit_code == 0 and place.is_ready:
            self.log.info(f"{who} has ended; another one takes its place")
        else:
            when = "" if place.is_ready else " before it was ready"
            self.log.error(f"{who} {cause_of(exit_code)}{when}; another one takes its place")

    def signal_workers(self, number: int) -> None:
        """Send signal `number` to every worker."""
        for place in self.places:
            if place.pid:
                try:
                    os.kill(place.pid, number)
                except ProcessLookupError:
                    pass  # reaped by the next turn


def cause_of(exit_code: int) -> str:
    if exit_code >= 0:
        return f"ended with status {exit_code}"
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        name = f"signal {-exit_code}"
    hint = " (by somebody, or by the kernel when memory ran out)" if name == "SIGKILL" else ""
    return f"was killed by {name}{hint}"


def note_signal(number: int, frame: FrameType | None) -> None:
    """Nothing: the byte in the wake-up socket is what counts, and a handler has to be there for it to be written."""
