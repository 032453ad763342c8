"""What is left of a server in this process when calls of the application do not return: no thread can be ended.

Their connections are cut, so that no client waits for ever, and where they are is told. When the interpreter ends they
are asked to leave: one that came back to it later, from inside of the engine, would abort the process.
"""

import os
import socket
import stat
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Collection, Iterable, Sequence

from dragoman.loader import is_machinery
from dragoman.values import printable

__all__ = ["Name", "cut_connections", "told_of", "watch_until_exit"]

LEAVING_S = 0.5
WILDCARDS = ("0.0.0.0", "::")

# An address as socket.getsockname gives it.
Name = tuple[object, ...] | str | bytes


class Stragglers:
    """The threads of this process that are still in a call of a server that has ended."""

    def __init__(self) -> None:
        self.threads: weakref.WeakSet[threading.Thread] = weakref.WeakSet()

    def leave(self) -> None:
        """Raise SystemExit in them: it comes where they run Python code, and waits for those that do not."""
        threads = [thread for thread in self.threads if thread.is_alive()]
        if not threads:
            return
        import ctypes  # noqa: PLC0415 - a megabyte that hardly any process needs

        for thread in threads:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SystemExit))
        until = time.monotonic() + LEAVING_S
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))


STRAGGLERS = Stragglers()
# The first of the finalizers is called last: those of servers that still run at the end come before.
weakref.finalize(Stragglers, STRAGGLERS.leave)


def watch_until_exit(threads: Iterable[threading.Thread]) -> None:
    """When the interpreter ends, let those leave that are still there."""
    STRAGGLERS.threads.update(thread for thread in threads if thread.is_alive())


def cut_connections(listeners: Collection[Name]) -> None:
    """Shut every connection of this process down that was accepted at one of the addresses (getsockname(2)).

    A call that waits for its client ends with that, and the client of one that does not return need not wait for it.
    """
    for name in os.listdir("/proc/self/fd"):
        try:
            if not stat.S_ISSOCK(os.stat(f"/proc/self/fd/{name}").st_mode):
                continue
            # A copy: another thread may close the descriptor meanwhile, and its number may come to stand for another.
            with socket.socket(fileno=os.dup(int(name))) as sock:
                is_listening = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
                if not is_listening and any(is_at(sock.getsockname(), listener) for listener in listeners):
                    sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it is gone, or not connected any more


def is_at(name: Name, listener: Name) -> bool:
    if isinstance(name, tuple) and isinstance(listener, tuple):
        return name[1] == listener[1] and (name[0] == listener[0] or listener[0] in WILDCARDS)
    return bool(name) and name == listener


def told_of(requests: Sequence[str], threads: Iterable[threading.Thread]) -> str:
    """What is left, in words: the requests, and where the threads of their calls are."""
    lines = [
        f"still inside of the application: {', '.join(printable(request) for request in requests)}",
        "the graceful timeout is over: connections are cut, but no thread can be ended, and these go on until their"
        " calls return:",
    ]
    frames = sys._current_frames()
    for thread in threads:
        if thread.is_alive() and (frame := frames.get(thread.ident or 0)) is not None:
            stack = traceback.extract_stack(frame)
            # From the application's first frame on.
            while stack and (stack[0].filename == threading.__file__ or is_machinery(stack[0].filename)):
                del stack[0]
            lines += [f"thread {thread.name}:", *"".join(stack.format()).rstrip("\n").splitlines()]
    return "\n".join(lines)
