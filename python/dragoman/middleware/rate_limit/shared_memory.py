"""Opens the file of a table that the processes of one user share, with a lock that a killed holder does not keep."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from dragoman.middleware.rate_limit.table import BUCKET_BYTES, HEAD_BYTES, SECRET_BYTES, Table, new_secret
from dragoman.middleware.shared_file import LOCKED_AT_MOST_S, OWN_AT, Locks, SharedFile, opened_file, path_of_file

__all__ = ["DEFAULT_SIZE_BYTES", "open_table"]

DEFAULT_SIZE_BYTES = 4 << 20
KIND = "limits"
LAYOUT = "2"


class FileLock:
    """Locks of the kernel, one for each bucket, which it takes from a process that ends in whatever way.

    They are between processes, so threads have a lock of their own. Nobody waits without end: a process that was
    stopped in the middle would hold up all others.
    """

    def __init__(self, file: Locks) -> None:
        self.file = file
        self.threads = threading.Lock()

    def acquire(self, bucket: int) -> None:
        """Keep all others out, or raise TimeoutError."""
        if not self.threads.acquire(timeout=LOCKED_AT_MOST_S):
            raise TimeoutError("another thread has had the table's lock for too long")
        try:
            self.file.lock(bucket)
        except BaseException:
            self.threads.release()
            raise

    def release(self, bucket: int) -> None:
        """Let the others in."""
        try:
            self.file.unlock(bucket)
        finally:
            self.threads.release()


# By path. What is open stays open, see `Locks`.
opened: dict[Path, tuple[SharedFile, Table]] = {}
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
    path = path_of_file(name, KIND, directory)
    if size_bytes < HEAD_BYTES + BUCKET_BYTES:
        raise ValueError(f"shm://{name}: size: want {HEAD_BYTES + BUCKET_BYTES} bytes at least, got {size_bytes}")
    size_bytes = HEAD_BYTES + (size_bytes - HEAD_BYTES) // BUCKET_BYTES * BUCKET_BYTES
    with opening:
        if path in opened and opened[path][0].is_there():
            table = opened[path][1]
            if len(table.memory) != size_bytes:
                raise ValueError(f"shm://{name} is open already with a size of {len(table.memory)} bytes")
            return table
        file = opened_file(path, KIND, LAYOUT, size_bytes)
        file.reserve(0, size_bytes)
        table = Table(file.memory, FileLock(file), secret_of(file), f"shm://{name}")
        opened[path] = (file, table)
    return table


def secret_of(file: SharedFile) -> bytes:
    """The secret of the table, made for a new one."""
    file.lock()
    try:
        place = slice(OWN_AT, OWN_AT + SECRET_BYTES)
        if not any(file.memory[place]):
            file.memory[place] = new_secret()
        return file.memory[place]
    finally:
        file.unlock()


def forget_threads() -> None:
    """In a child of fork: who held a lock of threads is not in it."""
    global opening  # noqa: PLW0603
    opening = threading.Lock()
    for _, table in opened.values():
        if isinstance(table.lock, FileLock):
            table.lock.threads = threading.Lock()


os.register_at_fork(after_in_child=forget_threads)
