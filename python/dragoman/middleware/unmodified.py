"""A response that the client has already: what its 304 says, and when it may be given."""

from __future__ import annotations

from dragoman.http.conditionals import ETag, Outcome, evaluate
from dragoman.middleware.passing import Headers
from dragoman.types import Environ

__all__ = ["NOT_MODIFIED", "not_modified", "outcome_of"]

NOT_MODIFIED = "304 Not Modified"

# RFC 9110, section 15.4.5: what describes the body stays away; the client has it. All else stays, so that what outer
# readers go by (CORS, policies, cookies) is there as it is on 200.
OF_THE_BODY = frozenset(
    {
        *("content-type", "content-length", "content-encoding", "content-language", "content-range"),
        *("content-disposition", "accept-ranges", "trailer"),
    }
)


def not_modified(headers: Headers) -> Headers:
    """The fields of a 304 in the place of a 200 with `headers`."""
    return [item for item in headers if item[0].lower() not in OF_THE_BODY]


def outcome_of(
    environ: Environ,
    etag: ETag | None,
    last_modified: float | None,
    *,
    method: str | None = None,
    now: float | None = None,
) -> Outcome:
    """What the request's own conditions come to for a representation with these validators.

    method, now   as of `evaluate`; the method is the request's by default
    """
    return evaluate(
        environ["REQUEST_METHOD"] if method is None else method,
        if_match=environ.get("HTTP_IF_MATCH"),
        if_none_match=environ.get("HTTP_IF_NONE_MATCH"),
        if_modified_since=environ.get("HTTP_IF_MODIFIED_SINCE"),
        if_unmodified_since=environ.get("HTTP_IF_UNMODIFIED_SINCE"),
        etag=etag,
        last_modified=last_modified,
        now=now,
    )
