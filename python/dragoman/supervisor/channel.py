"""The socket pair between the supervisor and a worker: what the worker has to say, and whether the other end lives."""

import json
import os
import select
import socket
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from dragoman.supervisor.starting import Stacks

__all__ = ["Channel", "Kind", "Message", "channel_pair", "read_messages"]

# Well within the buffer of a socket pair, so that a worker never waits for a supervisor that is busy.
MESSAGE_BYTES = 32 * 1024
# A path has up to 4,096 bytes; few have so many.
FILES_IN_A_MESSAGE = 50
# Between two looks at who our parent is, where the kernel does not tell of a process's end.
LOOK_MS = 1000


class Kind(Enum):
    """What a message is about; its value is the first byte on the way."""

    READY = b"R"  # the application of this name is loaded, and requests are answered
    FAILED = b"F"  # the application cannot be served, and this is why; the worker ends after it
    RETIRE = b"T"  # this worker wants a successor, for this reason, and serves until it has one
    FILES = b"M"  # modules were loaded from these files, paths and stamps in JSON
    SO_FAR = b"S"  # this worker is to leave, and this has become of its requests until now
    DRAINED = b"D"  # this worker leaves, and this became of its last requests
    ENDED = b""  # the other end is gone; nothing more comes


class Message(NamedTuple):
    """One message of a worker."""

    kind: Kind
    text: str = ""


class Channel:
    """The worker's end. It stays open for the worker's life: end of file on it means that the supervisor is dead."""

    def __init__(self, sock: socket.socket, stacks: Stacks) -> None:
        """To be made in the process that starts: from now on it says where it hangs, when it is asked."""
        self.socket = sock
        self.stacks = stacks
        stacks.write_when_asked()

    def ready(self, name: str = "") -> None:
        """The application is loaded, as `name`, and requests are answered."""
        self.stacks.forget()
        self.send(Kind.READY, name)

    def failed(self, cause: str) -> None:
        """The application cannot be served, and this is why. The worker ends after it."""
        self.send(Kind.FAILED, cause)

    def files(self, stamps: Mapping[str, Sequence[int]]) -> None:
        """The application has modules that were loaded from these files, which looked like that."""
        found = list(stamps.items())
        for start in range(0, len(found), FILES_IN_A_MESSAGE):
            self.send(Kind.FILES, json.dumps(dict(found[start : start + FILES_IN_A_MESSAGE])))

    def retire(self, why: str) -> None:
        """A successor is asked for, because of `why`; the worker serves until it is told to leave."""
        self.send(Kind.RETIRE, why)

    def so_far(self, account: Mapping[str, object]) -> None:
        """What has become of the requests until now: the last word of a worker that hangs."""
        self.send(Kind.SO_FAR, json.dumps(account), socket.MSG_DONTWAIT)

    def drained(self, account: Mapping[str, object]) -> None:
        """The worker leaves: what became of the requests since it was told to."""
        self.send(Kind.DRAINED, json.dumps(account))

    def wait_for_end(self, pid: int, pidfd: int = -1) -> None:
        """Returns when the supervisor, process `pid`, is gone. It never writes.

        pidfd   stands for it (pidfd_open(2)): a process that somebody has forked there may hold its end of the channel
        """
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        if pidfd >= 0:
            poll.register(pidfd, select.POLLIN)
        was_other = False
        while not poll.poll(None if pidfd >= 0 else LOOK_MS):
            # Twice: with --preload the first parent is the one that has forked us.
            is_other = os.getppid() != pid
            if is_other and was_other:
                return
            was_other = is_other

    def send(self, kind: Kind, text: str, flags: int = 0) -> None:
        try:
            self.socket.send(kind.value + text.encode("utf-8", "backslashreplace")[: MESSAGE_BYTES - 1], flags)
        except OSError:
            pass  # the supervisor is gone: wait_for_end() returns


def channel_pair() -> tuple[socket.socket, socket.socket]:
    """The supervisor's end, which does not wait, and the worker's. Messages keep their bounds (unix(7))."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    return ours, theirs


def read_messages(sock: socket.socket) -> list[Message]:
    """What is there to read at the supervisor's end, in order; `ENDED` as the last when the worker's end is gone."""
    found: list[Message] = []
    while True:
        try:
            data = sock.recv(MESSAGE_BYTES)
        except BlockingIOError:
            return found
        except OSError:
            data = b""  # the worker was killed
        kind = Kind(data[:1])
        found.append(Message(kind, data[1:].decode("utf-8", "replace")))
        if kind is Kind.ENDED:
            return found
