"""Counts that processes share: a directory of names, and cells for each process, of which it alone writes its own."""

from __future__ import annotations

import atexit
import logging
import os
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap
from operator import add
from typing import Any, NamedTuple
from weakref import WeakSet

from dragoman.middleware.shared_file import HEAD_BYTES, OWN_AT, SharedFile

__all__ = ["DROPPED", "IN_FLIGHT", "NAME_BYTES", "Layout", "Table", "Totals"]

log = logging.getLogger("dragoman.middleware")

# The cells that every process has. The first is no count: with its process it is gone.
IN_FLIGHT, DROPPED, FIRST_CELL = range(3)
CELL_BYTES = 8
PAGE_BYTES = 4096
MOST_PROCESSES = 256
# In the head: how often the table was cleared, entries and cells in use.
COUNTS_AT = OWN_AT
COUNTS = struct.Struct("<QQQ")
# For each place the process that has it, in 8 bytes; 0 is nobody.
PLACES_AT = HEAD_BYTES
DIRECTORY_AT = PLACES_AT + MOST_PROCESSES * 8
# The first of its cells, how many there are, the length of its name.
ENTRY = struct.Struct("<IHH")
ENTRY_BYTES = 256
NAME_BYTES = ENTRY_BYTES - ENTRY.size
PLACE_LOCKS_AT = 1 << 41


@dataclass(frozen=True)
class Layout:
    """How large a table is: `entries` names, `spare` more for those that have to be there, `cells` for each process."""

    entries: int
    cells: int
    spare: int = 0

    @property
    def base_at(self) -> int:
        """Where the counts begin of processes that have ended."""
        return -(-(DIRECTORY_AT + (self.entries + self.spare) * ENTRY_BYTES) // PAGE_BYTES) * PAGE_BYTES

    @property
    def region_bytes(self) -> int:
        """The size of one process's cells."""
        return -(-self.cells * CELL_BYTES // PAGE_BYTES) * PAGE_BYTES

    @property
    def size_bytes(self) -> int:
        """Of the file. It has holes where no process has been."""
        return self.base_at + (1 + MOST_PROCESSES) * self.region_bytes


class Totals(NamedTuple):
    """What all processes have counted: `cells`, and by name which of them are its own. `processes` is how many live."""

    names: dict[bytes, range]
    cells: list[float]
    processes: int


class Table:
    """Numbers by name. What this process counts it adds to its own `cells`; `totals` are those of all processes.

    open_file   opens the file that is shared with other processes; None: this one is alone
    what        names it in the log

    A place belongs to the process that holds its lock, which the kernel takes from it when it ends, in whatever way:
    then its counts are added to those of all who have ended, by whoever comes next. Who comes when nobody is left
    begins at zero. Raises OSError when the file cannot be opened.
    """

    def __init__(self, layout: Layout, open_file: Callable[[], SharedFile] | None, what: str) -> None:
        self.layout = layout
        self.open_file = open_file
        self.what = what
        self.file = None if open_file is None else open_file()
        # Private: of a child of fork it is its own.
        flags = MAP_PRIVATE | MAP_ANONYMOUS
        self.memory = mmap(-1, layout.size_bytes, flags=flags) if self.file is None else self.file.memory
        # For the threads of this process: whoever changes anything has it.
        self.lock = threading.Lock()
        self.place: int | None = None
        self.cells: memoryview[float] | None = None
        # By name; read from the directory up to `entries_read` in the state of `epoch`.
        self.known: dict[bytes, range] = {}
        self.epoch = -1
        self.entries_read = 0
        # Whatever is kept of cells that were found, by whoever uses the table; gone when they are others.
        self.kept: dict[Any, Any] = {}
        # Nothing new has room any more, but for what is spare.
        self.is_full = False
        # One for each request under way: to put one there and to take one away needs no lock.
        self.in_flight: deque[None] = deque()
        self.has_told_full = False
        tables.add(self)

    def joined(self) -> memoryview[float]:
        """The cells of this process, which takes a place for them if it has none. Never raises OSError.

        Without a place it counts for itself alone, and the log says so.
        """
        with self.lock:
            if self.cells is None:
                self.kept.clear()
                try:
                    self.join()
                except OSError as error:
                    log.error("%s: what this process counts the others will not know: %s", self.what, error)
                    self.cells = memoryview(bytearray(self.layout.region_bytes)).cast("d")
            assert self.cells is not None
            return self.cells

    def find(self, name: bytes, count: int, is_spare: bool = False) -> range | None:
        """The `count` cells of that name, at most 248 bytes of it. None when there is no room for them.

        is_spare   it may have the room that is kept for such names
        """
        self.joined()
        with self.lock:
            found = self.known.get(name)
            if found is not None or len(name) > NAME_BYTES or (self.is_full and not is_spare):
                return found
            try:
                with self.shared():
                    self.read_directory()
                    return self.known.get(name) or self.append(name, count, is_spare)
            except OSError as error:
                log.error("%s: %s", self.what, error)
                return None

    def totals(self) -> Totals:
        """The sums of all processes, those that have ended among them."""
        self.joined()
        with self.lock:
            try:
                # All of it: what is added up while somebody buries a process may be counted twice, or not at all.
                with self.shared():
                    self.bury()
                    self.read_directory()
                    return self.added_up()
            except OSError as error:
                # Better than no answer. What the dead have in flight is counted then.
                log.error("%s: %s", self.what, error)
                return self.added_up()

    def added_up(self) -> Totals:
        # No process may ever have had a place.
        used = max(FIRST_CELL, COUNTS.unpack_from(self.memory, COUNTS_AT)[2])
        places = [place for place, process in enumerate(self.processes()) if process]
        regions = [self.region(-1), *map(self.region, places)]
        if self.place is None and self.cells is not None:
            regions.append(self.cells)
        sums = [0.0] * used
        for region in regions:
            sums = list(map(add, sums, region[:used].tolist()))
        return Totals(dict(self.known), sums, len(places))

    def leave(self) -> None:
        """Give the place back at the end of the process. Who is the last removes the file."""
        with self.lock:
            if self.file is None or self.place is None:
                return
            with self.shared():
                self.bury(self.place)
                self.file.unlock(PLACE_LOCKS_AT + self.place)
                self.place = None
                # Threads that go on have something to write to.
                self.cells = memoryview(bytearray(self.layout.region_bytes)).cast("d")
                self.bury()
                if not any(self.processes()) and self.file.is_there():
                    os.unlink(self.file.path)

    def forget_parent(self) -> None:
        """In a child of fork: the place is its parent's, and so are threads that held the lock."""
        self.lock = threading.Lock()
        self.place = None
        self.cells = None
        self.in_flight = deque()

    @contextmanager
    def shared(self) -> Iterator[None]:
        """No other process changes anything meanwhile. Raises TimeoutError, and OSError."""
        if self.file is None:
            yield
            return
        self.file.lock()
        try:
            yield
        finally:
            self.file.unlock()

    def processes(self) -> memoryview:
        return memoryview(self.memory)[PLACES_AT:DIRECTORY_AT].cast("Q")

    def region(self, place: int) -> memoryview[float]:
        """The cells of a place; those of all who have ended are at -1."""
        start = self.layout.base_at + (1 + place) * self.layout.region_bytes
        return memoryview(self.memory)[start : start + self.layout.region_bytes].cast("d")

    def join(self) -> None:
        while True:
            with self.shared():
                if self.file is None or self.file.is_there():
                    self.take_place()
                    self.read_directory()
                    return
            # Whoever was the last has removed it.
            assert self.open_file is not None
            self.file, self.epoch = self.open_file(), -1
            self.memory = self.file.memory

    def take_place(self) -> None:
        self.bury()
        processes = self.processes()
        if self.file is not None:
            self.file.reserve(0, self.layout.base_at + self.layout.region_bytes)
        if not any(processes):
            self.clear()
        place = next((place for place, process in enumerate(processes) if not process), None)
        if place is None:
            raise OSError(f"all {MOST_PROCESSES} places for processes are taken")
        if self.file is not None:
            at, size = self.layout.base_at + (1 + place) * self.layout.region_bytes, self.layout.region_bytes
            self.file.reserve(at, size)
            self.file.lock(PLACE_LOCKS_AT + place)
        self.cells = self.region(place)
        self.cells[:] = memoryview(bytes(self.layout.region_bytes)).cast("d")
        processes[place] = os.getpid()
        self.place = place

    def bury(self, own: int | None = None) -> None:
        """Keep the counts of those who have ended, and free their places; with `own` that of this process."""
        processes = self.processes()
        for place, process in enumerate(processes):
            if not process or (place == self.place and place != own):
                continue
            if place != own and self.file is not None and not self.file.try_lock(PLACE_LOCKS_AT + place):
                continue
            used = COUNTS.unpack_from(self.memory, COUNTS_AT)[2]
            ended, base = self.region(place), self.region(-1)
            for cell in range(DROPPED, used):
                base[cell] += ended[cell]
            ended[:] = memoryview(bytes(self.layout.region_bytes)).cast("d")
            processes[place] = 0
            if place != own and self.file is not None:
                self.file.unlock(PLACE_LOCKS_AT + place)

    def clear(self) -> None:
        epoch, _, _ = COUNTS.unpack_from(self.memory, COUNTS_AT)
        self.region(-1)[:] = memoryview(bytes(self.layout.region_bytes)).cast("d")
        COUNTS.pack_into(self.memory, COUNTS_AT, epoch + 1, 0, FIRST_CELL)

    def read_directory(self) -> None:
        epoch, entries, _ = COUNTS.unpack_from(self.memory, COUNTS_AT)
        if epoch != self.epoch:
            self.epoch, self.entries_read, self.is_full = epoch, 0, False
            self.known.clear()
        for index in range(self.entries_read, entries):
            at = DIRECTORY_AT + index * ENTRY_BYTES
            first, count, length = ENTRY.unpack_from(self.memory, at)
            name = self.memory[at + ENTRY.size : at + ENTRY.size + length]
            self.known[name] = range(first, first + count)
        self.entries_read = entries

    def append(self, name: bytes, count: int, is_spare: bool) -> range | None:
        epoch, entries, used = COUNTS.unpack_from(self.memory, COUNTS_AT)
        layout = self.layout
        # The room that all have is used first.
        most = layout.entries + layout.spare if is_spare else layout.entries
        if entries >= most or used + count > layout.cells:
            self.is_full = self.is_full or (entries >= layout.entries and not is_spare)
            if not self.has_told_full:
                self.has_told_full = True
                log.warning("%s is full with %d names: what is new is not told apart", self.what, entries)
            return None
        at = DIRECTORY_AT + entries * ENTRY_BYTES
        ENTRY.pack_into(self.memory, at, used, count, len(name))
        self.memory[at + ENTRY.size : at + ENTRY.size + len(name)] = name
        # Last, so that a process that is killed on the way leaves nothing half done.
        COUNTS.pack_into(self.memory, COUNTS_AT, epoch, entries + 1, used + count)
        self.read_directory()
        return self.known[name]


tables: WeakSet[Table] = WeakSet()


def leave_all() -> None:
    for table in list(tables):
        # At the end of a process there is nobody to tell.
        with suppress(OSError):
            table.leave()


def forget_parents() -> None:
    for table in list(tables):
        table.forget_parent()


atexit.register(leave_all)
os.register_at_fork(after_in_child=forget_parents)
