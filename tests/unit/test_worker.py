"""The worker's own part: options, threads, forked children of the application, and the way out."""

import re
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import cast

import pytest

from dragoman import _native
from dragoman.contract import RULES
from dragoman.contract.report import exception_text
from dragoman.errors import OperatorError, UsageError
from dragoman.log import Log
from dragoman.settings import Settings, settings_from
from dragoman.testing import LiveServer
from dragoman.types import Environ, StartResponse
from dragoman.worker import Worker, check_options, options_of, tell_exception, temporary_directory

DEADLINE_S = 20.0


def settings(**given: str) -> Settings:
    return settings_from({name: [value] for name, value in given.items()}, {})


def hello(environ: Environ, start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{environ['SCRIPT_NAME']}|{environ['PATH_INFO']}|{threading.current_thread().name}".encode()]


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=DEADLINE_S) as response:
        content: bytes = response.read()
        return content


# --- options -----------------------------------------------------------------------------------------------------


def test_times_become_milliseconds_and_the_rest_stays() -> None:
    options = options_of(settings(keep_alive="0.5", threads="3", root_path="/shop", limit_body="1K", workers="1"), 7)
    assert (options["keep_alive_ms"], options["threads"], options["root_path"]) == (500, 3, "/shop")
    assert (options["limit_body"], options["access_log_fd"], options["multiprocess"]) == (1024, 7, False)


def test_more_than_one_worker_is_multiprocess() -> None:
    assert options_of(settings(workers="2"), -1)["multiprocess"] is True


def test_additions_to_the_environ_are_bytes_as_latin_1() -> None:
    assert options_of(settings(env="NAME=Grüße"), -1)["environ"] == {"NAME": "Grüße".encode().decode("latin-1")}


@pytest.mark.parametrize(
    "named", [{}, {"TMPDIR": "{}"}, {"TEMP": "{}"}, {"TMP": "{}"}, {"TMPDIR": "/nowhere", "TMP": "{}"}, {"TMPDIR": ""}]
)
def test_temporary_files_are_where_those_of_other_programs_are(
    named: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.delenv(name, raising=False)
    for name, value in named.items():
        monkeypatch.setenv(name, value.format(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    assert temporary_directory() == tempfile.gettempdir()


def test_a_spool_directory_that_cannot_be_written_to_is_told_at_the_start() -> None:
    with pytest.raises(OperatorError, match="--spool-directory"):
        options_of(settings(spool_directory="/there/is/no/such/directory"), -1)


def test_a_log_format_that_the_engine_refuses_is_a_refusal_of_its_flag(tmp_path: Path) -> None:
    many = " ".join(f"%({{x-{number}}}i)s" for number in range(17))
    with open(tmp_path / "access.log", "w") as log, pytest.raises(UsageError) as caught:
        check_options(settings(access_logformat=many), log.fileno())
    assert str(caught.value).startswith("--access-logformat: more than 16 request fields")


# --- threads that cannot be started ------------------------------------------------------------------------------


class Engine:
    """What a worker drives, without sockets: asks for two threads, and notes what it is told."""

    def __init__(self, *arguments: object, **more: object) -> None:
        self.told: list[str] = []
        self.serving = threading.Event()

    def wait(self, timeout_s: float | None) -> list[dict[str, str]]:
        return [{"kind": "thread"}] * 2

    def serve(self) -> None:
        self.serving.wait(DEADLINE_S)

    def thread_failed(self) -> None:
        self.told.append("failed")

    def stop(self) -> None:
        self.told.append("stopped")
        self.serving.set()


@pytest.fixture
def engine_worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Worker, Engine]]:
    monkeypatch.setattr(_native, "Server", Engine)
    engine = Worker(hello, [], settings(), log=Log(2), report=print)
    server = cast(Engine, engine.server)
    yield engine, server
    server.serving.set()


def fail_from(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let the start of a thread fail from the one of that number on."""
    start, count = threading.Thread.start, iter(range(1, 100))

    def start_or_fail(thread: threading.Thread) -> None:
        if next(count) >= number:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_or_fail)


def test_a_worker_without_any_thread_says_so_and_ends_with_a_failure(
    engine_worker: tuple[Worker, Engine], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    worker, engine = engine_worker
    fail_from(monkeypatch, 1)
    worker.start()
    worker.mind()
    assert worker.exit_status == 1 and worker.is_stopping
    assert engine.told == ["failed", "stopped"]
    assert capfd.readouterr().err.endswith(
        "[ERROR] no thread can be started (can't start new thread), so that nobody serves; ending\n"
    )


def test_a_worker_with_a_thread_goes_on_and_tells_the_engine_of_the_missing_one(
    engine_worker: tuple[Worker, Engine], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    worker, engine = engine_worker
    fail_from(monkeypatch, 2)
    worker.start()
    worker.start()
    assert worker.exit_status == 0 and not worker.is_stopping
    assert engine.told == ["failed"] * 3
    assert capfd.readouterr().err.count("requests wait for the 1") == 1


# --- the table of rules and the engine ---------------------------------------------------------------------------


def test_every_rule_that_the_engine_reports_is_in_the_table_and_the_other_way_round() -> None:
    assert sorted(_native.contract_rules()) == sorted(rule.id for rule in RULES.values() if rule.cost == "always")


# --- serving in a test -------------------------------------------------------------------------------------------


def test_an_application_is_served_on_a_named_thread_until_the_block_ends() -> None:
    with LiveServer(hello, root_path="/shop") as server:
        answer = get(f"{server.url}/shop/a%20b")
        assert re.fullmatch(rb"/shop\|/a b\|dragoman-[12]", answer), answer
    with pytest.raises(urllib.error.URLError):
        get(server.url)


def test_breaches_are_collected() -> None:
    def app(environ: Environ, start_response: StartResponse) -> list[str]:
        start_response("200 OK", [])
        return ["text"]

    with LiveServer(app) as server:  # type: ignore[arg-type]
        with pytest.raises(urllib.error.HTTPError, match="500"):
            get(server.url)
        assert [report.splitlines()[0] for report in server.reports] == ["contract: body-not-bytes"]
    assert "test_breaches_are_collected.<locals>.app" in server.reports[0]


def test_a_setting_that_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match="--threads"), LiveServer(hello, threads=0):
        pass


# --- processes ---------------------------------------------------------------------------------------------------

PROGRAM = """
import atexit, multiprocessing, os, signal, subprocess, sys, threading, time
from dragoman import forking, testing, worker
from dragoman.log import Log

{code}
"""


def run(code: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(code=dedent(code))],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_leaving_runs_exit_functions_flushes_and_names_what_is_stuck() -> None:
    status, output = run("""
        atexit.register(print, "exit function")
        print("unflushed", end="")
        worker.leave(5, ["GET /slow"], Log(1))
    """)
    assert status == 5
    assert "ending with a request still in the application: GET /slow" in output
    assert "unflushed" in output and "exit function" in output


def test_leaving_survives_an_exit_function_that_raises_or_hangs() -> None:
    status, output = run("""
        worker.ATEXIT_S = 0.2
        def broken():
            raise LookupError("at exit")
        atexit.register(time.sleep, 60)
        atexit.register(broken)
        worker.leave(0, [], Log(1))
    """)
    assert status == 0
    assert "LookupError: at exit" in output


def test_leaving_does_not_wait_for_threads_that_never_return() -> None:
    status, _ = run("""
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        worker.leave(0, ["GET /"], Log(1))
    """)
    assert status == 0


FORKING = """
    said = []
    def note(number, frame):
        said.append(number)
    signal.signal(signal.SIGTERM, note)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    os.set_blocking(reader, False)
    signal.set_wakeup_fd(writer)
    class Engine:
        def note_fork(self):
            pass
        def forget_in_child(self):
            pass
    hooks = forking.ForkHooks([signal.SIGTERM, signal.SIGINT], Engine())
    hooks.register()
    def in_thread(function):
        thread = threading.Thread(target=function)
        thread.start()
        thread.join()
"""


def test_a_signal_to_a_child_that_the_application_forks_does_not_reach_the_server() -> None:
    status, output = run(
        dedent(FORKING)
        + dedent("""
        def fork():
            for _ in range(20):
                child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
                child.start()
                child.terminate()
                child.join(10)
                assert child.exitcode == -signal.SIGTERM, child.exitcode
        in_thread(fork)
        try:
            print("server heard", os.read(reader, 10))
        except BlockingIOError:
            print("server heard nothing", said)
        """)
    )
    assert status == 0, output
    assert "server heard nothing []" in output


def test_hooks_of_a_server_that_is_gone_do_not_act_and_those_of_others_do() -> None:
    status, output = run(
        dedent(FORKING)
        + dedent("""
        class Telling(Engine):
            def __init__(self, name):
                self.name = name
            def note_fork(self):
                os.write(1, f"in the parent {self.name}\\n".encode())
            def forget_in_child(self):
                os.write(1, f"in the child {self.name}\\n".encode())
        def fork():
            child = os.fork()
            if child == 0:
                os._exit(0 if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL else 1)
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        one, other = forking.ForkHooks([signal.SIGTERM], Telling("one")), forking.ForkHooks([], Telling("other"))
        one.register()
        other.register()
        del hooks
        assert fork() == 0
        del one
        assert fork() == 1
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()
        """)
    )
    assert status == 0, output
    said = sorted(output.split("\n"))
    assert said.count("in the parent one") == said.count("in the child one") == 1
    assert said.count("in the parent other") == said.count("in the child other") == 2


def test_processes_that_an_application_starts_can_be_terminated() -> None:
    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as child:
            child.terminate()
            status = child.wait(DEADLINE_S)
        start_response("200 OK", [])
        return [str(status).encode()]

    with LiveServer(app) as server:
        assert get(server.url) == str(-signal.SIGTERM).encode()


class Unspeakable:
    """A value of the application's whose text ends the program."""

    def __str__(self) -> str:
        raise SystemExit("not a text")

    __repr__ = __str__


class UnspeakableError(Exception):
    __str__ = Unspeakable.__str__


@pytest.mark.parametrize("error", [ValueError("told"), UnspeakableError()])
@pytest.mark.parametrize("method", ["GET", Unspeakable()])
def test_an_exception_is_told_of_whatever_its_text_and_the_environ_raise(
    tmp_path: Path, error: Exception, method: object
) -> None:
    with open(tmp_path / "log", "w+b") as file:
        tell_exception(Log(file.fileno()), {"REQUEST_METHOD": method, "PATH_INFO": "/"}, error)
        file.seek(0)
        text = file.read().decode()
    assert "exception in the application: " in text
    assert type(error).__name__ in text


def test_a_report_is_made_of_an_exception_without_a_text() -> None:
    assert exception_text(UnspeakableError()) == "UnspeakableError"
