"""`dragoman check` on an application that ends the process: the request is named, and the check has failed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from dragoman.check.report import as_text
from dragoman.check.run import Options, asked_for, check

APP = """
    import ctypes, os, signal, sys, threading

    def end():
        {end}

    def app(environ, start_response):
        if environ['PATH_INFO'] == '/end':
            end()
        start_response('200 OK', [('Content-Type', 'text/plain')])
        return [b'text']
"""


def write(directory: Path, end: str) -> None:
    (directory / "shop.py").write_text(dedent(APP).format(end=end))


def start(directory: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "dragoman", "check", "shop:app", "--request", "GET /end", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=directory,
    )


def run(directory: Path, end: str, *arguments: str) -> tuple[int, str, str]:
    write(directory, end)
    with start(directory, *arguments) as process:
        output, errors = process.communicate(timeout=60)
    return process.returncode, output, errors


@pytest.mark.parametrize(
    ("end", "how"),
    [
        ("sys.exit()", "SystemExit  (shop.py:5, in end)"),
        ("sys.exit(0)", "SystemExit: 0  (shop.py:5, in end)"),
        ("os._exit(0)", "SystemExit: by os._exit(0)  (shop.py:5, in end)"),
        ("os._exit(7)", "SystemExit: by os._exit(7)  (shop.py:5, in end)"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt  (shop.py:5, in end)"),
    ],
)
def test_an_end_that_was_asked_for_is_in_the_report(tmp_path: Path, end: str, how: str) -> None:
    status, output, _ = run(tmp_path, end)
    assert status == 1
    assert f"ended the process: {how}\n" in output
    assert "first in GET /end (--request)\n" in output


def test_an_end_that_the_application_catches_is_in_the_report_all_the_same(tmp_path: Path) -> None:
    status, output, _ = run(tmp_path, "try: os._exit(0)\n    except BaseException: pass")
    assert status == 1 and "ended the process: SystemExit: by os._exit(0)" in output


@pytest.mark.parametrize(
    ("end", "how"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "was killed by SIGKILL in GET /end: "),
        ("os.abort()", "was killed by SIGABRT in GET /end: "),
        ("ctypes.CDLL(None).exit(0)", "was ended with exit status 0 in GET /end: "),
        ("os.execv('/bin/sh', ['sh', '-c', 'exit 0'])", "was ended with exit status 0 in GET /end: "),
        (
            "threading.Thread(target=os._exit, args=(0,)).start(); threading.Event().wait()",
            "was ended with exit status 0 in GET /end: ",
        ),
    ],
)
def test_a_process_that_is_gone_is_told_with_its_request(tmp_path: Path, end: str, how: str) -> None:
    status, output, errors = run(tmp_path, end)
    assert (status, output) == (1, "")
    assert f"dragoman: the process {how}" in errors


def test_a_process_that_is_gone_while_it_loads_is_told(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("import os\nos._exit(0)\n")
    with start(tmp_path) as process:
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (3, "")
    assert "the process was ended with exit status 0 while it was loaded" in errors


def test_what_is_done_at_the_end_of_the_process_does_not_change_its_status(tmp_path: Path) -> None:
    status, output, errors = run(tmp_path, "sys.exit()\nimport atexit\natexit.register(lambda: os._exit(0))")
    assert (status, errors) == (1, "") and "ended the process" in output


def test_a_child_of_the_application_ends_as_it_likes(tmp_path: Path) -> None:
    child = "pid = os.fork(); pid or os._exit(0); os.waitpid(pid, 0)"
    assert run(tmp_path, child)[0] == 0


@pytest.mark.parametrize("child", ["pass", "sys.exit(3)", "raise LookupError"])
def test_a_child_that_comes_back_ends_as_well(tmp_path: Path, child: str) -> None:
    """It is no second check, and its parent may wait for it."""
    status, output, _ = run(tmp_path, f"pid = os.fork()\n    if not pid: {child}\n    else: os.waitpid(pid, 0)")
    assert (status, output.count("calls in ")) == (0, 1)
    assert "did not return" not in output


HOLDS_THE_INTERPRETER = r"""
import ctypes

def app(environ, start_response):
    if environ['PATH_INFO'] == '/end':
        ctypes.PyDLL(None).pause()
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [b'text']
"""


def test_a_call_that_lets_nothing_else_run_is_ended_and_named(tmp_path: Path) -> None:
    """As a regular expression that backtracks does: no other thread can look at it."""
    (tmp_path / "shop.py").write_text(HOLDS_THE_INTERPRETER)
    with start(tmp_path, "--time", "0.5") as process:
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (1, "")
    assert 'shop.py", line 6 in app' in errors
    assert "did not come back in GET /end, and let nothing else run" in errors


def test_what_is_done_at_the_end_of_a_process_is_done_once(tmp_path: Path) -> None:
    status, _, errors = run(tmp_path, "pass\nimport atexit\natexit.register(lambda: print('at exit', file=sys.stderr))")
    assert (status, errors) == (0, "at exit\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_for_the_check_ends_it(tmp_path: Path, number: signal.Signals) -> None:
    write(tmp_path, "print('in it', flush=True); threading.Event().wait()")
    with start(tmp_path, "--time", "60") as process:
        assert process.stderr is not None and process.stderr.readline() == "in it\n"
        process.send_signal(number)
        # End of file: no process is left that could write.
        errors = process.communicate(timeout=60)[1]
    assert process.returncode == 128 + number and "no report" not in errors


def test_the_application_ends_with_the_process_that_was_started(tmp_path: Path) -> None:
    write(tmp_path, "print('in it', flush=True); threading.Event().wait()")
    with start(tmp_path, "--time", "60") as process:
        assert process.stderr is not None and process.stderr.readline() == "in it\n"
        process.kill()
        process.communicate(timeout=60)


def test_in_a_test_the_end_is_told_and_the_test_goes_on() -> None:
    def app(environ: dict[str, object], start_response: object) -> list[bytes]:
        os._exit(0)

    before = os._exit
    report = check(app, Options(asked=asked_for(["GET /end"]), is_guarded=False))
    assert os._exit is before
    assert "ended the process: SystemExit: by os._exit(0)" in as_text(report)
