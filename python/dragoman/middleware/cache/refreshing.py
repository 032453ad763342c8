"""Asks the application anew for answers that are given stale meanwhile: in threads, so many at once."""

from __future__ import annotations

import io
import logging
import os
import sys
import threading
from collections.abc import Callable, Collection
from typing import Any

from dragoman.types import Environ

__all__ = ["Refreshing", "anonymous"]

log = logging.getLogger("dragoman.middleware")

# They say who asks, or are about what he has; an answer that is for all is made without them.
PERSONAL = frozenset(
    {"HTTP_COOKIE", "HTTP_AUTHORIZATION", "HTTP_PROXY_AUTHORIZATION", "REMOTE_USER", "AUTH_TYPE", "HTTP_RANGE"}
    | {"HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_UNMODIFIED_SINCE", "HTTP_IF_RANGE"}
    | {"HTTP_CACHE_CONTROL", "HTTP_PRAGMA", "HTTP_EXPECT", "CONTENT_LENGTH", "CONTENT_TYPE", "HTTP_TRANSFER_ENCODING"}
)


class Refreshing:
    """Up to `most` threads, each for one answer; more than that are not asked for now."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.lock = threading.Lock()
        self.pid = os.getpid()
        self.running = 0

    def start(self, act: Callable[[], object]) -> bool:
        """Run `act` in a thread of its own. False when there are enough of them."""
        with self.lock:
            if self.pid != os.getpid():
                # The threads of a process that has forked are not in its child.
                self.pid, self.running = os.getpid(), 0
            if self.running >= self.most:
                return False
            self.running += 1
        try:
            threading.Thread(target=self.run, args=(act,), name="dragoman-cache", daemon=True).start()
        except BaseException:
            self.ended()
            raise
        return True

    def run(self, act: Callable[[], object]) -> None:
        try:
            act()
        except Exception:
            log.exception("cache: a stale answer could not be made anew")
        finally:
            self.ended()

    def ended(self) -> None:
        with self.lock:
            self.running -= 1


def anonymous(environ: Environ, names: Collection[str]) -> Environ:
    """A GET like that of `environ`, of nobody in particular, for after that request has ended.

    names   of the fields that the answers vary by, in lower case: these stay
    """
    kept = {f"HTTP_{name.upper().replace('-', '_')}" for name in names}
    made: dict[str, Any] = {
        key: value
        for key, value in environ.items()
        if type(value) is str and key.isupper() and (key not in PERSONAL or key in kept)
    }
    made.update(
        {
            "REQUEST_METHOD": "GET",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": environ["wsgi.url_scheme"],
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": environ.get("wsgi.multiprocess", True),
            "wsgi.run_once": False,
        }
    )
    return made
