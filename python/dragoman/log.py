"""The error log: lines with time, process and level that no value inside a message can forge."""

import errno
import json
import os
import select
import sys
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from datetime import datetime, timezone
from typing import ClassVar, Literal

from dragoman.errors import OperatorError
from dragoman.types import LogLevel
from dragoman.values import cause_of, printable

__all__ = [
    "OF_PROCESS",
    "ErrorStream",
    "Log",
    "access_log_fd",
    "fill_standard_descriptors",
    "line_of",
    "open_log",
    "reopen",
]

LEVELS: tuple[LogLevel, ...] = ("debug", "info", "warning", "error", "critical")
# A bound on what is held back of a line that does not end.
HELD_CHARACTERS = 8192
# How long a line may wait for the reader of a pipe that has taken the lines before it.
PATIENCE_S = 0.2
# Not in every Python (os.RWF_NOWAIT); of uapi/linux/fs.h.
RWF_NOWAIT = 0x8


class Log:
    """Writes messages of at least one level to a descriptor.

    A message may have several lines: the first stands behind time, process id and level, the others are indented, so
    that a line which begins with ``[`` is always the log's own. `is_json`: each message is an object on a line of its
    own instead, with ``time``, ``level``, ``pid`` and ``message``, and with the fields of the message behind them.
    """

    def __init__(self, fd: int = 2, level: str = "info", *, is_json: bool = False) -> None:
        self.fd = fd
        self.is_json = is_json
        self.output = Output(fd)
        # Adds colours to a message that has nothing but text in it.
        self.paint: Callable[[str], str] = str
        self.least = LEVELS.index(level)

    def write(self, level: str, message: str, fields: Mapping[str, object] | None = None) -> None:
        """Append `message`; a level that is not known counts as an error. Never raises for what is in the message.

        fields   what the message says, for programs: texts and numbers by name
        """
        rank = LEVELS.index(level) if level in LEVELS else LEVELS.index("error")
        if rank >= self.least:
            self.append(LEVELS[rank], message, fields)

    def append(self, level: str, message: str, fields: Mapping[str, object] | None = None) -> None:
        """The same of any level: for who has chosen already, as the loggers of the application have."""
        if self.is_json:
            self.output.write(record(level, message, fields or {}))
        else:
            self.output.write(line_of(level, message, self.paint))

    def debug(self, message: str) -> None:
        """Details of use to those who look for a fault."""
        self.write("debug", message)

    def info(self, message: str) -> None:
        """What happens in the normal run of things."""
        self.write("info", message)

    def warning(self, message: str) -> None:
        """What works, but should be looked at."""
        self.write("warning", message)

    def error(self, message: str, fields: Mapping[str, object] | None = None) -> None:
        """What failed: a request, a contract, a worker."""
        self.write("error", message, fields)


def line_of(level: str, message: str, paint: Callable[[str], str] = str) -> str:
    """A message as lines of text. Only the first begins with ``[``, and nothing in it forges another."""
    stamp = time.strftime("%Y-%m-%d %H:%M:%S %z")
    body = paint(printable(message, keep="\n\t")).replace("\n", "\n  ")
    return f"[{stamp}] [{os.getpid()}] [{level.upper()}] {body}\n"


def record(level: str, message: str, fields: Mapping[str, object]) -> str:
    """A message as a line of JSON. Nothing in it can end the line: ASCII alone, the rest as escapes."""
    # As in the access log.
    stamp = datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    known = {"time": stamp, "level": level, "pid": os.getpid(), "message": message}
    return (
        json.dumps({**known, **{key: value for key, value in fields.items() if key not in known}}, default=str) + "\n"
    )


# That of the server which this process belongs to: what loggers of the application say stands there as well.
OF_PROCESS: list[Log] = []


class ErrorStream:
    """``wsgi.errors``: text of the application, appended to the error log as it is.

    PEP 3333, "Input and Error Streams": the application's own words, so that nothing is put before them.

    ``print(a, b, file=environ["wsgi.errors"])`` is four calls of `write`. Each request, and each thread in it, has an
    unfinished line of its own, so that others do not write into its middle; what is left of it at the end of the
    request, or of the process, is written then, as a line.
    """

    def __init__(self, fd: int) -> None:
        self.output = Output(fd)
        # A request runs in a context of its own, which ends with it: what a context holds is known to be its own.
        self.line: ContextVar[UnfinishedLine | None] = ContextVar("dragoman.unfinished_line", default=None)
        self.lines: set[weakref.ref[UnfinishedLine]] = set()
        # A way out that frees no contexts still runs this, as an exit function.
        weakref.finalize(self, finish_all, self.lines)

    def write(self, text: str, /) -> int:
        """Append `text`; returns its length. Bytes are refused, as by every text stream."""
        if not isinstance(text, str):
            raise TypeError(f"wsgi.errors takes str, not {type(text).__name__}")
        self.own_line().add(text)
        return len(text)

    def writelines(self, lines: Iterable[str], /) -> None:
        """Append each of `lines`, without line ends between them."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Write out the unfinished line as far as it has come."""
        self.own_line().write_out()

    def own_line(self) -> "UnfinishedLine":
        line = self.line.get()
        # A copy of the context in another thread holds the same line, which is not that thread's.
        if line is None or line.thread != threading.get_ident():
            line = UnfinishedLine(self.output)
            self.lines.add(weakref.ref(line, self.lines.discard))
            self.line.set(line)
        return line


class UnfinishedLine:
    """The text behind the last line end that one thread has written in one context."""

    def __init__(self, output: "Output") -> None:
        self.output = output
        self.thread = threading.get_ident()
        self.text = ""

    def add(self, text: str) -> None:
        """Take `text` on, and write out what is whole of it: one system call for all whole lines."""
        self.text += text
        whole, line_end, rest = self.text.rpartition("\n")
        if line_end:
            self.text = rest
            self.output.write(whole + line_end)
        if len(self.text) >= HELD_CHARACTERS:
            self.write_out()

    def write_out(self) -> None:
        """Write what there is, without ending the line."""
        text, self.text = self.text, ""
        self.output.write(text)

    def finish(self) -> None:
        """Write what there is as a line."""
        if self.text:
            self.add("\n")

    def __del__(self) -> None:
        self.finish()


def finish_all(lines: "Iterable[weakref.ref[UnfinishedLine]]") -> None:
    for reference in list(lines):
        if line := reference():
            line.finish()


def fill_standard_descriptors() -> None:
    """Open the null device on whichever of descriptors 0, 1 and 2 is closed, and give Python's streams to them.

    The next file or socket would get the number, a client's connection for one, and all that is written to "standard
    error" would go there.
    """
    for name, fd in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        try:
            os.fstat(fd)
        except OSError:
            # The lowest free number is what open() takes, and the ones below are open by now.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        if getattr(sys, name) is None:
            setattr(sys, name, open(fd, "w" if fd else "r", encoding="utf-8", closefd=False))  # noqa: SIM115


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
    # The workers of a server share the file: O_APPEND keeps their lines whole. A named pipe that nobody reads is an
    # error and no wait (fifo(7)).
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK, 0o644)
    os.set_blocking(fd, True)
    return fd


def append_to(path: str, flag: Literal["--error-logfile", "--access-logfile"]) -> int:
    try:
        return append(path)
    except OSError as error:
        raise OperatorError(f'{flag} "{printable(path)}": cannot be written: {cause_of(error, path)}') from None


def is_terminal(fd: int) -> bool:
    try:
        return os.isatty(fd)
    except OSError:
        return False


class Output:
    """Writes to a descriptor. One that cannot be written to (disk full, reader gone or asleep) costs lines, no time.

    Lines that are lost are counted, and told of in a line before the next one that can be written.
    """

    # Of all outputs of the process, whose descriptors may be one and the same pipe: the room that one has seen is not
    # taken by another. Taken again by a signal handler that logs in the middle of a line.
    lock = threading.RLock()

    # By descriptor: what one output has lost, the next line of any of them tells.
    lost: ClassVar[Counter[int]] = Counter()

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.lost[fd] = 0  # the number may have been another file's

    def write(self, text: str) -> None:
        """Append `text` as far as there is room for it."""
        data = text.encode("utf-8", "backslashreplace")
        with self.lock:
            if self.lost[self.fd]:
                note = f"dragoman: error log: {self.lost[self.fd]} lines lost, the output did not take them in time\n"
                if self.write_in_time(note.encode()) == 0:
                    self.lost[self.fd] += data.count(b"\n")
                    return
                self.lost[self.fd] = 0
            written = self.write_in_time(data)
            if written < len(data):
                self.lost[self.fd] += max(1, data.count(b"\n", written))

    def write_in_time(self, data: bytes) -> int:
        """How many bytes could be written. Only what finds a pipe full first waits for its reader."""
        room = select.poll()
        room.register(self.fd, select.POLLOUT)
        until = time.monotonic() + (0 if self.lost[self.fd] else PATIENCE_S)
        written = 0
        try:
            while written < len(data):
                try:
                    # pipe(7): up to PIPE_BUF bytes are taken whole or not at all.
                    written += write_now(self.fd, data[written : written + select.PIPE_BUF])
                except BlockingIOError:
                    left_s = until - time.monotonic()
                    if left_s <= 0 or not room.poll(left_s * 1000):
                        break
        except OSError:
            pass
        return written


def write_now(fd: int, data: bytes) -> int:
    """write(2) that raises BlockingIOError where it would wait.

    Whether a pipe has room can be asked for, but another process that shares it may take the room first; and it cannot
    be made non-blocking without being so for everybody. pwritev2(2) has a flag for one call: for sockets, and from
    Linux 6.4 on for pipes.
    """
    try:
        return os.pwritev(fd, [data], -1, RWF_NOWAIT)
    except OSError as error:
        if error.errno not in (errno.EOPNOTSUPP, errno.ESPIPE, errno.EINVAL, errno.ENOSYS):
            raise
    except NotImplementedError:
        pass  # a Python that was built without the call
    room = select.poll()
    room.register(fd, select.POLLOUT)
    if not room.poll(0):
        raise BlockingIOError
    return os.write(fd, data)


# A child that is forked while another thread writes must not wait for that thread, which it does not have.
os.register_at_fork(after_in_child=Output.lock._at_fork_reinit)  # type: ignore[attr-defined]
