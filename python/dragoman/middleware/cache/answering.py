"""Answers a request from a stored answer: whole, in parts, without its body, or with 304."""

from __future__ import annotations

import os
from typing import NamedTuple

from dragoman.http.conditionals import Outcome, if_range_holds
from dragoman.http.fields import get, put
from dragoman.http.ranges import Multipart, content_range, parse_ranges, unsatisfied
from dragoman.http.statuses import is_bodiless
from dragoman.middleware.cache.entry import Entry
from dragoman.middleware.passing import Headers
from dragoman.middleware.unmodified import outcome_of
from dragoman.types import Environ

__all__ = ["PRECONDITIONS", "Given", "for_304", "give", "is_conditional", "outcome_for"]

PRECONDITIONS = ("HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_MATCH", "HTTP_IF_UNMODIFIED_SINCE")

# RFC 9110 section 15.4.5: what tells of the body that is not sent would only take room.
NOT_WITH_304 = frozenset({"content-length", "content-type", "content-encoding", "content-language", "content-range"})


class Given(NamedTuple):
    """A head and a body."""

    status: str
    headers: Headers
    body: bytes


def give(entry: Entry, environ: Environ, now: float, *, with_age: bool = True) -> Given:
    """What a GET or HEAD gets of `entry`. Source: RFC 9110 sections 13.2.2, 14.2; RFC 9111 sections 4.3.2, 5.1."""
    # Neither of the two fields that are added is among those that are stored.
    headers = entry.headers[:]
    if with_age:
        headers.append(("Age", str(int(entry.age(now)))))
    if entry.code == 200:
        outcome = outcome_for(entry, environ, now) if is_conditional(environ) else Outcome.PROCEED
        if outcome is Outcome.NOT_MODIFIED:
            return Given("304 Not Modified", for_304(headers), b"")
        if outcome is Outcome.PRECONDITION_FAILED:
            return Given("412 Precondition Failed", [("Content-Length", "0")], b"")
        if (
            environ.get("REQUEST_METHOD") == "GET"
            and "HTTP_RANGE" in environ
            and (part := part_of(entry, environ, headers, now))
        ):
            return part
    if not is_bodiless(entry.code):
        headers.append(("Content-Length", str(len(entry.body))))
    return Given(entry.status, headers, b"" if environ.get("REQUEST_METHOD") == "HEAD" else entry.body)


def for_304(headers: Headers) -> Headers:
    """The fields of a 200 as its 304 has them."""
    return [one for one in headers if one[0].lower() not in NOT_WITH_304]


def is_conditional(environ: Environ) -> bool:
    """Whether the request has preconditions."""
    return (
        "HTTP_IF_NONE_MATCH" in environ
        or "HTTP_IF_MODIFIED_SINCE" in environ
        or "HTTP_IF_MATCH" in environ
        or "HTTP_IF_UNMODIFIED_SINCE" in environ
    )


def outcome_for(entry: Entry, environ: Environ, now: float) -> Outcome:
    """What the preconditions of a request make of it."""
    return outcome_of(environ, entry.etag, entry.last_modified, method="GET", now=now)


def part_of(entry: Entry, environ: Environ, headers: Headers, now: float) -> Given | None:
    """206 or 416; None when the whole is to be sent."""
    size_bytes = len(entry.body)
    if not if_range_holds(environ.get("HTTP_IF_RANGE"), entry.etag, entry.last_modified, entry.stored_time):
        return None
    ranges = parse_ranges(str(environ["HTTP_RANGE"]), size_bytes)
    if ranges is None:
        return None
    if not ranges:
        return Given(
            "416 Range Not Satisfiable", [("Content-Range", unsatisfied(size_bytes)), ("Content-Length", "0")], b""
        )
    if len(ranges) == 1:
        [one] = ranges
        body = entry.body[one.start : one.start + one.count]
        put(headers, "Content-Range", content_range(one, size_bytes))
    else:
        parts = Multipart(ranges, size_bytes, get(headers, "Content-Type") or "", os.urandom(16).hex())
        body = b"".join(piece.head + entry.body[piece.start : piece.start + piece.count] for piece in parts.pieces())
        put(headers, "Content-Type", parts.media_type)
    put(headers, "Content-Length", str(len(body)))
    return Given("206 Partial Content", headers, body)
