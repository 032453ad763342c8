"""Disk full where bodies are spooled: 507 for that request alone, and its room is free again."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.kit import TMPFS, eventually, on_tmpfs, tmpfs_of, unshare
from tests.support.probe import Channel
from tests.support.server import Server
from tests.support.wire import Wire, chunked_request_bytes, request_bytes

APP = "tests.faults.apps_faults:app"
KIB = 1024
SPOOLS_SOON = ("--chunked-memory", "16K")
IN_NAMES = 0x100 | 0x200 | 0x40 | 0x80
"""inotify(7): IN_CREATE, IN_DELETE, IN_MOVED_FROM, IN_MOVED_TO."""


@pytest.fixture(scope="module")
def server(probe_listener: object) -> Iterator[Server]:
    """A server whose disk for bodies has 256 KiB."""
    with Server(APP, *SPOOLS_SOON, "--spool-directory", TMPFS, wrapper=on_tmpfs(256)) as server:
        yield server


def chunks(size: int) -> list[bytes]:
    return [b"x" * min(8 * KIB, size - start) for start in range(0, size, 8 * KIB)]


def used(server: Server) -> int:
    """Bytes taken on the server's disk."""
    disk = os.statvfs(tmpfs_of(server.pid))
    return (disk.f_blocks - disk.f_bfree) * disk.f_bsize


def send_and_read(wire: Wire, message: bytes) -> int:
    """Status of the answer, which may come before the whole message is sent."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        wire.send(message)
    return wire.read_response().status


def test_body_that_the_disk_has_no_room_for_gets_507_and_gives_its_room_back(server: Server) -> None:
    for _ in range(3):
        with server.connect() as wire:
            assert send_and_read(wire, chunked_request_bytes("/length", chunks(600 * KIB))) == 507
        eventually(lambda: used(server) == 0, "the room is free")
    with server.connect() as wire:
        wire.send(chunked_request_bytes("/length", chunks(100 * KIB)))
        assert wire.read_response().json() == 100 * KIB
        assert wire.request("GET", "/hello").body == b"hello"
    eventually(lambda: used(server) == 0, "the room of a read body is free")
    server.log.wait_for(f"a request body could not be kept in {TMPFS}: No space left.*; peer 127.0.0.1:")


def test_507_leaves_the_other_bodies_on_the_disk_alone(server: Server, channel: Channel) -> None:
    with server.connect() as kept, server.connect() as too_much:
        kept.send(chunked_request_bytes(channel.target("/held-length"), chunks(120 * KIB)))
        channel.expect("call")
        assert send_and_read(too_much, chunked_request_bytes("/length", chunks(600 * KIB))) == 507
        channel.open("go")
        assert kept.read_response().json() == 120 * KIB


def test_client_that_leaves_in_mid_body_leaves_nothing_on_the_disk(server: Server) -> None:
    for leave in ("close", "reset"):
        wire = server.connect()
        wire.send(chunked_request_bytes("/length", chunks(100 * KIB))[: -9 * KIB])
        eventually(lambda: used(server) > 0, "a part of the body is on the disk")
        getattr(wire, leave)()
        eventually(lambda: used(server) == 0, "the room is free")


def test_bodies_on_the_disk_have_no_name_at_any_time_and_are_the_workers_alone(
    probe_listener: object, tmp_path: Path
) -> None:
    with Server(APP, *SPOOLS_SOON, "--spool-directory", str(tmp_path)) as server, names_of(tmp_path) as names:
        with server.connect() as wire:
            message = chunked_request_bytes("/length", chunks(100 * KIB))
            wire.send(message[: -9 * KIB])
            eventually(lambda: open_files(server.pid, tmp_path) != [], "a part of the body is on the disk")
            (facts,) = open_files(server.pid, tmp_path)
            assert (stat.S_IMODE(facts.st_mode), facts.st_nlink, facts.st_uid) == (0o600, 0, os.geteuid())
            wire.send(message[-9 * KIB :])
            assert wire.read_response().json() == 100 * KIB
        eventually(lambda: open_files(server.pid, tmp_path) == [], "the file is gone")
        assert names() == b""


def open_files(pid: int, directory: Path) -> list[os.stat_result]:
    """Of the files in the directory that the process has open."""
    found = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            if os.readlink(link).startswith(f"{directory}/"):
                found.append(link.stat())
    return found


@contextlib.contextmanager
def names_of(directory: Path) -> Iterator[Callable[[], bytes]]:
    """Gives what inotify(7) has told of names that came and went in the directory."""
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(os.O_NONBLOCK)
    assert libc.inotify_add_watch(watch, os.fsencode(directory), IN_NAMES) >= 0, os.strerror(ctypes.get_errno())

    def names() -> bytes:
        with contextlib.suppress(BlockingIOError):
            return os.read(watch, 4096)
        return b""

    try:
        (directory / "seen").touch()
        assert b"seen" in names(), "the watch sees nothing"
        yield names
    finally:
        os.close(watch)


def test_spool_directory_that_is_gone_is_500_for_its_bodies_until_it_is_back(
    probe_listener: object, tmp_path: Path
) -> None:
    directory = tmp_path / "spool"
    directory.mkdir()
    with Server(APP, *SPOOLS_SOON, "--spool-directory", str(directory)) as server:
        message = chunked_request_bytes("/length", chunks(100 * KIB))
        for status in (200, 500, 200):
            if status == 500:
                directory.rmdir()
            else:
                directory.mkdir(exist_ok=True)
            with server.connect() as wire:
                assert send_and_read(wire, message) == status
            assert server.request("GET", "/hello").body == b"hello"
            assert list(tmp_path.rglob("dragoman-*")) == []


def test_limit_of_file_size_is_507_for_that_request_and_no_signal_that_kills(probe_listener: object) -> None:
    """RLIMIT_FSIZE sends SIGXFSZ, whose default effect is the end of the process."""
    with Server(APP, *SPOOLS_SOON) as server:
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (64 * KIB, 64 * KIB))
        with server.connect() as wire:
            assert send_and_read(wire, chunked_request_bytes("/length", chunks(100 * KIB))) == 507
        with server.connect() as wire:
            assert send_and_read(wire, chunked_request_bytes("/length", chunks(50 * KIB))) == 200


def test_with_one_thread_a_slow_reader_gets_its_response_whole_though_the_disk_is_full(probe_listener: object) -> None:
    """With `--threads 1` output goes to a file; where there is no room the producer waits a little for its reader."""
    flags = ("--threads", "1", "--output-buffer", "64K", "--spool-directory", TMPFS)
    with Server(APP, *flags, wrapper=on_tmpfs(256)) as server:
        with server.connect(receive_buffer=4096) as wire:
            wire.send(request_bytes("GET", "/stream"))
            head = wire.read_head()
            eventually(lambda: used(server) > 128 * KIB, "output is on the disk")
            body = wire.read_body(head)
        assert body == b"".join(bytes([65 + number % 26]) * 65536 for number in range(64))
        eventually(lambda: used(server) == 0, "the room is free")


READ_ONLY = """
for one in /tmp /var/tmp /usr/tmp /dev/shm "$PWD"; do
    if [ -d "$one" ]; then mount --bind "$one" "$one" && mount -o remount,bind,ro "$one" || exit 1; fi
done
cd "$PWD" && exec "$@"
"""


def test_a_machine_without_a_directory_to_write_to_serves_and_says_so(probe_listener: object) -> None:
    wrapper = [*unshare("--mount"), "sh", "-c", READ_ONLY, "sh"]
    env = {"TMPDIR": "/nowhere", "PYTHONDONTWRITEBYTECODE": "1"}
    with Server(APP, "--workers", "1", *SPOOLS_SOON, wrapper=wrapper, env=env) as server:
        server.log.wait_for(r"\[WARNING\] .*no directory.*507")
        with server.connect() as wire:
            wire.send(chunked_request_bytes("/length", chunks(10 * KIB)))
            assert wire.read_response().json() == 10 * KIB
        with server.connect() as wire:
            assert send_and_read(wire, chunked_request_bytes("/length", chunks(600 * KIB))) == 507
        assert server.request("GET", "/hello").body == b"hello"
