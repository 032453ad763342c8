"""A worker class for gunicorn: ``gunicorn -k dragoman.gunicorn.Worker app:app`` serves by Dragoman's engine."""

import atexit
import gc
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import Any

from gunicorn.workers import base

from dragoman import worker
from dragoman.contract.report import Reporter
from dragoman.errors import DragomanError
from dragoman.forking import ForkHooks
from dragoman.log import Log
from dragoman.settings import Settings, misspelt, rows, settings_from
from dragoman.types import ListenerInfo
from dragoman.values import printable

__all__ = ["Worker", "settings_of"]

# Time between two heartbeats at most, and how soon `max_requests` is noticed.
HEARTBEAT_S = 1.0
COUNTING_S = 0.1


@dataclass(frozen=True)
class Meaning:
    """What one of gunicorn's settings is here: the name of ours, and the text for it."""

    name: str
    text: Callable[[Any], str] = str


def or_most(most: str) -> Callable[[Any], str]:
    """For limits of which gunicorn's 0 means none, and ours has a bound: `most`."""
    return lambda value: str(value or most)


# A setting that stands at gunicorn's own default was not chosen by anybody: then ours has its own default. What counts
# however it came about is in ALWAYS: the number of threads says whether the application has to be thread-safe.
MEANINGS: Mapping[str, Meaning] = {
    "threads": Meaning("threads"),
    "workers": Meaning("workers"),
    "worker_connections": Meaning("worker_connections"),
    "keepalive": Meaning("keep_alive"),
    "graceful_timeout": Meaning("graceful_timeout"),
    "limit_request_line": Meaning("limit_request_line", or_most("1M")),
    "limit_request_fields": Meaning("limit_request_fields", or_most("10000")),
    "limit_request_field_size": Meaning("limit_request_field_size", or_most("1M")),
    "forwarded_allow_ips": Meaning("forwarded_allow_ips", ",".join),
    "access_log_format": Meaning("access_logformat"),
    "tmp_upload_dir": Meaning("spool_directory"),
}
ALWAYS = frozenset({"threads", "workers", "forwarded_allow_ips", "access_log_format"})
# Ours that gunicorn has no setting for, where its behaviour is what a deployment relies on. A variable overrides it.
AS_GUNICORN = {"limit_body": "0"}

# What would be wrong in silence is refused, and what would only be missing is told of.
NO_TLS = "this worker does not speak TLS; let the proxy in front speak it, and leave this out"
ONE_READING = "this worker reads requests in one strict way, which has no exceptions; leave it out"
REFUSED: Mapping[str, str] = {
    "certfile": NO_TLS,
    "keyfile": NO_TLS,
    "proxy_protocol": "this worker does not speak the PROXY protocol; let the balancer send X-Forwarded-For instead",
    "protocol": "this worker speaks HTTP only",
    "permit_obsolete_folding": ONE_READING,
    "strip_header_spaces": ONE_READING,
    "permit_unconventional_http_method": ONE_READING,
    "permit_unconventional_http_version": ONE_READING,
    "casefold_http_method": ONE_READING,
    "header_map": "this worker never passes on a field whose name has an underscore; leave it out",
}
MISSING: Mapping[str, str] = {
    "pre_request": "is not called: it would cost every request; a WSGI middleware can do it",
    "post_request": "is not called: it would cost every request; a WSGI middleware can do it",
    "secure_scheme_headers": "is not taken: X-Forwarded-Proto, X-Forwarded-Protocol and X-Forwarded-Ssl count",
    "logger_class": "writes the error log; those of the access log are written by the worker itself",
    "statsd_host": "gets no numbers of requests, only those of workers",
    "http_protocols": "is not taken: HTTP/1.1 and HTTP/1.0 are spoken",
    "sendfile": "is not taken: the worker decides how a file is sent",
}


def settings_of(cfg: Any, environment: Mapping[str, str]) -> Settings:
    """gunicorn's settings as ours; what gunicorn has no setting for comes from DRAGOMAN_... variables and defaults.

    Raises UsageError for a value that ours does not take.
    """
    known = {row.name for row in rows()}
    given = {name: [text] for name, text in AS_GUNICORN.items() if not environment.get(f"DRAGOMAN_{name.upper()}")}
    for name, meaning in MEANINGS.items():
        if meaning.name in known and (name in ALWAYS or is_chosen(cfg, name)):
            given[meaning.name] = [meaning.text(getattr(cfg, name))]
    # gunicorn takes the mount point from the process's environment, where raw_env puts it.
    if mount := environment.get("SCRIPT_NAME"):
        given["root_path"] = [mount]
    return settings_from(given, environment)


def is_chosen(cfg: Any, name: str) -> bool:
    """True when somebody has set `name` to something else than gunicorn's default. Older versions lack some names."""
    found = cfg.settings.get(name)
    # A new one has the default as its validator reads it.
    return found is not None and found.get() != type(found)().get()


class Worker(base.Worker):  # type: ignore[misc]
    """One process under gunicorn's master.

    Sockets, processes, signals, hooks, logs and reloads are gunicorn's; the engine reads requests, calls the
    application on up to ``--threads`` threads and writes the responses. The heartbeat tells the master that this
    process can run Python code: a process whose interpreter is stuck is killed after ``--timeout``, a single slow
    request is not.
    """

    engine: worker.Worker | None = None
    # Requests answered, by gunicorn's name.
    nr: int
    # Descriptors of our own, which stay the same when gunicorn reopens its logs.
    error_fd = -1
    access_fd = -1
    # Requests whose calls did not return in time, and what the process ends with then.
    stuck: Sequence[str] = ()
    exit_status = 0

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Called by the master before the first worker. Raises RuntimeError, which it shows, for what cannot be."""
        for name, reason in REFUSED.items():
            if is_chosen(cfg, name):
                raise RuntimeError(f"{name}: {reason}")
        for name, reason in MISSING.items():
            if is_chosen(cfg, name):
                log.warning("dragoman: %s %s", name, reason)
        for sentence in misspelt(os.environ):
            log.warning("dragoman: %s", sentence)
        if cfg.logconfig or cfg.logconfig_dict or cfg.logconfig_json or cfg.syslog:
            log.warning(
                "dragoman: the access log goes to --access-logfile alone, not through the logging configuration"
            )
        try:
            settings = settings_of(cfg, os.environ)
            worker.check_options(settings, -1)
        except DragomanError as error:
            raise RuntimeError(str(error)) from None

    def init_process(self) -> None:
        """Called by gunicorn in the new process: loads the application and serves until a signal ends it."""
        # Exit functions run last to first: those that the application registers from now on run before ours.
        atexit.register(self.leave_stuck)
        super().init_process()

    def run(self) -> None:
        """Serve until gunicorn, or a signal, says that it is enough."""
        for listener in self.sockets:
            listener.setblocking(False)
        self.error_fd, self.access_fd = fd_of(self.log.error_log, 2), fd_of(self.log.access_log, -1)
        settings = settings_of(self.cfg, os.environ)
        log = GunicornLog(self.log, self.error_fd)
        report = Reporter(log.error, getattr(self.app, "app_uri", None) or "")
        self.engine = engine = worker.Worker(
            self.wsgi,
            [info_of(listener) for listener in self.sockets],
            settings,
            log=log,
            report=report,
            access_log_fd=self.access_fd,
        )
        # The first effect of TERM, INT and QUIT is native; gunicorn's own handlers run behind it.
        signal.set_wakeup_fd(engine.server.signal_fd(), warn_on_full_buffer=False)
        self.fork_hooks = ForkHooks([one for one in self.SIGNALS if one != signal.SIGCHLD], engine.server)
        self.fork_hooks.register()
        # Everything that has been loaded stays for good: the collector need not walk it again, nor touch its pages.
        gc.collect()
        gc.freeze()
        # The master counts from the first beat on; a first request that holds the interpreter would never let it come.
        self.notify()
        try:
            engine.start()
            self.mind(engine)
        finally:
            self.stuck = engine.join()
            report.close()
        self.exit_status = self.exit_status or engine.exit_status
        if self.exit_status:
            sys.exit(self.exit_status)

    def mind(self, engine: worker.Worker) -> None:
        """Beat, and act on the engine's events, until it has drained or has been stopped."""
        tick_s = min(HEARTBEAT_S, self.timeout or HEARTBEAT_S)
        if self.max_requests < sys.maxsize:
            tick_s = min(tick_s, COUNTING_S)
        until = None
        while not engine.is_stopping:
            self.notify()
            engine.act(engine.server.wait(tick_s))
            if engine.has_drained:
                return
            self.nr = engine.server.stats()["requests"]
            if self.alive:
                self.look_for_an_end()
            elif until is None:
                until = time.monotonic() + engine.graceful_timeout_s
                self.drain(engine)
            elif time.monotonic() >= until:
                late = "; ".join(printable(request) for request in engine.server.stuck())
                self.log.warning("the graceful timeout is over; cut: %s", late or "connections without a request")
                engine.stop()

    def look_for_an_end(self) -> None:
        """Let the worker end when the master is gone, or when it has served ``max_requests``."""
        if self.ppid != os.getppid():
            self.log.info("Parent changed, shutting down: %s", self)
            self.alive = False
        elif self.nr >= self.max_requests:
            self.log.info("Autorestarting worker after current request.")
            self.alive = False

    def drain(self, engine: worker.Worker) -> None:
        """Accept nothing more; what is under way is answered."""
        # The engine closes its copies of the sockets. Were these left, clients would wait at a door that nobody opens.
        for listener in self.sockets:
            listener.close()
        engine.drain()

    def handle_usr1(self, sig: int, frame: FrameType | None) -> None:
        """SIGUSR1: gunicorn's handlers have new files now, and so have our descriptors."""
        super().handle_usr1(sig, frame)
        reopen(self.log.error_log, self.error_fd)
        reopen(self.log.access_log, self.access_fd)
        if self.engine is not None:
            self.engine.reopen_access_log()

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """SIGQUIT and SIGINT: end at once."""
        if self.engine is None:
            super().handle_quit(sig, frame)
            return
        # gunicorn's own raises SystemExit wherever the main thread is: also between the start of a thread and its note.
        self.alive = False
        self.cfg.worker_int(self)
        self.engine.stop()

    def handle_abort(self, sig: int, frame: FrameType | None) -> None:
        """SIGABRT: the master has missed the heartbeat."""
        if self.engine is None:
            super().handle_abort(sig, frame)
            return
        self.alive = False
        self.exit_status = 1
        self.cfg.worker_abort(self)
        self.engine.stop()

    def leave_stuck(self) -> None:
        """End the process where a thread may still come back from the application: into an interpreter that is gone."""
        if not self.stuck:
            return
        try:
            for request in self.stuck:
                self.log.warning("ending with a request still in the application: %s", printable(request))
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
        finally:
            os._exit(self.exit_status)


class GunicornLog(Log):
    """Writes messages to gunicorn's error log, whatever that is made of; `fd` takes what the application writes."""

    def __init__(self, log: Any, fd: int) -> None:
        super().__init__(fd)
        self.log = log

    def write(self, level: str, message: str, fields: Mapping[str, object] | None = None) -> None:
        """Log `message`; gunicorn's ``loglevel`` decides whether it is shown."""
        more = {"extra": {"dragoman": dict(fields)}} if fields else {}
        self.log.log(level, "%s", printable(message, keep="\n\t"), **more)


def info_of(listener: Any) -> ListenerInfo:
    """One of gunicorn's sockets as the engine takes it."""
    if listener.family == socket.AF_UNIX:
        return {"fd": listener.fileno(), "kind": "unix", "server_name": "", "server_port": "80"}
    host, port = listener.getsockname()[:2]
    return {"fd": listener.fileno(), "kind": "tcp", "server_name": host, "server_port": str(port)}


def file_of(log: logging.Logger) -> int:
    """The descriptor that the first handler of `log` with one writes to, -1 without."""
    for handler in log.handlers:
        try:
            return int(handler.stream.fileno())  # type: ignore[attr-defined]
        except (AttributeError, OSError, ValueError):
            continue
    return -1


def fd_of(log: logging.Logger, default: int) -> int:
    """A descriptor of our own for what `log` writes to: gunicorn closes its own when logs are reopened."""
    found = file_of(log)
    if found < 0:
        found = default
    return os.dup(found) if found >= 0 else -1


def reopen(log: logging.Logger, fd: int) -> None:
    """Let `fd` go on where `log` writes to now."""
    found = file_of(log)
    if found >= 0 and fd >= 0:
        os.dup2(found, fd, inheritable=False)
