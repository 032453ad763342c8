"""Serves from Python: `serve` in the main thread of a script, `BackgroundServer` beside other code, in any thread."""

import os
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from dragoman import signature
from dragoman.contract.report import Reporter, application_name
from dragoman.errors import ApplicationError, DragomanError, OperatorError, UsageError
from dragoman.forking import ForkHooks
from dragoman.leftover import Name, cut_connections, told_of, watch_until_exit
from dragoman.loader import Loaded, one_line, refuse_patched_process, traceback_of
from dragoman.log import Log, access_log_fd
from dragoman.run import run
from dragoman.settings import Row, Settings, misspelt, rows, settings_from, unknown_name
from dragoman.supervisor.sockets import Listener, close_all, open_all
from dragoman.types import ErrorStream, WSGIApplication
from dragoman.values import printable
from dragoman.worker import Worker

__all__ = ["BackgroundServer", "keyword_settings", "serve", "serve_loaded"]

# What only a process of its own can have, or a supervisor.
OF_A_RUN = frozenset(
    {
        *("application", "chdir", "pythonpath", "user", "group", "proc_name", "pid", "error_logfile", "log_format"),
        *("dev", "reload", "reload_extra_files"),
        *("workers", "preload", "hooks", "control_socket"),
        *("start_timeout", "check_path", "max_requests", "max_requests_jitter", "max_worker_memory", "worker_lifetime"),
    }
)
# Why a reload fails where the application is an object.
FIXED = (
    "the application is an object of this very process, and cannot be loaded anew; start the script anew (SIGUSR2 does"
    ' so without a pause), or serve the application by its name, such as "shop:app"'
)
# How long threads may take that are outside of the application, or whose connections have just been cut.
ENDING_S = 5.0
# The same for calls that are left when the connections are cut: more of them will hang than wait for their clients.
CUT_S = 0.5


def serve(application: WSGIApplication | str, *, bind: str | Sequence[str] | None = None, **settings: object) -> int:
    """Serve `application` until a signal ends it; returns the exit status, 0 after a clean end.

    application   a WSGI callable, or text as the command takes it, such as ``"shop.wsgi:app"``
    bind          where to listen, ``"127.0.0.1:8000"`` by default; several addresses as a list
    settings      the other settings by name, as Python values or as the text that the flag takes:
                  ``threads=8, limit_body="2M", env={"MODE": "production"}``

    A setting that is not given comes from the environment (``DRAGOMAN_THREADS``, ``PORT``, ...), then from its default;
    but a callable is served in this very process unless ``workers`` says otherwise. SIGTERM ends after the requests
    under way, Ctrl-C at once and without a KeyboardInterrupt; then the signal handlers are what they were. A request
    that is still in the application when its time is up takes the process with it: its thread cannot be ended in
    another way.

    Raises UsageError for a setting that cannot be and outside of the main thread, OperatorError for an address or a
    file that cannot be had, ApplicationError for what is no WSGI application.

        sys.exit(dragoman.serve(app, bind="127.0.0.1:8080"))
    """
    given = {"bind": bind, **settings}
    if isinstance(application, str):
        return serve_loaded(None, {"application": application, **given})
    loaded = checked(application, written_name(application))
    return serve_loaded(lambda: loaded, {"workers": 0, **given}, fixed=FIXED)


def serve_loaded(load: Callable[[], Loaded] | None, given: Mapping[str, object], fixed: str = "") -> int:
    """`serve` for an application that `load` gives in each process that serves; None: the one that `given` names.

    fixed   why no reload can bring another application, if that is so
    """
    if threading.current_thread() is not threading.main_thread():
        raise UsageError(
            "dragoman.serve has to be called in the main thread, which is where signals arrive;"
            " in another thread, dragoman.testing.LiveServer(app) serves"
        )
    environment = dict(os.environ)
    settings = keyword_settings(given, environment)
    with signals_put_back():
        return run(settings, notices=misspelt(environment), load=load and partial(told, load), fixed=fixed)


def told(load: Callable[[], Loaded]) -> Loaded:
    """What `load` gives; whatever it raises becomes an ApplicationError, which a supervisor can pass on in words."""
    try:
        return load()
    except DragomanError:
        raise
    except (Exception, SystemExit) as error:
        raise ApplicationError(f"loading the application fails: {one_line(error)}", traceback_of(error)) from None


def written_name(application: WSGIApplication) -> str:
    """``module:name`` as the program has it; what it has under no name by what that was made with, or as its class."""
    import_name = getattr(application, "import_name", None)
    if not hasattr(application, "__qualname__"):
        # Of a function that name is its own; of an object it would be that of the class.
        for module in ("__main__", import_name):
            for name, value in list(getattr(sys.modules.get(str(module)), "__dict__", {}).items()):
                if value is application and not name.startswith("_"):
                    return printable(f"{module}:{name}")
        if isinstance(import_name, str):
            return printable(f"{type(application).__name__}({import_name!r})")
    return application_name(application)


def checked(application: WSGIApplication, name: str) -> Loaded:
    """`application` under `name`, after the checks that every application has to pass."""
    if problem := signature.problem_of(application, name):
        raise ApplicationError(problem)
    refuse_patched_process()
    return Loaded(application, name)


def keyword_settings(given: Mapping[str, object], environment: Mapping[str, str]) -> Settings:
    """The settings that keyword arguments make; one that is None counts as not given.

    Raises UsageError for a name that is no setting and for a value that its setting does not take.
    """
    known = {row.name: row for row in rows()}
    for name in given:
        if name not in known:
            raise UsageError(unknown_name(name))
    return settings_from(
        {name: texts(known[name], value) for name, value in given.items() if value is not None}, environment
    )


def texts(row: Row, value: object) -> list[str]:
    """`value` as the texts that a command line would give."""
    if isinstance(value, Mapping):
        return [f"{name}={content}" for name, content in value.items()]
    if isinstance(value, (list, tuple, set, frozenset)):
        found = [text_of(row, one) for one in value]
        return found if row.is_repeatable else [",".join(found)]
    return [text_of(row, value)]


def text_of(row: Row, value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        # Permission bits are octal in the flag's text, and a number in Python: 0o027.
        case int() if row.metavar == "OCTAL":
            return f"{value:o}"
        case str() | int() | float():
            return str(value)
        case os.PathLike():
            return os.fsdecode(value)
    raise UsageError(f"{row.name}: want a text or a number, this is {signature.described(value)}")


@contextmanager
def signals_put_back() -> Iterator[None]:
    """Give the script its signal handlers back at the end."""
    numbers = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
    handlers = {number: signal.getsignal(number) for number in numbers}
    wakeup = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(wakeup)
    try:
        yield
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in handlers.items():
            # None is a handler that was not set from Python, and cannot be from here.
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)


@dataclass(frozen=True)
class Running:
    """What a server has while it runs. It knows nothing of its `BackgroundServer`, so that one can be collected."""

    worker: Worker
    report: Reporter
    minder: threading.Thread
    listeners: Sequence[Listener]
    # Where they listen, as the kernel says it: their sockets are the engine's alone by now.
    names: Sequence[Name]
    access_log_fd: int
    # A child that the application, or a test, forks must neither hold our connections open nor take new ones.
    fork_hooks: ForkHooks
    pid: int = field(default_factory=os.getpid)


class BackgroundServer:
    """The engine around `application`, on threads of its own; the process's signals and streams are left alone.

    log         takes what the error log of a server would
    report      takes the messages about breaches of the contract; by default `log`
    exception   takes (environ, error) of each exception that leaves the application; by default `log`
    errors      ``wsgi.errors``; by default the descriptor of `log`
    Raises UsageError for settings that need a process of their own.
    """

    def __init__(
        self,
        application: WSGIApplication,
        given: Mapping[str, object],
        environment: Mapping[str, str],
        *,
        log: Log,
        name: str = "",
        report: Callable[[str, Mapping[str, object]], object] | None = None,
        exception: Callable[[Mapping[str, Any], BaseException], None] | None = None,
        errors: ErrorStream | None = None,
    ) -> None:
        for setting in sorted(OF_A_RUN & {name for name, value in given.items() if value is not None}):
            raise UsageError(f"{setting} has no effect here: the server is a part of this process")
        self.settings = keyword_settings({**given, "workers": 0}, environment)
        self.loaded = checked(application, name or application_name(application))
        self.log = log
        self.report = report or log.error
        self.exception = exception
        self.errors = errors
        self.lock = threading.Lock()
        self.running: Running | None = None
        self.at_exit: weakref.finalize[..., BackgroundServer] | None = None

    @property
    def listeners(self) -> Sequence[Listener]:
        """Where it listens; nothing while it does not run."""
        return self.running.listeners if self.running else ()

    def start(self) -> None:
        """Listen, and serve from now on. Does nothing while it runs. Raises OperatorError for what cannot be had."""
        with self.lock:
            if self.running is None:
                self.running = begin(self)
                # A server that is forgotten, or runs when the interpreter ends, is stopped without a grace.
                self.at_exit = weakref.finalize(self, end, self.running, 0.0)

    def stop(self) -> str:
        """Drain, for the graceful timeout at most, then cut; what is still inside of the application then, in words.

        Does nothing, and returns "", when it does not run.
        """
        with self.lock:
            running, self.running = self.running, None
            if running is None:
                return ""
            if self.at_exit is not None:
                self.at_exit.detach()
            return end(running, self.settings.graceful_timeout)

    def wait(self) -> None:
        """Return when it does not serve any more."""
        if running := self.running:
            running.minder.join()


def begin(server: BackgroundServer) -> Running:
    """Bind, and start the threads of `server`."""
    settings = server.settings
    listeners = open_all(settings.bind, backlog=settings.backlog, umask=settings.umask)
    log_fd, worker = -1, None
    report = Reporter(server.report, server.loaded.name)
    try:
        log_fd = access_log_fd(settings.access_logfile)
        worker = Worker(
            server.loaded.application,
            [listener.info for listener in listeners],
            settings,
            log=server.log,
            report=report,
            access_log_fd=log_fd,
            exception=server.exception,
            errors=server.errors,
        )
        worker.start()
        if worker.is_stopping:
            raise OperatorError("no thread can be started, so that nobody would serve")
        # Not one of the serving threads: it does what the main thread of a server's own process does.
        minder = threading.Thread(target=mind, args=(worker,), name="dragoman-minder", daemon=True)
        minder.start()
    except BaseException:
        if worker is not None:
            worker.join()
        close(listeners, log_fd)
        raise
    names = [listener.socket.getsockname() for listener in listeners]
    # The engine has copies of its own: when it closes them at a drain, no other one may be left.
    for listener in listeners:
        listener.socket.close()
    hooks = ForkHooks((), worker.server)
    hooks.register()
    return Running(worker, report, minder, listeners, names, log_fd, hooks)


def mind(worker: Worker) -> None:
    """Act on the engine's events until it has drained, or has been stopped."""
    while not worker.is_stopping and not worker.has_drained:
        worker.act(worker.server.wait(None))


def end(running: Running, grace_s: float) -> str:
    """Let the requests under way end for `grace_s`, then cut them; what is left of those whose calls do not return."""
    # A forked child has neither the threads nor the sockets.
    if os.getpid() != running.pid:
        return ""
    worker, minder = running.worker, running.minder
    worker.drain()
    minder.join(grace_s)
    if minder.is_alive():
        # While the engine still runs: who waits in it for a client is woken by that.
        cut_connections(running.names)
        minder.join(CUT_S)
    if minder.is_alive():
        worker.is_stopping = True
        # As the signal would come: the engine stops, and whoever waits for its events is woken.
        os.write(worker.server.signal_fd(), bytes([signal.SIGINT]))
        minder.join(ENDING_S)
    until = time.monotonic() + (ENDING_S if not worker.server.stuck() else 0.0)
    for thread in worker.threads:
        thread.join(max(0.0, until - time.monotonic()))
    stuck = worker.join()
    running.report.close()
    close(running.listeners, running.access_log_fd)
    watch_until_exit(worker.threads)
    return told_of(stuck, worker.threads) if stuck else ""


def close(listeners: Sequence[Listener], log_fd: int) -> None:
    close_all(listeners)
    if log_fd > 2:
        os.close(log_fd)
