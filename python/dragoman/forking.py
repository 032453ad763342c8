"""What has to be done around ``os.fork`` in a process of a server: registered once, for those who hold what serves."""

import os
import signal
import sys
import threading
import weakref
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Protocol

__all__ = ["ForkHooks", "Letting", "fork_own"]


class Holder(Protocol):
    """Who holds descriptors that serve, and has to know of a fork: an engine, a supervisor."""

    def note_fork(self) -> None:
        """A child may hold copies of our descriptors."""

    def forget_in_child(self) -> None:
        """In the child: close them, and serve nobody."""


class ForkHooks:
    """What keeps a child that the application forks apart from us: its signals, and its copies of our descriptors.

    The child has our handlers, and our wake-up descriptor: to terminate it would drain this server. They are taken from
    it before a signal can be delivered to it, so that one sent at once has its usual effect.

    They act as long as somebody holds them: what os.register_at_fork has taken it never gives back.
    """

    def __init__(self, numbers: Iterable[int], holder: Holder) -> None:
        """Those of `holder`; numbers: the signals that it handles, none where it leaves them to others.

        Their handlers are in place: one that the application sets later is its own, and its children keep it.
        """
        self.handlers = {number: signal.getsignal(number) for number in numbers}
        self.holder = holder

    def register(self) -> None:
        """From now on, for every ``os.fork``."""
        HOOKS.add(self)

    def take_handlers(self) -> None:
        """In the child: its signals have their usual effect."""
        if self.handlers:
            signal.set_wakeup_fd(-1)
        for number, handler in self.handlers.items():
            if signal.getsignal(number) is handler:
                signal.signal(number, signal.SIG_DFL)


class Letting:
    """A holder of descriptors that nothing but the child has to know of: it closes them by `close`."""

    def __init__(self, close: Callable[[], None]) -> None:
        self.forget_in_child = close

    def note_fork(self) -> None:
        """Nothing has to be known."""


def fork_own() -> int:
    """``os.fork`` for a process of the server itself, which lets go by its own means of what it is not to have.

    The hooks do not act, and are not there in the child.
    """
    FORKING.is_own = True
    try:
        pid = os.fork()
    finally:
        FORKING.is_own = False
    if pid == 0:
        forget_children()
    return pid


def forget_children() -> None:
    """In a child: what multiprocessing has started before are no children of this process, whose end would end them."""
    started = getattr(sys.modules.get("multiprocessing.process"), "_children", None)
    if isinstance(started, set):
        # As it does itself in the processes that it starts (multiprocessing.process, _bootstrap).
        started.clear()


HOOKS: "weakref.WeakSet[ForkHooks]" = weakref.WeakSet()


class Forking(threading.local):
    """In a thread that forks: whose hooks act, and the signals that it held back before."""

    hooks: Sequence[ForkHooks] = ()
    mask: Collection[int] = ()
    is_own = False


FORKING = Forking()


def before_fork() -> None:
    """In the thread that forks: hold its signals back."""
    FORKING.hooks = () if FORKING.is_own else tuple(HOOKS)
    if FORKING.hooks:
        FORKING.mask = signal.pthread_sigmask(signal.SIG_BLOCK, {n for one in FORKING.hooks for n in one.handlers})


def after_fork_in_parent() -> None:
    """They learn that a child may hold copies of their descriptors."""
    for one in FORKING.hooks:
        one.holder.note_fork()
    after_fork()


def after_fork_in_child() -> None:
    """Usual signals, and no descriptor that serves."""
    for one in FORKING.hooks:
        one.take_handlers()
        one.holder.forget_in_child()
    HOOKS.clear()
    after_fork()


def after_fork() -> None:
    """Let the signals that were held back come."""
    if FORKING.hooks:
        signal.pthread_sigmask(signal.SIG_SETMASK, FORKING.mask)
    FORKING.hooks = ()


os.register_at_fork(before=before_fork, after_in_parent=after_fork_in_parent, after_in_child=after_fork_in_child)
