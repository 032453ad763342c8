"""One server process tree: started, waited for, its CPU time and memory read, stopped."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from harness.paths import APPS, OUT
from harness.peers import HOST
from harness.procfs import stat_fields

CPUCLOCK_SCHED = 2
"""Of ``linux/posix-timers_types.h``: a process' CPU clock id is ``(~pid << 3) | 2``."""
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class ServerFailed(Exception):
    """The server did not start, or died; carries the end of its log."""


@dataclass(frozen=True)
class Usage:
    """What a process tree holds at one moment."""

    pss_kib: int
    threads: int
    descriptors: int
    processes: int


class Server:
    """A server that runs between ``with`` and its end; only the processes that it started are ever signalled."""

    def __init__(
        self,
        name: str,
        command: list[str],
        port: int,
        *,
        core: int | None = None,
        environ: Mapping[str, str] | None = None,
        start_timeout_s: float = 20.0,
        stop_timeout_s: float = 10.0,
    ) -> None:
        self.command = command
        self.port = port
        self.core = core
        self.environ = {**os.environ, "PYTHONPATH": str(APPS), "PYTHONDONTWRITEBYTECODE": "1", **(environ or {})}
        self.start_timeout_s = start_timeout_s
        self.stop_timeout_s = stop_timeout_s
        self.log = OUT / "logs" / f"{name}.log"
        self.start_s = 0.0
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Server:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                _pinned(self.command, self.core),
                cwd=APPS,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self._await_answer(started + self.start_timeout_s)
        except BaseException:
            self.stop()
            raise
        self.start_s = time.monotonic() - started
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def pids(self) -> list[int]:
        """The server and all its descendants."""
        assert self.process is not None
        return list(_tree(self.process.pid))

    def cpu_s(self) -> float:
        """User and system time so far of all processes and threads of the tree, ended ones included.

        The process CPU clock counts nanoseconds where /proc/<pid>/stat rounds to ticks of 10 ms; only children
        that were waited for are taken from stat.
        """
        total = 0.0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                reaped = sum(map(int, stat_fields(pid)[13:15])) / TICKS_PER_SECOND
                total += time.clock_gettime((~pid << 3) | CPUCLOCK_SCHED) + reaped
        return total

    def usage(self) -> Usage:
        """Memory, threads and descriptors of the tree now."""
        pss_kib = threads = descriptors = processes = 0
        for pid in self.pids():
            with contextlib.suppress(OSError):
                descriptors += len(os.listdir(f"/proc/{pid}/fd"))
                threads += len(os.listdir(f"/proc/{pid}/task"))
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
                pss_kib += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
                processes += 1
        return Usage(pss_kib, threads, descriptors, processes)

    def stop(self) -> int | None:
        """TERM, then KILL after the deadline; returns the exit status (negative: the signal that ended it)."""
        process, self.process = self.process, None
        if process is None:
            return None
        if not _has_ended(process.pid):
            process.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + self.stop_timeout_s
            while not _has_ended(process.pid) and time.monotonic() < deadline:
                time.sleep(0.01)
        # The session is this server's own and its leader not reaped yet, so the group can be nobody else's.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        return process.wait()

    def log_end(self) -> str:
        """The last lines that the server wrote."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])

    def _await_answer(self, deadline: float) -> None:
        """Returns once any HTTP answer came; a connection alone may only be the kernel's."""
        while time.monotonic() < deadline:
            if self.process is None or _has_ended(self.process.pid):
                raise ServerFailed(f"it ended before it answered:\n{self.log_end()}")
            with contextlib.suppress(OSError), socket.create_connection((HOST, self.port), timeout=1) as client:
                client.settimeout(max(0.1, deadline - time.monotonic()))
                client.sendall(f"GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
                if client.recv(5) == b"HTTP/":
                    return
            time.sleep(0.005)
        raise ServerFailed(f"no answer within {self.start_timeout_s:g} s:\n{self.log_end()}")


def end_by_exception() -> None:
    """Make TERM and HUP end this program by SystemExit, so that ``with`` blocks stop their servers.

    Without it a benchmark that is ended from outside leaves its server behind.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _frame: sys.exit(128 + received))


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def core_busy_s(core: int) -> float:
    """Time that a core has spent on anything but idling, by /proc/stat (proc(5)); in ticks of 10 ms."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *ticks = line.split()
        if name == f"cpu{core}":
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, ticks[:8])
            return (user + nice + system + irq + softirq + steal) / TICKS_PER_SECOND
    raise ValueError(f"/proc/stat has no core {core}")


def _has_ended(pid: int) -> bool:
    """Whether a child has ended, without reaping it."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _pinned(command: list[str], core: int | None) -> list[str]:
    return command if core is None else ["taskset", "-c", str(core), *command]


def _tree(root: int) -> Iterator[int]:
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                children.setdefault(int(stat_fields(int(entry))[1]), []).append(int(entry))
    waiting = [root]
    while waiting:
        pid = waiting.pop()
        yield pid
        waiting += children.get(pid, [])
