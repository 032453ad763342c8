"""One thread for each process that says of requests, at the time they should have been answered, where they are."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import traceback

from dragoman.middleware.paths import path_of
from dragoman.types import Environ

__all__ = ["WATCHDOG", "Overrun", "Seldom", "Watchdog", "name_of"]

log = logging.getLogger("dragoman.middleware")

MOST_STACKS = 10
EVERY_S = 60.0
MOST_FRAMES = 40


class Overrun:
    """A request that is watched until it is over: answered, or failed.

    until     when it should be answered, by ``time.monotonic()``
    began     when it came
    thread    the id of the thread that it is in
    """

    __slots__ = ("began", "environ", "is_over", "is_told", "thread", "until")

    def __init__(self, until: float, began: float, thread: int, environ: Environ) -> None:
        self.until = until
        self.began = began
        self.thread = thread
        self.environ = environ
        self.is_over = False
        self.is_told = False


def name_of(environ: Environ) -> str:
    """What a request is called in the log: without its query, which may hold secrets."""
    request_id = environ.get("dragoman.request_id")
    written = f"{environ.get('REQUEST_METHOD', '')!s} {path_of(environ)!r}"
    return f"{written} ({request_id})" if request_id else written


class Seldom:
    """Tells something `most` times in a minute; how often it was left out is told with the next one."""

    def __init__(self, message: str, most: int = 1, level: int = logging.WARNING) -> None:
        self.message = message
        self.most = most
        self.level = level
        self.lock = threading.Lock()
        self.since = -EVERY_S
        self.told = 0
        self.left_out = 0

    def tell(self, *facts: object) -> bool:
        """Whether it was told."""
        with self.lock:
            now = time.monotonic()
            if now - self.since >= EVERY_S:
                self.since, self.told = now, 0
            if self.told >= self.most:
                self.left_out += 1
                return False
            self.told += 1
            left_out, self.left_out = self.left_out, 0
        more = f"; {left_out} more like it since the last one" if left_out else ""
        log.log(self.level, self.message + "%s", *facts, more)
        return True


class Watchdog:
    """Its thread begins with the first request that is watched, and sleeps until the next time that one has."""

    def __init__(self) -> None:
        self.watched: dict[int, Overrun] = {}
        self.changed = threading.Condition()
        self.thread: threading.Thread | None = None
        # When the thread wakes by itself.
        self.wakes = float("inf")
        self.late = Seldom("deadline: %s is not answered after %.1f s; its thread is at this place:\n%s", MOST_STACKS)
        self.answered = Seldom("deadline: %s took %.1f s until it was answered", MOST_STACKS)

    def watch(self, overrun: Overrun) -> None:
        """Tell of it, should it not be over by then."""
        self.watched[id(overrun)] = overrun
        if self.thread is None or overrun.until < self.wakes:
            self.wake(overrun.until)

    def leave(self, overrun: Overrun) -> None:
        """It is over."""
        if overrun.is_over:
            return
        overrun.is_over = True
        self.watched.pop(id(overrun), None)
        if overrun.is_told:
            self.answered.tell(name_of(overrun.environ), time.monotonic() - overrun.began)

    def wake(self, until: float) -> None:
        with self.changed:
            self.wakes = min(self.wakes, until)
            if self.thread is None:
                self.thread = threading.Thread(target=self.run, name="dragoman-deadlines", daemon=True)
                self.thread.start()
            self.changed.notify()

    def run(self) -> None:
        while True:
            with self.changed:
                while (now := time.monotonic()) < self.wakes:
                    self.changed.wait(None if self.wakes == float("inf") else self.wakes - now)
                # Whoever is watched from here on wakes us himself when his time is earlier.
                self.wakes = float("inf")
            try:
                self.look(now)
            except Exception:
                log.exception("deadline: the watchdog failed")

    def look(self, now: float) -> None:
        next_s = float("inf")
        for overrun in self.copied():
            if overrun.until <= now:
                if not overrun.is_told:
                    self.tell(overrun, now)
            else:
                next_s = min(next_s, overrun.until)
        with self.changed:
            self.wakes = min(self.wakes, next_s)

    def copied(self) -> list[Overrun]:
        while True:
            try:
                return list(self.watched.values())
            except RuntimeError:
                # It changed meanwhile.
                continue

    def tell(self, overrun: Overrun, now: float) -> None:
        frame = sys._current_frames().get(overrun.thread)
        # Asked after the stack was taken: it may be of the next request otherwise.
        if overrun.is_over:
            return
        overrun.is_told = True
        stack = "".join(traceback.format_stack(frame, MOST_FRAMES)) if frame is not None else "  (not known)\n"
        self.late.tell(name_of(overrun.environ), now - overrun.began, stack.rstrip("\n"))


WATCHDOG = Watchdog()


def begin_anew() -> None:
    """In a child of fork: the thread and the requests are the parent's."""
    WATCHDOG.watched.clear()
    WATCHDOG.changed = threading.Condition()
    WATCHDOG.thread = None
    WATCHDOG.wakes = float("inf")
    WATCHDOG.late.lock = WATCHDOG.answered.lock = threading.Lock()


os.register_at_fork(after_in_child=begin_anew)
