"""Opens the file of a table that the processes of one user share, with a lock that a killed holder does not keep."""

from __future__ import annotations

import errno
import fcntl
import logging
import mmap
import os
import re
import stat
import struct
import tempfile
import threading
import time
from pathlib import Path

from dragoman.middleware.rate_limit.table import BUCKET_BYTES, HEAD_BYTES, SECRET_BYTES, Table, new_secret

__all__ = ["DEFAULT_SIZE_BYTES", "open_table"]

log = logging.getLogger("dragoman.middleware")

DEFAULT_SIZE_BYTES = 4 << 20
NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
# What it is, the version of its layout, its size; then the secret. A file without them all is not ours.
HEAD = struct.Struct(f"<16sIQ{SECRET_BYTES}s")
MAGIC = b"dragoman limits\n"
LAYOUT = 1
# Locks are of bytes, one for each bucket; that of the head lies beyond them.
HEAD_LOCK = 1 << 40
LOCKED_AT_MOST_S = 1.0
PAUSE_S = 0.0002


class FileLock:
    """Locks of the kernel, one for each bucket, which it takes from a process that ends in whatever way.

    They are between processes (POSIX record locks), so threads have a lock of their own. Nobody waits without end: a
    process that was stopped in the middle would hold up all others.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.threads = threading.Lock()

    def acquire(self, bucket: int) -> None:
        """Keep all others out, or raise TimeoutError."""
        if not self.threads.acquire(timeout=LOCKED_AT_MOST_S):
            raise TimeoutError("another thread has had the table's lock for too long")
        try:
            self.lock(bucket)
        except BaseException:
            self.threads.release()
            raise

    def release(self, bucket: int) -> None:
        """Let the others in."""
        try:
            fcntl.lockf(self.descriptor, fcntl.LOCK_UN, 1, bucket)
        finally:
            self.threads.release()

    def lock(self, at: int) -> None:
        until = 0.0
        while True:
            try:
                fcntl.lockf(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, at)
                return
            except OSError as error:
                if error.errno not in (errno.EACCES, errno.EAGAIN):
                    raise
            now = time.monotonic()
            until = until or now + LOCKED_AT_MOST_S
            if now > until:
                raise TimeoutError("another process has had the table's lock for too long; is it stopped?")
            time.sleep(PAUSE_S)


# By path. What is open stays open: a process that closes any descriptor of a file loses its locks of that file.
opened: dict[Path, tuple[tuple[int, int], Table]] = {}
opening = threading.Lock()


def open_table(name: str, size_bytes: int = DEFAULT_SIZE_BYTES, directory: str | None = None) -> Table:
    """The table called `name` of this user on this host; it is made when it is missing.

    name         letters, digits, ".", "_" and "-"
    size_bytes   of the file: 64 bytes for each client and limit, and 4096 more; taken from the file system at once
    directory    where the file lies: ``/dev/shm``, and where there is none, that of temporary files

    A table of another size or of another version's layout is replaced; processes that have it open go on with it.
    Raises ValueError for another name, a size that is too small, or one that the table is open with already in this
    process; OSError when the file cannot be made, or is not ours.
    """
    if not NAME.fullmatch(name):
        raise ValueError(f'shm://{name}: want a name of letters, digits, ".", "_" and "-"')
    if size_bytes < HEAD_BYTES + BUCKET_BYTES:
        raise ValueError(f"shm://{name}: size: want {HEAD_BYTES + BUCKET_BYTES} bytes at least, got {size_bytes}")
    size_bytes = HEAD_BYTES + (size_bytes - HEAD_BYTES) // BUCKET_BYTES * BUCKET_BYTES
    path = Path(directory or default_directory()).resolve() / f"dragoman-{os.geteuid()}-{name}.limits"
    with opening:
        if path in opened:
            place, table = opened[path]
            if place == place_of(path):
                if len(table.memory) != size_bytes:
                    raise ValueError(f"shm://{name} is open already with a size of {len(table.memory)} bytes")
                return table
        place, table = mapped(path, size_bytes, f"shm://{name}")
        opened[path] = (place, table)
    return table


def default_directory() -> str:
    return "/dev/shm" if os.path.isdir("/dev/shm") else tempfile.gettempdir()


def place_of(path: Path) -> tuple[int, int] | None:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def mapped(path: Path, size_bytes: int, what: str) -> tuple[tuple[int, int], Table]:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        lock = FileLock(descriptor)
        try:
            refuse_foreign(descriptor, path)
            lock.lock(HEAD_LOCK)
            found = os.fstat(descriptor)
            place = (found.st_dev, found.st_ino)
            # Replaced by somebody while we waited?
            if place == place_of(path):
                secret = made_ready(descriptor, path, size_bytes)
                if secret is not None:
                    memory = mmap.mmap(descriptor, size_bytes)
                    fcntl.lockf(descriptor, fcntl.LOCK_UN, 1, HEAD_LOCK)
                    return place, Table(memory, lock, secret, what)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def refuse_foreign(descriptor: int, path: Path) -> None:
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_nlink > 1:
        raise PermissionError(f"{path} is not a file of this user alone: somebody else has made it; remove it")


def made_ready(descriptor: int, path: Path, size_bytes: int) -> bytes | None:
    """The secret of the table, written first when it is new. None when it is an old one, which is removed.

    The lock of the head is held.
    """
    head = os.pread(descriptor, HEAD.size, 0)
    if not head.strip(b"\0"):
        # New, or its maker was killed before the head was there. Space is taken now: a write to a mapped page that the
        # file system has no room for would end the process.
        os.posix_fallocate(descriptor, 0, size_bytes)
        os.ftruncate(descriptor, size_bytes)
        secret = new_secret()
        os.pwrite(descriptor, HEAD.pack(MAGIC, LAYOUT, size_bytes, secret), 0)
        return secret
    if len(head) < HEAD.size or not head.startswith(MAGIC):
        raise FileExistsError(f"{path} is not a table of limits; remove it, or give the table another name")
    _, layout, written_bytes, secret = HEAD.unpack(head)
    if (layout, written_bytes, os.fstat(descriptor).st_size) == (LAYOUT, size_bytes, size_bytes):
        return bytes(secret)
    log.warning("%s is of another size or version, and is made anew: all counts begin at 0", path)
    os.unlink(path)
    return None


def forget_threads() -> None:
    """In a child of fork: who held a lock of threads is not in it."""
    global opening  # noqa: PLW0603
    opening = threading.Lock()
    for _, table in opened.values():
        if isinstance(table.lock, FileLock):
            table.lock.threads = threading.Lock()


os.register_at_fork(after_in_child=forget_threads)
