"""Marks a response as one that is made for its visitor alone, so that no cache hands it to another one."""

from __future__ import annotations

from dragoman.http.fields import add_token, has
from dragoman.middleware.passing import Headers, is_head

__all__ = ["personal"]


def personal(headers: Headers, set_cookie: str | None) -> Headers:
    """`headers` with ``Vary: Cookie``, and the Set-Cookie field if there is one.

    With a cookie, and where nothing is said of caches, ``Cache-Control: private``: of requests without a cookie, which
    Vary takes as alike, a shared cache would give one visitor's cookie to the next.
    What is no list goes out as it is: the server says what is wrong with it.
    """
    given: object = headers
    if not isinstance(given, list):
        return headers
    made = headers[:]
    try:
        add_token(made, "Vary", "Cookie")
    except Exception:
        # As in `passing.editing`: asked only now.
        if is_head("", headers):
            raise
        return headers
    if set_cookie is not None:
        made.append(("Set-Cookie", set_cookie))
        if not has(made, "Cache-Control"):
            made.append(("Cache-Control", "private"))
    return made
