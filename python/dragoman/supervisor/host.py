"""What a supervisor needs of the run that it looks after."""

import socket
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from dragoman.log import Log
from dragoman.settings import Settings
from dragoman.supervisor.channel import Channel
from dragoman.supervisor.notify import Notifier

__all__ = ["Host"]


class Host(Protocol):
    """The run that is supervised. Its `settings` may be others after `reload`."""

    settings: Settings
    log: Log
    notifier: Notifier

    def work(self, channel: Channel, number: int) -> int:
        """The life of worker `number`, in its process; its exit status."""

    def preload(self, channel: Channel, ordered: socket.socket, become: Callable[[], None]) -> int:
        """The life of the process that loads the application once; `become` is called first in each worker of it."""

    def tell_start(self, name: str) -> None:
        """Every worker serves for the first time; `name` is what has been loaded."""

    def serving(self) -> str:
        """What is served and where, in a line for the service manager."""

    def reload(self) -> None:
        """Read the settings again. Raises DragomanError, and keeps those of before."""

    def reload_done(self) -> None:
        """Every worker has the settings of the last reload: what it has replaced is let go."""

    def reload_failed(self) -> None:
        """What was before the reload goes on, settings and sockets."""

    @property
    def has_predecessor(self) -> bool:
        """Whether another supervisor serves until this one does."""

    def reopen_logs(self) -> None:
        """Go on in the files that have the logs' names now."""

    def watching(self) -> None:
        """In the process that watches the application's files: let go of what is the workers'."""

    def stop_listening(self) -> None:
        """Close this process's copies of the listening sockets: a drain has begun."""

    def upgrade(self) -> tuple[int, socket.socket]:
        """Start a new supervisor from its program, with our sockets: its process id, and a socket, which does not
        wait, at which there is something to read once it serves. Raises DragomanError."""

    def upgrade_failed(self) -> None:
        """The new supervisor has ended, and this one goes on."""

    def call_hook(self, name: str, number: int = 0, pid: int | None = None, **more: object) -> None:
        """Call a function of the operator's; `number` and `pid` are the worker that it is about."""

    def has_hook(self, name: str) -> bool:
        """Whether the operator has a function of that name."""

    def status(self) -> Mapping[str, Any]:
        """What ``dragoman status`` says of the run: version, name, listeners."""
