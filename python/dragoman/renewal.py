"""A reload as the run sees it: what it replaces, all of it or nothing, and what is kept until the new serves."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from dragoman import loader, supervisor, worker
from dragoman.errors import OperatorError
from dragoman.hooks import Hooks, load_hooks
from dragoman.log import Log, Output, access_log_fd, open_log
from dragoman.settings import Settings
from dragoman.supervisor.activation import with_passed
from dragoman.supervisor.pidfile import PidFile
from dragoman.supervisor.sockets import has_its_file
from dragoman.supervisor.upgrade import Origin
from dragoman.values import Address, cause_of, printable

__all__ = ["Renewal", "Renewed", "enter"]

# How long a socket that we have closed may stay in the hands of a process of ours that is just ending.
LEAVING_S = 3.0
LOOK_AGAIN_S = 0.02
# The files that are watched, and how, are those of the start.
OF_DEVELOPMENT = ("dev", "reload", "reload_extra_files")


class Renewed(Protocol):
    """The run, whose state a reload replaces."""

    settings: Settings
    listeners: Sequence[supervisor.Listener]
    hooks: Hooks
    identity: supervisor.Identity | None
    log: Log
    access_log_fd: int
    pid_file: PidFile
    origin: Origin
    # Why no reload can bring other code; "" where it can.
    fixed: str

    @property
    def pid_path(self) -> str:
        """Where the settings want the pid file."""

    def call_hook(self, name: str) -> None:
        """Call a function of the operator's."""

    def reopen_logs(self) -> None:
        """Go on in the files that have the logs' names now."""

    def set_title(self, part: str) -> None:
        """Show this process as that part of the run."""


class Standing(NamedTuple):
    """What serves until the reload is done, and goes on if it fails."""

    settings: Settings
    listeners: Sequence[supervisor.Listener]
    hooks: Hooks
    identity: supervisor.Identity | None
    error_log_fd: int
    access_log_fd: int
    pid_file: PidFile
    # A descriptor: its path may be a link that leads elsewhere by now.
    directory: int


class Renewal:
    """The reload under way of one run, if there is one."""

    def __init__(self, run: Renewed, reread: Callable[[], Settings], passed: Sequence[Address]) -> None:
        self.run = run
        self.reread = reread
        self.passed = passed
        self.before: Standing | None = None
        # Sockets that the settings under way do not name, and logs that were opened for a reload.
        self.spare: Sequence[supervisor.Listener] = ()
        self.opened: list[int] = []
        # When a socket of that address was closed (monotonic).
        self.left: dict[str, float] = {}

    @property
    def is_under_way(self) -> bool:
        """Whether something of before is still kept."""
        return self.before is not None

    def begin(self) -> None:
        """Take the settings as they are now: files and environment are read again, sockets and logs opened that are
        new. Nothing of before is let go until it is known that the application serves with them.

        Raises DragomanError, and changes nothing then.
        """
        run = self.run
        settings = with_passed(self.reread(), self.passed)
        self.refuse(settings)
        standing = self.standing()
        opened: list[int] = []
        added: list[supervisor.Listener] = []
        try:
            enter(settings.chdir)
            # Relative paths start there.
            error_log_fd, log_fd = self.open_logs(settings, opened)
            worker.check_options(settings, log_fd)
            identity = supervisor.identity_of(settings.user, settings.group)
            hooks = load_hooks(settings.hooks, run.log)
            ours = [*self.spare, *run.listeners]
            kept, missing = shared_out(settings.bind, [one for one in ours if has_its_file(one)])
            added = self.open_sockets(missing, settings, identity)
            self.write_pid(settings)
        except BaseException:
            self.go_back(standing, opened, added)
            raise
        self.before = self.keep(standing)
        self.opened += opened
        new = iter(added)
        run.listeners = [one or next(new) for one in kept]
        self.spare = [one for one in ours if one not in run.listeners]
        self.use(settings, hooks, identity, error_log_fd, log_fd)
        run.call_hook("on_reload")
        run.reopen_logs()

    def finish(self) -> None:
        """What was before is let go."""
        now = time.monotonic()
        self.left |= {one.address: now for one in self.spare}
        supervisor.close_all(self.spare)
        self.spare = ()
        if self.before is None:
            return
        standing, self.before = self.before, None
        if standing.pid_file is not self.run.pid_file:
            standing.pid_file.remove()
        os.close(standing.directory)
        self.close_logs(standing.error_log_fd, standing.access_log_fd)

    def undo(self) -> None:
        """What was before goes on."""
        if (standing := self.before) is None:
            return
        run = self.run
        self.spare = [one for one in (*self.spare, *run.listeners) if one not in standing.listeners]
        run.listeners = standing.listeners
        os.fchdir(standing.directory)
        self.use(standing.settings, standing.hooks, standing.identity, standing.error_log_fd, standing.access_log_fd)
        if run.pid_file is not standing.pid_file:
            run.pid_file.remove()
            run.pid_file = standing.pid_file
        # They may have been led elsewhere, where a relative path was of another directory.
        run.reopen_logs()
        self.finish()

    def leave(self) -> None:
        """In a child: what it does not serve with is the supervisor's alone."""
        supervisor.close_all(self.spare, keep_files=True)
        self.spare = ()
        if self.before is not None:
            standing, self.before = self.before, None
            os.close(standing.directory)
            self.close_logs(standing.error_log_fd, standing.access_log_fd)

    def refuse(self, settings: Settings) -> None:
        """Raise OperatorError for what no reload can bring about."""
        run = self.run
        if run.fixed:
            raise OperatorError(run.fixed)
        if settings.workers == 0:
            raise OperatorError("workers = 0 serves without a supervisor, which takes a new start")
        if (settings.control_socket == "none") != (run.settings.control_socket == "none"):
            raise OperatorError("control_socket has changed from or to none, which takes a new start (or SIGUSR2)")
        for name in OF_DEVELOPMENT:
            if getattr(settings, name) != getattr(run.settings, name):
                raise OperatorError(f"{name} has changed, which takes a new start (or SIGUSR2)")
        name = loader.parse(settings.application).module if settings.application else ""
        if name in sys.modules:
            raise OperatorError(
                f"the supervisor itself has {name} imported (by the file of --hooks, or by the script that serves), and"
                " every worker begins with that one: start anew (or SIGUSR2), and do not import it there"
            )

    def standing(self) -> Standing:
        """All that serves now, with a new descriptor of the directory."""
        run = self.run
        directory = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return Standing(
            *(run.settings, run.listeners, run.hooks, run.identity),
            *(run.log.fd, run.access_log_fd, run.pid_file, directory),
        )

    def keep(self, standing: Standing) -> Standing:
        """What to go back to: of several reloads in a row, what was before the first of them."""
        if self.before is None:
            return standing
        os.close(standing.directory)
        if standing.pid_file not in (self.before.pid_file, self.run.pid_file):
            standing.pid_file.remove()
        return self.before

    def go_back(self, standing: Standing, opened: Sequence[int], added: Sequence[supervisor.Listener]) -> None:
        """The reload has not even begun."""
        run = self.run
        os.fchdir(standing.directory)
        os.close(standing.directory)
        supervisor.close_all(added)
        if run.pid_file is not standing.pid_file:
            run.pid_file.remove()
            run.pid_file = standing.pid_file
        for fd in opened:
            os.close(fd)

    def open_logs(self, settings: Settings, opened: list[int]) -> tuple[int, int]:
        """Descriptors of error and access log; those that are not the run's own are in `opened`, too."""
        run = self.run
        error_log_fd, log_fd = run.log.fd, run.access_log_fd
        if settings.error_logfile != run.settings.error_logfile:
            error_log_fd = open_log(settings.error_logfile)
            opened += [error_log_fd] if error_log_fd > 2 else []
        if settings.access_logfile != run.settings.access_logfile:
            log_fd = access_log_fd(settings.access_logfile)
            opened += [log_fd] if log_fd > 2 else []
        return error_log_fd, log_fd

    def close_logs(self, *of_before: int) -> None:
        """Close those that nobody writes to any more."""
        used = {self.run.log.fd, self.run.access_log_fd}
        for fd in {*self.opened, *of_before} - used:
            if fd > 2:
                os.close(fd)
        self.opened = [fd for fd in self.opened if fd in used]

    def open_sockets(
        self, addresses: Sequence[Address], settings: Settings, owner: supervisor.Identity | None
    ) -> list[supervisor.Listener]:
        """New listeners. One whose address was ours a moment ago may still be held by a worker that is leaving."""
        while True:
            try:
                return supervisor.open_all(
                    addresses,
                    backlog=settings.backlog,
                    umask=settings.umask,
                    reuse_port=settings.reuse_port,
                    owner=owner,
                )
            except OperatorError:
                until = max((self.left.get(str(one), 0.0) for one in addresses), default=0.0) + LEAVING_S
                if time.monotonic() >= until:
                    raise
                time.sleep(LOOK_AGAIN_S)

    def write_pid(self, settings: Settings) -> None:
        """Write the pid file where it is to be now, if that is elsewhere."""
        run = self.run
        before, run.settings = run.settings, settings
        try:
            path = run.pid_path and os.path.abspath(run.pid_path)
        finally:
            run.settings = before
        if path != run.pid_file.path:
            run.pid_file = PidFile(path)

    def use(
        self,
        settings: Settings,
        hooks: Hooks,
        identity: supervisor.Identity | None,
        error_log_fd: int,
        access_log_fd: int,
    ) -> None:
        """The settings from now on."""
        run = self.run
        for name, _ in run.settings.env:
            os.environ.pop(name, None)
            if name in run.origin.environment:
                os.environ[name] = run.origin.environment[name]
        os.environ.update(settings.env)
        run.settings, run.hooks, run.identity = settings, hooks, identity
        run.set_title("supervisor")
        run.log.least = Log(run.log.fd, settings.log_level).least
        run.log.is_json = settings.log_format == "json"
        if error_log_fd != run.log.fd:
            run.log.fd, run.log.output = error_log_fd, Output(error_log_fd)
        run.access_log_fd = access_log_fd


def shared_out(
    addresses: Sequence[Address], listeners: Sequence[supervisor.Listener]
) -> tuple[list[supervisor.Listener | None], list[Address]]:
    """For each address the listener that is there already, or None; and the addresses that have none.

    An address may stand there twice: port 0 takes another port each time.
    """
    left, found, missing = list(listeners), list[supervisor.Listener | None](), list[Address]()
    for address in addresses:
        one = next((one for one in left if one.address == str(address)), None)
        found.append(one)
        if one is None:
            missing.append(address)
        else:
            left.remove(one)
    return found, missing


def enter(directory: str) -> None:
    """Go to --chdir: a path whose links may lead elsewhere than at the start."""
    try:
        os.chdir(directory)
    except OSError as error:
        raise OperatorError(f'--chdir "{printable(directory)}": {cause_of(error, directory)}') from None
