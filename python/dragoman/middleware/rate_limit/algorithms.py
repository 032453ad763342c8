"""The three ways to count, as pure functions: what is stored of a client, and what a request makes of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

__all__ = ["ALGORITHMS", "Algorithm", "State", "Taken", "fixed_window", "sliding_window", "token_bucket"]

# Sums of floating-point numbers fall short of whole requests by less than this.
ROUNDING = 1e-6


class State(NamedTuple):
    """What is stored of one client under one limit.

    expires   when it says nothing any more, in seconds since 1970
    used      how many requests are counted in it: who has more of them is kept rather than who has fewer
    rest      what the algorithm keeps, three numbers
    """

    expires: float
    used: float
    rest: tuple[float, float, float]


class Taken(NamedTuple):
    """What came of a request.

    is_allowed   whether it was within the limit; then it is counted
    remaining    how many more would be allowed now
    reset_s      seconds until there are more of them; 0 when none is used
    wait_s       seconds until the same request would be allowed; 0 when it was
    """

    is_allowed: bool
    remaining: int
    reset_s: float
    wait_s: float


Algorithm: TypeAlias = Callable[["State | None", float, int, int, int], "tuple[State | None, Taken]"]
"""``(state, now, amount, window_s, cost)`` → the state to store (None: leave it as it is), and what came of it.

A cost of 0 asks without counting: whether one more would be allowed.
"""


def fixed_window(state: State | None, now: float, amount: int, window_s: int, cost: int) -> tuple[State | None, Taken]:
    """`amount` requests from the first one on until `window_s` later.

    Cheap and easy to explain; around the end of a window twice the amount may come in a short time.

    >>> fixed_window(None, 100.0, 2, 60, 1)[1]
    Taken(is_allowed=True, remaining=1, reset_s=60.0, wait_s=0.0)
    """
    # A clock that was set back must not lock anybody out for longer than a window.
    is_live = state is not None and now < state.expires <= now + window_s
    count, expires = (state.rest[0], state.expires) if state is not None and is_live else (0.0, now + window_s)
    is_allowed = count + max(cost, 1) <= amount
    made = None
    if is_allowed and cost:
        count += cost
        made = State(expires, count, (count, 0.0, 0.0))
    left_s = expires - now
    return made, Taken(is_allowed, int(amount - count), left_s if count else 0.0, 0.0 if is_allowed else left_s)


def sliding_window(
    state: State | None, now: float, amount: int, window_s: int, cost: int
) -> tuple[State | None, Taken]:
    """`amount` requests in any `window_s`, as far as two counters tell: that of this window and that of the one before.

    Of the one before so much is counted as of it lies within the last `window_s`, as if its requests had come evenly.

    >>> full = State(180.0, 2.0, (1.0, 0.0, 2.0))
    >>> sliding_window(full, 150.0, 2, 60, 1)[1]
    Taken(is_allowed=True, remaining=0, reset_s=0.0, wait_s=0.0)
    """
    window = now // window_s
    before, current = 0.0, 0.0
    # Windows of the future are of a clock that was set back since.
    if state is not None and state.rest[0] == window:
        before, current = state.rest[1:]
    elif state is not None and state.rest[0] == window - 1:
        before = state.rest[2]
    into = now / window_s - window
    weighted = before * (1 - into) + current
    is_allowed = math.floor(weighted + ROUNDING) + max(cost, 1) <= amount
    made = None
    if is_allowed and cost:
        current += cost
        weighted += cost
        made = State((window + 2) * window_s, before + current, (window, before, current))
    used = math.floor(weighted + ROUNDING)

    def until(most: float) -> float:
        """Seconds until what is counted is less than `most`."""
        if current < most and before:
            return max(0.0, (1 - (most - current) / before - into) * window_s)
        left_s = (1 - into) * window_s
        return left_s + max(0.0, 1 - most / current) * window_s if current else left_s

    wait_s = 0.0 if is_allowed else until(amount - max(cost, 1) + 1)
    reset_s = until(used) if weighted >= 1 else 0.0
    return made, Taken(is_allowed, max(0, amount - used), reset_s, wait_s)


def token_bucket(state: State | None, now: float, amount: int, window_s: int, cost: int) -> tuple[State | None, Taken]:
    """A bucket of `amount` requests, which fills up again evenly in `window_s`.

    Stored is how long the bucket needs until it is full, and when that was: GCRA, without its sums of large numbers.
    Source: ITU-T I.371, Generic Cell Rate Algorithm.

    >>> token_bucket(None, 100.0, 2, 60, 1)[1]
    Taken(is_allowed=True, remaining=1, reset_s=30.0, wait_s=0.0)
    """
    is_of_the_future = state is not None and state.rest[0] > now
    backlog_s = 0.0 if state is None else min(state.rest[1], window_s) - max(0.0, now - state.rest[0])
    left_s, taken = bucket_left(max(0.0, backlog_s), amount, window_s, cost)
    if left_s is None and is_of_the_future:
        # The clock was set back. Time goes by from here on, or nobody would get in until it is where it was.
        left_s = backlog_s
    if left_s is None:
        return None, taken
    return State(now + left_s, left_s * amount / window_s, (now, left_s, 0.0)), taken


def bucket_left(backlog_s: float, amount: int, window_s: int, cost: int) -> tuple[float | None, Taken]:
    """In how many seconds a bucket will be full after a request, None when nothing was taken; and what came of it.

    backlog_s   the same before the request, 0 to `window_s`
    """
    each_s = window_s / amount
    over_s = backlog_s + max(cost, 1) * each_s - window_s
    is_allowed = over_s <= ROUNDING * each_s
    is_taken = is_allowed and cost > 0
    if is_taken:
        backlog_s += cost * each_s
    remaining = max(0, math.floor((window_s - backlog_s) / each_s + ROUNDING))
    reset_s = max(0.0, backlog_s - (window_s - (remaining + 1) * each_s)) if backlog_s else 0.0
    return backlog_s if is_taken else None, Taken(is_allowed, remaining, reset_s, 0.0 if is_allowed else over_s)


ALGORITHMS: dict[str, Algorithm] = {
    "fixed-window": fixed_window,
    "sliding-window": sliding_window,
    "token-bucket": token_bucket,
}
"""By the names that settings have for them."""
