"""`RateLimit`: so many requests in so much time for each client, and 429 for those above."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Literal, NamedTuple

from dragoman.http.fields import is_token
from dragoman.middleware.answer import Answer, plain
from dragoman.middleware.layer import Layer
from dragoman.middleware.passing import Headers, editing
from dragoman.middleware.paths import PathTable, path_of
from dragoman.middleware.rate_limit.algorithms import Taken
from dragoman.middleware.rate_limit.counting import counter_of
from dragoman.middleware.rate_limit.keys import key_of
from dragoman.middleware.rate_limit.limit import Limit, parse_limits
from dragoman.middleware.stores.base import StoreDown
from dragoman.middleware.stores.watched import Watch
from dragoman.types import Environ, StartResponse, WSGIApplication

__all__ = ["RATE_LIMIT", "RateLimit", "Spent"]

RATE_LIMIT = "dragoman.rate_limit"
"""The environ's key for what is left: a tuple of `Spent`."""

QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"
"""The problem type of draft-ietf-httpapi-ratelimit-headers."""

MEANS = {
    "allow": "requests are not limited",
    "refuse": "requests are refused",
    "local": "each process limits by itself",
}
MOST_POLICY_NAME = 64


class Spent(NamedTuple):
    """What is left under one limit: `name` and `amount` of it in `window_s` seconds, `remaining`, more in `reset_s`."""

    name: str
    amount: int
    window_s: int
    remaining: int
    reset_s: float


class Rule(NamedTuple):
    """The limits of some paths, which are counted under `scope`; `policy` is the field that tells them."""

    scope: str
    limits: tuple[Limit, ...]
    names: tuple[str, ...]
    policy: str


class RateLimit(Layer):
    """Answers 429 to clients that send more requests than the limits allow.

    limits         of each client for all paths together: ``"10/second; 1000/hour"``; None: only `by_path` has any
    by_path        limits by path, in the place of those: the longest prefix that fits; None: unlimited
    exempt         paths without limits
    methods        the methods that are counted and limited; None: all
    key            whom a request is counted for: ``"address"`` (of IPv6 the network of 64 bits), ``"user"``
                   (REMOTE_USER), ``"header:NAME"``, the latter two by address without it; or a function of the environ
                   that gives text, or None for no limit
    strategy       ``"sliding-window"``, ``"fixed-window"`` or ``"token-bucket"``
    storage        where is counted: ``"shm://NAME"`` for all processes of this user on this host, ``"memory://"`` for
                   each process alone, ``"redis://…"`` for many hosts, or another storage of the library `limits`
    name           tells layers apart that count in one storage
    cost           how much a request counts: a function of the environ; a cost of 0 does not count
    count_status   only requests that are answered with one of these are counted, such as ``[401, 403]``
    when_down      what happens while the storage cannot be reached: ``"allow"``, ``"refuse"`` (503) or ``"local"``:
                   each process counts by itself
    fields         what tells clients what is left: ``"draft"`` (RateLimit and RateLimit-Policy), ``"legacy"``
                   (X-RateLimit-…), ``"none"``
    answer         the body of 429: ``"plain"``, ``"problem"`` (RFC 9457), or a WSGI application, whose status is kept
    timeout_s      how long an answer of Redis is waited for

    What is left is ``environ["dragoman.rate_limit"]``, a tuple of `Spent`.
    Raises ValueError for what cannot be a limit, a path, a storage or another of these.
    Source: RFC 6585 section 4; draft-ietf-httpapi-ratelimit-headers-10.

        app = RateLimit(app, limits="10/second; 1000/hour", by_path={"/login": "5/minute"})
    """

    def __init__(
        self,
        app: WSGIApplication | None = None,
        *,
        limits: str | None = None,
        by_path: Mapping[str, str | None] | None = None,
        exempt: Iterable[str] = (),
        methods: Collection[str] | None = None,
        key: str | Callable[[Environ], str | None] = "address",
        strategy: Literal["sliding-window", "fixed-window", "token-bucket"] = "sliding-window",
        storage: Any = "shm://",
        name: str = "",
        cost: Callable[[Environ], int] | None = None,
        count_status: Collection[int] | None = None,
        when_down: Literal["allow", "refuse", "local"] = "allow",
        fields: Literal["draft", "legacy", "none"] = "draft",
        answer: Literal["plain", "problem"] | WSGIApplication = "plain",
        timeout_s: float = 0.5,
    ) -> None:
        super().__init__(app)
        if when_down not in MEANS:
            raise ValueError(f"when_down: want one of {', '.join(MEANS)}, got {when_down!r}")
        if fields not in FIELDS:
            raise ValueError(f"fields: want one of {', '.join(FIELDS)}, got {fields!r}")
        if not callable(answer) and answer not in tuple(ANSWERS):
            raise ValueError(f"answer: want one of {', '.join(ANSWERS)} or a WSGI application, got {answer!r}")
        if not (isinstance(name, str) and name.isascii() and name.isprintable() and len(name) <= MOST_POLICY_NAME):
            raise ValueError(f"name: want at most {MOST_POLICY_NAME} characters of printable ASCII, got {name!r}")
        if isinstance(methods, str):
            raise ValueError(f"methods: want a list of methods, got the text {methods!r}")
        if wrong := [method for method in methods or () if not is_token(method) or method != method.upper()]:
            # RFC 9110 §9.1: the case counts. No request would ever be limited.
            raise ValueError(f'methods: want methods as they are sent, such as "POST", got {wrong[0]!r}')
        if not timeout_s > 0:
            raise ValueError(f"timeout_s: want seconds above 0, got {timeout_s!r}")
        self.rule = None if limits is None else rule_of(name, "", limits, "limits")
        self.rules = rules_of(name, by_path or {}, exempt)
        if self.rule is None and not any(rule for _, rule in self.rules.rows):
            raise ValueError('RateLimit: want limits, such as limits="10/second; 1000/hour", or by_path with some')
        self.methods = None if methods is None else frozenset(methods)
        self.key = key_of(key)
        # Who the user is, or whatever a function asks for, is known inside of the layer that says it.
        self.order_name = "RateLimit by user" if key == "user" else "RateLimit by a function" if callable(key) else None
        self.cost = cost
        self.count_status = None if count_status is None else frozenset(count_status)
        self.when_down = when_down
        self.add_fields = FIELDS[fields]
        self.answer = ANSWERS[answer] if isinstance(answer, str) else lambda *_: answer
        self.counter = counter_of(storage, strategy, timeout_s)
        self.local = counter_of("memory://", strategy, timeout_s) if when_down == "local" else None
        self.watched = Watch(f"rate limit: {self.counter.what}", MEANS[when_down])

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer the request, with 429 when there were too many of them."""
        rule = self.rule
        if self.rules:
            rule = self.rules.find(path_of(environ), rule)
        if rule is None or (self.methods is not None and environ.get("REQUEST_METHOD") not in self.methods):
            return self.app(environ, start_response)
        cost = 1 if self.cost is None else self.cost(environ)
        who = self.key(environ) if cost > 0 else None
        if who is None:
            return self.app(environ, start_response)
        who = f"{rule.scope}/{who}"
        try:
            taken = self.taken(rule, who, 0 if self.count_status is not None else cost)
        except StoreDown:
            if self.when_down == "refuse":
                return UNAVAILABLE(environ, start_response)
            return self.app(environ, start_response)
        environ[RATE_LIMIT] = spent_of(rule, taken)
        if not all(one.is_allowed for one in taken):
            return self.refused(rule, taken, environ, start_response)

        is_counted = False

        def edit(status: str, headers: Headers) -> tuple[str, Headers]:
            nonlocal taken, is_counted
            if (
                not is_counted
                and self.count_status is not None
                and status[:3].isdigit()
                and int(status[:3]) in self.count_status
            ):
                # A head may be replaced by another one before anything was sent.
                is_counted = True
                try:
                    taken = self.taken(rule, who, cost)
                except StoreDown:
                    pass
            self.add_fields(rule, taken, headers)
            return status, headers

        return self.app(environ, editing(start_response, edit))

    def taken(self, rule: Rule, who: str, cost: int) -> list[Taken]:
        """What came of a request under each limit. The first that refuses ends the counting under the others."""
        try:
            return self.watched.watching(lambda: taken_by(self.counter.take, rule, who, cost))
        except StoreDown:
            if self.local is None:
                raise
            return taken_by(self.local.take, rule, who, cost)

    def refused(
        self, rule: Rule, taken: list[Taken], environ: Environ, start_response: StartResponse
    ) -> Iterable[bytes]:
        violated = [(name, one) for name, one in zip(rule.names, taken, strict=True) if not one.is_allowed]
        wait_s = max(1, *(math.ceil(one.wait_s) for _, one in violated))

        def edit(status: str, headers: Headers) -> tuple[str, Headers]:
            headers.append(("Retry-After", str(wait_s)))
            self.add_fields(rule, taken, headers)
            return status, headers

        return self.answer([name for name, _ in violated], wait_s)(environ, editing(start_response, edit))


def rule_of(name: str, scope: str, text: str, what: str) -> Rule:
    limits = parse_limits(text, what)
    names = tuple(f"{name} {limit.name}".strip().replace("\\", "").replace('"', "") for limit in limits)
    policy = ", ".join(
        f'"{title}";q={limit.amount};w={limit.window_s}' for title, limit in zip(names, limits, strict=True)
    )
    return Rule(f"{name}/{scope}" if scope else name, limits, names, policy)


def rules_of(name: str, by_path: Mapping[str, str | None], exempt: Iterable[str]) -> PathTable[Rule | None]:
    if isinstance(exempt, str):
        raise ValueError(f"exempt: want a list of paths, got the text {exempt!r}")
    rows: dict[str, Rule | None] = {
        path: None if text is None else rule_of(name, path, text, f"by_path: {path}") for path, text in by_path.items()
    }
    for path in exempt:
        if path in rows:
            raise ValueError(f"exempt: {path!r} is in by_path, too")
        rows[path] = None
    return PathTable(rows, "by_path and exempt")


def taken_by(take: Callable[[Limit, str, int], Taken], rule: Rule, who: str, cost: int) -> list[Taken]:
    """Counts under the shortest window first, so that requests it refuses take nothing of an hour's or a day's."""
    taken: list[Taken] = []
    for limit in rule.limits:
        one = take(limit, who, cost)
        taken.append(one)
        if not one.is_allowed:
            cost = 0
    return taken


def spent_of(rule: Rule, taken: list[Taken]) -> tuple[Spent, ...]:
    return tuple(
        Spent(name, limit.amount, limit.window_s, one.remaining, one.reset_s)
        for name, limit, one in zip(rule.names, rule.limits, taken, strict=True)
    )


def add_draft(rule: Rule, taken: list[Taken], headers: Headers) -> None:
    """The fields of draft-ietf-httpapi-ratelimit-headers, sections 3 and 4: lists of structured fields."""
    left = ", ".join(
        f'"{name}";r={one.remaining};t={math.ceil(one.reset_s)}' for name, one in zip(rule.names, taken, strict=True)
    )
    headers += [("RateLimit-Policy", rule.policy), ("RateLimit", left)]


def add_legacy(rule: Rule, taken: list[Taken], headers: Headers) -> None:
    """What most clients know: of the limit that has the least left."""
    limit, one = min(zip(rule.limits, taken, strict=True), key=lambda row: (row[1].is_allowed, row[1].remaining))
    headers += [
        ("X-RateLimit-Limit", str(limit.amount)),
        ("X-RateLimit-Remaining", str(one.remaining)),
        ("X-RateLimit-Reset", str(math.ceil(one.reset_s))),
    ]


FIELDS: dict[str, Callable[[Rule, list[Taken], Headers], None]] = {
    "draft": add_draft,
    "legacy": add_legacy,
    "none": lambda *_: None,
}


def plain_answer(violated: list[str], wait_s: int) -> WSGIApplication:
    unit = "second" if wait_s == 1 else "seconds"
    return plain("429 Too Many Requests", f"Too many requests. Try again in {wait_s} {unit}.")


def problem_answer(violated: list[str], wait_s: int) -> WSGIApplication:
    body = {
        "type": QUOTA_EXCEEDED,
        "title": "Request cannot be satisfied as assigned quota has been exceeded",
        "status": 429,
        "violated-policies": violated,
    }
    return Answer("429 Too Many Requests", (("Content-Type", "application/problem+json"),), json.dumps(body).encode())


ANSWERS: dict[str, Callable[[list[str], int], WSGIApplication]] = {"plain": plain_answer, "problem": problem_answer}

UNAVAILABLE = plain("503 Service Unavailable", "Requests cannot be counted right now. Try again.", ("Retry-After", "1"))
