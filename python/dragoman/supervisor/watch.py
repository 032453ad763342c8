"""The process that watches the application's files, and what the supervisor does when they change.

A process of its own, because watchfiles starts threads, and the supervisor forks: no thread may exist before a fork.
"""

import json
import os
import signal
import socket
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn

from dragoman.forking import fork_own
from dragoman.supervisor.changes import Stamp, Watched, changes, look
from dragoman.supervisor.channel import channel_pair
from dragoman.supervisor.plan import Phase
from dragoman.supervisor.process import cause_of
from dragoman.supervisor.signals import CAUGHT
from dragoman.values import printable

if TYPE_CHECKING:
    from dragoman.supervisor.parent import Supervisor

__all__ = ["Watcher", "said"]

MESSAGE_BYTES = 32 * 1024
# Of a burst so many files are named; of modules so many go into one message.
NAMED = 3
IN_A_MESSAGE = 50


class Watcher:
    """The supervisor's side. Without a watcher, `is_watching` is false and all else does nothing."""

    def __init__(self, supervisor: "Supervisor") -> None:
        self.supervisor = supervisor
        self.pid = 0
        self.socket: socket.socket | None = None

    @property
    def is_watching(self) -> bool:
        """Whether a change would be heard of."""
        return self.pid != 0

    def start(self) -> None:
        """Watch from now on what the settings name: the directory of the application, and more files."""
        supervisor, settings = self.supervisor, self.supervisor.host.settings
        watched = Watched(settings.chdir, tuple(os.path.abspath(path) for path in settings.reload_extra_files))
        # Now, before anybody has loaded them: what changes from here on is news.
        stamps = look(watched)
        ours, theirs = channel_pair()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, CAUGHT)
        try:
            self.pid = fork_own()
            if self.pid == 0:
                ours.close()
                supervisor.run_child(lambda: live(supervisor, theirs, watched, stamps), before)
        except OSError as error:
            supervisor.log.error(f"files are not watched: no process can be had: {error.strerror}")
            ours.close()
            return
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            theirs.close()
        self.socket = ours
        supervisor.watch(ours, self.hear)

    def add(self, text: str) -> None:
        """A process has loaded the application: watch the files of its modules, too, in JSON."""
        if self.socket is not None:
            try:
                self.socket.send(text.encode("utf-8", "surrogateescape"))
            except OSError:
                pass  # it has ended, or is so far behind that these files are not worth a wait

    def hear(self) -> None:
        """Files have changed."""
        if self.socket is None:
            return
        paths: list[str] = []
        while True:
            try:
                data = self.socket.recv(MESSAGE_BYTES)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            if not data:
                self.close()
                break
            paths += json.loads(data)
        if paths and self.supervisor.phase is Phase.SERVING:
            self.supervisor.reload(why=said(paths, self.supervisor.host.settings.chdir))

    def stop(self) -> None:
        """Watch no more."""
        self.close()
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            self.pid = 0

    def close(self) -> None:
        """There is no more to hear."""
        if self.socket is not None:
            self.supervisor.forget(self.socket)
            self.socket.close()
            self.socket = None

    def reaped(self, pid: int, exit_code: int) -> None:
        """A child has ended; if it was this one, nobody asked for it."""
        if pid == self.pid:
            self.pid = 0
            self.supervisor.log.error(f"files are not watched any more: the process that did it {cause_of(exit_code)}")


def said(paths: Sequence[str], root: str) -> str:
    """Which files have changed, in a few words."""
    shown = [printable(path.removeprefix(os.path.join(root, ""))) for path in paths[:NAMED]]
    more = f" and {len(paths) - NAMED} more" if len(paths) > NAMED else ""
    return f"{', '.join(shown)}{more} changed"


def live(supervisor: "Supervisor", sock: socket.socket, watched: Watched, stamps: Mapping[str, Stamp]) -> NoReturn:
    """The life of the process: it tells of changes until the supervisor is gone."""
    # A Ctrl-C is for the supervisor, which ends this process.
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    supervisor.host.watching()
    sock.setblocking(True)
    asked = Asked(sock, watched)
    threading.Thread(target=asked.listen, name="supervisor", daemon=True).start()
    for paths in changes(lambda: asked.watched, stamps):
        # A branch that was switched may have changed thousands, of which a few are named.
        for start in range(0, len(paths), IN_A_MESSAGE):
            try:
                sock.send(json.dumps(paths[start : start + IN_A_MESSAGE]).encode())
            except OSError:
                os._exit(0)  # the supervisor is gone
    raise AssertionError("changes have no end")


class Asked:
    """What the supervisor asks to be watched, by now."""

    def __init__(self, sock: socket.socket, watched: Watched) -> None:
        self.socket = sock
        self.watched = watched

    def listen(self) -> None:
        """Take its words, in a thread of its own; end the process with it."""
        while True:
            try:
                data = self.socket.recv(MESSAGE_BYTES)
            except OSError:
                data = b""
            if not data:
                os._exit(0)
            self.add(json.loads(data))

    def add(self, files: Mapping[str, Iterable[int]]) -> None:
        """Watch these, too."""
        now = self.watched
        stamps = {path: tuple(stamp) for path, stamp in files.items()}
        self.watched = Watched(now.root, now.extra, {**stamps, **now.files})
