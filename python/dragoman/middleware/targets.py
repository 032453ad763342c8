"""URLs of the request at hand, and redirects that lead where they were meant to, whatever the client has sent."""

from __future__ import annotations

from urllib.parse import quote, unquote_to_bytes

from dragoman.http.statuses import status_line
from dragoman.middleware.answer import Answer
from dragoman.middleware.paths import path_of
from dragoman.types import Environ

__all__ = ["STATUSES", "local", "query_of", "redirect", "target_of"]

# RFC 3986, section 3.3: pchar, and "/"; the rest is escaped. "%" too: paths come decoded.
PATH_SAFE = "/:@!$&'()*+,;=~-._"
# RFC 3986, section 3.4, with "%" as it is: a query comes as it was sent.
QUERY_SAFE = PATH_SAFE + "?%"

STATUSES = (301, 302, 303, 307, 308)


def target_of(environ: Environ) -> str:
    """The path and query of a request as a client may ask for them again, from the root on, all ASCII.

    As it was sent where the server tells and the path has not been changed meanwhile, so that ``%2F`` stays apart from
    "/"; else made anew from ``SCRIPT_NAME`` and ``PATH_INFO``.
    """
    path = path_of(environ)
    query = query_of(environ)
    raw = str(environ.get("REQUEST_URI") or environ.get("RAW_URI") or "").partition("?")[0]
    if not (raw.startswith("/") and raw.isascii() and raw.isprintable() and " " not in raw and is_of(raw, path)):
        raw = quote(path.encode("latin-1", "replace"), PATH_SAFE)
    return f"{raw}?{query}" if query else raw


def is_of(raw: str, path: str) -> bool:
    return unquote_to_bytes(raw).decode("latin-1") == path


def query_of(environ: Environ) -> str:
    """The query of a request, without what may not stand in a URL."""
    return quote(str(environ.get("QUERY_STRING", "")).encode("latin-1", "replace"), QUERY_SAFE)


def local(path: str) -> str:
    """`path` as one that can only be of this host.

    Browsers take "//evil.example" and "/\\\\evil.example" for another host.
    """
    return "/" + path.lstrip("/\\")


def redirect(status: int, location: str) -> Answer:
    """The answer that sends a client to `location`, which is ASCII."""
    body = f"See {location}\n".encode()
    return Answer(status_line(status), (("Location", location), ("Content-Type", "text/plain; charset=utf-8")), body)
