"""The pid file: it names one live server, and is written so that no link leads a server of root's elsewhere."""

import os
import re
import stat
import time
from contextlib import suppress

from dragoman.errors import OperatorError
from dragoman.values import cause_of, printable

__all__ = ["PidFile"]

NUMBER_BYTES = 32
# How far the clocks of files and processes may be apart.
CLOCKS_S = 10.0


class PidFile:
    """That at `path`, ours from now on; nothing is kept for ``""``. Raises OperatorError where it cannot be had."""

    def __init__(self, path: str) -> None:
        self.path = path
        if not path:
            return
        if (holder := live_holder(path)) is not None:
            raise refused(
                path,
                f"a server is already running as process {holder}; stop it, choose another path, or remove the file",
            )
        # Beside it and renamed: whoever reads it sees a whole number, and a link that somebody has put there is
        # replaced, not followed. No name that could be guessed: nobody can put one there before.
        draft = f"{path}.{os.urandom(8).hex()}"
        try:
            fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
            try:
                os.write(fd, b"%d\n" % os.getpid())
            finally:
                os.close(fd)
            os.rename(draft, path)
        except OSError as error:
            with suppress(OSError):
                os.unlink(draft)
            raise refused(path, f"cannot be written: {cause_of(error, path)}") from None

    def rename(self, path: str) -> None:
        """It has that path from now on, whoever had it before. Raises OSError."""
        if self.path and self.path != path:
            os.replace(self.path, path)
            self.path = path

    def remove(self) -> None:
        """It is gone, unless another server has written its number there."""
        if self.path and number_in(self.path) == os.getpid():
            with suppress(OSError):
                os.unlink(self.path)


def live_holder(path: str) -> int | None:
    """The process that the file names, when it lives and is not this one."""
    number = number_in(path)
    if number is None or number == os.getpid():
        return None
    try:
        os.kill(number, 0)
    except PermissionError:
        return number  # another user's
    except (OSError, OverflowError):
        return None
    return None if has_begun_since(number, path) else number


def has_begun_since(pid: int, path: str) -> bool:
    """Whether the process is younger than the file: it only has the number of the one that wrote it."""
    try:
        # proc_pid_stat(5): the start is field 22, in ticks since boot; the third follows the name in parentheses.
        with open(f"/proc/{pid}/stat", "rb") as file:
            ticks = int(file.read().rpartition(b")")[2].split()[19])
        age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
        return time.time() - age_s > os.stat(path).st_mtime + CLOCKS_S
    except (OSError, IndexError, ValueError):
        return False


def number_in(path: str) -> int | None:
    """The number that the regular file at `path` holds; None for everything else."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            text = os.read(fd, NUMBER_BYTES) if stat.S_ISREG(os.fstat(fd).st_mode) else b""
        finally:
            os.close(fd)
    except OSError:
        return None
    return int(text) if re.fullmatch(rb"\s*[1-9][0-9]{0,9}\s*", text) else None


def refused(path: str, reason: str) -> OperatorError:
    return OperatorError(f'--pid "{printable(path)}": {reason}')
