"""What is streamed: a feed of events, jobs that go on, rows without end, a large file. Both applications have it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FILE_BYTES = 8 << 20


class Feed:
    """Texts with numbers from 1 on. Who listens waits for the next one."""

    def __init__(self, kept: int = 1000) -> None:
        self.changed = threading.Condition()
        self.kept: deque[tuple[int, str]] = deque(maxlen=kept)
        self.last = 0

    def publish(self, text: str) -> int:
        """The number of the text."""
        with self.changed:
            self.last += 1
            self.kept.append((self.last, text))
            self.changed.notify_all()
            return self.last

    def after(self, number: int, wait_s: float) -> list[tuple[int, str]]:
        """What was published after `number`, as far as it is kept; waits for it at most `wait_s` seconds."""
        with self.changed:
            self.changed.wait_for(lambda: self.last > number, wait_s)
            return [one for one in self.kept if one[0] > number]


class Job:
    """Work of so many steps, which others do; who looks on waits for the next one."""

    def __init__(self, steps: int) -> None:
        self.changed = threading.Condition()
        self.steps = steps
        self.done = 0

    def advance(self) -> int:
        """One step more is done. Gives their number."""
        with self.changed:
            self.done = min(self.done + 1, self.steps)
            self.changed.notify_all()
            return self.done

    def wait(self, seen: int, wait_s: float) -> int:
        """The steps that are done; waits until they are more than `seen`, at most `wait_s` seconds."""
        with self.changed:
            self.changed.wait_for(lambda: self.done > seen, wait_s)
            return self.done


class Jobs:
    """Jobs by number."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.by_number: dict[int, Job] = {}

    def add(self, steps: int) -> int:
        """The number of a new job."""
        with self.lock:
            number = len(self.by_number) + 1
            self.by_number[number] = Job(steps)
            return number


class Open:
    """How many streams are open, by kind."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.counts: dict[str, int] = {}

    @contextmanager
    def counted(self, kind: str) -> Iterator[None]:
        """Count one for as long as the block runs, however it ends."""
        self.add(kind, 1)
        try:
            yield
        finally:
            self.add(kind, -1)

    def add(self, kind: str, count: int) -> None:
        with self.lock:
            self.counts[kind] = self.counts.get(kind, 0) + count


def measurements(count: int) -> Iterator[tuple[int, str, float]]:
    """Number, place and value: each is made when it is asked for."""
    places = ("Berlin", 'Bad "Süd", Upper', "København")
    for number in range(count):
        yield number, places[number % len(places)], number / 4


def large_file(folder: Path) -> Path:
    """A file of eight mebibytes, made where there is none."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "large.bin"
    if not path.exists() or path.stat().st_size != FILE_BYTES:
        path.write_bytes(b"".join(number.to_bytes(8, "big") for number in range(FILE_BYTES // 8)))
    return path
