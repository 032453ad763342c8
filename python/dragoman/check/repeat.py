"""Repeats requests, in another order and at the same time: what one request leaves to another shows in the answers."""

from __future__ import annotations

import contextlib
import math
import re
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random
from typing import TypeAlias

from dragoman.check.compare import difference
from dragoman.check.drive import Answer
from dragoman.check.request import Request

__all__ = ["Repeats"]

MARKER = re.compile(rb"zq[bcdfghjkmn]{6}")
ALONE = 4
# So often the usual answer comes before another one is held against the application, and not against chance; and a word
# that is still there then was kept on purpose.
SURE = 8
# What comes by chance may be taken for what comes of other requests so often.
CHANCE = 0.001
ROUNDS = 4
THREADS = 8
# How often the interpreter changes threads in the parallel part: what is not protected comes apart.
SWITCH_S = 1e-5

Call: TypeAlias = Callable[[Request], Answer]
Answered: TypeAlias = list[tuple[Request, Answer]]


class TimeIsUp(Exception):
    """The experiments end here."""


@dataclass
class Repeats:
    """The experiments with `requests`, each of which should be answered the same each time.

    send      sends one
    tell      takes what is found: the request, and what was otherwise in a few words
    place     where the code is that answers a request: what is told of it once is not told again
    threads   calls at once; 1: none of that
    until_s   of the monotonic clock: when to leave off
    """

    send: Call
    tell: Callable[[Request, str], object]
    place: Callable[[Request], object]
    requests: Sequence[Request]
    threads: int
    until_s: float
    # Answers to requests that are answered the same each time, by name.
    usual: dict[str, Answer] = field(default_factory=dict)
    told: set[object] = field(default_factory=set)
    # Names of requests that are answered with what others have sent, for good.
    keeping: set[str] = field(default_factory=set)

    def run(self) -> None:
        """All of them, as far as the time goes."""
        with contextlib.suppress(TimeIsUp):
            for request in self.requests:
                self.look_alone(request)
            self.look_in_order()
            if self.threads > 1:
                self.look_in_parallel()

    def call(self, request: Request) -> Answer:
        """Send it, while there is time. Raises TimeIsUp."""
        if time.monotonic() >= self.until_s:
            raise TimeIsUp
        return self.send(request)

    def is_told(self, request: Request) -> bool:
        """Whether the code that answers it has been found to be wrong."""
        return self.place(request) in self.told

    def report(self, request: Request, what: str) -> None:
        """Once for a place."""
        if not self.is_told(request):
            self.told.add(self.place(request))
            self.tell(request, what)

    # One request, again and again.

    def look_alone(self, request: Request) -> None:
        """What differs already from call to call (a time, a token, a log that grows) says nothing."""
        # The first answer may fill a cache, or tell what was there before.
        self.called(request, 1)
        answers = self.called(request, ALONE)
        if not all(answer.is_comparable for answer in answers):
            return
        if all(not difference(answers[0], answer) for answer in answers[1:]):
            self.usual[request.name] = answers[0]

    def called(self, request: Request, times: int) -> list[Answer]:
        answers = [self.call(request) for _ in range(times)]
        self.look_for_others([(request, answer) for answer in answers])
        return answers

    def is_usual(self, request: Request, times: int) -> bool:
        """Whether it is answered as usual so many times."""
        usual = self.usual[request.name]
        return all(not difference(usual, answer) for answer in self.called(request, times))

    # What belongs to another request.

    def look_for_others(self, answered: Answered) -> None:
        """A word that only another request has sent is in an answer, and later it is not."""
        for request, answer in answered:
            strange = words_in(answer) - words_of(request)
            for other in self.requests:
                if theirs := strange & words_of(other):
                    word = min(theirs)
                    if self.is_told(request) or self.is_kept(request, word):
                        break
                    place = "" if word in other.target else " as part of its User-Agent"
                    self.report(request, f"it had {word!r}, which another request has sent{place}, {other}")

    def is_kept(self, request: Request, word: str) -> bool:
        """Whether it is answered with the word from now on, as it is where entries are gathered: a guestbook, a log."""
        if request.name not in self.keeping and all(word in words_in(self.call(request)) for _ in range(SURE)):
            self.keeping.add(request.name)
        return request.name in self.keeping

    # In another order.

    def look_in_order(self) -> None:
        """After another request; what differs then, and only then, was left by it."""
        known = [request for request in self.requests if request.name in self.usual]
        chance = Random(1)
        for _ in range(2):
            order = list(known)
            chance.shuffle(order)
            for before, request in pairwise(order):
                if request.name not in self.usual:
                    continue
                answer = self.call(request)
                self.look_for_others([(request, answer)])
                if difference(self.usual[request.name], answer) and not self.is_told(request):
                    self.look_closer(before, request)

    def look_closer(self, before: Request, request: Request) -> None:
        """Twice more after that one it has to be otherwise, and each time alone as usual."""
        what = ""
        for _ in range(2):
            if not self.is_usual(request, 2):
                # It has changed for good, as pages do in time, and after requests that are meant to.
                del self.usual[request.name]
                return
            self.call(before)
            what = difference(self.usual[request.name], self.call(request))
            if not what:
                return
        if self.is_usual(request, 2):
            self.report(request, f"after {before} {what}")

    # At the same time.

    def look_in_parallel(self) -> None:
        """What is otherwise only while other requests run gets into each other's way."""
        known = [request for request in self.requests if request.name in self.usual]
        interval = sys.getswitchinterval()
        sys.setswitchinterval(SWITCH_S)
        try:
            for _ in range(ROUNDS):
                if known:
                    self.look_at_round(known)
        finally:
            sys.setswitchinterval(interval)

    def look_at_round(self, known: list[Request]) -> None:
        first = self.in_parallel(known)
        for name in self.otherwise(first):
            request = next(one for one in known if one.name == name)
            if not self.is_told(request) and not self.is_explained(request, first, known):
                known.remove(request)

    def is_explained(self, request: Request, first: Answered, known: list[Request]) -> bool:
        """Whether its other answer in `first` is due to the other requests, which is told, or came once; else it was
        chance, or the page has changed for good.
        """
        if not self.is_usual(request, SURE):
            return False
        chance = Random(1)
        seen = first
        for _ in range(ROUNDS):
            others = chance.sample(known, min(len(known), THREADS))
            more = self.in_parallel([request, *others])
            seen = seen + more
            if what := self.otherwise(more).get(request.name):
                if not self.is_usual(request, self.times_against_chance(request, seen)):
                    return False
                self.report(request, f"while other requests ran {what}")
                break
        return True

    def times_against_chance(self, request: Request, seen: Answered) -> int:
        """So often it has to be answered as usual alone, if it was otherwise in some of `seen`."""
        usual = self.usual[request.name]
        answers = [answer for one, answer in seen if one.name == request.name]
        share = sum(bool(difference(usual, answer)) for answer in answers) / len(answers)
        # Who looks where something was seen takes it for more frequent than it is.
        return max(SURE, math.ceil(math.log(CHANCE) / math.log(1 - share / 4)))

    def otherwise(self, answered: Answered) -> dict[str, str]:
        """By the request's name, what differs from the usual answer."""
        found: dict[str, str] = {}
        self.look_for_others(answered)
        for request, answer in answered:
            usual = self.usual.get(request.name)
            if usual is not None and (what := difference(usual, answer)):
                found.setdefault(request.name, what)
        return found

    def in_parallel(self, known: Sequence[Request]) -> Answered:
        """Each thread sends all of them, beginning with another one."""
        count = min(self.threads, THREADS)
        answered: Answered = []
        start = threading.Barrier(count)

        def send(index: int) -> None:
            shift = index * len(known) // count
            # The first one is everywhere the last: then all threads send the same.
            order = [*known[shift:], *known[:shift], known[0]]
            start.wait()
            with contextlib.suppress(TimeIsUp):
                for request in order:
                    answered.append((request, self.call(request)))

        threads = [threading.Thread(target=send, args=(index,), daemon=True) for index in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return answered


def words_of(request: Request) -> set[str]:
    """The markers that a request sends."""
    text = f"{request.marker} {request.path} {request.query}".encode("latin-1")
    return {word.decode() for word in MARKER.findall(text)}


def words_in(answer: Answer) -> set[str]:
    """The markers that an answer shows."""
    text = answer.body + "\n".join(value for _, value in answer.headers).encode("utf-8", "replace")
    return {word.decode() for word in MARKER.findall(text)}
