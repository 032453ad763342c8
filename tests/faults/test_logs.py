"""Logs that cannot be written: disk full, pipe that nobody reads, directory gone. Requests never wait for them."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.kit import TMPFS, eventually, on_tmpfs, state, tmpfs_of
from tests.support.server import Server
from tests.support.wire import DEADLINE_S, Wire

APP = "tests.faults.apps_faults:app"
LONG = [("User-Agent", "x" * 8000)]
"""Makes a line of the access log that fills disks and pipes soon."""
PATIENCE_S = min(DEADLINE_S, 5.0)
"""Where a fault would be met by waiting for ever: no answer here takes a hundredth of it."""


def ask(wire: Wire, count: int, target: str = "/hello") -> None:
    """So many requests that are answered as if all were well."""
    for _ in range(count):
        assert wire.request("GET", target, LONG).body == b"hello"


@contextlib.contextmanager
def pipe() -> Iterator[tuple[int, str]]:
    """A pipe: its reading end, and a path by which a server opens its writing end."""
    reader, writer = os.pipe()
    try:
        yield reader, f"/proc/{os.getpid()}/fd/{writer}"
    finally:
        for end in (reader, writer):
            with contextlib.suppress(OSError):
                os.close(end)


def test_full_access_log_costs_no_request(probe_listener: object) -> None:
    with Server(APP, "--access-logfile", "/dev/full") as server, server.connect() as wire:
        ask(wire, 300)


def test_access_log_goes_on_when_the_disk_has_room_again(probe_listener: object) -> None:
    """What fits into the writer's buffer waits for the disk; more is dropped, counted, and told of in one line."""
    flags = ("--access-logfile", f"{TMPFS}/access.log")
    with Server(APP, *flags, wrapper=on_tmpfs(4096)) as server, server.connect() as wire:
        log, ballast = (Path(tmpfs_of(server.pid), name) for name in ("access.log", "ballast"))
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        ask(wire, 400)  # 3 MB of lines
        ballast.unlink()

        def has_told() -> bool:
            wire.request("GET", "/hello")
            return re.search(rb"^dragoman: access log: \d+ lines dropped", log.read_bytes(), re.MULTILINE) is not None

        eventually(has_told, "a line tells how many lines were dropped")
        assert log.read_bytes().count(b"lines dropped") == 1


def test_access_log_pipe_that_nobody_reads_costs_no_request_and_recovers(probe_listener: object) -> None:
    with pipe() as (reader, path), Server(APP, "--access-logfile", path) as server, server.connect() as wire:
        ask(wire, 400)
        os.set_blocking(reader, False)
        received = bytearray()

        def has_told() -> bool:
            with contextlib.suppress(BlockingIOError):
                received.extend(os.read(reader, 1 << 16))
            wire.request("GET", "/hello")
            return b"dropped" in received

        eventually(has_told, "a line tells that lines were dropped")


def test_access_log_whose_directory_is_gone_goes_on_after_it_is_back(probe_listener: object, tmp_path: Path) -> None:
    directory = tmp_path / "logs"
    directory.mkdir()
    log = directory / "access.log"
    with Server(APP, "--access-logfile", str(log), "--access-logformat", "%(U)s") as server, server.connect() as wire:
        shutil.rmtree(directory)
        server.signal(signal.SIGUSR1)
        server.log.wait_for(r"cannot be opened again: No such file or directory")
        ask(wire, 10)
        directory.mkdir()
        server.signal(signal.SIGUSR1)

        def is_written() -> bool:
            wire.request("GET", "/hello")
            return log.exists() and b"/hello" in log.read_bytes()

        eventually(is_written, "the new file is written to")


@pytest.mark.parametrize("workers", ["0", "2"])
def test_full_error_log_costs_no_request(probe_listener: object, tmp_path: Path, workers: str) -> None:
    with silent(tmp_path, "/dev/full", workers) as server, server.connect() as wire:
        for _ in range(5):
            assert wire.request("GET", "/raises").status == 500
            ask(wire, 1, "/complain")


@pytest.mark.parametrize("path", ["/complain", "/raises"])
def test_error_log_pipe_that_nobody_reads_holds_up_no_request(
    probe_listener: object, tmp_path: Path, path: str
) -> None:
    with pipe() as (_, log), silent(tmp_path, log) as server:
        fill(log)
        for _ in range(3):
            with server.connect(PATIENCE_S) as wire:
                assert wire.request("GET", path).status in (200, 500)


def test_error_log_pipe_that_nobody_reads_does_not_keep_a_supervisor_from_its_work(
    probe_listener: object, tmp_path: Path
) -> None:
    with pipe() as (_, log), silent(tmp_path, log, "2") as server:
        fill(log)
        for _ in range(2):
            with server.connect(PATIENCE_S) as wire:
                victim = wire.request("GET", "/pid").json()
                os.kill(victim, signal.SIGKILL)
            eventually(lambda: state(victim) == "", "the dead worker is waited for", PATIENCE_S)  # noqa: B023
            with server.connect(PATIENCE_S) as wire:
                assert wire.request("GET", "/pid").json() != victim
        assert server.stop() == 0


def test_error_log_tells_how_many_lines_it_has_lost_when_its_pipe_is_read_again(
    probe_listener: object, tmp_path: Path
) -> None:
    with pipe() as (reader, log), silent(tmp_path, log) as server, server.connect(PATIENCE_S) as wire:
        fill(log)
        assert wire.request("GET", "/complain").body == b"hello"
        os.set_blocking(reader, False)
        received = bytearray()

        def has_told() -> bool:
            with contextlib.suppress(BlockingIOError):
                received.extend(os.read(reader, 1 << 20))
            wire.request("GET", "/raises")
            return re.search(rb"error log: \d+ lines lost", received) is not None

        eventually(has_told, "a line tells how many lines were lost")


def fill(path: str) -> None:
    """The pipe holds all that it can hold."""
    writer = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    try:
        while True:
            os.write(writer, b"x" * 4096)
    except BlockingIOError:
        return
    finally:
        os.close(writer)


def silent(directory: Path, error_log: str, workers: str = "0") -> Server:
    """A server that says nothing to us: its error log is elsewhere, and its address known before."""
    path = str(directory / "s")
    flags = ("--error-logfile", error_log, "--workers", workers, "--drain-linger", "0")
    return Server(APP, *flags, binds=[f"unix:{path}"], address=path)
