"""What the Python targets share: choices made from bytes, a server in this process, a watch on its memory."""

import gc
import io
import os
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, TypeVar

from dragoman.contract.report import Reporter
from dragoman.log import Log
from dragoman.settings import settings_from
from dragoman.worker import Worker

T = TypeVar("T")
# Only a hang meets it.
DEADLINE_S = 20.0
# Blocks of memory that a run may gain between two measurements far apart: caches fill, logs hold lines.
BLOCKS_GAINED = 4000
MEASURED_EVERY = 2000


class Choices:
    """Decisions read from bytes, front to back; zeros and empty values when they are used up."""

    def __init__(self, data: bytes) -> None:
        self.stream = io.BytesIO(data)

    def below(self, bound: int) -> int:
        """A number in 0 .. bound - 1, bound <= 65536."""
        size = 1 if bound <= 256 else 2
        return int.from_bytes(self.stream.read(size), "big") % bound

    def often(self) -> bool:
        """True in three cases of four."""
        return self.below(4) != 1

    def rarely(self) -> bool:
        """True in one case of eight."""
        return self.below(8) == 1

    def one_of(self, values: Sequence[T]) -> T:
        """One of `values`."""
        return values[self.below(len(values))]

    def some_bytes(self, most: int) -> bytes:
        """Up to `most` bytes of the input."""
        return self.stream.read(self.below(most + 1))

    def text(self, most: int) -> str:
        """Text of any characters, lone surrogates among them."""
        data = self.some_bytes(most)
        return data.decode("latin-1") if self.often() else data[: len(data) & ~1].decode("utf-16-le", "surrogatepass")

    def rest(self) -> bytes:
        """All that is left."""
        return self.stream.read()


class Served:
    """A server in this process, and the last that its log said."""

    def __init__(self, worker: Any, address: str, log_fd: int) -> None:
        self.worker = worker
        self.address = address
        self.log_fd = log_fd

    def forget_log(self) -> None:
        """The log is for the input that fails: what was said before it goes."""
        os.ftruncate(self.log_fd, 0)

    def log_text(self) -> str:
        """What was logged since `forget_log`."""
        return os.pread(self.log_fd, 1 << 16, 0).decode("utf-8", "replace")


def serve(application: Callable[..., Any], **settings: object) -> Served:
    """A server of `application` that runs until the process ends."""
    # A unix socket without a file: a run opens more connections than there are ports.
    address = f"\0dragoman-fuzz-{os.getpid()}"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(256)
    listener.setblocking(False)
    with tempfile.NamedTemporaryFile(prefix="dragoman-fuzz-log-") as file:
        log_fd = os.open(file.name, os.O_RDWR | os.O_APPEND)
    log = Log(log_fd, "warning")
    worker = Worker(
        application,
        [{"fd": listener.fileno(), "kind": "unix", "server_name": "", "server_port": "80"}],
        settings_from({name: [str(value)] for name, value in settings.items()}, {}),
        log=log,
        report=Reporter(log.error),
    )
    worker.start()
    threading.Thread(target=worker.mind, name="dragoman-minder", daemon=True).start()
    return Served(worker, address, log_fd)


class Growth:
    """Watches the number of memory blocks of the interpreter: a leak in every thousandth request shows here."""

    def __init__(self) -> None:
        self.inputs = 0
        self.history: list[int] = []

    def check(self) -> None:
        """Measure now and then; growth without an end is a finding."""
        self.inputs += 1
        if self.inputs % MEASURED_EVERY:
            return
        gc.collect()
        self.history.append(sys.getallocatedblocks())
        # Every one of the last measurements above the one before, by much in all.
        last = self.history[-8:]
        is_rising = len(last) == 8 and all(earlier < later for earlier, later in pairwise(last))
        if is_rising and last[-1] - last[0] > BLOCKS_GAINED:
            raise AssertionError(f"memory grows: {last} blocks, measured every {MEASURED_EVERY} inputs")
