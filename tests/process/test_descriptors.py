"""A start with standard input, output or error closed: no log line reaches a client, and nothing fails for it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.server import start_process
from tests.support.wire import DEADLINE_S, Wire

APPLICATION = """
import os, socket

with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(os.environ["LOADED"])


def app(environ, start_response):
    if environ["PATH_INFO"] == "/broken":
        print("written by the application", file=environ["wsgi.errors"])
        raise RuntimeError("told in the log")
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]
"""

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a server on the unix socket `tmp_path`/s, by a shell that closes descriptors; returns once it listens."""
    (tmp_path / "shop.py").write_text(APPLICATION)
    started: list[subprocess.Popen[bytes]] = []
    # It listens to the end: each worker loads the application, and not all at the same time.
    loaded = socket.socket(socket.AF_UNIX)
    loaded.bind(str(tmp_path / "loaded"))
    loaded.listen()
    loaded.settimeout(DEADLINE_S)

    def start_closed(closed: str, *flags: str) -> subprocess.Popen[bytes]:
        server = [sys.executable, "-m", "dragoman", "shop", "--chdir", str(tmp_path), "-b", f"unix:{tmp_path}/s"]
        command = ["sh", "-c", f'exec "$@" {closed}', "sh", *server, *flags]
        started.append(start_process(command, env={"LOADED": str(tmp_path / "loaded")}))
        # Sockets listen before the application is loaded, so that this is when a client can come.
        loaded.accept()[0].close()
        return started[-1]

    yield start_closed
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    loaded.close()


@pytest.mark.parametrize("workers", ["0", "2"])
@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&-", "<&- >&- 2>&-"])
def test_log_lines_never_reach_a_client(start: Start, tmp_path: Path, closed: str, workers: str) -> None:
    process = start(closed, "-w", workers, "--access-logfile", "-")
    with Wire(str(tmp_path / "s")) as first, Wire(str(tmp_path / "s")) as second:
        for wire in (first, second, first, second):
            assert wire.request("GET", "/hello").body == b"hello"
            with Wire(str(tmp_path / "s")) as broken:
                assert broken.request("GET", "/broken").status == 500
        process.send_signal(signal.SIGTERM)
        # What is read until the end is nothing: no line has been written to these connections since.
        assert (first.expect_end(), second.expect_end()) == (b"", b"")
    output, errors = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, errors.decode()
    assert (b"told in the log" in errors) == ("2>&-" not in closed)
    assert (b"GET /hello" in output) == (">&-" not in closed.replace("2>&-", ""))
