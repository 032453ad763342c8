"""What has gone wrong with starts: how often in a row at each place, until when nobody starts there, what was told.

Each generation begins afresh: that the application of before fails says nothing of the next one, which may be the fix.
"""

import math

from dragoman.supervisor.plan import backoff_s

__all__ = ["LOADING", "Place", "Setbacks"]

# A generation, and the number of a worker of it.
Place = tuple[int, int]
# The number that stands for the process of --preload, which all workers of its generation wait for.
LOADING = 0


class Record:
    """What has happened at one place, in a row."""

    def __init__(self) -> None:
        self.deaths = 0
        self.failed_starts = 0
        self.rest_until = 0.0  # monotonic


class Setbacks:
    """Those of one supervisor. Knows no clock."""

    def __init__(self) -> None:
        self.records: dict[Place, Record] = {}
        self.told: tuple[int, str] | None = None

    def add(self, place: Place, *, has_served: bool = False, has_settled: bool = False) -> int:
        """A worker of that place is lost, or could not be had; how many starts there have failed in a row.

        has_settled   it has served for long enough not to have died of its start
        """
        record = self.records.setdefault(place, Record())
        record.deaths = 1 if has_settled else record.deaths + 1
        record.failed_starts = 0 if has_served else record.failed_starts + 1
        return record.failed_starts

    def rest(self, place: Place, now: float) -> None:
        """Nobody starts there before the back-off is over."""
        record = self.records.setdefault(place, Record())
        record.rest_until = now + backoff_s(record.deaths)

    def hold(self, place: Place) -> None:
        """Nobody starts there any more: the next generation may."""
        self.records.setdefault(place, Record()).rest_until = math.inf

    def resting(self, generation: int, now: float) -> set[int]:
        """The numbers at which nobody of that generation is to start yet; `LOADING` among them means all."""
        return {number for (of, number), record in self.records.items() if of == generation and record.rest_until > now}

    def rests(self, now: float) -> list[float]:
        """When the rests are over that are not yet, and will be."""
        return [one.rest_until for one in self.records.values() if now < one.rest_until < math.inf]

    def is_news(self, generation: int, cause: str) -> bool:
        """Whether this was not the last cause that was told."""
        before, self.told = self.told, (generation, cause)
        return before != self.told

    def served(self) -> None:
        """A worker serves: the next cause is news, whatever it is."""
        self.told = None

    def keep_only(self, generation: int) -> None:
        """No worker of another one starts any more."""
        self.records = {place: record for place, record in self.records.items() if place[0] == generation}
