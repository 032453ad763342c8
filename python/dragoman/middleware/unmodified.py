"""A response that the client has already: what its 304 says, and when it may be given."""

from __future__ import annotations

from dragoman.middleware.passing import Headers

__all__ = ["NOT_MODIFIED", "not_modified"]

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
