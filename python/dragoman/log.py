"""The error log: lines with time, process and level that no value inside a message can forge."""

import os
import time
from collections.abc import Iterable
from typing import Literal

from dragoman.errors import OperatorError
from dragoman.types import LogLevel
from dragoman.values import printable

__all__ = ["ErrorStream", "Log", "access_log_fd", "open_log", "reopen"]

LEVELS: tuple[LogLevel, ...] = ("debug", "info", "warning", "error", "critical")


class Log:
    """Writes messages of at least one level to a descriptor.

    A message may have several lines: the first stands behind time, process id and level, the others are indented, so
    that a line which begins with ``[`` is always the log's own.
    """

    def __init__(self, fd: int = 2, level: str = "info") -> None:
        self.fd = fd
        self.least = LEVELS.index(level)

    def write(self, level: str, message: str) -> None:
        """Append `message`; a level that is not known counts as an error. Never raises for what is in the message."""
        rank = LEVELS.index(level) if level in LEVELS else LEVELS.index("error")
        if rank < self.least:
            return
        stamp = time.strftime("%Y-%m-%d %H:%M:%S %z")
        body = printable(message, keep="\n\t").replace("\n", "\n  ")
        write_all(self.fd, f"[{stamp}] [{os.getpid()}] [{LEVELS[rank].upper()}] {body}\n")

    def debug(self, message: str) -> None:
        """Details of use to those who look for a fault."""
        self.write("debug", message)

    def info(self, message: str) -> None:
        """What happens in the normal run of things."""
        self.write("info", message)

    def warning(self, message: str) -> None:
        """What works, but should be looked at."""
        self.write("warning", message)

    def error(self, message: str) -> None:
        """What failed: a request, a contract, a worker."""
        self.write("error", message)


class ErrorStream:
    """``wsgi.errors``: text of the application, appended to the error log as it is.

    PEP 3333, "Input and Error Streams": the application's own words, so that nothing is put before them.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def write(self, text: str, /) -> int:
        """Append `text`; returns its length. Bytes are refused, as by every text stream."""
        if not isinstance(text, str):
            raise TypeError(f"wsgi.errors takes str, not {type(text).__name__}")
        write_all(self.fd, text)
        return len(text)

    def writelines(self, lines: Iterable[str], /) -> None:
        """Append each of `lines`, without line ends between them."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Nothing is held back, so that there is nothing to do."""


def open_log(path: str) -> int:
    """A descriptor that appends to the file at `path`, or standard error for ``-``."""
    return 2 if path == "-" else append_to(path, "--error-logfile")


def access_log_fd(path: str) -> int:
    """A descriptor for the access log, -1 for none. ``auto`` is standard output where that is a terminal."""
    if path == "auto":
        return 1 if is_terminal(1) else -1
    if path == "none":
        return -1
    return 1 if path == "-" else append_to(path, "--access-logfile")


def reopen(fd: int, path: str) -> None:
    """Let `fd` go on in the file that is at `path` now. Whoever writes to it meanwhile loses nothing."""
    new = append(path)
    os.dup2(new, fd, inheritable=False)
    os.close(new)


def append(path: str) -> int:
    # The workers of a server share the file: O_APPEND keeps their lines whole.
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)


def append_to(path: str, flag: Literal["--error-logfile", "--access-logfile"]) -> int:
    try:
        return append(path)
    except OSError as error:
        raise OperatorError(f'{flag} "{printable(path)}": cannot be written: {error.strerror}') from None


def is_terminal(fd: int) -> bool:
    try:
        return os.isatty(fd)
    except OSError:
        return False


def write_all(fd: int, text: str) -> None:
    """All of `text` to `fd`. A log that cannot be written to (disk full, reader gone) loses lines, not requests."""
    rest = memoryview(text.encode("utf-8", "backslashreplace"))
    while rest:
        try:
            rest = rest[os.write(fd, rest) :]
        except OSError:
            return
