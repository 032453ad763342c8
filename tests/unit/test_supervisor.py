"""The supervising process over real forks, with workers that do what each test needs of them."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent, indent

import pytest

DEADLINE_S = 20.0

PROGRAM = """
import os, signal, sys, time
from dragoman.errors import OperatorError
from dragoman.log import Log
from dragoman.settings import settings_from
from dragoman.supervisor.notify import Notifier
from dragoman.supervisor.parent import supervise

def say(text):
    os.write(1, f"{{text}}\\n".encode())

def until_signal(*numbers):
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    return signal.sigwait(numbers)

class Host:
    settings = settings_from({{name: (value,) for name, value in {settings!r}.items()}}, {{}})
    log = Log(1)
    notifier = Notifier({{}})

    def work(self, channel, number):
{work}

    def tell_start(self, name):
        say(f"all ready: {{name}}")

    def serving(self):
        return "serving shop:app"

    def reload(self):
        say("reloads")

    def reopen_logs(self):
        say("reopened")

    def stop_listening(self):
        say("closed")

    def upgrade(self):
        raise OperatorError("there is nothing to upgrade to")

    def call_hook(self, name, number=0, pid=None, **more):
        pass

    def has_hook(self, name):
        return False

    def reload_done(self):
        pass

    def reload_failed(self):
        pass

sys.exit(supervise(Host()))
"""

OBEDIENT = """
numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
say(f"worker {os.getpid()}")
channel.ready("shop:app")
while True:
    number = signal.sigwait(numbers)
    say(f"{os.getpid()} got {number.name}")
    if number != signal.SIGUSR1:
        return 0
"""


class Run:
    """A supervisor in a process of its own, and what it and its workers say."""

    def __init__(self, work: str, workers: int = 2, **settings: str) -> None:
        source = PROGRAM.format(work=indent(dedent(work), " " * 8), settings={"workers": str(workers), **settings})
        self.process = subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, start_new_session=True)
        self.said = ""
        self.changed = threading.Condition()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout:
            for line in self.process.stdout:
                with self.changed:
                    self.said += line.decode()
                    self.changed.notify_all()
        with self.changed:
            self.changed.notify_all()

    def wait_for(self, pattern: str, count: int = 1) -> list[str]:
        """What the first group of the pattern matches, once there are `count` matches."""
        until = time.monotonic() + DEADLINE_S
        with self.changed:
            while len(found := re.findall(pattern, self.said)) < count:
                left = until - time.monotonic()
                assert left > 0 and self.changed.wait(left), f"{pattern!r} never came in:\n{self.said}"
        return found

    def workers(self, count: int = 2) -> list[int]:
        return [int(pid) for pid in self.wait_for(r"worker (\d+)\n", count)]

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def status(self) -> int:
        status = self.process.wait(DEADLINE_S)
        self.reader.join(DEADLINE_S)
        return status


@pytest.fixture
def run() -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []

    def start(*arguments: object, **more: object) -> Run:
        runs.append(Run(*arguments, **more))  # type: ignore[arg-type]
        return runs[-1]

    yield start
    for one in runs:
        try:
            os.killpg(one.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        one.process.wait(DEADLINE_S)
        one.reader.join(DEADLINE_S)


def test_term_reaches_every_worker_and_the_run_ends_with_0(run: Callable[..., Run]) -> None:
    one = run(OBEDIENT)
    one.wait_for("all ready")
    one.send(signal.SIGTERM)
    assert one.status() == 0
    assert sorted(one.workers()) == sorted(map(int, re.findall(r"(\d+) got SIGTERM", one.said)))


def test_int_stops_every_worker_at_once(run: Callable[..., Run]) -> None:
    one = run(OBEDIENT)
    one.wait_for("all ready")
    one.send(signal.SIGINT)
    assert one.status() == 0
    assert one.said.count("got SIGINT") == 2


def test_a_killed_worker_is_replaced_and_the_others_are_left_alone(run: Callable[..., Run]) -> None:
    one = run(OBEDIENT)
    one.wait_for("all ready")
    killed, other = one.workers()
    os.kill(killed, signal.SIGKILL)
    replaced = one.workers(3)[2]
    assert f"(pid {killed}) was killed by SIGKILL" in one.said
    one.send(signal.SIGTERM)
    assert one.status() == 0
    assert sorted(map(int, re.findall(r"(\d+) got SIGTERM", one.said))) == sorted([other, replaced])


def test_workers_that_never_become_ready_end_the_run_with_status_3_and_one_cause(run: Callable[..., Run]) -> None:
    one = run("channel.failed('importing shop fails')\nreturn 3")
    assert one.status() == 3
    assert one.said.count("could not start: importing shop fails") == 1
    assert "for the same reason" in one.said
    assert "giving up" in one.said


def test_a_worker_that_dies_before_it_is_ready_is_not_started_for_ever(run: Callable[..., Run]) -> None:
    one = run("os._exit(7)", workers=1)
    assert one.status() == 3
    assert one.said.count("ended with status 7 before it was ready") == 3


def test_a_replacement_that_cannot_start_does_not_end_those_that_serve(run: Callable[..., Run], tmp_path: Path) -> None:
    one = run(
        f"""
        places = os.path.join({str(tmp_path)!r}, "taken")
        with open(places, "a") as file:
            file.write("x")
        if os.path.getsize(places) > 2:
            channel.failed("the code on the disk is broken")
            return 3
        {indent(OBEDIENT, " " * 8).strip()}
        """
    )
    one.wait_for("all ready")
    os.kill(one.workers()[0], signal.SIGKILL)
    one.wait_for("for the same reason", 3)
    assert one.process.poll() is None
    one.send(signal.SIGTERM)
    assert one.status() == 0


def test_a_worker_that_ignores_the_end_is_killed(run: Callable[..., Run]) -> None:
    one = run(
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        channel.ready()
        while True:
            time.sleep(60)
        """
    )
    one.wait_for("all ready")
    one.send(signal.SIGINT)
    assert one.status() == 0
    assert "killing what has not ended in time" in one.said


def test_usr1_reopens_the_logs_of_all(run: Callable[..., Run]) -> None:
    one = run(OBEDIENT)
    one.wait_for("all ready")
    one.send(signal.SIGUSR1)
    one.wait_for("reopened")
    one.wait_for("got SIGUSR1", 2)
    one.send(signal.SIGTERM)
    assert one.status() == 0


def test_workers_see_the_death_of_their_supervisor(run: Callable[..., Run]) -> None:
    one = run(
        """
        channel.ready()
        say(f"worker {os.getpid()}")
        channel.wait_for_end(os.getppid())
        say("supervisor gone")
        return 0
        """
    )
    one.wait_for("all ready")
    one.send(signal.SIGKILL)
    one.wait_for("supervisor gone", 2)


@pytest.mark.parametrize(
    "hang",
    [
        pytest.param("time.sleep(60)", id="a call that lets go of the interpreter"),
        pytest.param(
            "import ctypes; any(ctypes.PyDLL(None).sleep(60) is None for _ in iter(int, 1))", id="a call that holds it"
        ),
    ],
)
def test_a_worker_that_is_not_ready_in_time_is_killed_and_says_where_it_hangs(
    run: Callable[..., Run], hang: str
) -> None:
    one = run(f"def connect():\n    {hang}\nconnect()", workers=1, start_timeout="1")
    assert one.status() == 3
    cause = r"could not start: it was not ready within 1 s, and hangs at <string>:\d+; --start-timeout gives it longer"
    assert len(re.findall(cause, one.said)) == 1
    assert re.search(r'File "<string>", line \d+ in connect\n.*in work', one.said), one.said
    assert one.said.count("could not start, for the same reason") == 2


def test_a_worker_that_cannot_say_where_it_hangs_is_killed_all_the_same(run: Callable[..., Run]) -> None:
    one = run("os.kill(os.getpid(), signal.SIGSTOP)", workers=1, start_timeout="0.1")
    assert one.status() == 3
    assert "it was not ready within 0.1 s and does not say where it hangs; --start-timeout" in one.said


def test_a_worker_that_is_ready_just_in_time_is_left_alone(run: Callable[..., Run]) -> None:
    # It becomes ready when it is asked where it hangs.
    one = run(
        """
        signal.signal(signal.SIGTTIN, lambda number, frame: None)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTIN])
        signal.sigwait([signal.SIGTTIN])
        channel.ready("shop:app")
        time.sleep(1.5)  # longer than it had to write its stacks
        say("alive")
        until_signal(signal.SIGTERM)
        return 0
        """,
        workers=1,
        start_timeout="0.1",
    )
    one.wait_for("alive")
    one.send(signal.SIGTERM)
    assert one.status() == 0
    assert "could not start" not in one.said


def test_an_exception_in_a_worker_is_logged_and_stays_in_it(run: Callable[..., Run]) -> None:
    one = run("raise LookupError('of this worker')", workers=1)
    assert one.status() == 3
    assert "LookupError: of this worker" in one.said


def test_a_storm_of_signals_is_one_drain(run: Callable[..., Run]) -> None:
    one = run(OBEDIENT)
    one.wait_for("all ready")
    for _ in range(200):
        one.send(signal.SIGTERM)
    assert one.status() == 0
    assert one.said.count("got SIGTERM") == 2


DEAF = """
import json
signal.signal(signal.SIGTERM, signal.SIG_IGN)
channel.ready()
account = {"answered": 3, "dropped": 0, "cut": 1, "cut_requests": ["GET /stuck"]}
"""


def test_the_requests_of_a_worker_that_is_killed_are_cut_and_named(run: Callable[..., Run]) -> None:
    one = run(DEAF + "channel.so_far(account)\ntime.sleep(60)", workers=1, graceful_timeout="0.1")
    one.wait_for("all ready")
    one.send(signal.SIGTERM)
    assert one.status() == 0
    assert re.search(r"\[ERROR\] worker 1 \(pid \d+\) has not left in time and is killed: GET /stuck", one.said)
    assert re.search(
        r"\[WARNING\] all workers: drained 3 requests in [1-5]\.\d s, 0 dropped, 1 cut \(GET /stuck\);"
        r" worker 1 \(pid \d+\) was killed by SIGKILL, and may have cut more",
        one.said,
    )


def test_a_worker_that_is_killed_without_a_word_is_told_of(run: Callable[..., Run]) -> None:
    one = run(DEAF + "time.sleep(60)", workers=1, graceful_timeout="0.1")
    one.wait_for("all ready")
    one.send(signal.SIGTERM)
    assert one.status() == 0
    assert re.search(r"\[WARNING\] all workers: drained 0 .* 0 cut; worker 1 \(pid \d+\) was killed by", one.said)


def test_a_worker_that_has_told_its_account_has_time_for_its_exit_functions(run: Callable[..., Run]) -> None:
    one = run(
        """
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))
        channel.ready()
        until_signal(signal.SIGTERM)
        channel.drained({"answered": 3, "dropped": 0, "cut": 0, "cut_requests": []})
        time.sleep(4)
        return 0
        """,
        workers=1,
        graceful_timeout="0.1",
    )
    one.wait_for("all ready")
    one.send(signal.SIGTERM)
    assert one.status() == 0
    assert "killed" not in one.said
