"""The test's end of an attack: it runs in a process of its own beside a normal client, whose answers are timed."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.hostile.__main__ import UNDER_WAY
from tests.hostile.client import Account
from tests.support.open_files import descriptors
from tests.support.wire import Address, ConnectionEnded, ProtocolBreach, Wire

ROOT = Path(__file__).resolve().parents[2]

ANSWER_S = 2.0
"""Within which a normal new client is to be answered while an attack lasts."""


class Onslaught:
    """Attacks under way in another process. A context manager; at its end the account is there."""

    def __init__(self, address: tuple[str, int], *attacks: str, clients: int | None = None, most_s: float = 60) -> None:
        self.account = Account()
        host, port = address
        options = ["--seconds", str(most_s)] + ([] if clients is None else ["--clients", str(clients)])
        command = [sys.executable, "-m", "tests.hostile", *attacks, f"{host}:{port}", *options]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        self._is_under_way = threading.Event()
        self._last_line = ""
        self._reader = threading.Thread(target=self._read, name="onslaught", daemon=True)
        self._reader.start()

    def __enter__(self) -> Onslaught:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._reader.join(20)
        if self._reader.is_alive():
            self._process.kill()
        status = self._process.wait()
        assert status == 0, f"the attacking process ended with status {status}"
        self.account = Account(**json.loads(self._last_line))

    def is_under_way(self, deadline_s: float) -> bool:
        """Waits until each client has done what its attack is about."""
        return self._is_under_way.wait(deadline_s)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                if line.strip() == UNDER_WAY:
                    self._is_under_way.set()
                self._last_line = line


class Prober:
    """A normal client that asks on a new connection each time, until its `with` block ends."""

    def __init__(self, address: Address, answer_s: float = ANSWER_S, pause_s: float = 0.03) -> None:
        self.seconds: list[float] = []
        """Of each answer that came in time, from the beginning of the connection to the end of the answer."""
        self.failures: list[str] = []
        """What happened instead, with its time."""
        self.is_asking = False
        """Whether a connection of its own is open, or just was."""
        self._address = address
        self._answer_s = answer_s
        self._pause_s = pause_s
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prober", daemon=True)

    def __enter__(self) -> Prober:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join(self._answer_s * 4 + 5)
        assert not self._thread.is_alive(), "the normal client hangs"

    def __str__(self) -> str:
        worst = f"{max(self.seconds) * 1000:.0f} ms at worst" if self.seconds else "none"
        return f"{len(self.seconds)} answers, {worst}; {len(self.failures)} failures {self.failures[:3]}"

    def _run(self) -> None:
        while True:
            begun = time.monotonic()
            self.is_asking = True
            failure = self._ask()
            self.is_asking = False
            took = time.monotonic() - begun
            if failure is None and took <= self._answer_s:
                self.seconds.append(took)
            else:
                self.failures.append(f"{failure or 'late'} after {took:.2f} s")
            if self._is_over.wait(self._pause_s):
                return

    def _ask(self) -> str | None:
        """What is wrong with the answer, None when nothing is."""
        try:
            with Wire(self._address, self._answer_s) as wire:
                response = wire.request("GET", "/")
        except (OSError, ConnectionEnded, ProtocolBreach) as error:
            return repr(error)[:100]
        return (
            None if (response.status, response.body) == (200, b"hello") else f"{response.status} {response.body!r:.60}"
        )


@dataclasses.dataclass(frozen=True)
class Footprint:
    """What a process holds at one moment."""

    kib: int
    threads: int
    descriptors: int

    @classmethod
    def of(cls, pid: int) -> Footprint:
        """Resident memory, threads and open descriptors now."""
        facts = status(pid)
        return cls(int(facts["VmRSS"].split()[0]), int(facts["Threads"]), descriptors(pid))


def pss_kib(pid: int) -> int:
    """The process's memory with its share of what it shares."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def reset_peak(pid: int) -> None:
    """Lets `peak_kib` count from now on (proc(5), clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_kib(pid: int) -> int:
    """The most resident memory since the last reset."""
    return int(status(pid)["VmHWM"].split()[0])


def status(pid: int) -> dict[str, str]:
    """/proc/PID/status by name."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def await_that(is_so: Callable[[], bool], deadline_s: float) -> bool:
    """Whether it became so before the deadline."""
    until = time.monotonic() + deadline_s
    while not is_so():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True
