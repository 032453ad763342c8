"""The error log: levels, shape, and lines that cannot be forged."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextvars import copy_context
from pathlib import Path

import pytest

from dragoman.errors import OperatorError
from dragoman.log import ErrorStream, Log, access_log_fd, open_log, reopen

DEADLINE_S = 20.0
PREFIX = rf"\[\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{{4}}\] \[{os.getpid()}\] "


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "error.log"


@pytest.fixture
def fd(file: Path) -> Iterator[int]:
    number = open_log(str(file))
    yield number
    os.close(number)


def test_a_line_has_time_process_and_level(fd: int, file: Path) -> None:
    Log(fd).warning("the disk is slow")
    assert re.fullmatch(PREFIX + r"\[WARNING\] the disk is slow\n", file.read_text())


def test_a_message_for_programs_is_an_object_on_a_line_with_its_fields(fd: int, file: Path) -> None:
    log = Log(fd, "warning", is_json=True)
    log.info("below the level")
    log.write(
        "error", "two\nlines\u2028\ud800 Grüße", {"rule": "body-is-str", "line": 12, "pid": "forged", "value": {1}}
    )
    (line,) = file.read_text().splitlines()
    found = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found.pop("time"))
    assert found == {
        "level": "error",
        "pid": os.getpid(),
        "message": "two\nlines\u2028\ud800 Grüße",
        "rule": "body-is-str",
        "line": 12,
        "value": "{1}",
    }


def test_levels_below_the_least_are_not_written(fd: int, file: Path) -> None:
    log = Log(fd, "warning")
    log.debug("a")
    log.info("b")
    log.warning("c")
    log.error("d")
    assert [line[-1] for line in file.read_text().splitlines()] == ["c", "d"]


def test_an_unknown_level_counts_as_an_error(fd: int, file: Path) -> None:
    Log(fd, "error").write("weird", "x")
    assert "[ERROR] x" in file.read_text()


@pytest.mark.parametrize("forger", ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029"])
def test_no_value_can_begin_a_line_of_its_own(fd: int, file: Path, forger: str) -> None:
    Log(fd).info(f"GET /{forger}[2026-01-01 00:00:00 +0000] [1] [INFO] forged")
    lines = file.read_text().splitlines()
    assert lines[0].startswith("[")
    assert all(line.startswith("  ") for line in lines[1:])


def test_escape_sequences_and_direction_marks_are_shown_as_escapes(fd: int, file: Path) -> None:
    Log(fd).info("\x1b[2J \u202e \x00 \x7f \ud800 Grüße 日本")
    assert file.read_text().endswith(r"\x1b[2J \u202e \x00 \x7f \ud800 Grüße 日本" + "\n")


def test_a_log_that_cannot_be_written_to_raises_nothing() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        Log(full).error("lost")
        assert ErrorStream(full).write("lost\n") == 5
    finally:
        os.close(full)


def test_the_stream_of_the_application_is_written_as_it_is(fd: int, file: Path) -> None:
    stream = ErrorStream(fd)
    print("one", 2, file=stream)
    stream.writelines(["three\n", "four\n"])
    stream.flush()
    assert file.read_text() == "one 2\nthree\nfour\n"


def test_lines_that_threads_write_in_parts_stay_whole(fd: int, file: Path) -> None:
    stream = ErrorStream(fd)
    turns = threading.Barrier(4)

    def write(name: str) -> None:
        for number in range(50):
            for part in (name, " ", str(number), "\n"):
                turns.wait(DEADLINE_S)
                stream.write(part)

    # One context for all, as when an application hands its own to the threads that it starts.
    copies = [(copy_context(), name) for name in "abcd"]
    threads = [threading.Thread(target=copy.run, args=(write, name)) for copy, name in copies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    assert sorted(file.read_text().splitlines()) == sorted(
        f"{name} {number}" for name in "abcd" for number in range(50)
    )


def test_a_copy_of_the_context_in_another_thread_has_a_line_of_its_own(fd: int, file: Path) -> None:
    stream = ErrorStream(fd)

    def request() -> None:
        stream.write("one ")
        other = threading.Thread(target=copy_context().run, args=(stream.write, "other\n"))
        other.start()
        other.join(DEADLINE_S)
        stream.write("line\n")

    copy_context().run(request)
    assert file.read_text() == "other\none line\n"


def test_the_end_of_a_request_ends_its_unfinished_line(fd: int, file: Path) -> None:
    stream = ErrorStream(fd)
    for text in ("no line end", "the next request\n"):
        copy_context().run(stream.write, text)
    assert file.read_text() == "no line end\nthe next request\n"


def test_flush_shows_the_unfinished_line_and_does_not_end_it(fd: int, file: Path) -> None:
    stream = ErrorStream(fd)

    def request() -> None:
        stream.write("half")
        stream.flush()
        assert file.read_text() == "half"
        stream.write(" a line\n")

    copy_context().run(request)
    assert file.read_text() == "half a line\n"


def test_a_line_without_an_end_is_held_back_up_to_a_bound(fd: int, file: Path) -> None:
    stream = ErrorStream(fd)

    def request() -> None:
        for _ in range(8191):
            stream.write("x")
        assert file.read_text() == ""
        stream.write("x")
        assert file.read_text() == "x" * 8192

    copy_context().run(request)


def test_the_end_of_the_process_ends_unfinished_lines() -> None:
    program = "import os\nfrom dragoman.log import ErrorStream\nstream = ErrorStream(1)\nstream.write('unfinished')\n"
    leave = "import atexit\natexit._run_exitfuncs()\nos._exit(0)\n"
    for code in (program, program + leave):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=DEADLINE_S, check=True)
        assert done.stdout == b"unfinished\n"


def test_closed_standard_descriptors_are_filled_with_the_null_device() -> None:
    program = (
        "import os, sys\nfrom dragoman.log import fill_standard_descriptors\n"
        "before = [name for name in ('stdin', 'stdout', 'stderr') if getattr(sys, name) is None]\n"
        "fill_standard_descriptors()\nnull = os.stat('/dev/null')\n"
        "assert all(os.path.sameopenfile(fd, fd) and os.get_inheritable(fd) for fd in (0, 1, 2))\n"
        "assert [fd for fd in (0, 1, 2) if os.path.samestat(os.fstat(fd), null)] == [0, 2], before\n"
        "assert sys.stdin.read() == '' and sys.stderr.write('x') == 1\nprint(*before)\n"
    )
    command = ["sh", "-c", 'exec "$@" <&- 2>&-', "sh", sys.executable, "-c", program]
    done = subprocess.run(command, stdout=subprocess.PIPE, timeout=DEADLINE_S, check=True)
    assert done.stdout == b"stdin stderr\n"


def test_the_stream_of_the_application_takes_no_bytes(fd: int) -> None:
    with pytest.raises(TypeError, match=r"wsgi\.errors takes str, not bytes"):
        ErrorStream(fd).write(b"x")  # type: ignore[arg-type]


def test_a_reopened_log_goes_on_in_the_file_that_has_the_name_now(fd: int, file: Path) -> None:
    log = Log(fd)
    log.info("before")
    file.rename(file.with_suffix(".1"))
    log.info("between")
    reopen(fd, str(file))
    log.info("after")
    assert "between" in file.with_suffix(".1").read_text()
    assert file.read_text().endswith("after\n") and "before" not in file.read_text()
    assert not os.get_inheritable(fd)


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_processes_that_share_an_output_which_nobody_reads_do_not_wait_for_each_other(kind: str) -> None:
    """One of them takes the room that another has just seen, again and again."""
    program = (
        "import os, sys\nfrom dragoman.log import Log\nchildren = [os.fork() for _ in range(3)]\nlog = Log(2)\n"
        "for number in range(3000):\n    log.error('x' * (number % 40))\n"
        "if all(children):\n    for child in children:\n        os.waitpid(child, 0)\n"
    )
    sockets = () if kind == "pipe" else socket.socketpair()
    ends = [one.detach() for one in sockets] or os.pipe()
    try:
        subprocess.run([sys.executable, "-c", program], stderr=ends[1], timeout=DEADLINE_S, check=True)
    finally:
        for end in ends:
            os.close(end)


def test_the_default_timeout_of_sockets_is_not_the_logs() -> None:
    ours, theirs = socket.socketpair()
    socket.setdefaulttimeout(600)
    try:
        log = Log(ours.fileno())
        for _ in range(300):
            log.error("x" * 4096)
        assert os.get_blocking(ours.fileno())
    finally:
        socket.setdefaulttimeout(None)
        ours.close()
        theirs.close()


def test_a_named_pipe_that_nobody_reads_is_an_error_and_no_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OperatorError, match=r"fifo.*cannot be written"):
        open_log(str(tmp_path / "fifo"))


def test_a_pipe_that_is_shared_stays_as_it_was_for_the_others() -> None:
    reader, writer = os.pipe()
    try:
        Log(writer).info("a line")
        assert os.get_blocking(writer)
        assert os.read(reader, 4096).endswith(b"a line\n")
    finally:
        os.close(reader)
        os.close(writer)


def test_the_access_log_is_off_without_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "isatty", lambda fd: False)
    assert access_log_fd("auto") == -1
    monkeypatch.setattr(os, "isatty", lambda fd: True)
    assert access_log_fd("auto") == 1
    assert (access_log_fd("none"), access_log_fd("-")) == (-1, 1)
    opened = access_log_fd(str(tmp_path / "access.log"))
    assert opened > 2
    os.close(opened)


def test_a_log_file_that_cannot_be_made_is_the_operators_to_mend(tmp_path: Path) -> None:
    with pytest.raises(
        OperatorError, match=r'--access-logfile ".*none/a": cannot be written: there is no directory ".*none"'
    ):
        access_log_fd(str(tmp_path / "none" / "a"))
