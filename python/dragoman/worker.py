"""One process that serves: an engine, the threads that call the application, and the main thread that minds them."""

import atexit
import gc
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any, NoReturn

from dragoman import _native, memory, types
from dragoman.errors import OperatorError, UsageError
from dragoman.forking import ForkHooks
from dragoman.loader import traceback_of
from dragoman.log import ErrorStream, Log
from dragoman.settings import Settings
from dragoman.types import ListenerInfo, WSGIApplication
from dragoman.values import printable

__all__ = ["Worker", "check_options", "leave", "options_of", "serve", "spool_warning"]

# Threads that are outside of the application return at once; this is for those that are just leaving it.
JOIN_S = 0.3
ATEXIT_S = 5.0
# The wait for events ends by itself when a deadline runs; otherwise it is endless.
DRAINING_TICK_S = 0.1


class Worker:
    """The engine around `application`, and its threads. Made, started, minded and ended by one thread.

    ``exit_status`` is what the process should end with: not 0 when it ends because nobody could serve.
    """

    def __init__(
        self,
        application: WSGIApplication,
        listeners: Sequence[ListenerInfo],
        settings: Settings,
        *,
        log: Log,
        report: Callable[[str, Mapping[str, Any]], None],
        access_log_fd: int = -1,
        exception: Callable[[Mapping[str, Any], BaseException], None] | None = None,
        errors: types.ErrorStream | None = None,
    ) -> None:
        self.log = log
        self.access_log_fd = access_log_fd
        self.drain_delay_s = settings.drain_delay
        self.graceful_timeout_s = settings.graceful_timeout
        self.threads: list[threading.Thread] = []
        self.started = 0
        self.is_stopping = False
        self.drain_until: float | None = None
        self.has_drained = False
        self.is_late = False
        self.when_used_up: Callable[[], None] = do_nothing
        # Called with the account of a drain whenever it has changed, and when the graceful timeout is over.
        self.tell_so_far: Callable[[Mapping[str, object]], None] | None = None
        self.when_late: Callable[[], None] = do_nothing
        self.told: Mapping[str, object] = {}
        self.exit_status = 0
        self.has_warned_of_threads = False
        with refusals_with_flags():
            self.server = _native.Server(
                application,
                listeners,
                options_of(settings, access_log_fd),
                report=report,
                # Not a method of ours: the engine is freed with the worker, by reference counts alone.
                exception=exception or partial(tell_exception, log),
                errors=ErrorStream(log.fd) if errors is None else errors,
            )

    def start(self) -> None:
        """Serve from now on: the engine has asked for its first threads."""
        self.act(self.server.wait(0))

    def act(self, events: "Iterable[_native.Event]") -> None:
        """Do what the engine asks for."""
        for event in events:
            match event["kind"]:
                case "thread":
                    if not self.is_stopping:
                        self.start_thread()
                case "log":
                    self.log.write(event["level"], event["text"])
                case "signal":
                    pass  # its Python handler has run on the way back from the wait
                case "limit":
                    self.when_used_up()
                case "drained":
                    self.log.write(event["level"], printable(event["text"]))
                    self.has_drained = True

    def mind(self) -> None:
        """Act on the engine's events until it has drained, or has been stopped."""
        while not self.is_stopping and not self.has_drained:
            self.act(self.server.wait(None if self.drain_until is None else DRAINING_TICK_S))
            self.tell_drain()
            if not self.has_drained and self.drain_until is not None and time.monotonic() >= self.drain_until:
                self.is_late = True
                self.when_late()
                self.stop()

    def tell_drain(self) -> None:
        """Say how the drain goes, for the case that this process hangs before its end."""
        if self.tell_so_far is None or self.drain_until is None or (account := self.server.account()) is None:
            return
        counted = {name: account[name] for name in ("answered", "dropped", "cut", "cut_requests")}
        if counted != self.told:
            self.told = counted
            self.tell_so_far(counted)

    def drain(self, *, is_replaced: bool = False) -> None:
        """Accept nothing more and answer what is under way; `mind` returns then, or after the graceful timeout.

        is_replaced   another process serves already: begin at once and not after the drain delay
        """
        if self.drain_until is None:
            delay_s = 0.0 if is_replaced else self.drain_delay_s
            self.drain_until = time.monotonic() + delay_s + self.graceful_timeout_s
        self.server.drain(is_replaced=is_replaced)

    def stop(self) -> None:
        """Cut what is under way; `mind` returns."""
        self.is_stopping = True
        self.server.stop()

    def join(self) -> list[str]:
        """Wait a moment for the serving threads; the requests of those that are still in the application."""
        self.server.stop()
        until = time.monotonic() + JOIN_S
        for thread in self.threads:
            thread.join(max(0.0, until - time.monotonic()))
        self.tell_account()
        if any(thread.is_alive() for thread in self.threads):
            self.server.close_access_log()
            return self.server.stuck() or ["a request that is ending"]
        return []

    def tell_account(self) -> None:
        """Say what became of the requests of a drain that was cut short; one that came to its end has said it."""
        account = None if self.has_drained else self.server.account()
        if account is not None:
            why = "the graceful timeout is over" if self.is_late else "the drain was cut short"
            self.log.write(account["level"], f"{why}: {printable(account['text'])}")

    def reopen_access_log(self) -> None:
        """Let the engine write to the file that is behind the access log's descriptor now."""
        if self.access_log_fd >= 0:
            self.server.reopen_access_log(self.access_log_fd)

    def start_thread(self) -> None:
        """Add one serving thread. Where the machine has none left those that are there go on; without any of them the
        worker stops: it would take requests that nobody answers.
        """
        self.threads = [thread for thread in self.threads if thread.is_alive()]
        self.started += 1
        # Signals are not blocked in these threads: the processes that an application starts would inherit the mask,
        # and could not be terminated. Wherever a signal arrives, the wake-up descriptor carries it to the engine.
        # daemon: the interpreter's own end must not wait for an application that does not return.
        thread = threading.Thread(target=self.server.serve, name=f"dragoman-{self.started}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            self.server.thread_failed()
            self.tell_missing_thread(error)
            return
        self.has_warned_of_threads = False
        self.threads.append(thread)

    def tell_missing_thread(self, error: RuntimeError) -> None:
        if not self.threads:
            self.log.error(f"no thread can be started ({error}), so that nobody serves; ending")
            self.exit_status = OperatorError.exit_status
            self.stop()
        elif not self.has_warned_of_threads:
            # The engine goes on asking while requests wait: one line says it until a start succeeds.
            self.has_warned_of_threads = True
            self.log.warning(f"no further thread can be started ({error}); requests wait for the {len(self.threads)}")


def do_nothing() -> None:
    pass


def tell_exception(log: Log, environ: Mapping[str, Any], error: BaseException) -> None:
    """An exception left the application: method, path and its whole traceback go to `log`."""
    # A __str__ or __repr__ of the application's may raise anything, SystemExit too.
    try:
        request = f"{environ.get('REQUEST_METHOD', '')} {environ.get('RAW_URI', environ.get('PATH_INFO', ''))}"
    except BaseException as unnamed:
        request = f"a request whose environ cannot be shown ({type(unnamed).__name__})"
    try:
        details = traceback_of(error)
    except BaseException:
        details = f"{type(error).__name__}, which cannot be shown: {traceback.format_exc(limit=0).strip()}"
    log.error(f"exception in the application: {printable(request)}\n{details}")


def serve(
    worker: Worker,
    *,
    when_ready: Callable[[], None],
    reopen_logs: Callable[[], None],
    is_supervised: bool = False,
    when_quit: Callable[[], None] = do_nothing,
) -> list[str]:
    """Serve in the main thread until TERM has drained or INT or QUIT has stopped the process.

    when_ready    called once requests are answered
    reopen_logs   called at SIGUSR1
    when_quit     called at SIGINT and SIGQUIT, before the stop
    is_supervised a supervisor says by SIGUSR2 that a successor serves
    Returns the requests whose threads are still in the application: `leave` is then the only safe way out.
    """

    def on_term(number: int, frame: FrameType | None) -> None:
        worker.drain()

    def on_replaced(number: int, frame: FrameType | None) -> None:
        worker.drain(is_replaced=True)

    def on_quit(number: int, frame: FrameType | None) -> None:
        when_quit()
        worker.stop()

    def on_reopen(number: int, frame: FrameType | None) -> None:
        reopen_logs()
        worker.reopen_access_log()

    handlers = {signal.SIGTERM: on_term, signal.SIGINT: on_quit, signal.SIGQUIT: on_quit, signal.SIGUSR1: on_reopen}
    if is_supervised:
        # To a supervisor it means something else, and so it never sends it on.
        handlers[signal.SIGUSR2] = on_replaced
    for number, handler in handlers.items():
        signal.signal(number, handler)
    # The engine has had its copy since before the last line: a rotation in between has passed it by.
    worker.reopen_access_log()
    # The first effect of a signal is native: the drain begins though Python code may hold the GIL for long.
    signal.set_wakeup_fd(worker.server.signal_fd(), warn_on_full_buffer=False)
    # Until this returns: what a script forks after it is no business of ours.
    fork_hooks = ForkHooks(handlers, worker.server)
    fork_hooks.register()
    # Everything that has been loaded stays for good: the collector need not walk it again, nor touch its pages.
    gc.collect()
    gc.freeze()
    worker.start()
    if not worker.is_stopping:
        when_ready()
    worker.mind()
    stuck = worker.join()
    worker.log.debug("counters: " + ", ".join(f"{name} {value}" for name, value in worker.server.stats().items()))
    return stuck


def leave(status: int, stuck: Iterable[str], log: Log) -> NoReturn:
    """End the process without finalizing the interpreter: exit functions under a deadline, streams flushed.

    A thread that comes back for the GIL of a finalized interpreter would abort the process.
    """
    for request in stuck:
        log.warning(f"ending with a request still in the application: {printable(request)}")
    watchdog = threading.Timer(ATEXIT_S, give_up, (status, log))
    watchdog.daemon = True
    try:
        watchdog.start()
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    except BaseException as error:
        log.error(f"an exit function fails: {traceback_of(error)}")
    finally:
        os._exit(status)


def give_up(status: int, log: Log) -> NoReturn:
    """End the process though its exit functions have not ended, and name what they may wait for."""
    try:
        others = [one for one in threading.enumerate() if one is not threading.main_thread()]
        left = [f"thread {printable(one.name)}" for one in others if not one.daemon]
        if (started := sys.modules.get("multiprocessing.process")) is not None:
            left += [f"process {one.pid} ({printable(one.name)})" for one in started.active_children()]
        named = f"; left behind: {', '.join(left)}" if left else ""
        log.warning(f"exit functions take longer than {ATEXIT_S:g} s, and are not waited for{named}")
    finally:
        os._exit(status)


FLAGS = {"access_log_format": "--access-logformat"}


@contextmanager
def refusals_with_flags() -> Iterator[None]:
    """Make what the engine refuses of its options a UsageError with the flag's name."""
    try:
        yield
    except ValueError as error:
        # "access_log_format: more than 16 request fields": the option, then what is wrong with it.
        name, colon, what = str(error).partition(": ")
        raise UsageError(f"{FLAGS.get(name, name)}{colon}{printable(what)}") from None


def check_options(settings: Settings, access_log_fd: int) -> None:
    """Raise UsageError or OperatorError for settings that an engine would refuse, before there is a socket or fork."""
    options = options_of(settings, access_log_fd)
    with refusals_with_flags():
        _native.Server(print, [], options, report=print, exception=print, errors=None)


def options_of(settings: Settings, access_log_fd: int) -> "_native.Options":
    """The settings as the engine takes them: milliseconds, bytes, descriptors."""
    spool_directory = settings.spool_directory or temporary_directory()
    if spool_directory and not is_writable(spool_directory):
        why = "cannot be written to" if os.path.isdir(spool_directory) else "there is no such directory"
        raise OperatorError(f'--spool-directory "{printable(spool_directory)}": {why}')
    return {
        "threads": settings.threads,
        "root_path": settings.root_path,
        "multiprocess": settings.workers > 1,
        # PEP 3333, "Unicode Issues": the bytes of a value as latin-1 code points.
        "environ": {name: os.fsencode(value).decode("latin-1") for name, value in settings.env},
        "server": settings.server_header,
        "keep_alive_ms": milliseconds(settings.keep_alive),
        "head_ms": milliseconds(settings.head_timeout),
        "first_byte_ms": milliseconds(settings.first_byte_timeout),
        "body_idle_ms": milliseconds(settings.body_timeout),
        "body_rate": settings.min_body_rate,
        "write_idle_ms": milliseconds(settings.write_timeout),
        "write_rate": settings.min_write_rate,
        "rate_grace_ms": milliseconds(settings.rate_grace),
        "linger_ms": milliseconds(settings.linger_timeout),
        "discard_bytes": settings.limit_unread,
        "drain_delay_ms": milliseconds(settings.drain_delay),
        "drain_linger_ms": milliseconds(settings.drain_linger),
        "forwarded_allow_ips": list(settings.forwarded_allow_ips),
        "ready_path": settings.ready_path,
        "max_requests": requests_until_used_up(settings),
        "limit_request_line": settings.limit_request_line,
        "limit_request_fields": settings.limit_request_fields,
        "limit_request_field_size": settings.limit_request_field_size,
        "limit_head": settings.limit_head,
        "limit_body": settings.limit_body,
        "limit_trailer_fields": settings.limit_trailer_fields,
        "limit_trailers": settings.limit_trailers,
        "body_buffer": settings.body_buffer,
        "chunked_memory": settings.chunked_memory,
        "spool_directory": spool_directory or os.sep,
        "spool_quota": settings.spool_quota if spool_directory else 0,
        "held_memory": settings.held_memory or memory.share(settings.workers, memory.available()),
        "output_buffer": settings.output_buffer,
        "queue": settings.queue,
        "queue_ms": milliseconds(settings.queue_timeout),
        "connections": settings.worker_connections,
        "waiting_threads": settings.waiting_threads,
        "vanished_ms": milliseconds(settings.vanished_timeout),
        "access_log_fd": access_log_fd,
        "access_log_format": settings.access_logformat,
    }


def temporary_directory() -> str:
    """The directory that programs of this machine write such files to; "" where there is none, on a read-only disk."""
    try:
        return next(filter(is_writable, temporary_directories()), "")
    except FileNotFoundError:
        return ""  # the working directory is gone


def temporary_directories() -> Iterator[str]:
    """As tempfile.gettempdir() tries them, which would load three libraries of compressors at every start."""
    yield from (os.path.abspath(named) for name in ("TMPDIR", "TEMP", "TMP") if (named := os.environ.get(name)))
    yield from ("/tmp", "/var/tmp", "/usr/tmp")
    yield os.getcwd()


def is_writable(directory: str) -> bool:
    return os.path.isdir(directory) and os.access(directory, os.W_OK | os.X_OK)


def spool_warning(settings: Settings) -> str:
    """What cannot be served for want of a directory; "" when there is one."""
    if settings.spool_directory or temporary_directory():
        return ""
    return (
        f"no directory for temporary files can be written to: chunked request bodies above {settings.chunked_memory}"
        " bytes get 507; --spool-directory names one, --chunked-memory sets the bytes that stay in memory"
    )


def requests_until_used_up(settings: Settings) -> int:
    """Requests after which this process is to be replaced, another number in each; 0 is never."""
    if not settings.max_requests:
        return 0
    import random  # noqa: PLC0415 - costs a millisecond, and only this needs it

    # The system's: an application may have seeded the other one, and all processes alike.
    return settings.max_requests + random.SystemRandom().randint(0, settings.max_requests_jitter)


def milliseconds(seconds: float) -> int:
    return round(seconds * 1000)
