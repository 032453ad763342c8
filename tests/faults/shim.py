"""Builds `shim.c` and steers it: the wall clock of a running server, and what its accept() says."""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("shim.c")
CLOCK_OFFSET_S, ACCEPT_ERRNO, REFUSED_ACCEPTS = 0, 8, 16


class Shim:
    """One server's. Give `env` to it; what is set here is in effect at once."""

    def __init__(self, library: Path, directory: Path) -> None:
        path = directory / "shim"
        path.write_bytes(bytes(mmap.PAGESIZE))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), mmap.PAGESIZE)
        self.env = {"LD_PRELOAD": str(library), "DRAGOMAN_TEST_SHIM": str(path)}

    def move_clock(self, seconds: int) -> None:
        """The server's wall clock is so far from the true one from now on."""
        self._set(CLOCK_OFFSET_S, seconds)

    def fail_accepts(self, errno: int) -> None:
        """Every accept() fails with this error; 0 ends it."""
        self._set(ACCEPT_ERRNO, errno)

    @property
    def refused_accepts(self) -> int:
        """How many attempts have failed by `fail_accepts` so far."""
        (count,) = struct.unpack_from("q", self._memory, REFUSED_ACCEPTS)
        return int(count)

    def _set(self, offset: int, value: int) -> None:
        struct.pack_into("q", self._memory, offset, value)


def build(directory: Path) -> Path:
    """The shared library. Without a compiler Dragoman itself is not built, so that there is none to skip for."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        pytest.fail("a C compiler is needed (Debian: apt-get install build-essential)")
    library = directory / "shim.so"
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"], check=True)
    return library
