"""Tells that a back end is away, and that it is there again: a line for each outage, not for each request."""

from __future__ import annotations

import logging
import threading

__all__ = ["Outage"]

log = logging.getLogger("dragoman.middleware")


class Outage:
    """Whether one back end can be reached.

    what    names it in the log, such as ``"sessions: redis://127.0.0.1:6379/0"``; without secrets
    means   what it means for requests meanwhile, such as ``"requests have no session"``
    """

    def __init__(self, what: str, means: str) -> None:
        self.what = what
        self.means = means
        self.failures = 0
        self.lock = threading.Lock()

    def failed(self, error: BaseException) -> None:
        """It could not be reached: the first time is told."""
        with self.lock:
            self.failures += 1
            is_first = self.failures == 1
        if is_first:
            log.error("%s cannot be reached, %s: %s: %s", self.what, self.means, type(error).__name__, error)

    def worked(self) -> None:
        """It was reached. Costs nothing while all is well."""
        if not self.failures:
            return
        with self.lock:
            failures, self.failures = self.failures, 0
        if failures:
            log.warning("%s is there again, after %d failures", self.what, failures)
