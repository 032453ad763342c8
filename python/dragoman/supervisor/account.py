"""The account of a drain over all workers: what was answered, dropped and cut since the end began."""

import json

from dragoman.log import Log
from dragoman.values import printable

__all__ = ["DrainAccount", "with_requests"]

# As many as one worker names.
NAMED = 5


class DrainAccount:
    """Sums what the workers tell."""

    def __init__(self, began_at: float) -> None:
        """A drain that began then (monotonic)."""
        self.began_at = began_at
        self.answered = 0
        self.dropped = 0
        self.cut = 0
        self.named: list[str] = []
        # Workers that have not come to the end of their drain, and how they ended, in words.
        self.killed: list[str] = []

    def add(self, text: str) -> None:
        """What one worker has told: the engine's account as JSON."""
        told = json.loads(text)
        self.answered += told["answered"]
        self.dropped += told["dropped"]
        self.cut += told["cut"]
        self.named += told["cut_requests"]

    def lose(self, text: str, how: str) -> None:
        """A worker has ended in the middle: `text` is the last that it has told, or "", and `how` names it."""
        if text:
            self.add(text)
        self.killed.append(how)

    def tell(self, log: Log, now: float) -> None:
        """The last line of a run; a warning where requests were lost."""
        named = f" ({', '.join(printable(one) for one in self.named[:NAMED])})" if self.named else ""
        line = (
            f"all workers: drained {self.answered} requests in {now - self.began_at:.1f} s, {self.dropped} dropped,"
            f" {self.cut} cut{named}"
        )
        line += "".join(f"; {how}, and may have cut more" for how in self.killed)
        log.write("warning" if self.dropped or self.cut or self.killed else "info", line)


def with_requests(text: str) -> str:
    """``": GET /stuck"``, the requests that an account names; ``""`` where there is none."""
    named = json.loads(text)["cut_requests"] if text else []
    return f": {', '.join(printable(one) for one in named[:NAMED])}" if named else ""
