"""Compares what Dragoman read with what another server read: only what we accept can be a finding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tests.differential.mutations import Message
from tests.differential.observe import Outcome, Read

Kind = Literal["refuses", "frames otherwise", "waits", "reads on"]


@dataclass(frozen=True)
class Difference:
    """One message that Dragoman and a peer read differently."""

    message: Message
    peer: str
    kind: Kind
    at: int
    """Which request of the message it is about, from 0."""
    ours: Outcome
    theirs: Outcome

    @property
    def request(self) -> Read | None:
        """The request that only we have read so; None where we read no more than the peer."""
        return self.ours.requests[self.at] if self.at < len(self.ours.requests) else None


def difference(message: Message, peer: str, ours: Outcome, theirs: Outcome) -> Difference | None:
    """How the peer's reading differs from ours in what we accept; None when it does not.

    Targets are not compared: servers may normalise them, and the bytes that they stand for are in the methods' place,
    the lengths and the digests of what follows.
    """
    for at, own in enumerate(ours.requests):
        if at >= len(theirs.requests):
            return Difference(message, peer, kind_of_end(theirs), at, ours, theirs)
        other = theirs.requests[at]
        if (own.method, own.length, own.digest) != (other.method, other.length, other.digest):
            return Difference(message, peer, "frames otherwise", at, ours, theirs)
    last = len(ours.requests)
    if ours.end == "tail" and (len(theirs.requests) > last or theirs.end != "tail"):
        # We have read the request behind as itself: the peer must have found the same end, or closed.
        kind: Kind = "frames otherwise" if len(theirs.requests) > last else kind_of_end(theirs)
        return (
            None
            if theirs.end == "closed" and kind == "refuses"
            else Difference(message, peer, kind, last, ours, theirs)
        )
    return None


def kind_of_end(theirs: Outcome) -> Kind:
    return {"waits": "waits", "tail": "reads on"}.get(theirs.end, "refuses")  # type: ignore[return-value]
