"""What has to be done around ``os.fork`` in a process that serves: registered once, for the engines that are there."""

import os
import signal
import threading
import weakref
from collections.abc import Collection, Iterable, Sequence
from typing import Protocol

__all__ = ["ForkHooks"]


class Engine(Protocol):
    """What has to know of a fork."""

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

    def __init__(self, numbers: Iterable[int], engine: Engine) -> None:
        """Those of `engine`; numbers: the signals that it handles, none where it leaves them to others."""
        self.numbers = tuple(numbers)
        self.engine = engine

    def register(self) -> None:
        """From now on, for every ``os.fork``."""
        HOOKS.add(self)


HOOKS: "weakref.WeakSet[ForkHooks]" = weakref.WeakSet()


class Forking(threading.local):
    """In a thread that forks: whose hooks act, and the signals that it held back before."""

    hooks: Sequence[ForkHooks] = ()
    mask: Collection[int] = ()


FORKING = Forking()


def before_fork() -> None:
    """In the thread that forks: hold its signals back."""
    FORKING.hooks = tuple(HOOKS)
    if FORKING.hooks:
        FORKING.mask = signal.pthread_sigmask(signal.SIG_BLOCK, {n for one in FORKING.hooks for n in one.numbers})


def after_fork_in_parent() -> None:
    """The engines learn that a child may hold copies of their descriptors."""
    for one in FORKING.hooks:
        one.engine.note_fork()
    after_fork()


def after_fork_in_child() -> None:
    """Usual signals, and no descriptor that serves."""
    for one in FORKING.hooks:
        if one.numbers:
            signal.set_wakeup_fd(-1)
        for number in one.numbers:
            signal.signal(number, signal.SIG_DFL)
        one.engine.forget_in_child()
    HOOKS.clear()
    after_fork()


def after_fork() -> None:
    """Let the signals that were held back come."""
    if FORKING.hooks:
        signal.pthread_sigmask(signal.SIG_SETMASK, FORKING.mask)
    FORKING.hooks = ()


os.register_at_fork(before=before_fork, after_in_parent=after_fork_in_parent, after_in_child=after_fork_in_child)
