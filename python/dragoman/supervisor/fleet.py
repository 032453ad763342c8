"""Who serves and who should: from the workers that live and what is wanted of them, the next starts and farewells."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum, auto

__all__ = ["Drain", "Fleet", "Loss", "Member", "Order", "Start", "State"]

# Successors that start at one time: each is a worker more than its place has.
SURGE = 1


class State(Enum):
    """Where a worker is in its life."""

    STARTING = auto()
    READY = auto()
    DRAINING = auto()  # has been told to leave, and finishes what it has begun


class Loss(Enum):
    """What the end of a worker means."""

    LEFT = auto()  # as it was told
    DIED = auto()  # though it served
    UNBOOTABLE = auto()  # before it served
    RELOAD_FAILED = auto()  # before it served, as the first of a generation that others were to follow


class Member:
    """One worker. Two of the same `number` are a worker and its successor."""

    def __init__(self, key: int, number: int, generation: int) -> None:
        self.key = key  # never used again
        self.number = number  # from 1
        self.generation = generation
        self.state = State.STARTING
        # Why a successor is to take its place, in words; "" while it may stay.
        self.retiring = ""

    @property
    def is_staying(self) -> bool:
        """Whether it has not been told to leave."""
        return self.state is not State.DRAINING


@dataclass(frozen=True)
class Start:
    """A worker is to start at this number."""

    number: int


@dataclass(frozen=True)
class Drain:
    """The worker of this key is to leave when it has finished what it has begun."""

    key: int


Order = Start | Drain


class Fleet:
    """The workers of a run, and what is wanted of them. Knows no process and no clock.

    Invariants: a place whose worker serves loses it only when a successor serves, or when fewer are wanted; at most
    wanted + SURGE workers stay, and at most as many leave as are wanted (or were, at the last change).
    """

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.generation = 1
        self.members: dict[int, Member] = {}
        # The generation to go back to when the first start of this one fails; 0 once one of it has served.
        self.before = 0
        self.last_key = 0
        self.last_generation = 1

    def staying(self, number: int) -> list[Member]:
        """The workers at this number that have not been told to leave, oldest first."""
        return [one for one in self.members.values() if one.number == number and one.is_staying]

    def has_ready(self) -> bool:
        """Whether anybody serves who is to go on."""
        return any(one.state is State.READY for one in self.members.values())

    @property
    def is_settled(self) -> bool:
        """Whether exactly the workers that are wanted serve, none of an earlier generation."""
        staying = [one for one in self.members.values() if one.is_staying]
        return len(staying) == self.wanted and all(
            one.state is State.READY and one.generation >= self.generation for one in staying
        )

    def orders(self, resting: Collection[int] = ()) -> list[Order]:
        """What is to be done now. Whoever carries it out says so by `started` and `drained`.

        resting   numbers at which nobody may start yet, because the last starts there have failed
        """
        leaving = [Drain(one.key) for one in self.members.values() if one.number > self.wanted and one.is_staying]
        leaving += [Drain(one.key) for number in self.numbers for one in self.outlived(number)]
        missing = [Start(number) for number in self.numbers if not self.staying(number) and number not in resting]
        return [*leaving, *missing, *self.successions(resting)]

    @property
    def numbers(self) -> range:
        """The places."""
        return range(1, self.wanted + 1)

    def outlived(self, number: int) -> list[Member]:
        """Those at this number whose successor serves, and a successor of a generation that is not to come any more."""
        *older, newest = self.staying(number) or [Member(0, number, self.generation)]
        if newest.state is State.READY:
            return older
        return [newest] if older and newest.generation != self.generation else []

    def successions(self, resting: Collection[int]) -> list[Start]:
        """Starts of successors: few at a time, and only while the last who left are gone.

        A place that is empty, because its workers die, holds up nobody: whoever is replaced leaves for one who serves.
        """
        pairs = {number: self.staying(number) for number in self.numbers}
        under_way = sum(len(pair) > 1 for pair in pairs.values())
        leaving = sum(not one.is_staying for one in self.members.values())
        room = min(SURGE - under_way, self.wanted - leaving)
        due = [number for number, pair in pairs.items() if len(pair) == 1 and self.is_outdated(pair[0])]
        return [Start(number) for number in due if number not in resting][: max(room, 0)]

    def is_outdated(self, one: Member) -> bool:
        """Whether a successor is to take its place."""
        # One of the generation before may never serve: the reload may bring what mends it.
        return one.generation < self.generation or (one.state is State.READY and bool(one.retiring))

    def started(self, number: int, generation: int = 0) -> Member:
        """A worker starts at `number`, of the current generation unless another one is named."""
        self.last_key += 1
        one = self.members[self.last_key] = Member(self.last_key, number, generation or self.generation)
        return one

    def ready(self, key: int) -> None:
        """The worker serves."""
        one = self.members[key]
        if one.state is State.STARTING:
            one.state = State.READY
        if one.generation == self.generation:
            self.before = 0

    def drained(self, key: int) -> None:
        """The worker has been told to leave."""
        self.members[key].state = State.DRAINING

    def retire(self, key: int, why: str) -> None:
        """A successor is to take the worker's place, because of `why`."""
        one = self.members[key]
        one.retiring = one.retiring or why

    def gone(self, key: int) -> Loss:
        """The worker has ended."""
        one = self.members.pop(key)
        if one.state is State.DRAINING:
            return Loss.LEFT
        if one.state is State.READY:
            return Loss.DIED
        is_of_reload = one.generation == self.generation
        return Loss.RELOAD_FAILED if is_of_reload and self.abandon() else Loss.UNBOOTABLE

    def abandon(self, *, can_restart: bool = False) -> bool:
        """The first start of a reload has failed: back to those that serve. `False`: there is nothing to go back to.

        can_restart   workers of the generation before can be started, even if none is left
        """
        goes_on = any(one.generation == self.before and one.is_staying for one in self.members.values())
        if not self.before or not (self.has_ready() or goes_on or can_restart):
            return False
        self.generation, self.before = self.before, 0
        return True

    def reload(self) -> None:
        """Successors for all, of a new generation; the old one goes on if its first start fails."""
        self.before = self.before or self.generation
        # Never used again: what is known of one that has failed is not held against the next.
        self.last_generation += 1
        self.generation = self.last_generation

    def scale(self, wanted: int) -> None:
        """So many workers are wanted from now on, >= 0."""
        self.wanted = wanted
