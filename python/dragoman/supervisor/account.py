"""The account of a drain over all workers: what was answered, dropped and cut since the end began."""

import json
from dataclasses import dataclass, field

from dragoman.log import Log
from dragoman.values import printable

__all__ = ["DrainAccount"]

# As many as one worker names.
NAMED = 5


@dataclass
class DrainAccount:
    """Sums what the workers tell."""

    began_at: float  # monotonic
    answered: int = 0
    dropped: int = 0
    cut: int = 0
    named: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        """What one worker has told: the engine's account as JSON."""
        told = json.loads(text)
        self.answered += told["answered"]
        self.dropped += told["dropped"]
        self.cut += told["cut"]
        self.named += told["cut_requests"]

    def tell(self, log: Log, now: float) -> None:
        """The last line of a run; a warning where requests were lost."""
        named = f" ({', '.join(printable(one) for one in self.named[:NAMED])})" if self.named else ""
        line = (
            f"all workers: drained {self.answered} requests in {now - self.began_at:.1f} s, {self.dropped} dropped,"
            f" {self.cut} cut{named}"
        )
        log.write("warning" if self.dropped or self.cut else "info", line)
