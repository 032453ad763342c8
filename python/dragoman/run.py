"""One run of the server, from its settings to its exit status: logs, sockets, then one worker or several."""

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import FrameType
from typing import Any, NoReturn

from dragoman import __version__, development, layers, loader, readiness, supervisor, worker
from dragoman.contract.late import LateReporter
from dragoman.errors import ApplicationError, DragomanError, OperatorError
from dragoman.forking import ForkHooks, Letting
from dragoman.hooks import HOOKS, Configuration, HookLog, ServerView, WorkerView, load_hooks
from dragoman.loader import Loaded, add_paths, parse, traceback_of
from dragoman.log import OF_PROCESS, Log, access_log_fd, fill_standard_descriptors, open_log, reopen
from dragoman.renewal import Renewal, enter
from dragoman.settings import Settings
from dragoman.supervisor.activation import is_bind_given, with_passed
from dragoman.supervisor.changes import files_elsewhere
from dragoman.supervisor.channel import Channel
from dragoman.supervisor.kernel import own_pidfd, raise_descriptor_limit
from dragoman.supervisor.mold import fork_dangers, open_descriptors, serve_orders
from dragoman.supervisor.pidfile import PidFile
from dragoman.supervisor.signals import CAUGHT
from dragoman.supervisor.upgrade import Origin, Predecessor, start_successor, take_predecessor
from dragoman.values import Address, counted

__all__ = ["run"]


def run(
    settings: Settings,
    notices: Sequence[str] = (),
    reread: Callable[[], Settings] | None = None,
    load: Callable[[], Loaded] | None = None,
    fixed: str = "",
    *,
    is_last: bool = False,
) -> int:
    """Serve until a signal ends it; the exit status. Raises DragomanError for what cannot be had.

    notices   warnings that were found before there was a log
    reread    gives the settings of a reload; without it they stay as they are
    load      gives the application, in each process that serves; by default the one that the settings name
    fixed     why no reload can bring another application, if that is so
    is_last   the process ends here instead of returning: exit functions, which may wait for what a hook has started,
              have a deadline then
    """
    if sys.platform != "linux":
        raise OperatorError(f"only Linux is supported for now, and this is {sys.platform}")
    fill_standard_descriptors()
    if load is None:
        # A wrong string is answered before anything is opened.
        parse(settings.application)
    origin, predecessor = Origin.of_this_process(), take_predecessor()
    origin.put_on_path(sys.path)
    # Before --env and the application can say something else of them.
    notifier = supervisor.Notifier(os.environ)
    passed, warning = supervisor.take_passed(os.environ, os.getpid())
    if passed and is_bind_given(settings):
        warning = f"{len(passed)} sockets were passed (LISTEN_FDS) and are not used, because --bind is given"
    try:
        # As process 1 a signal without a handler is ignored: the time before the server runs must not be deaf.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, end_early)
        if settings.workers:
            # The pid file is there before the supervisor hears them, and their usual effect would end it.
            for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
                signal.signal(number, lambda number, frame: None)
        os.chdir(settings.chdir)
        os.environ.update(settings.env)
        raise_descriptor_limit()
        process = Process(settings, reread or (lambda: settings), load, origin, predecessor, notifier, passed, fixed)
        OF_PROCESS[:] = [process.log]
        # A successor whose predecessor is gone is no child of process 1 by anybody's plan.
        deaf_parent = supervisor.deaf_parent() if predecessor is None else ""
        told = (*notices, *without_effect(settings), *development.notices(settings, is_given=load is not None))
        for notice in (*told, warning, worker.spool_warning(settings), deaf_parent):
            if notice:
                process.log.warning(notice)
        status = process.run()
        if is_last:
            worker.leave(status, (), process.log)
        return status
    except EndedEarly:
        return 0
    finally:
        OF_PROCESS.clear()


def without_effect(settings: Settings) -> Iterable[str]:
    """What was asked for of a supervisor where there is none."""
    if settings.workers == 0:
        for name in ("max_requests", "max_worker_memory", "worker_lifetime", "control_socket", "check_path"):
            if settings.origins[name].is_given and getattr(settings, name) not in (0, "", "auto", "none"):
                yield f"{name} ({settings.origins[name]}) has no effect with workers = 0, which has no supervisor"


class Process:
    """What the processes of a run share: settings, logs, listeners."""

    def __init__(
        self,
        settings: Settings,
        reread: Callable[[], Settings],
        load: Callable[[], Loaded] | None,
        origin: Origin,
        predecessor: Predecessor | None,
        notifier: supervisor.Notifier,
        passed: Sequence[Address],
        fixed: str,
    ) -> None:
        self.settings = settings = with_passed(settings, passed)
        self.renewal = Renewal(self, reread, passed)
        self.load_given = load
        self.fixed = fixed
        self.origin = origin
        self.predecessor = predecessor
        self.notifier = notifier
        self.successor_pid = 0
        self.control: supervisor.Control | None = None
        self.name = ""
        self.pid_file = PidFile("")
        self.supervisor_pid = os.getpid()
        # Stands for that process in its children, where the kernel can do that.
        self.supervisor_fd = -1
        self.channel: Channel | None = None
        self.ordered: socket.socket | None = None
        self.started = 0  # workers, so far
        # Whom this process can still become; None once it has, and where nobody else is asked for.
        self.identity = supervisor.identity_of(settings.user, settings.group)
        self.log = Log(open_log(settings.error_logfile), settings.log_level, is_json=settings.log_format == "json")
        if settings.dev:
            # What the application is made of may ask, wherever the setting came from.
            os.environ["DRAGOMAN_DEV"] = "1"
            # Imported late, as all that only --dev needs.
            from dragoman.development.paint import paint, takes_colours  # noqa: PLC0415

            if takes_colours(self.log.fd, os.environ):
                self.log.paint = paint
        self.access_log_fd = access_log_fd(settings.access_logfile)
        self.listeners: Sequence[supervisor.Listener] = ()
        self.hooks = load_hooks(settings.hooks, self.log)
        self.give_logs()
        # Asked once here, so that what is wrong is told before anything is forked.
        worker.check_options(settings, self.access_log_fd)

    def run(self) -> int:
        """Open what is needed, serve, and clear up; the exit status."""
        settings = self.settings
        handed_over = self.predecessor.descriptors if self.predecessor is not None else {}
        self.listeners = supervisor.open_all(
            settings.bind,
            backlog=settings.backlog,
            umask=settings.umask,
            reuse_port=settings.reuse_port,
            owner=self.identity,
            handed_over=handed_over,
        )
        try:
            self.pid_file = PidFile(self.pid_path and os.path.abspath(self.pid_path))
            try:
                return self.serve_alone() if settings.workers == 0 else self.supervise()
            finally:
                self.pid_file.remove()
        finally:
            # The files are a successor's, or still a predecessor's.
            is_shared = self.successor_pid != 0 or (self.predecessor is not None and self.predecessor.is_alive)
            supervisor.close_all([*self.listeners, *self.renewal.spare], keep_files=is_shared)
            if self.control is not None:
                supervisor.close_control(self.control.socket, keep_file=is_shared)

    @property
    def pid_path(self) -> str:
        """The pid file: with another name while the predecessor's is there."""
        path = self.settings.pid
        return f"{path}.2" if path and self.predecessor is not None else path

    def serve_alone(self) -> int:
        """Serve in this very process."""
        # Logs may be rotated while the application is loaded; the worker's own handler comes with its engine.
        signal.signal(signal.SIGUSR1, lambda number, frame: self.reopen_logs())
        self.guard_forks()
        self.set_title("server")
        self.drop_rights()
        loaded = self.load()

        def when_ready() -> None:
            self.tell_start(loaded.name)
            if self.notifier.watchdog_s is not None:
                threading.Thread(target=self.notifier.keep_watch, name="watchdog", daemon=True).start()

        status, stuck = self.serve(loaded, when_ready=when_ready, make=partial(LoneWorker, self.notifier))
        if stuck:
            # The way out that is left does not come back to the `finally` blocks of our callers.
            self.pid_file.remove()
            supervisor.close_all(self.listeners)
            worker.leave(status, stuck, self.log)
        return status

    def supervise(self) -> int:
        """Serve in forked workers, and look after them here."""
        self.set_title("supervisor")
        self.supervisor_fd = own_pidfd()
        handed_over = self.predecessor.control if self.predecessor is not None else -1
        if handed_over >= 0:
            sock = socket.socket(fileno=handed_over)
            sock.set_inheritable(False)
            sock.setblocking(False)
            self.control = supervisor.Control(sock)
        elif (opened := supervisor.open_control(self.settings.control_socket, self.settings.bind)) is not None:
            self.control = supervisor.Control(opened)
        elif self.settings.control_socket != "none":
            address = supervisor.control_address(self.settings.control_socket, self.settings.bind)
            self.log.warning(
                f"no commands reach this server: its automatic control socket is {supervisor.holder_of(address)}'s;"
                " --control-socket PATH gives it one of its own"
            )
        self.guard_forks()
        self.call_hook("on_starting")
        self.call_hook("nworkers_changed", new_value=self.settings.workers, old_value=None)
        try:
            return supervisor.supervise(self, self.control)
        finally:
            self.call_hook("on_exit")

    def reload(self) -> None:
        """Take the settings as they are now. Raises DragomanError, and keeps those of before."""
        self.renewal.begin()

    def reload_done(self) -> None:
        """Let go of what nobody serves with any more, and be commanded where the new settings say."""
        if self.renewal.is_under_way:
            self.move_control()
        self.renewal.finish()

    def reload_failed(self) -> None:
        """What was before the reload goes on, settings and sockets."""
        self.renewal.undo()

    def move_control(self) -> None:
        """Let commands find this server by its settings: the automatic socket is named after the first address."""
        settings = self.settings
        if self.control is None or settings.control_socket == "none":
            return
        try:
            self.control.move(settings.control_socket, settings.bind)
        except OperatorError as error:
            self.log.warning(f"commands reach this server only where they did before: {error}")

    def guard_forks(self, channel: Channel | None = None, ordered: socket.socket | None = None) -> None:
        """From now on: what hooks or the application fork in this process gets neither its signals nor its sockets."""
        self.channel, self.ordered = channel, ordered
        self.fork_hooks = ForkHooks(CAUGHT, Letting(self.let_go))
        self.fork_hooks.register()

    def let_go(self) -> None:
        """In a child that somebody else has forked: it is not to hold the address, nor what tells of our end."""
        self.stop_listening()
        self.leave_supervisor()
        if self.channel is not None:
            self.channel.socket.close()
        if self.ordered is not None:
            self.ordered.close()

    def leave_supervisor(self) -> None:
        """In a child: nobody but the supervisor hears commands, and none waits at a socket where nobody does."""
        if self.control is not None:
            self.control.socket.close()
        if self.predecessor is not None:
            self.predecessor.leave()
        self.renewal.leave()

    @property
    def has_predecessor(self) -> bool:
        """Whether another supervisor serves until this one does."""
        return self.predecessor is not None

    def upgrade(self) -> tuple[int, socket.socket]:
        """Start a new supervisor from its program, with our sockets."""
        self.successor_pid, channel = start_successor(
            self.origin, self.listeners, self.control.socket if self.control is not None else None
        )
        return self.successor_pid, channel

    def upgrade_failed(self) -> None:
        """The new supervisor has ended: files are ours again."""
        self.successor_pid = 0

    def status(self) -> Mapping[str, Any]:
        """The run, for ``dragoman status``."""
        return {
            "version": __version__,
            "name": self.name,
            "listeners": [listener.url for listener in self.listeners],
        }

    def work(self, channel: Channel, number: int) -> int:
        """The life of forked worker `number`."""
        self.leave_supervisor()
        self.guard_forks(channel)
        self.set_title(f"worker {number}")
        if not self.enter_or_tell(channel):
            return OperatorError.exit_status
        if self.has_hook("worker_abort"):
            signal.signal(signal.SIGABRT, lambda *_: self.call_hook("worker_abort", number))
        loaded = self.load_or_tell(channel, lambda: self.call_hook("post_fork", number))
        return loaded if isinstance(loaded, int) else self.serve_forked(loaded, channel, number)

    def preload(self, channel: Channel, ordered: socket.socket, become: Callable[[], None]) -> int:
        """The life of the process from which, the application loaded, the workers are forked."""
        self.leave_supervisor()
        self.guard_forks(channel, ordered)
        self.set_title("preload")
        if not self.enter_or_tell(channel):
            return OperatorError.exit_status
        before = open_descriptors()
        loaded = self.load_or_tell(channel)
        if isinstance(loaded, int):
            return loaded
        for danger in fork_dangers(before):
            self.log.warning(f"--preload: {danger}")
        channel.ready(loaded.name)

        # Taken back in the workers: here it is ours, so that the workers can be forked (`serve_orders`).
        of_application = signal.getsignal(signal.SIGCHLD)

        def live(channel: Channel, number: int) -> NoReturn:
            become()
            if of_application is not None:
                signal.signal(signal.SIGCHLD, of_application)
            self.guard_forks(channel)
            self.set_title(f"worker {number}")
            self.call_hook("post_fork", number)
            os._exit(self.serve_forked(loaded, channel, number))

        serve_orders(ordered, channel, live)
        return 0

    def watching(self) -> None:
        """In the process that watches the files: be known as that, and hold nothing open that the workers serve."""
        self.leave_supervisor()
        self.stop_listening()
        self.set_title("watch")

    def load(self) -> Loaded:
        """The application that was given, or that the settings name. Raises DragomanError."""
        loaded = loader.load(self.settings.application) if self.load_given is None else self.load_given()
        if not self.settings.dev:
            # Else the browser of who works on it shows what is wrong.
            loaded = loader.decided(loaded)
        return layers.wrapped(loaded, self.settings.middleware)

    def enter_or_tell(self, channel: Channel) -> bool:
        """Go to --chdir anew: where the path has a link, a release may have been switched since this run began."""
        try:
            enter(self.settings.chdir)
        except OperatorError as error:
            channel.failed(str(error))
            return False
        return True

    def load_or_tell(self, channel: Channel, before: Callable[[], None] = lambda: None) -> Loaded | int:
        """The application; if it cannot be served, why not is said over `channel`, and the exit status returned.

        before   called as the user of the settings
        """
        try:
            self.drop_rights()
            before()
            if self.settings.is_watching:
                # Compiled code is known by size and second of its source: of two saves in one the first would be run.
                sys.dont_write_bytecode = True
            return self.load()
        except DragomanError as error:
            channel.failed(f"{error}\n{error.details}".rstrip("\n"))
            return error.exit_status
        # No signal raises one here: a KeyboardInterrupt, say, is the application's own.
        except BaseException as error:
            channel.failed(f"loading the application ends with {type(error).__name__}\n{traceback_of(error)}")
            return ApplicationError.exit_status
        finally:
            if self.settings.is_watching:
                channel.files(files_elsewhere(self.settings.chdir))

    def serve_forked(self, loaded: Loaded, channel: Channel, number: int) -> int:
        """Serve as worker `number` of a supervisor."""
        listener = threading.Thread(target=self.drain_with_supervisor, args=(channel,), name="supervisor", daemon=True)
        try:
            listener.start()
        except RuntimeError as error:
            channel.failed(f"no thread can be started ({error})")
            return OperatorError.exit_status
        self.call_hook("post_worker_init", number)
        if self.settings.check_path and (cause := readiness.refusal(loaded, self.settings, self.log)):
            channel.failed(cause)
            return ApplicationError.exit_status
        status, stuck = self.serve(
            loaded,
            when_ready=lambda: channel.ready(loaded.name),
            channel=channel,
            when_quit=lambda: self.call_hook("worker_int", number),
            when_late=lambda: self.call_hook("worker_abort", number),
        )
        self.call_hook("worker_exit", number)
        worker.leave(status, stuck, self.log)

    def call_hook(self, name: str, number: int = 0, pid: int | None = None, **more: object) -> None:
        """Call the function of that name in the file of --hooks, if there is one.

        number, pid   the worker that it is about; by default this process
        """
        self.started += name == "pre_fork"
        log, settings = HookLog(self.log), self.settings
        known = {
            "server": ServerView(self.supervisor_pid, settings, log, tuple(Configuration(settings).address)),
            "worker": WorkerView(os.getpid() if pid is None else pid, number, self.started, settings, log),
            **more,
        }
        self.hooks.call(name, *(known[argument] for argument in HOOKS[name].arguments))

    def has_hook(self, name: str) -> bool:
        """Whether the file of --hooks has a function of that name."""
        return name in self.hooks.functions

    def set_title(self, part: str) -> None:
        """Show this process as that part of the run."""
        supervisor.set_title(f"{part} [{self.settings.proc_name or self.settings.application}]")

    def drop_rights(self) -> None:
        """Become the user and the group of the settings, and let the application's modules be found from now on.

        The supervisor keeps its rights: it opens sockets and logs again, and forks workers that drop theirs.
        """
        if self.identity is not None:
            self.identity.drop()
            self.identity = None
            # What root may write to, this user may not.
            worker.check_options(self.settings, self.access_log_fd)
        # Not before: what the application's directory holds under the name of another module would run as root.
        add_paths(self.settings.chdir, self.settings.pythonpath)

    def serve(
        self,
        loaded: Loaded,
        when_ready: Callable[[], None],
        make: Callable[..., worker.Worker] = worker.Worker,
        channel: Channel | None = None,
        when_quit: Callable[[], None] = lambda: None,
        when_late: Callable[[], None] = lambda: None,
    ) -> tuple[int, list[str]]:
        """Serve `loaded` until a signal ends it: exit status, and the requests that are still in the application."""
        application, exception = loaded.application, None
        reporter = LateReporter(self.log.error, loaded.name)
        report: Callable[[str, Mapping[str, Any]], object] = reporter
        if self.settings.dev:
            from dragoman.development.checking import Checking  # noqa: PLC0415

            checking = Checking(loaded, reporter)
            application, report, exception = checking.application, checking.report, partial(checking.failed, self.log)
        one = make(
            application,
            [listener.info for listener in self.listeners],
            self.settings,
            log=self.log,
            report=report,
            exception=exception,
            access_log_fd=self.access_log_fd,
        )
        # The engine has copies of its own: when it closes them at a drain, no other one of this process may be left.
        self.stop_listening()
        if channel is not None:
            one.tell_so_far, one.when_late = channel.so_far, when_late
            one.when_used_up = partial(channel.retire, f"it has answered {self.settings.max_requests} requests or more")
        stuck = worker.serve(
            one,
            when_ready=when_ready,
            reopen_logs=self.reopen_logs,
            is_supervised=channel is not None,
            when_quit=when_quit,
        )
        reporter.close()
        if channel is not None and (account := one.server.account()) is not None:
            channel.drained(account)
        return one.exit_status, stuck

    def drain_with_supervisor(self, channel: Channel) -> None:
        """Wait for the end of the supervisor, in a thread of its own, and drain then."""
        channel.wait_for_end(self.supervisor_pid, self.supervisor_fd)
        self.log.error("the supervisor is gone; draining")
        os.kill(os.getpid(), signal.SIGTERM)

    def stop_listening(self) -> None:
        """Close this process's copies: clients are refused once no process of the run has one, not left waiting."""
        for listener in (*self.listeners, *self.renewal.spare):
            listener.socket.close()

    def log_files(self) -> Sequence[tuple[int, str]]:
        """The descriptors of the logs that are not standard streams, with their paths."""
        logs = (self.log.fd, self.settings.error_logfile), (self.access_log_fd, self.settings.access_logfile)
        return [(fd, path) for fd, path in logs if fd > 2]

    def give_logs(self) -> None:
        """Let those who will have fewer rights open the logs again."""
        if self.identity is not None:
            for fd, path in self.log_files():
                self.identity.give_log(fd, path)

    def reopen_logs(self) -> None:
        """Write to the files that have the logs' names now: log rotation has renamed the old ones."""
        for fd, path in self.log_files():
            try:
                reopen(fd, path)
            except OSError as error:
                self.log.error(f'log "{path}" cannot be opened again: {error.strerror}')
        # Before the workers are told to do the same.
        self.give_logs()

    def tell_start(self, name: str) -> None:
        """Tell log and service manager that `name` is served from now on, and where; a predecessor may leave."""
        self.name = name
        self.log.info(self.start_block(name))
        self.notifier.ready(self.serving())
        self.call_hook("when_ready")
        if self.predecessor is not None:
            state = "which drains" if self.predecessor.is_alive else "which is gone"
            self.log.info(f"taking over from process {self.predecessor.pid}, {state}")
            predecessor, self.predecessor = self.predecessor, None
            try:
                self.pid_file.rename(self.pid_path and os.path.abspath(self.pid_path))
            except OSError as error:
                self.log.warning(f'--pid "{self.pid_path}": cannot be taken over: {error.strerror}')
            predecessor.drain()
            self.move_control()

    def serving(self) -> str:
        """What is served and where, in a line for the service manager."""
        return f"serving {self.name} at {', '.join(listener.url for listener in self.listeners)}"

    def start_block(self, name: str) -> str:
        """What is served, where, by how many, and how to stop it: a line each."""
        workers, threads = self.settings.workers, self.settings.threads
        pid = os.getpid()
        processes = counted(workers, "worker") if workers else "no supervisor"
        return "\n".join(
            [
                f"dragoman {__version__} serves {name} (WSGI)",
                *(listener.url for listener in self.listeners),
                f"{processes}, up to {counted(threads, 'thread')}{' each' if workers > 1 else ''}",
                *filter(None, [development.start_line(self.settings)]),
                f"Ctrl-C stops at once; kill {pid} finishes the requests under way first",
            ]
        )


class LoneWorker(worker.Worker):
    """A worker that is the whole service: the service manager hears from it when the end begins."""

    def __init__(self, notifier: supervisor.Notifier, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.notifier = notifier

    def drain(self, *, is_replaced: bool = False) -> None:
        """Tell it, and drain."""
        self.notifier.stopping()
        super().drain(is_replaced=is_replaced)

    def stop(self) -> None:
        """Tell it, and stop."""
        self.notifier.stopping()
        super().stop()


class EndedEarly(BaseException):
    """A signal came before the server ran. Not an Exception, and not SystemExit: an application may catch those."""


def end_early(number: int, frame: FrameType | None) -> None:
    raise EndedEarly
