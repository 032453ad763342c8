"""`FileStore`: a file for each key, in a directory that the processes of one machine share."""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import os
import struct
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from dragoman.middleware.stores.base import VERSION_BYTES, Stored, StoreDown, new_version, refuse_ttl

__all__ = ["FileStore"]

Result = TypeVar("Result")

# When it expires, its version, how long the value is; then the value. A file that lost its end in a crash shows it.
HEAD = struct.Struct(f"!d{VERSION_BYTES}sQ")
# So many writes after each other look once for what has expired, in one of the 256 directories.
WRITES_A_SWEEP = 64


class FileStore:
    """Keeps values as files below `directory`, which is made, for its owner alone, when it is missing.

    Every process of this machine that has the directory sees the same. Writers of keys that share one of its 256
    directories wait for each other by ``flock``; readers wait for nobody. What has expired is removed bit by bit while
    others write.
    A file system that a network brings needs working ``flock``. Nothing bounds the size but the expiry.
    Raises OSError when the directory cannot be made.

        store = FileStore("/var/lib/shop/sessions")
    """

    is_shared = True

    def __init__(self, directory: str | os.PathLike[str], *, clock: Callable[[], float] = time.time) -> None:
        self.directory = Path(directory)
        self.what = str(self.directory)
        self.clock = clock
        self.writes = itertools.count(1)
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def get(self, key: str) -> Stored | None:
        """What is stored under `key`."""
        return self.trying(lambda: self.read(self.path_of(key)))

    def put(self, key: str, value: bytes, ttl_s: float) -> bytes:
        """Store it, whatever was there."""
        refuse_ttl(ttl_s)
        path = self.path_of(key)

        def act() -> bytes:
            with self.locked(path.parent):
                version = self.write(path, value, ttl_s)
            self.sweep()
            return version

        return self.trying(act)

    def swap(self, key: str, value: bytes, ttl_s: float, expected: bytes | None) -> bytes | None:
        """Store it, if what is there has the version `expected`."""
        refuse_ttl(ttl_s)
        path = self.path_of(key)

        def act() -> bytes | None:
            with self.locked(path.parent):
                stored = self.read(path)
                version = self.write(path, value, ttl_s) if (stored and stored.version) == expected else None
            self.sweep()
            return version

        return self.trying(act)

    def delete(self, key: str, expected: bytes | None = None) -> bool:
        """Take it away."""
        path = self.path_of(key)

        def act() -> bool:
            with self.locked(path.parent):
                stored = self.read(path)
                if stored is None or expected not in (None, stored.version):
                    return False
                path.unlink()
                return True

        return self.trying(act)

    def path_of(self, key: str) -> Path:
        # A key may hold anything; and no case is folded, no name too long.
        name = hashlib.sha256(key.encode()).hexdigest()
        return self.directory / name[:2] / name[2:]

    def read(self, path: Path) -> Stored | None:
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        if len(content) < HEAD.size:
            return None
        expires, version, length = HEAD.unpack_from(content)
        value = content[HEAD.size :]
        return Stored(value, version) if expires > self.clock() and len(value) == length else None

    def write(self, path: Path, value: bytes, ttl_s: float) -> bytes:
        version = new_version()
        descriptor, made = tempfile.mkstemp(prefix=".", dir=path.parent)
        try:
            with open(descriptor, "wb") as file:
                file.write(HEAD.pack(self.clock() + ttl_s, version, len(value)) + value)
            os.replace(made, path)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(made)
            raise
        return version

    def sweep(self) -> None:
        """At some calls: remove what has expired in the next of the directories, unless somebody is at work there."""
        number = next(self.writes)
        if number % WRITES_A_SWEEP:
            return
        directory = self.directory / f"{number // WRITES_A_SWEEP % 256:02x}"
        with suppress(FileNotFoundError, BlockingIOError), self.locked(directory, fcntl.LOCK_NB):
            now = self.clock()
            for path in directory.iterdir():
                with suppress(FileNotFoundError):
                    if path.name.startswith("."):
                        # Left by a process that was killed while it wrote: nobody writes now.
                        if path.name != ".lock":
                            path.unlink()
                        continue
                    with path.open("rb") as file:
                        head = file.read(HEAD.size)
                    if len(head) < HEAD.size or HEAD.unpack(head)[0] <= now:
                        path.unlink()

    @contextmanager
    def locked(self, directory: Path, how: int = 0) -> Iterator[None]:
        if not how:
            directory.mkdir(mode=0o700, exist_ok=True)
        # Opened anew each time: a flock is between open files, so that it holds between threads, too.
        descriptor = os.open(directory / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | how)
            yield
        finally:
            os.close(descriptor)

    def trying(self, act: Callable[[], Result]) -> Result:
        try:
            return act()
        except OSError as error:
            raise StoreDown(f"{self.what}: {error.strerror or error}") from error
