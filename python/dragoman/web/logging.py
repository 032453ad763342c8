"""`app.logger`: lines like those of the server's own error log, for applications that set up no logging."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, TextIO

from dragoman.log import OF_PROCESS, line_of
from dragoman.web.context import CURRENT, ENVIRON, has_request

if TYPE_CHECKING:
    from dragoman.types import ErrorStream
    from dragoman.web.app import App

__all__ = ["create_logger", "default_handler", "has_level_handler", "wsgi_errors_stream"]

# Of records: the least number of each level that the error log has.
LEVELS = (
    (logging.CRITICAL, "critical"),
    (logging.ERROR, "error"),
    (logging.WARNING, "warning"),
    (logging.INFO, "info"),
)


def create_logger(app: App) -> logging.Logger:
    """The logger of an application's name, with `default_handler`; with `App.debug` of level DEBUG, if it has none."""
    logger = logging.getLogger(app.import_name)
    if app.debug and not logger.level:
        logger.setLevel(logging.DEBUG)
    if default_handler not in logger.handlers:
        logger.addHandler(default_handler)
    return logger


class WsgiErrors:
    """``wsgi.errors`` of the request in hand, and standard error outside of requests."""

    def write(self, text: str) -> None:
        """Append `text`."""
        self.stream().write(text)

    def flush(self) -> None:
        """Write out what is held back of it."""
        self.stream().flush()

    def stream(self) -> ErrorStream | TextIO:
        context = CURRENT.get()
        if context is None or not has_request(context):
            return sys.stderr
        stream: ErrorStream = context[ENVIRON]["wsgi.errors"]
        return stream


class DefaultHandler(logging.Handler):
    """Writes to the server's error log where Dragoman serves, else to `wsgi_errors_stream`, always in the same form.

    What another handler writes, it does not: it looks for one at each record, since logging may be set up late.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        if has_level_handler(logging.getLogger(record.name)):
            return
        try:
            level = next((name for least, name in LEVELS if record.levelno >= least), "debug")
            message = self.format(record)
            if OF_PROCESS:
                OF_PROCESS[0].append(level, message, {"logger": record.name})
            else:
                wsgi_errors_stream.write(line_of(level, message))
                wsgi_errors_stream.flush()
        except Exception:
            self.handleError(record)


def has_level_handler(logger: logging.Logger) -> bool:
    """Whether a handler that was set up by somebody takes all that this logger lets through.

    One for errors alone, which sends mails say, is none of these.
    """
    level = logger.getEffectiveLevel()
    current: logging.Logger | None = logger
    while current is not None:
        if any(handler.level <= level and handler is not default_handler for handler in current.handlers):
            return True
        current = current.parent if current.propagate else None
    return False


wsgi_errors_stream = WsgiErrors()
"""For handlers of your own; in a dictConfig it is ``ext://dragoman.web.logging.wsgi_errors_stream``."""

default_handler = DefaultHandler()
"""That of `App.logger`: ``app.logger.removeHandler(default_handler)`` takes it off."""
