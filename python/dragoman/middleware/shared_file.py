"""A file of fixed size that processes of one user map, with locks that the kernel takes from those that die."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import logging
import mmap
import os
import re
import stat
import struct
import tempfile
import time
from pathlib import Path

__all__ = [
    "HEAD_BYTES",
    "HEAD_LOCK",
    "LOCKED_AT_MOST_S",
    "OWN_AT",
    "Locks",
    "SharedFile",
    "default_name",
    "opened_file",
    "path_of_file",
]

log = logging.getLogger("dragoman.middleware")

HEAD_BYTES = 4096
NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
# What it is, what its layout is, its size. A file without them all is not ours.
HEAD = struct.Struct("<16s16sQ")
# Behind it is room in the first page for whatever a file wants to say of itself.
OWN_AT = 64
# Locks of bytes that lie beyond the file.
HEAD_LOCK = 1 << 40
LOCKED_AT_MOST_S = 1.0
PAUSE_S = 0.0002


class Locks:
    """The locks of an open file, one for each byte, within it or beyond.

    They are between processes (POSIX record locks): threads need a lock of their own, a child of fork has none of its
    parent's, and a process that closes any descriptor of the file loses all of them.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.descriptor = descriptor

    def try_lock(self, at: int) -> bool:
        """Whether the lock of a byte could be had at once."""
        try:
            fcntl.lockf(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, at)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                raise
            return False
        return True

    def lock(self, at: int = HEAD_LOCK) -> None:
        """Have the lock. Raises TimeoutError: nobody waits without end for a process that was stopped."""
        until = 0.0
        while not self.try_lock(at):
            now = time.monotonic()
            until = until or now + LOCKED_AT_MOST_S
            if now > until:
                raise TimeoutError(f"{self.path}: another process has had the lock for too long; is it stopped?")
            time.sleep(PAUSE_S)

    def unlock(self, at: int = HEAD_LOCK) -> None:
        """Let others have it."""
        fcntl.lockf(self.descriptor, fcntl.LOCK_UN, 1, at)

    def is_there(self) -> bool:
        """Whether the path still leads to this file."""
        try:
            found = os.lstat(self.path)
        except FileNotFoundError:
            return False
        return os.path.samestat(found, os.fstat(self.descriptor))


class SharedFile(Locks):
    """An open file of that kind: `memory` is its mapping. It is never closed."""

    def __init__(self, path: Path, descriptor: int, memory: mmap.mmap) -> None:
        super().__init__(path, descriptor)
        self.memory = memory

    def reserve(self, start: int, size_bytes: int) -> None:
        """Take space from the file system, so that it can be written to: else a full one would end the process.

        Raises OSError when there is none.
        """
        os.posix_fallocate(self.descriptor, start, size_bytes)


def default_name() -> str:
    """A name that the workers of one application agree on, and applications in other directories do not have."""
    here = os.getcwd()
    start = re.sub(r"[^A-Za-z0-9_-]", "", os.path.basename(here))[:40] or "root"
    return f"{start}-{hashlib.blake2b(os.fsencode(here), digest_size=6).hexdigest()}"


def path_of_file(name: str, kind: str, directory: str | None) -> Path:
    """Where the file of that name lies: in the directory, or in the default one.

    Raises ValueError for a name that is none.
    """
    if not NAME.fullmatch(name):
        raise ValueError(f'shm://{name}: want a name of letters, digits, ".", "_" and "-"')
    return Path(directory or default_directory()).resolve() / f"dragoman-{os.geteuid()}-{name}.{kind}"


def default_directory() -> str:
    """``/dev/shm``, which is in memory; where there is none, that of temporary files."""
    return "/dev/shm" if os.path.isdir("/dev/shm") else tempfile.gettempdir()


def opened_file(path: Path, kind: str, layout: str, size_bytes: int) -> SharedFile:
    """The file at `path`, which is made of zeros when it is missing.

    kind     what it is, at most 15 characters
    layout   all that its readers have to agree on; a file of another layout or size is replaced, and processes that
             have it open go on with it

    Space is taken for the head alone; see `SharedFile.reserve` for the rest.
    Raises OSError when it cannot be made, or is not ours.
    """
    digest = hashlib.blake2b(layout.encode(), digest_size=16).digest()
    wanted = HEAD.pack(f"{kind}\n".encode(), digest, size_bytes)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            refuse_foreign(descriptor, path)
            locks = Locks(path, descriptor)
            locks.lock()
            # Replaced or removed by somebody while we waited?
            if locks.is_there() and made_ready(descriptor, path, wanted, size_bytes):
                memory = mmap.mmap(descriptor, size_bytes)
                locks.unlock()
                return SharedFile(path, descriptor, memory)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def refuse_foreign(descriptor: int, path: Path) -> None:
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_nlink > 1:
        raise PermissionError(f"{path} is not a file of this user alone: somebody else has made it; remove it")


def made_ready(descriptor: int, path: Path, wanted: bytes, size_bytes: int) -> bool:
    """Whether it is as wanted; written first when it is new, removed when it is another. Its lock is held."""
    head = os.pread(descriptor, HEAD.size, 0)
    if not head.strip(b"\0"):
        # New, or its maker was killed before the head was there.
        os.posix_fallocate(descriptor, 0, min(HEAD_BYTES, size_bytes))
        os.ftruncate(descriptor, size_bytes)
        os.pwrite(descriptor, wanted, 0)
        return True
    if head == wanted and os.fstat(descriptor).st_size == size_bytes:
        return True
    if head[:16] != wanted[:16]:
        kind = wanted[:16].rstrip(b"\0\n").decode()
        raise FileExistsError(f"{path} is not a table of {kind}; remove it, or give the table another name")
    log.warning("%s is of another size or version, and is made anew: all counts begin at 0", path)
    os.unlink(path)
    return False
