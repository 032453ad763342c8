"""A stored answer: how it is written as bytes, and how fresh it is."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from functools import cached_property
from typing import Any

from dragoman.http.conditionals import ETag, parse_etag
from dragoman.http.dates import parse_http_date
from dragoman.http.fields import get
from dragoman.middleware.cache.policy import Plan
from dragoman.middleware.passing import Headers

__all__ = ["Entry", "Freshness", "entry_of"]

LAYOUT = 1
LENGTH = struct.Struct("!I")


class Freshness(Enum):
    """What may be done with a stored answer."""

    FRESH = "fresh"
    STALE_USABLE = "stale, usable while it is asked for anew"
    STALE = "stale"


@dataclass(frozen=True)
class Entry:
    """A whole answer to a GET.

    status         status line, such as "200 OK"
    request_time   when it was asked for, in seconds since 1970
    stored_time    when it came
    See `Plan` for the others. JSON and bytes, so that nothing in a store can be run.
    """

    status: str
    headers: Headers
    body: bytes
    request_time: float
    stored_time: float
    lifetime_s: float
    age_s: float
    stale_s: float
    stale_error_s: float
    must_be_asked: bool
    tags: tuple[str, ...] = field(default=())

    @cached_property
    def code(self) -> int:
        """The number of the status."""
        return int(self.status[:3])

    @cached_property
    def etag(self) -> ETag | None:
        """Its entity tag."""
        value = get(self.headers, "ETag")
        return None if value is None else parse_etag(value)

    @cached_property
    def last_modified(self) -> int | None:
        """When it was changed, in seconds since 1970."""
        value = get(self.headers, "Last-Modified")
        return None if value is None else parse_http_date(value, self.stored_time)

    def age(self, now: float) -> float:
        """How old it is, in seconds."""
        return self.age_s + max(0.0, now - self.stored_time)

    def ttl(self, now: float) -> float:
        """For how many seconds it stays fresh; below 0: for how long it is stale."""
        return self.lifetime_s - self.age(now)

    def freshness(self, now: float) -> Freshness:
        """What may be done with it."""
        ttl_s = self.ttl(now)
        if self.must_be_asked:
            return Freshness.STALE
        if ttl_s > 0:
            return Freshness.FRESH
        return Freshness.STALE_USABLE if -ttl_s < self.stale_s else Freshness.STALE

    def may_replace_error(self, now: float) -> bool:
        """Whether it may be given in the place of an error. RFC 5861 section 4."""
        return self.stale_error_s > 0 and -self.ttl(now) < self.stale_error_s

    def conditions(self) -> dict[str, str]:
        """The fields of a request that asks whether it is still good. RFC 9111 section 4.3.1."""
        found = {
            "HTTP_IF_NONE_MATCH": get(self.headers, "ETag"),
            "HTTP_IF_MODIFIED_SINCE": get(self.headers, "Last-Modified"),
        }
        return {name: value for name, value in found.items() if value is not None}

    def to_bytes(self) -> bytes:
        """As it is stored."""
        head: dict[str, Any] = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "body"}
        head["layout"] = LAYOUT
        written = json.dumps(head, separators=(",", ":")).encode("ascii")
        return LENGTH.pack(len(written)) + written + self.body

    @classmethod
    def from_bytes(cls, data: bytes) -> Entry | None:
        """What is stored; None when it is of another version, or no entry."""
        try:
            (length,) = LENGTH.unpack_from(data)
            head: Mapping[str, Any] = json.loads(data[LENGTH.size : LENGTH.size + length])
            if head["layout"] != LAYOUT:
                return None
            made = {name: value for name, value in head.items() if name != "layout"}
            made["headers"] = [(str(name), str(value)) for name, value in made["headers"]]
            made["tags"] = tuple(map(str, made["tags"]))
            return cls(body=data[LENGTH.size + length :], **made)
        except (struct.error, ValueError, KeyError, TypeError):
            return None


def entry_of(plan: Plan, status: str, body: bytes, request_time: float, stored_time: float) -> Entry:
    """The entry for an answer that came at `stored_time`."""
    return Entry(
        status,
        plan.headers,
        body,
        request_time,
        stored_time,
        plan.lifetime_s,
        plan.age_s,
        plan.stale_s,
        plan.stale_error_s,
        plan.must_be_asked,
        plan.tags,
    )
