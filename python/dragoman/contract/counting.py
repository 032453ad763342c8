"""Counts what happens again at places that were told of before, and hands out what there is to say of it in time."""

import threading
import time
import weakref
from collections.abc import Callable, Hashable, Mapping
from typing import Protocol, TypeAlias

__all__ = ["Counted", "Counts", "Later", "run_later", "span"]

# How long is counted until a line says how often it was.
WINDOW_S = 60.0
# What a client has felt is told at once: so often in the window of one place, and so often a second in all.
AT_ONCE_A_WINDOW = 10
AT_ONCE_A_SECOND = 10
# A timer that is so much late has been lost: the process was forked.
LATE_S = 5.0

Later: TypeAlias = Callable[[float, Callable[[], None]], Callable[[], object]]
"""Calls a function after so many seconds, in another thread if there is one, and returns what takes that back."""


class Counted:
    """What was counted at one place since `since_s`."""

    def __init__(self, since_s: float) -> None:
        self.since_s = since_s
        # The first that was counted, in words, and as fields.
        self.sample = ""
        self.fields: Mapping[str, object] = {}
        self.count = 0
        self.at_once = 0


class Sample(Protocol):
    """Describes what is counted; asked once in each window."""

    def __call__(self) -> tuple[str, Mapping[str, object]]: ...


class Counts:
    """Windows of a minute, one for each key at which something happens again.

    tell    takes a key and what was counted there, when its window is over
    clock   monotonic seconds
    later   how the end of a window is waited for; where it does nothing, the next event ends it

    Holds one window for each key of the last minute, and no fact of an event but the text of its first.
    """

    def __init__(
        self,
        tell: Callable[[Hashable, Counted, float], object],
        clock: Callable[[], float] = time.monotonic,
        later: Later | None = None,
    ) -> None:
        self.tell = tell
        self.clock = clock
        self.later = later or run_later
        self.windows: dict[Hashable, Counted] = {}
        self.second_s = float("-inf")
        self.told_in_second = 0
        self.timed_for_s = float("-inf")
        self.take_back: Callable[[], object] = do_nothing
        # Serving threads count at any time, and a collection, in which more may be counted, comes at any place.
        self.lock = threading.RLock()

    def add(self, key: Hashable, sample: Sample, *, is_urgent: bool = False) -> bool:
        """Something happens again at `key`: whether it is to be told at once; else it is counted.

        is_urgent   somebody has felt it, and it should be told while the rates allow it
        """
        self.tell_due()
        with self.lock:
            now_s = self.clock()
            window = self.windows.setdefault(key, Counted(now_s))
            is_told = is_urgent and window.at_once < AT_ONCE_A_WINDOW and self.admits(now_s)
            if is_told:
                window.at_once += 1
            else:
                if not window.count:
                    window.sample, window.fields = sample()
                window.count += 1
        self.wait_for_next()
        return is_told

    def close(self) -> None:
        """Tell of all windows: nobody will count any more."""
        self.tell_due(is_all=True)
        self.take_back()

    def tell_due(self, *, is_all: bool = False) -> None:
        """Tell of the windows that are over."""
        with self.lock:
            now_s = self.clock()
            due = [key for key, one in self.windows.copy().items() if is_all or now_s - one.since_s >= WINDOW_S]
            over = [(key, window) for key in due if (window := self.windows.pop(key, None))]
        for key, window in over:
            if window.count:
                self.tell(key, window, now_s - window.since_s)

    def admits(self, now_s: float) -> bool:
        """Whether one more line may be written in this second."""
        if now_s - self.second_s >= 1:
            self.second_s, self.told_in_second = now_s, 0
        self.told_in_second += 1
        return self.told_in_second <= AT_ONCE_A_SECOND

    def wait_for_next(self) -> None:
        """See to it that the next window ends by itself."""
        with self.lock:
            # They were opened one after the other.
            first = next(iter(self.windows.values()), None)
            now_s = self.clock()
            if first is None or now_s <= self.timed_for_s + LATE_S:
                return
            self.timed_for_s = first.since_s + WINDOW_S
        # Whoever has forgotten these counts is not to be kept alive by them.
        self.take_back = self.later(max(0.0, first.since_s + WINDOW_S - now_s), Wake(self))

    def wake(self) -> None:
        """The timer has rung."""
        with self.lock:
            self.timed_for_s = float("-inf")
        self.tell_due()
        self.wait_for_next()


class Wake:
    """Wakes counts that are still there."""

    def __init__(self, counts: Counts) -> None:
        self.counts = weakref.ref(counts)

    def __call__(self) -> None:
        if counts := self.counts():
            counts.wake()


def run_later(seconds: float, function: Callable[[], None]) -> Callable[[], object]:
    """Call `function` after so many seconds, in a thread that lives until then; never, where none can be started."""
    timer = threading.Timer(seconds, function)
    timer.daemon = True
    timer.name = "dragoman-counts"
    try:
        timer.start()
    except RuntimeError:
        return do_nothing
    return timer.cancel


def do_nothing() -> None:
    pass


def span(seconds: float) -> str:
    """``the last minute``, ``the last 12 s``: how long ago the counting began."""
    if WINDOW_S - LATE_S <= seconds <= WINDOW_S + LATE_S:
        return "the last minute"
    return f"the last {max(seconds, 1):.0f} s" if seconds < 2 * WINDOW_S else f"the last {seconds / 60:.0f} minutes"
