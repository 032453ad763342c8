"""The errors that end a run, each with the exit status that it ends with."""

__all__ = ["ApplicationError", "DragomanError", "OperatorError", "UsageError"]


class DragomanError(Exception):
    """A fault that is told to the operator in words and ends the process.

    ``str(error)`` is one line without a final stop. ``details`` follows it on lines of its own: the traceback of the
    application's failing import, say.
    """

    exit_status = 1

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(message)
        self.details = details


class UsageError(DragomanError):
    """A setting, or the command line as a whole, cannot be understood."""

    exit_status = 2


class OperatorError(DragomanError):
    """The settings are well-formed, but this machine does not let them come true: an address in use, say."""

    exit_status = 1


class ApplicationError(DragomanError):
    """The application cannot be served: not found, not importable, not a WSGI application."""

    exit_status = 3
