"""One run of the server, from its settings to its exit status: logs, sockets, then one worker or several."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from dragoman import __version__, supervisor, worker
from dragoman.contract.report import Reporter
from dragoman.errors import DragomanError, OperatorError
from dragoman.loader import Loaded, add_paths, load, parse
from dragoman.log import Log, access_log_fd, fill_standard_descriptors, open_log, reopen
from dragoman.settings import Settings
from dragoman.supervisor.channel import Channel
from dragoman.values import printable

__all__ = ["run"]


def run(settings: Settings, notices: Sequence[str] = ()) -> int:
    """Serve until a signal ends it; the exit status. Raises DragomanError for what cannot be had.

    notices   warnings that were found before there was a log
    """
    if sys.platform != "linux":
        raise OperatorError(f"only Linux is supported for now, and this is {sys.platform}")
    fill_standard_descriptors()
    # A wrong string is answered before anything is opened.
    parse(settings.application)
    try:
        # As process 1 a signal without a handler is ignored: the time before the server runs must not be deaf.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, end_early)
        os.chdir(settings.chdir)
        os.environ.update(settings.env)
        add_paths(settings.chdir, settings.pythonpath)
        return with_files(settings, notices)
    except EndedEarly:
        return 0


def with_files(settings: Settings, notices: Sequence[str]) -> int:
    process = Process(settings)
    for notice in notices:
        process.log.warning(notice)
    process.listeners = supervisor.open_all(settings.bind, backlog=settings.backlog, umask=settings.umask)
    try:
        write_pid_file(settings.pid)
        try:
            return process.serve_alone() if settings.workers == 1 else process.supervise()
        finally:
            remove_pid_file(settings.pid)
    finally:
        supervisor.close_all(process.listeners)


class Process:
    """What the processes of a run share: settings, logs, listeners."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.log = Log(open_log(settings.error_logfile), settings.log_level)
        self.access_log_fd = access_log_fd(settings.access_logfile)
        self.listeners: Sequence[supervisor.Listener] = ()
        # Asked once here, so that what is wrong is told before anything is forked.
        worker.check_options(settings, self.access_log_fd)

    def serve_alone(self) -> int:
        """Serve in this very process."""
        # Logs may be rotated while the application is loaded; the worker's own handler comes with its engine.
        signal.signal(signal.SIGUSR1, lambda number, frame: self.reopen_logs())
        loaded = load(self.settings.application)
        status, stuck = self.serve(loaded, when_ready=lambda: self.tell_start(loaded.name))
        if stuck:
            # The way out that is left does not come back to the `finally` blocks of our callers.
            remove_pid_file(self.settings.pid)
            supervisor.close_all(self.listeners)
            worker.leave(status, stuck, self.log)
        return status

    def supervise(self) -> int:
        """Serve in forked workers, and look after them here."""
        return supervisor.supervise(
            self.work,
            workers=self.settings.workers,
            graceful_timeout_s=self.settings.graceful_timeout,
            log=self.log,
            when_ready=self.tell_start,
            reopen_logs=self.reopen_logs,
            stop_listening=self.stop_listening,
        )

    def work(self, channel: Channel) -> int:
        """The life of one forked worker."""
        try:
            loaded = load(self.settings.application)
        except DragomanError as error:
            channel.failed(f"{error}\n{error.details}".rstrip("\n"))
            return error.exit_status
        threading.Thread(target=self.drain_with_supervisor, args=(channel,), name="supervisor", daemon=True).start()
        status, stuck = self.serve(loaded, when_ready=lambda: channel.ready(loaded.name))
        worker.leave(status, stuck, self.log)

    def serve(self, loaded: Loaded, when_ready: Callable[[], None]) -> tuple[int, list[str]]:
        """Serve `loaded` until a signal ends it: exit status, and the requests that are still in the application."""
        one = worker.Worker(
            loaded.application,
            [listener.info for listener in self.listeners],
            self.settings,
            log=self.log,
            report=Reporter(self.log.error, loaded.name),
            access_log_fd=self.access_log_fd,
        )
        # The engine has copies of its own: when it closes them at a drain, no other one of this process may be left.
        self.stop_listening()
        stuck = worker.serve(one, when_ready=when_ready, reopen_logs=self.reopen_logs)
        return one.exit_status, stuck

    def drain_with_supervisor(self, channel: Channel) -> None:
        """Wait for the end of the supervisor, in a thread of its own, and drain then."""
        channel.wait_for_end()
        self.log.error("the supervisor is gone; draining")
        os.kill(os.getpid(), signal.SIGTERM)

    def stop_listening(self) -> None:
        """Close this process's copies: clients are refused once no process of the run has one, not left waiting."""
        for listener in self.listeners:
            listener.socket.close()

    def reopen_logs(self) -> None:
        """Write to the files that have the logs' names now: log rotation has renamed the old ones."""
        for fd, path in (
            (self.log.fd, self.settings.error_logfile),
            (self.access_log_fd, self.settings.access_logfile),
        ):
            if fd > 2:
                try:
                    reopen(fd, path)
                except OSError as error:
                    self.log.error(f'log "{path}" cannot be opened again: {error.strerror}')

    def tell_start(self, name: str) -> None:
        """Log that `name` is served from now on, and where."""
        self.log.info(self.start_block(name))

    def start_block(self, name: str) -> str:
        """What is served, where, by how many, and how to stop it: a line each."""
        workers, threads = self.settings.workers, self.settings.threads
        pid = os.getpid()
        return "\n".join(
            [
                f"dragoman {__version__} serves {name} (WSGI)",
                *(listener.url for listener in self.listeners),
                f"{counted(workers, 'worker')}, up to {counted(threads, 'thread')}{' each' if workers > 1 else ''}",
                f"Ctrl-C stops at once, kill {pid} after the requests under way",
            ]
        )


def counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' if count != 1 else ''}"


class EndedEarly(BaseException):
    """A signal came before the server ran. Not an Exception, and not SystemExit: an application may catch those."""


def end_early(number: int, frame: FrameType | None) -> None:
    raise EndedEarly


def write_pid_file(path: str) -> None:
    if path:
        try:
            Path(path).write_text(f"{os.getpid()}\n")
        except OSError as error:
            raise OperatorError(f'--pid "{printable(path)}": cannot be written: {error.strerror}') from None


def remove_pid_file(path: str) -> None:
    # Only our own: a successor may have written its id already.
    try:
        if path and Path(path).read_text().strip() == str(os.getpid()):
            Path(path).unlink()
    except OSError:
        pass
