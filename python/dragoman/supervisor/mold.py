"""``--preload``: a process that loads the application once for a generation, and from which the workers are forked."""

import gc
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import NoReturn

from dragoman.forking import fork_own
from dragoman.supervisor.channel import Channel, Kind, Message, channel_pair, read_messages
from dragoman.supervisor.starting import Stacks, Starting

__all__ = ["Mold", "adopt_orphans", "die_with_parent", "fork_dangers", "open_descriptors", "serve_orders"]

# Longest wait for a fork: the process does nothing else.
FORK_S = 2.0
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
NUMBER_BYTES = 8


class Mold:
    """The supervisor's side of such a process: it has loaded the application of one generation, or says why not."""

    def __init__(
        self, pid: int, generation: int, channel: socket.socket, orders: socket.socket, starting: Starting
    ) -> None:
        self.pid = pid
        self.generation = generation
        self.channel = channel
        self.orders = orders
        self.starting = starting
        self.is_ready = False
        self.failure = ""

    @classmethod
    def fork(cls, generation: int, starting: Starting, live: Callable[[Channel, socket.socket], NoReturn]) -> "Mold":
        """Fork it; `live` is its way, and gets the ends of both sockets. OSError where the machine cannot."""
        ours, theirs = channel_pair()
        orders, ordered = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            pid = fork_own()
            if pid == 0:
                ours.close()
                orders.close()
                live(Channel(theirs, starting.stacks), ordered)
        except OSError:
            starting.end()
            ours.close()
            orders.close()
            raise
        finally:
            theirs.close()
            ordered.close()
        orders.settimeout(FORK_S)
        return cls(pid, generation, ours, orders, starting)

    def hear(self) -> list[Message]:
        """What it says: that it is ready, or why it cannot be."""
        messages = read_messages(self.channel)
        for message in messages:
            self.is_ready = self.is_ready or message.kind is Kind.READY
            self.failure = message.text if message.kind is Kind.FAILED else self.failure
        if self.is_ready:
            self.starting.end()
        return messages

    def fork_worker(self, number: int, theirs: socket.socket, stacks: Stacks) -> int:
        """Let it fork worker `number` with that end of a channel; the process id. OSError when it cannot."""
        descriptors = [fd for fd in (theirs.fileno(), stacks.fd) if fd >= 0]
        socket.send_fds(self.orders, [number.to_bytes(NUMBER_BYTES, "big")], descriptors)
        answer = self.orders.recv(NUMBER_BYTES)
        if len(answer) < NUMBER_BYTES or not (pid := int.from_bytes(answer, "big")):
            raise OSError(0, "the process with the loaded application cannot fork")
        return pid

    def kill(self) -> None:
        """End it, unless it has ended already."""
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            self.pid = 0

    def close(self) -> None:
        """It ends by itself when nobody can order anything more."""
        self.starting.end()
        self.channel.close()
        self.orders.close()


def serve_orders(ordered: socket.socket, own: Channel, live: Callable[[Channel, int], NoReturn]) -> None:
    """The process's own loop: forks a worker for each order, until the supervisor's end is closed.

    The worker becomes the supervisor's child (`adopt_orphans`): a process between the two ends at once.
    """
    # The application may ignore it, or reap whatever ends: its workers are to be waited for here alone.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    gc.collect()
    gc.freeze()
    while True:
        data, descriptors, _, _ = socket.recv_fds(ordered, NUMBER_BYTES, 2)
        if not data:
            return
        theirs, stacks = socket.socket(fileno=descriptors[0]), Stacks(descriptors[1] if descriptors[1:] else -1)

        number = int.from_bytes(data, "big")
        pid = fork_twice(partial(begin, live, theirs, stacks, number), (ordered, own.socket))
        theirs.close()
        stacks.close()
        ordered.send(pid.to_bytes(NUMBER_BYTES, "big"))


def begin(live: Callable[[Channel, int], NoReturn], theirs: socket.socket, stacks: Stacks, number: int) -> NoReturn:
    live(Channel(theirs, stacks), number)


def fork_twice(live: Callable[[], NoReturn], to_close: Iterable[socket.socket]) -> int:
    """Fork a process whose parent is gone; its id, 0 if that is not possible."""
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        between = fork_own()
    except OSError:
        os.close(reader)
        os.close(writer)
        return 0
    if between == 0:
        try:
            os.close(reader)
            pid = fork_own()
            if pid == 0:
                os.close(writer)
                for one in to_close:
                    one.close()
                live()
            os.write(writer, pid.to_bytes(NUMBER_BYTES, "big"))
        finally:
            os._exit(0)
    os.close(writer)
    data = os.read(reader, NUMBER_BYTES)
    os.close(reader)
    os.waitpid(between, 0)
    return int.from_bytes(data, "big")


def adopt_orphans() -> bool:
    """Become the parent of what our children's children are when their parents end (prctl(2)); whether that works."""
    import ctypes  # noqa: PLC0415 - costs a megabyte, and only --preload needs it

    return int(ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)) == 0


def die_with_parent() -> None:
    """Let the kernel end this process with its parent (prctl(2)); its children are not meant."""
    import ctypes  # noqa: PLC0415 - as above

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def open_descriptors() -> dict[int, str]:
    """The process's descriptors and what they stand for (proc(5), fd); nothing where there is no /proc."""
    found: dict[int, str] = {}
    try:
        names = os.listdir("/proc/self/fd")
    except OSError:
        return found  # without /proc nothing is known
    for name in names:
        try:
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            pass  # that of the listing itself
    return found


def fork_dangers(before: dict[int, str]) -> list[str]:
    """What the application has made while it was loaded that forked workers cannot use: threads and descriptors."""
    threads = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    opened = {fd: target for fd, target in open_descriptors().items() if before.get(fd) != target}
    found = [f"thread {name} does not go on in the workers" for name in threads]
    found += [f"descriptor {fd} ({target}) is shared by all workers" for fd, target in sorted(opened.items())]
    return found
