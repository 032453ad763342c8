"""Answers that are just being made: one request makes one, the others wait for it, for a bounded time."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

__all__ = ["Flight", "Flights"]

# For so long after an answer that could not be stored nobody waits for another one of that URL.
APART_S = 10.0
MOST_APART = 4096


class Flight:
    """One answer that is being made. Who makes it ends it, whatever comes of it."""

    def __init__(self, flights: Flights, key: str) -> None:
        self.flights = flights
        self.key = key
        self.done = threading.Event()
        # Gives back what other processes wait for.
        self.give_back: Callable[[], None] | None = None

    def end(self, *, is_of_use: bool) -> None:
        """Let those go on who wait. Again it does nothing.

        is_of_use   whether waiting for the next one makes sense: this one was stored, or might have been
        """
        self.flights.end(self, is_of_use)
        give_back, self.give_back = self.give_back, None
        if give_back is not None:
            give_back()


class Flights:
    """Those of one process.

    max_waiting   so many threads wait at once, no more: a server has only so many
    """

    def __init__(self, max_waiting: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.lock = threading.Lock()
        self.clock = clock
        self.under_way: dict[str, Flight] = {}
        self.waiting = 0
        self.max_waiting = max_waiting
        # Until when requests for a key go their own ways.
        self.apart: OrderedDict[str, float] = OrderedDict()

    def begin(self, key: str) -> Flight | None:
        """A flight to make the answer in, None when somebody else makes it already, or each has to make its own."""
        with self.lock:
            if key in self.under_way or self.is_apart(key):
                return None
            flight = self.under_way[key] = Flight(self, key)
        return flight

    def wait(self, key: str, most_s: float) -> bool:
        """Wait for the answer that another request makes. False when there is none, or it takes too long."""
        with self.lock:
            flight = self.under_way.get(key)
            if flight is None or self.waiting >= self.max_waiting:
                return False
            self.waiting += 1
        is_done = False
        try:
            is_done = flight.done.wait(most_s)
        finally:
            with self.lock:
                self.waiting -= 1
                # Whoever makes it may never come to its end. The next request makes it, and nobody waits for this one.
                if not is_done and self.under_way.get(key) is flight:
                    del self.under_way[key]
        return is_done

    def end(self, flight: Flight, is_of_use: bool) -> None:
        """See `Flight.end`."""
        with self.lock:
            if flight.done.is_set():
                return
            if self.under_way.get(flight.key) is flight:
                del self.under_way[flight.key]
            if not is_of_use:
                self.apart[flight.key] = self.clock() + APART_S
                self.apart.move_to_end(flight.key)
                if len(self.apart) > MOST_APART:
                    self.apart.popitem(last=False)
            flight.done.set()

    def is_apart(self, key: str) -> bool:
        until = self.apart.get(key)
        if until is None:
            return False
        if until > self.clock():
            return True
        del self.apart[key]
        return False
