"""The supervising process: forks the workers, watches them, and acts on the plan and the fleet."""

import gc
import os
import selectors
import signal
import socket
import time
import traceback
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import NoReturn

from dragoman.errors import ApplicationError, OperatorError
from dragoman.forking import ForkHooks, Letting
from dragoman.supervisor import plan
from dragoman.supervisor.account import DrainAccount, with_requests
from dragoman.supervisor.channel import Channel, Kind, Message, read_messages
from dragoman.supervisor.commands import carry_out
from dragoman.supervisor.control import Control, Reply
from dragoman.supervisor.fleet import Drain, Fleet, Loss, Order, Start
from dragoman.supervisor.host import Host
from dragoman.supervisor.memory import KernelKills
from dragoman.supervisor.molds import Molds
from dragoman.supervisor.plan import Action, Event, Phase
from dragoman.supervisor.process import Process, early_end_of, fork_worker, resident_bytes, signal_of
from dragoman.supervisor.reload import Reload
from dragoman.supervisor.setbacks import LOADING, Place, Setbacks
from dragoman.supervisor.signals import CAUGHT, Signals, take_usual_signals
from dragoman.supervisor.starting import Starting
from dragoman.supervisor.succession import Succession
from dragoman.supervisor.watch import Watcher
from dragoman.values import counted

__all__ = ["Supervisor", "supervise"]

# A worker whose graceful timeout is over says what it has cut. One that is silent for so long hangs, and is killed.
HANG_GRACE_S = 3.0
# How long one that has said it may take to leave: its exit functions have 5 s (worker.py, ATEXIT_S).
LEAVING_GRACE_S = 7.0
DRAIN_GRACE_S = HANG_GRACE_S + LEAVING_GRACE_S
STOP_GRACE_S = 5.0
# Between two looks at the workers' memory.
LOOK_S = 1.0
# When something is due (monotonic), and what it is.
Deadline = tuple[float, Callable[[], None]]
LOSSES = {Loss.DIED: Event.WORKER_DIED, Loss.UNBOOTABLE: Event.WORKER_UNBOOTABLE}


def supervise(host: Host, control: Control | None = None) -> int:
    """Keep the host's workers running until a signal ends them; the exit status of the run."""
    supervisor = Supervisor(host)
    if control is not None:
        # Until then the socket is the predecessor's, if there is one.
        if host.has_predecessor:
            supervisor.when_started = lambda: control.attend(supervisor)
        else:
            control.attend(supervisor)
    return supervisor.run()


class Supervisor:
    """Holds the state of `supervise`; everything that it decides is looked up in the plan or asked of the fleet."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.log = host.log
        self.fleet = Fleet(host.settings.workers)
        self.processes: dict[int, Process] = {}  # by the fleet's key
        self.molds = Molds(self)
        self.watcher = Watcher(self)
        self.setbacks = Setbacks()
        self.phase = Phase.SERVING
        self.deadline: float | None = None
        self.look_at = time.monotonic() + LOOK_S
        # When the service manager is to hear that we live; None where it does not ask for it.
        self.watchdog_at = None if host.notifier.watchdog_s is None else time.monotonic()
        self.exit_status = 0
        self.account: DrainAccount | None = None
        self.has_started = False
        self.name = ""
        self.reload_under_way: Reload | None = None
        self.succession = Succession(self)
        self.when_started: Callable[[], None] = lambda: None
        self.selector = selectors.DefaultSelector()
        self.signals = Signals()
        self.kernel_kills = KernelKills()

    def run(self) -> int:
        """Start the workers and turn until the plan has ended; the exit status."""
        self.selector.register(self.signals.socket, selectors.EVENT_READ)
        self.signals.catch()
        fork_hooks = ForkHooks(CAUGHT, Letting(self.let_go))
        fork_hooks.register()
        if self.host.settings.is_watching:
            self.watcher.start()
        # What is loaded stays, and stays shared: a collection in a worker would write to every page that it looks at.
        gc.collect()
        gc.freeze()
        while self.phase is not Phase.ENDED:
            self.follow_orders()
            for key, _ in self.selector.select(self.seconds_to_wait()):
                if callable(key.data):
                    key.data()
            # Signals first: a Ctrl-C reaches the workers too, and their end is then no accident.
            for event in self.signals.take():
                self.happen(event)
            self.reap()
            self.take_deadlines()
            if not self.processes and not self.succession.is_ending:
                self.happen(Event.ALL_GONE)
        if self.account is not None:
            self.account.tell(self.log, time.monotonic())
        return self.exit_status

    def happen(self, event: Event, place: Place = (0, 0)) -> None:
        """Look `event` up in the plan and do what it says; `place` is that of the worker that it is about."""
        step = plan.step(self.phase, event)
        if step.phase is not self.phase:
            grace = {
                Phase.DRAINING: self.drain_bound_s(DRAIN_GRACE_S),
                Phase.STOPPING: STOP_GRACE_S,
            }.get(step.phase)
            self.deadline = None if grace is None else time.monotonic() + grace
            self.end_reload("the server is being stopped")
            if self.phase is Phase.SERVING:
                self.tell_end(event)
                self.molds.drop_all()
                self.watcher.stop()
        if step.phase is Phase.DRAINING and self.account is None:
            self.account = DrainAccount(time.monotonic())
        self.phase = step.phase
        for action in step.actions:
            self.act(action, place)

    def tell_end(self, event: Event) -> None:
        """Let the service manager know that this process is about to end because of `event`."""
        if self.succession.end(event):
            # The service goes on in the successor, and only who was the service until now is believed.
            self.host.notifier.main_pid(self.succession.pid)
        else:
            self.host.notifier.stopping()

    def act(self, action: Action, place: Place) -> None:
        """Do one `action` of the plan; `place` is that of the worker that it is about."""
        match action:
            case Action.TERM_WORKERS:
                self.signal_workers(signal.SIGTERM)
                for process in self.processes.values():
                    process.kill_at = process.kill_at or time.monotonic() + self.drain_bound_s(HANG_GRACE_S)
            case Action.INT_WORKERS:
                self.signal_workers(signal.SIGINT)
            case Action.KILL_WORKERS:
                if alive := ", ".join(str(one.pid) for one in self.processes.values()):
                    self.log.error(f"killing what has not ended in time: worker process {alive}")
                self.signal_workers(signal.SIGKILL)
                self.succession.kill()
            case Action.CLOSE_LISTENERS:
                self.host.stop_listening()
            case Action.REOPEN_LOGS:
                self.host.reopen_logs()
                self.signal_workers(signal.SIGUSR1)
            case Action.REST:
                self.setbacks.rest(place, time.monotonic())
            case Action.HOLD:
                self.setbacks.hold(place)
                self.log.warning("no worker serves until a file changes")
            case Action.FAIL:
                self.log.error(f"no worker serves, and {plan.BOOT_TRIES} tries to start one have failed; giving up")
                self.exit_status = ApplicationError.exit_status
            case Action.RELOAD:
                self.reload()
            case Action.UPGRADE:
                self.succession.begin()
            case Action.ADD_WORKER:
                self.scale(self.fleet.wanted + 1)
            case Action.DROP_WORKER:
                self.drop_worker()
            case Action.DROP_WORKERS:
                self.dismiss()

    # What is asked of the supervisor.

    def reload(self, when_done: Callable[[str], None] | None = None, why: str = "") -> str:
        """Read the settings again and replace the workers one after the other; why that has failed already, or "".

        why         in words, for the log
        when_done   called with "" once all are replaced, or with the cause why they are not
        """
        self.host.notifier.reloading()
        try:
            self.host.reload()
        # Whatever it is: those that serve depend on this process.
        except Exception as error:
            cause = f"{error}\n{getattr(error, 'details', '')}".rstrip("\n")
            self.log.error(f"not reloaded, what serves goes on: {cause}")
            self.host.notifier.ready(f"{self.host.serving()} (not reloaded: {error})")
            if when_done is not None:
                when_done(cause)
            return cause
        watchers = self.reload_under_way.watchers if self.reload_under_way else ()
        watchers = (*watchers, when_done) if when_done is not None else watchers
        self.reload_under_way = Reload(self.host.settings.workers, watchers)
        self.fleet.reload()
        if not self.fleet.wanted:
            self.scale_now()
        self.log.info(f"{f'{why}, ' if why else ''}reloading: each worker leaves when its successor serves")
        return ""

    def end_reload(self, cause: str = "") -> None:
        """The reload under way, if there is one, is over: `cause` says why it failed."""
        done, self.reload_under_way = self.reload_under_way, None
        if done is None:
            return
        self.host.notifier.ready(f"{self.host.serving()} (not reloaded: {cause})" if cause else self.host.serving())
        if not cause:
            took_s = time.monotonic() - done.began_at
            self.log.info(f"reloaded: {counted(self.fleet.wanted, 'worker')} in {took_s:.1f} s")
        done.end(cause)

    def scale_now(self) -> None:
        """The number of workers that the reload under way asks for, once one of its workers serves."""
        wanted = self.reload_under_way.take_workers() if self.reload_under_way else None
        if wanted is not None:
            self.scale(wanted)

    def scale(self, wanted: int) -> None:
        """So many workers from now on."""
        if wanted == self.fleet.wanted:
            return
        self.log.info(f"{counted(wanted, 'worker')} from now on, {self.fleet.wanted} until now")
        before = self.fleet.wanted
        self.fleet.scale(wanted)
        self.host.call_hook("nworkers_changed", new_value=wanted, old_value=before)

    def drop_worker(self) -> None:
        """One worker less, but not the last."""
        if self.fleet.wanted > 1:
            self.scale(self.fleet.wanted - 1)
        else:
            self.log.info("the last worker stays")

    def dismiss(self) -> None:
        """Let all workers leave, while a new supervisor is there to serve: a terminal sends this when it is resized."""
        if self.succession.pid:
            self.scale(0)

    def command(self, words: Sequence[str], reply: Reply) -> None:
        """Carry out what has come over the control socket."""
        carry_out(self, words, reply)

    def watch(self, sock: socket.socket, callback: Callable[[], None]) -> None:
        """Call `callback` when there is something to read at `sock`."""
        self.selector.register(sock, selectors.EVENT_READ, callback)

    def forget(self, sock: socket.socket) -> None:
        """Watch it no more."""
        self.selector.unregister(sock)

    # The turns of the loop.

    def follow_orders(self) -> None:
        """Start who is missing and send away who is not needed, as the fleet says."""
        if self.phase is not Phase.SERVING:
            return
        # What is done may make room for more.
        while any([self.obey(order) for order in self.fleet.orders(self.resting())]):
            pass
        if self.fleet.is_settled:
            if not self.has_started and self.fleet.wanted:
                self.has_started = True
                self.host.tell_start(self.name)
                self.when_started()
            # Their processes hold the sockets of before: clients of an address that is given up would wait for nobody.
            self.molds.keep_only(self.fleet.generation)
            self.host.reload_done()
            self.end_reload()
            self.setbacks.keep_only(self.fleet.generation)

    def resting(self) -> Collection[int]:
        """The numbers at which nobody is to start yet."""
        found = self.setbacks.resting(self.fleet.generation, time.monotonic())
        return self.fleet.numbers if LOADING in found else found

    def obey(self, order: Order) -> bool:
        """Carry out an order of the fleet; `False` if it has to wait for the application to be loaded."""
        match order:
            case Start(number):
                if not (generation := self.generation_at(number)):
                    return False
                self.start(number, generation)
            case Drain(key):
                self.drain(self.processes[key])
        return True

    def generation_at(self, number: int) -> int:
        """Of which generation a worker can start at this number; 0 while its application is being loaded."""
        current, before = self.fleet.generation, self.fleet.before
        if not self.host.settings.preload or self.molds.has(current):
            return current
        # What served until now can still fill an empty place; the reload replaces it with the others.
        rests = number in self.setbacks.resting(before, time.monotonic())
        return before if self.molds.is_ready(before) and not self.fleet.staying(number) and not rests else 0

    def start(self, number: int, generation: int) -> None:
        """Fork worker `number`; a failed fork is tried again after the back-off."""
        key = self.fleet.last_key + 1
        self.host.call_hook("pre_fork", number, 0)
        try:
            if self.host.settings.preload:
                process = self.molds.fork_worker(generation, key, number)
            else:
                starting = Starting(self.host.settings.start_timeout)
                process = fork_worker(key, number, generation, starting, CAUGHT, self.become_worker(number))
        except OSError as error:
            self.fork_failed((generation, number), f"worker {number} cannot be started: {error.strerror or error}")
            return
        self.fleet.started(number, generation)
        self.kernel_kills.forget()
        lifetime_s = self.host.settings.worker_lifetime
        if lifetime_s:
            import random  # noqa: PLC0415 - costs a millisecond, and only this needs it

            # A tenth more or less, so that workers that began together are not replaced together.
            process.retire_at = process.started_at + lifetime_s * random.uniform(0.9, 1.1)
        self.processes[key] = process
        self.selector.register(process.channel, selectors.EVENT_READ, lambda: self.hear(process))  # type: ignore[arg-type]

    def fork_failed(self, place: Place, cause: str) -> None:
        """The machine has no process for that place; at `LOADING`, for the application of --preload."""
        is_current = place[0] == self.fleet.generation
        if is_current and self.fleet.abandon(can_restart=self.molds.is_ready(self.fleet.before)):
            self.host.reload_failed()
            self.log.error(f"not reloaded, what serves goes on: {cause}")
            self.end_reload(cause)
            return
        self.log.error(cause)
        failed_starts = self.setbacks.add(place)
        self.setbacks.rest(place, time.monotonic())
        if failed_starts >= plan.BOOT_TRIES and is_current:
            self.end_reload(cause)
            if not self.fleet.has_ready():
                self.happen(Event.BOOT_HOPELESS)
                self.exit_status = OperatorError.exit_status

    def become_worker(self, number: int) -> Callable[[Channel, set[int | signal.Signals]], NoReturn]:
        """The child's way: it ends inside of this function, and nothing of the parent's stack is unwound."""

        def live(channel: Channel, mask: set[int | signal.Signals]) -> NoReturn:
            self.run_child(lambda: self.host.work(channel, number), mask)

        return live

    def run_child(self, work: Callable[[], int], mask: Iterable[int]) -> NoReturn:
        """Let go of what is the supervisor's, do the child's work, and end with its status."""
        status = 1
        try:
            take_usual_signals(self.host.reopen_logs)
            self.let_go()
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            status = work()
        except BaseException:
            self.log.error(f"a worker fails: {traceback.format_exc().rstrip()}")
        finally:
            os._exit(status)

    def let_go(self) -> None:
        """In a child, let go of what is the supervisor's."""
        # The ends of the workers' channels among them: with a copy open, a worker would not see the parent's death; and
        # nobody but the supervisor listens for commands.
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self.molds.close()
        for process in self.processes.values():
            process.starting.end()
        self.selector.close()
        self.signals.close()

    def rest(self) -> None:
        """No worker can be started now: try again after the back-off, or give up."""
        place = (self.fleet.generation, LOADING)
        failed_starts = self.setbacks.add(place)
        self.setbacks.rest(place, time.monotonic())
        if failed_starts >= self.boot_tries and not self.fleet.has_ready():
            self.give_up(place)

    @property
    def boot_tries(self) -> int:
        """How many starts in a row may fail: with somebody at work on the files, one is enough to know."""
        return 1 if self.watcher.is_watching else plan.BOOT_TRIES

    def give_up(self, place: Place) -> None:
        """Nobody serves, and nobody can start: end, or wait for the fix."""
        self.happen(Event.BOOT_AWAITS_CHANGE if self.watcher.is_watching else Event.BOOT_HOPELESS, place)

    def drain(self, process: Process) -> None:
        """Tell a worker to finish what it has begun, and to leave."""
        self.fleet.drained(process.key)
        process.starting.end()
        process.kill_at = time.monotonic() + self.drain_bound_s(HANG_GRACE_S)
        # A worker takes this one for "somebody else serves already": without the drain delay.
        process.signal(signal.SIGUSR2 if process.is_ready else signal.SIGTERM)

    def hear(self, process: Process) -> None:
        """Take what a worker has said."""
        if process.channel is None:
            return
        for message in read_messages(process.channel):
            self.take_message(process, message)

    def take_message(self, process: Process, message: Message) -> None:
        """One message of a worker."""
        match message.kind:
            case Kind.READY:
                process.is_ready = True
                process.starting.end()
                self.setbacks.served()
                self.fleet.ready(process.key)
                self.name = message.text
                if not self.fleet.before:
                    self.scale_now()
            case Kind.FAILED:
                process.failure = process.failure or message.text
            case Kind.SO_FAR:
                process.told = message.text
            case Kind.DRAINED:
                process.told, process.has_drained = message.text, True
                if process.kill_at is not None:
                    process.kill_at = time.monotonic() + LEAVING_GRACE_S
                # One that was replaced before has told the log itself.
                if self.account is not None:
                    self.account.add(message.text)
            case Kind.FILES:
                self.watcher.add(message.text)
            case Kind.RETIRE:
                self.retire(process, message.text)
            case Kind.ENDED:
                if process.channel is not None:
                    self.selector.unregister(process.channel)
                    process.close()

    def retire(self, process: Process, why: str) -> None:
        """A successor is to take the worker's place."""
        self.log.info(f"{process.who} is replaced: {why}")
        process.retire_at = None
        self.fleet.retire(process.key, why)

    @property
    def deadlines(self) -> list[Deadline]:
        """All that time alone brings about: each of it is forgotten, or put off, by what is done at it."""
        found: list[tuple[float | None, Callable[[], None]]] = [
            (self.deadline, self.end_phase),
            (self.watchdog_at, self.feed_watchdog),
            *self.molds.deadlines,
        ]
        for process in self.processes.values():
            found.append((process.starting.due_at, partial(self.press, process)))
            found.append((process.kill_at, partial(self.kill, process)))
            found.append((process.retire_at, partial(self.retire_old, process)))
        if self.phase is Phase.SERVING:
            # Nothing is to be done then but to look at the orders again.
            found += [(until, do_nothing) for until in self.setbacks.rests(time.monotonic())]
            found += [(self.look_at, self.look_at_memory)] if self.host.settings.max_worker_memory else []
        return [(at, act) for at, act in found if at is not None]

    def seconds_to_wait(self) -> float | None:
        """Time until something is due; None when only an event can be next."""
        first = min((at for at, _ in self.deadlines), default=None)
        return None if first is None else max(0.0, first - time.monotonic())

    def take_deadlines(self) -> None:
        """Do what is due."""
        for at, act in self.deadlines:
            if time.monotonic() >= at:
                act()

    def end_phase(self) -> None:
        """A drain or a stop has lasted as long as it may."""
        self.deadline = None
        self.happen(Event.DEADLINE)

    def feed_watchdog(self) -> None:
        """Give the service manager its sign of life."""
        self.watchdog_at = time.monotonic() + (self.host.notifier.watchdog_s or 0)
        self.host.notifier.watchdog()

    def press(self, process: Process) -> None:
        """A worker is not ready in time: it says where it is, and is killed then."""
        if not process.starting.has_asked and self.host.has_hook("worker_abort"):
            process.signal(signal.SIGABRT)
        if cause := process.starting.overdue(process.pid):
            process.failure = process.failure or cause
            process.signal(signal.SIGKILL)

    def kill(self, process: Process) -> None:
        """A worker that was told to leave is still there."""
        process.kill_at = None
        self.log.error(f"{process.who} has not left in time and is killed{with_requests(process.told)}")
        process.signal(signal.SIGKILL)

    def retire_old(self, process: Process) -> None:
        """A worker's lifetime is over."""
        self.retire(process, f"it has served for {time.monotonic() - process.started_at:.0f} s")

    def look_at_memory(self) -> None:
        """Retire the workers that have grown too large."""
        self.look_at = time.monotonic() + LOOK_S
        bound = self.host.settings.max_worker_memory
        for process in self.processes.values():
            member = self.fleet.members[process.key]
            if not process.is_ready or member.retiring or not member.is_staying:
                continue
            used = resident_bytes(process.pid)
            if used > bound:
                self.retire(process, f"it uses {used >> 20} MiB, more than {bound >> 20}")

    def reap(self) -> None:
        """Collect every child that has ended."""
        # As process 1 we inherit the orphans of the application; they are reaped too, and judged by nobody.
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            exit_code = os.waitstatus_to_exitcode(status)
            self.molds.reaped(pid)
            self.watcher.reaped(pid, exit_code)
            self.succession.reaped(pid, exit_code)
            for process in [one for one in self.processes.values() if one.pid == pid]:
                self.bury(process, exit_code, self.kernel_kills.cause_of(exit_code, usage.ru_maxrss * 1024))

    def bury(self, process: Process, exit_code: int, how: str) -> None:
        """A worker is dead, as `how` says: hear its last words, tell of it, and let fleet and plan say what follows."""
        self.hear(process)
        if process.channel is not None:
            # A child of the worker's holds a copy of its end.
            self.selector.unregister(process.channel)
            process.close()
        del self.processes[process.key]
        loss = self.fleet.gone(process.key)
        if self.account is not None and process.is_ready and not process.has_drained and exit_code < 0:
            self.account.lose(process.told, f"{process.who} {signal_of(exit_code)}")
        self.host.call_hook("child_exit", process.number, process.pid)
        if loss is Loss.LEFT:
            return
        if loss is Loss.RELOAD_FAILED:
            # First, so that what is said of it is so.
            self.host.reload_failed()
        if self.phase is Phase.SERVING:
            self.tell_death(process, exit_code, how, loss)
        if loss is Loss.RELOAD_FAILED:
            self.end_reload(process.failure or f"a worker {early_end_of(exit_code, how)}")
            return
        has_settled = process.is_ready and time.monotonic() - process.started_at >= plan.SETTLED_S
        failed_starts = self.setbacks.add(process.place, has_served=process.is_ready, has_settled=has_settled)
        self.happen(LOSSES[loss], process.place)
        # Those of before say nothing of a reload, which may bring what mends them.
        if failed_starts >= self.boot_tries and process.generation == self.fleet.generation:
            # Some of the new generation serve, and this one is tried on; whoever waits is told.
            early = early_end_of(exit_code, how)
            self.end_reload(f"worker {process.number} could not start: {process.failure or early}")
            if not self.fleet.has_ready():
                self.give_up(process.place)

    def tell_death(self, process: Process, exit_code: int, how: str, loss: Loss) -> None:
        """Log how a worker ended; a reason that was told for the one before is not told again."""
        cause = process.failure or f"it {early_end_of(exit_code, how)}"
        if loss is Loss.RELOAD_FAILED:
            self.log.error(f"not reloaded, what serves goes on: {process.who} could not start: {cause}")
        elif process.failure:
            is_news = self.setbacks.is_news(process.generation, process.failure)
            self.log.error(f"{process.who} could not start{f': {cause}' if is_news else ', for the same reason'}")
        elif exit_code == 0 and process.is_ready:
            self.log.info(f"{process.who} has ended; another one takes its place")
        else:
            how = how if process.is_ready else early_end_of(exit_code, how)
            self.log.error(f"{process.who} {how}; another one takes its place")

    def signal_workers(self, number: int) -> None:
        """Send signal `number` to every worker."""
        for process in self.processes.values():
            process.signal(number)

    def drain_bound_s(self, grace_s: float) -> float:
        """How long a worker may take to leave, which knows its own deadlines."""
        settings = self.host.settings
        return settings.graceful_timeout + settings.drain_delay + grace_s


def do_nothing() -> None:
    pass
