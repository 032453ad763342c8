"""One call of the application whose answer may be stored, or may be what is stored already."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from dragoman.http.cache_control import CacheControl
from dragoman.http.conditionals import Outcome, parse_etag
from dragoman.http.fields import get, remove
from dragoman.middleware.cache.answering import (
    PRECONDITIONS,
    Given,
    for_304,
    give,
    is_conditional,
    outcome_for,
)
from dragoman.middleware.cache.entry import Entry, entry_of
from dragoman.middleware.cache.flights import Flight
from dragoman.middleware.cache.key import Target
from dragoman.middleware.cache.policy import ERRORS, Asked, Plan, asked_of, plan_of
from dragoman.middleware.cache.shelf import Found, Shelf
from dragoman.middleware.passing import Headers, close_of, is_file_response
from dragoman.middleware.stores.base import StoreDown
from dragoman.types import Environ, StartResponse, Write, WSGIApplication

__all__ = ["Fetch", "Rules"]

log = logging.getLogger("dragoman.middleware")

# RFC 9111 section 3.2: what an update of a stored answer leaves as it is, since the body stays.
NOT_UPDATED = frozenset({"content-length", "content-encoding", "content-type", "content-range", "age"})


class Rules(NamedTuple):
    """What a cache is set to. `tell` puts the Cache-Status field into headers."""

    shelf: Shelf
    max_bytes: int
    heuristics: bool
    tag_field: str
    tell: Callable[[Headers, str], None]


class Fetch:
    """Calls the application for a GET, passes its answer on block for block, and stores it when it was whole.

    assumed   what is meant where the answer says nothing of caches
    why       why the application is asked, for Cache-Status, such as "uri-miss"
    flight    ended when it is known that the answer is stored, or that it will not be
    stale     what is stored: the application is asked whether it is still good, and it is given in the place of errors
    """

    def __init__(
        self,
        rules: Rules,
        environ: Environ,
        start_response: StartResponse,
        *,
        target: Target,
        found: Found,
        assumed: CacheControl | None,
        why: str,
        flight: Flight | None,
        stale: Entry | None = None,
    ) -> None:
        self.rules = rules
        self.environ = environ
        self.start_response = start_response
        self.target = target
        self.found = found
        self.assumed = assumed
        self.why = why
        self.flight = flight
        self.stale = stale
        # As the request came: what is inside may change its environ.
        self.view = environ.copy()
        self.is_conditional = is_conditional(environ)
        self.asked: Asked = asked_of(environ)
        self.request_time = time.time()
        # Those of the client are for what it has; the application is asked for the whole, or about what we have.
        if self.is_conditional:
            drop_preconditions(environ)
        if stale is not None:
            environ.update(stale.conditions())
        self.status = ""
        self.plan: Plan | None = None
        # What has come of the body while it is to be stored; None when it is not.
        self.blocks: list[bytes] | None = None
        self.size_bytes = 0
        self.declared: str | None = None
        self.has_head = False
        # The client gets a head alone, whatever the application goes on to send.
        self.is_silent = False
        # What is stored is given instead: the fields of a 304, or those that an error needs none of.
        self.instead: Headers | None = None

    def run(self, app: WSGIApplication) -> Iterable[bytes]:
        """Call the application."""
        opened = None
        try:
            result = app(self.environ, self.started)
            # One that may be kept is read here like any other body, once: then it is kept, as its head has said.
            is_file = is_file_response(self.environ, result)
            if is_file and self.instead is None and self.blocks is None:
                self.give_up()
                return self.silenced(result) if self.is_silent else result
            if self.stale is not None and not self.has_head:
                # Its head decides whether anything of this goes out.
                result = opened = Opened(result)
                opened.open(lambda: self.has_head)
        except Exception as error:
            if opened is not None:
                opened.close()
            if self.has_sent_nothing and self.may_stand_in():
                log.exception("cache: a stale answer is given, because the application raised", exc_info=error)
                return self.given_instead([], 500)
            self.give_up()
            raise
        except BaseException:
            self.give_up()
            raise
        if self.instead is not None:
            if hasattr(result, "close"):
                result.close()
            return self.given_instead(self.instead, int(self.status[:3]), app)
        if self.has_head and self.blocks is None and not self.is_silent:
            return result
        # The length of waitress's file is in bytes.
        is_sized = hasattr(result, "__len__") and not self.is_silent and not is_file
        return SizedKept(self, result) if is_sized else Kept(self, result)

    def silenced(self, result: Iterable[bytes]) -> Iterable[bytes]:
        """No body, in the place of a file that the client has already."""
        if hasattr(result, "close"):
            result.close()
        return []

    @property
    def has_sent_nothing(self) -> bool:
        """Whether the server has no head of this answer yet."""
        return not self.has_head or self.instead is not None

    def may_stand_in(self) -> bool:
        """Whether what is stored may be given in the place of an error."""
        return self.stale is not None and self.stale.may_replace_error(time.time())

    def started(self, status: str, headers: Headers, exc_info: Any = None, /) -> Write:
        """The start_response of the application."""
        arguments = () if exc_info is None else (exc_info,)
        had_sent_nothing = self.has_sent_nothing
        self.has_head = True
        self.blocks = self.plan = self.instead = None
        self.is_silent = False
        try:
            code, made = int(status[:3]), list(headers)
            plan = self.planned(code, made)
            self.declared = get(made, "Content-Length")
            if self.declared is not None and int(self.declared) > self.rules.max_bytes:
                plan = "size"
        except (TypeError, ValueError):
            # No head at all; the server says what is wrong with it.
            self.give_up()
            return self.start_response(status, headers, *arguments)
        self.status = status
        is_instead = code == 304 or (code in ERRORS and self.may_stand_in())
        if self.stale is not None and had_sent_nothing and is_instead:
            self.instead = made
            return ignored
        remove(made, self.rules.tag_field)
        if isinstance(plan, str):
            self.rules.tell(made, f"fwd={self.why}; detail={plan}")
            self.give_up()
        else:
            self.rules.tell(made, f"fwd={self.why}; stored")
        if self.is_conditional and had_sent_nothing and code == 200 and (reduced := self.reduced(made)) is not None:
            self.is_silent = True
            status, made = reduced
        write = self.start_response(status, made, *arguments)
        # Only now: where a head has gone out already, what follows is no whole body.
        if not isinstance(plan, str):
            self.plan, self.blocks, self.size_bytes = plan, [], 0

        def written(block: bytes, /) -> object:
            self.note(block)
            return None if self.is_silent else write(block)

        return written

    def planned(self, code: int, headers: Headers) -> Plan | str:
        return plan_of(
            self.asked,
            code,
            headers,
            assumed=self.assumed,
            request_time=self.request_time,
            now=time.time(),
            heuristics=self.rules.heuristics,
            tag_field=self.rules.tag_field,
        )

    def reduced(self, headers: Headers) -> tuple[str, Headers] | None:
        """304 or 412, as the client's preconditions have it; they were kept from the application."""
        now = time.time()
        outcome = outcome_for(Entry("200", headers, b"", now, now, 0, 0, 0, 0, False), self.view, now)
        if outcome is Outcome.PROCEED:
            return None
        if outcome is Outcome.NOT_MODIFIED:
            return "304 Not Modified", for_304(headers)
        return "412 Precondition Failed", [("Content-Length", "0")]

    def given_instead(self, headers: Headers, code: int, app: WSGIApplication | None = None) -> Iterable[bytes]:
        """What is stored goes out: found good by a 304, or because of an error."""
        assert self.stale is not None
        stale, told = self.stale, f"fwd={self.why}; fwd-status={code}"
        now = time.time()
        if code != 304:
            self.give_up(is_of_use=True)
            return self.sent(give(stale, self.view, now), told)
        if app is not None and not is_about(stale, headers):
            # It is another answer that has not changed.
            drop_preconditions(self.environ)
            self.stale = self.instead = None
            self.has_head = False
            return self.run(app)
        merged = updated(stale.headers, headers)
        plan = self.planned(stale.code, merged)
        if isinstance(plan, str):
            self.give_up()
            remove(merged, self.rules.tag_field)
            entry = Entry(stale.status, merged, stale.body, now, now, 0, 0, 0, 0, False)
            return self.sent(give(entry, self.view, now, with_age=False), f"{told}; detail={plan}")
        # The tags are not in what is stored, and a 304 may not repeat them.
        plan = plan._replace(tags=tuple(dict.fromkeys((*stale.tags, *plan.tags))))
        entry = entry_of(plan, stale.status, stale.body, self.request_time, now)
        self.keep(entry, plan)
        return self.sent(give(entry, self.view, now), f"{told}; stored")

    def sent(self, given: Given, told: str) -> Iterable[bytes]:
        self.rules.tell(given.headers, told)
        self.start_response(given.status, given.headers)
        return [given.body] if given.body else []

    def note(self, block: bytes) -> None:
        """A block of the body goes by."""
        if self.blocks is None:
            return
        self.size_bytes += len(block)
        if self.size_bytes > self.rules.max_bytes:
            self.give_up()
        else:
            self.blocks.append(block)

    def whole(self) -> None:
        """The body has come to its end."""
        blocks, plan, self.blocks = self.blocks, self.plan, None
        if blocks is None or plan is None:
            return
        if self.declared is not None and self.declared.strip() != str(self.size_bytes):
            self.give_up()
            return
        self.keep(entry_of(plan, self.status, b"".join(blocks), self.request_time, time.time()), plan)

    def closed(self) -> None:
        """The server has what it wanted. Of a body whose length is known it may not have asked for the end."""
        if self.blocks is not None and self.declared == str(self.size_bytes):
            self.whole()
        self.give_up(is_of_use=True)

    def keep(self, entry: Entry, plan: Plan) -> None:
        try:
            self.rules.shelf.keep(self.target, self.found, entry, plan.names, plan.keeps_s, self.view)
        except StoreDown:
            pass
        finally:
            self.give_up(is_of_use=True)

    def give_up(self, *, is_of_use: bool = False) -> None:
        """Nothing more will be stored."""
        self.blocks = None
        flight, self.flight = self.flight, None
        if flight is not None:
            flight.end(is_of_use=is_of_use)


class Kept:
    """The blocks of an answer, which are noted as they go by."""

    def __init__(self, fetch: Fetch, result: Iterable[bytes]) -> None:
        self.fetch = fetch
        self.result = result
        self.left: Iterator[bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        fetch = self.fetch
        try:
            if self.left is None:
                self.left = iter(self.result)
            block = next(self.left)
        except StopIteration:
            fetch.whole()
            raise
        except BaseException:
            fetch.give_up()
            raise
        fetch.note(block)
        if not fetch.is_silent:
            return block
        if fetch.blocks is None:
            # Nobody wants the rest.
            self.left = iter(())
        return b""

    def close(self) -> None:
        """Close what is inside."""
        try:
            close_of(self.result)
        except BaseException:
            self.fetch.give_up()
            raise
        self.fetch.closed()


class SizedKept(Kept):
    """The same, with the number of blocks."""

    def __len__(self) -> int:
        return len(self.result)  # type: ignore[arg-type]


class Opened:
    """An iterable that was asked for its first blocks already."""

    def __init__(self, result: Iterable[bytes]) -> None:
        self.result = result
        self.left: Iterator[bytes] = iter(())
        self.first: list[bytes] = []

    def open(self, is_enough: Callable[[], bool]) -> None:
        """Ask for blocks until it is."""
        self.left = iter(self.result)
        for block in self.left:
            self.first.append(block)
            if is_enough():
                return

    def __iter__(self) -> Iterator[bytes]:
        while self.first:
            yield self.first.pop(0)
        yield from self.left

    def close(self) -> None:
        """Close what is inside."""
        close_of(self.result)


def ignored(block: bytes, /) -> object:
    """The write() for an answer that nobody gets."""
    return None


def drop_preconditions(environ: Environ) -> None:
    for key in PRECONDITIONS:
        environ.pop(key, None)


def is_about(stale: Entry, headers: Headers) -> bool:
    """Whether a 304 with these fields is about what is stored. RFC 9111 section 4.3.4."""
    value = get(headers, "ETag")
    etag: Any = None if value is None else parse_etag(value)
    return etag is None or (stale.etag is not None and stale.etag.is_weakly(etag))


def updated(stored: Headers, headers: Headers) -> Headers:
    """The stored fields, with those of a 304 in their places. RFC 9111 section 3.2."""
    made = [one for one in headers if one[0].lower() not in NOT_UPDATED]
    # RFC 9110 section 6.6.1: a 304 without a date is of the time that it came. The old date would make it old for ever.
    names = {"date", *(name.lower() for name, _ in made)}
    return [one for one in stored if one[0].lower() not in names] + made
