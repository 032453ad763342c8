"""A connection of psycopg that gives up on a server which says nothing: PostgreSQL's own limits need it alive."""

from __future__ import annotations

from typing import Any

import psycopg

__all__ = ["TimedConnection", "connect"]


class TimedConnection(psycopg.Connection[Any]):
    """Waits `timeout_s` for any answer, and is closed when none has come."""

    timeout_s = 1.5

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Drive a statement to its end. Raises psycopg.OperationalError when it takes too long."""
        try:
            return super().wait(gen, interval, self.timeout_s if timeout is None else min(timeout, self.timeout_s))
        except psycopg.OperationalError as error:
            # The server's own errors have a state. Without one it has said nothing, and who knows what comes now.
            if error.sqlstate is None:
                self.pgconn.finish()
            raise


def connect(*words: Any, timeout_s: float, **named: Any) -> TimedConnection:
    """A connection, as ``psycopg.connect`` makes it."""

    class Timed(TimedConnection):
        pass

    Timed.timeout_s = timeout_s
    return Timed.connect(*words, **named)
