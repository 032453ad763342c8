"""One reload under way: since when, the number of workers that it brings, and who waits for its end."""

import time
from collections.abc import Callable, Sequence

__all__ = ["Reload"]

# Called once with how the reload has ended: "" or the cause.
Watcher = Callable[[str], None]


class Reload:
    """Replaced by the next one if that comes before its end; whoever waits for this one waits for that one then."""

    def __init__(self, workers: int, watchers: Sequence[Watcher]) -> None:
        # What its settings ask for. It counts once a worker of it serves: one that fails changes no number.
        self.workers: int | None = workers
        self.watchers = watchers
        self.began_at = time.monotonic()

    def take_workers(self) -> int | None:
        """The number of workers from now on; None once it has been taken."""
        workers, self.workers = self.workers, None
        return workers

    def end(self, cause: str) -> None:
        """Tell those who wait."""
        for when_done in self.watchers:
            when_done(cause)
