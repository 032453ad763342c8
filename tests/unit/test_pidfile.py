"""The pid file: one server holds it, a stale one is replaced, and no link leads root elsewhere."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dragoman.errors import OperatorError
from dragoman.supervisor.pidfile import PidFile


@pytest.fixture
def other() -> Iterator[int]:
    """A process that lives."""
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as process:
        try:
            yield process.pid
        finally:
            process.kill()


def gone() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_it_holds_our_number_and_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    file = PidFile(str(path))
    assert path.read_text() == f"{os.getpid()}\n"
    assert path.stat().st_mode & 0o777 == 0o644
    file.remove()
    assert list(tmp_path.iterdir()) == []


def test_that_of_a_live_process_is_refused_and_left(tmp_path: Path, other: int) -> None:
    path = tmp_path / "pid"
    path.write_text(f"{other}\n")
    with pytest.raises(OperatorError, match=f"already running as process {other}"):
        PidFile(str(path))
    assert path.read_text() == f"{other}\n"


@pytest.mark.parametrize("content", ["{gone}\n", "", "garbage", "0", "-1", "99999999999999999999", "{own}"])
def test_a_stale_one_is_replaced(tmp_path: Path, content: str) -> None:
    path = tmp_path / "pid"
    path.write_text(content.format(gone=gone(), own=os.getpid()))
    PidFile(str(path))
    assert path.read_text() == f"{os.getpid()}\n"


def test_one_that_is_older_than_the_process_of_its_number_is_stale(tmp_path: Path, other: int) -> None:
    path = tmp_path / "pid"
    path.write_text(f"{other}\n")
    os.utime(path, (0, time.time() - 3600))
    PidFile(str(path))
    assert path.read_text() == f"{os.getpid()}\n"


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    path, precious = tmp_path / "pid", tmp_path / "precious"
    precious.write_text("precious")
    path.symlink_to(precious)
    PidFile(str(path))
    assert precious.read_text() == "precious"
    assert not path.is_symlink()
    assert path.read_text() == f"{os.getpid()}\n"


def test_one_that_another_server_has_written_since_is_left(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    file = PidFile(str(path))
    path.write_text("1\n")
    file.remove()
    assert path.read_text() == "1\n"


def test_a_directory_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="there is no directory"):
        PidFile(str(tmp_path / "missing" / "pid"))


def test_none_is_kept_without_a_path() -> None:
    PidFile("").remove()
