"""A failure as HTML, as JSON of RFC 9457 and as text, whichever a client likes best."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from html import escape
from typing import NamedTuple

from dragoman.http import problems
from dragoman.http.negotiation import best_media_type
from dragoman.http.problems import Problem

__all__ = ["KINDS", "Failure", "form_of"]

log = logging.getLogger("dragoman.middleware")

KINDS = {"html": "text/html", "json": problems.JSON, "text": "text/plain"}
# Clients that know JSON only by its old name get the same.
PLAIN_JSON = "application/json"


class Failure(NamedTuple):
    """What has failed, as a page may show it.

    status      400 to 599
    reason      its phrase
    request_id  the id of the request, or None
    path        the whole path, as it comes in the environ
    error       the exception, None where the application has answered with the status itself
    debug       whether a page may show details
    """

    status: int
    reason: str
    request_id: str | None
    path: str
    error: BaseException | None
    debug: bool

    @property
    def traceback(self) -> str | None:
        """The traceback as text; None without an exception, or where details are not to be shown."""
        if self.error is None or not self.debug:
            return None
        return "".join(traceback.format_exception(self.error))


def form_of(
    failure: Failure, accept: str | None, first: str, html: Callable[[Failure], str] | None
) -> tuple[str, bytes]:
    """Content-Type and body for a client that accepts `accept`."""
    offers = [KINDS[first], *(kind for kind in KINDS.values() if kind != KINDS[first]), PLAIN_JSON]
    # Whoever takes none of them is told all the same: an error in an unwanted form says more than 406.
    best = best_media_type(accept, offers) or KINDS[first]
    if best in (problems.JSON, PLAIN_JSON):
        return problems.JSON, as_json(failure)
    if best == KINDS["html"]:
        return problems.HTML, own_html(failure, html) if html is not None else as_html(failure)
    return problems.TEXT, as_text(failure)


def own_html(failure: Failure, html: Callable[[Failure], str]) -> bytes:
    try:
        return html(failure).encode()
    except Exception:
        log.exception("ErrorPages: the function for HTML pages has failed")
        return as_html(failure)


def as_json(failure: Failure) -> bytes:
    # RFC 9457, section 4.2.1: about:blank, since nothing is known but the status.
    extensions: dict[str, object] = {}
    if failure.request_id is not None:
        extensions["request_id"] = failure.request_id
    if (details := failure.traceback) is not None:
        extensions["traceback"] = details.splitlines()
    return Problem(failure.status, failure.reason, extensions=extensions).to_json() + b"\n"


def as_html(failure: Failure) -> bytes:
    details = failure.traceback
    pre = "" if details is None else f"<pre>{escape(details)}</pre>\n"
    return for_people(failure).to_html() + pre.encode(errors="backslashreplace")


def as_text(failure: Failure) -> bytes:
    details = failure.traceback
    return for_people(failure).to_text() + (f"\n{details}" if details else "").encode(errors="backslashreplace")


def for_people(failure: Failure) -> Problem:
    request = "" if failure.request_id is None else f"Request {failure.request_id}"
    return Problem(failure.status, failure.reason, request)
