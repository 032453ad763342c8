"""`gunicorn -k dragoman.gunicorn.Worker`, under the real gunicorn: settings, signals, hooks, logs, reloads."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.commands import CommandServer, run_to_end
from tests.support.probe import Channel
from tests.support.wire import DEADLINE_S, ConnectionEnded, Wire, request_bytes

APP = "tests.apps.apps_gunicorn:app"


def gunicorn(
    directory: Path, *flags: str, config: str = "", env: dict[str, str] | None = None, **more: Any
) -> CommandServer:
    """A running gunicorn with our worker class; `config` is its configuration file."""
    # Its control socket would be a file in the home directory; versions without one take no notice of the name.
    (directory / "gunicorn.conf.py").write_text(f"control_socket_disable = True\n{config}")
    bind = () if "address" in more else ("--bind", "127.0.0.1:0")
    command = ("-m", "gunicorn", "-k", "dragoman.gunicorn.Worker", *bind, *flags, APP)
    return CommandServer(*command, cwd=directory, env=env, **more)


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + DEADLINE_S
    while not is_so():
        assert time.monotonic() < until, what
        time.sleep(0.02)


def pid_of(server: CommandServer) -> int:
    return int(server.request("GET", "/facts").json()["pid"])


def is_refused(server: CommandServer) -> bool:
    try:
        server.connect().close()
    except ConnectionRefusedError:
        return True
    except ConnectionResetError:
        pass  # in the middle of closing
    return False


# --- settings ----------------------------------------------------------------------------------------------------


def test_a_worker_of_gunicorns_is_served_by_the_engine(tmp_path: Path, probe_listener: object) -> None:
    with gunicorn(tmp_path) as server:
        response = server.request("GET", "/facts")
        assert response.value("Server") == "dragoman"
        facts = response.json()
        assert facts["parent"] == server.pid
        # One thread, as gunicorn's default has it: the application need not be thread-safe.
        assert (facts["wsgi.multithread"], facts["wsgi.multiprocess"]) == (False, False)
        assert "Using worker: dragoman.gunicorn.Worker" in server.log.text


def test_gunicorns_settings_mean_what_they_say(tmp_path: Path, probe_listener: object) -> None:
    flags = ["--threads", "4", "--workers", "2", "--env", "RAW=1", "--env", "SCRIPT_NAME=/shop"]
    flags += ["--limit-request-line", "200"]
    with gunicorn(tmp_path, *flags) as server:
        facts = server.request("GET", "/shop/facts").json()
        assert (facts["wsgi.multithread"], facts["wsgi.multiprocess"]) == (True, True)
        assert (facts["env"], facts["SCRIPT_NAME"]) == ("1", "/shop")
        assert server.request("GET", "/" + "x" * 200).status == 414


def test_settings_that_gunicorn_lacks_are_variables(tmp_path: Path, probe_listener: object) -> None:
    with gunicorn(tmp_path, env={"DRAGOMAN_LIMIT_BODY": "10", "DRAGOMAN_SERVER_HEADER": "other"}) as server:
        assert server.request("POST", "/facts", body=b"x" * 11).status == 413
        assert server.request("GET", "/facts").value("Server") == "other"


def test_a_unix_socket_of_gunicorns_is_served(tmp_path: Path, probe_listener: object) -> None:
    path = str(tmp_path / "socket")
    with gunicorn(tmp_path, "--bind", f"unix:{path}", address=path) as server:
        assert server.request("GET", "/facts").json()["parent"] == server.pid


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--certfile", "a.pem", "--keyfile", "a.pem"), "certfile: this worker does not speak TLS"),
        (("--proxy-protocol", "auto"), "proxy_protocol: this worker does not speak the PROXY protocol"),
        (("--access-logformat", "%(zz)s"), "--access-logformat"),
    ],
)
def test_what_the_worker_cannot_do_ends_the_start_with_the_reason(
    tmp_path: Path, flags: tuple[str, ...], message: str
) -> None:
    (tmp_path / "a.pem").write_text("")
    command = ("-m", "gunicorn", "-k", "dragoman.gunicorn.Worker", "--bind", "127.0.0.1:0", *flags, APP)
    status, output = run_to_end(*command, cwd=tmp_path)
    assert status == 1 and f"Error: {message}" in output and "Traceback" not in output


def test_a_variable_that_is_no_setting_is_told(tmp_path: Path, probe_listener: object) -> None:
    with gunicorn(tmp_path, env={"DRAGOMAN_QUEU": "5"}) as server:
        server.log.wait_for("dragoman: DRAGOMAN_QUEU is no setting; did you mean DRAGOMAN_QUEUE?")
        server.request("GET", "/")


def test_what_the_worker_leaves_out_is_told(tmp_path: Path, probe_listener: object) -> None:
    with gunicorn(tmp_path, config="def pre_request(worker, req):\n    pass\n") as server:
        server.log.wait_for("pre_request is not called")
        # gunicorn's master forgets a TERM that comes while it starts its worker.
        server.request("GET", "/")
        assert "post_request" not in server.log.text


# --- logs and hooks ----------------------------------------------------------------------------------------------


def test_exceptions_own_words_and_breaches_are_in_gunicorns_error_log(tmp_path: Path, probe_listener: object) -> None:
    log = tmp_path / "error.log"
    with gunicorn(
        tmp_path, "--error-logfile", str(log), "--bind", "unix:socket", address=str(tmp_path / "socket")
    ) as server:
        assert server.request("GET", "/raises").status == 500
        wait_until(lambda: "LookupError: inside" in log.read_text(), "no traceback")
        assert "own words\n" in log.read_text()
        assert "[ERROR] exception in the application: GET /raises" in log.read_text()


def test_the_access_log_is_gunicorns_and_goes_on_after_a_rotation(tmp_path: Path, probe_listener: object) -> None:
    log, old = tmp_path / "access.log", tmp_path / "access.log.1"
    with gunicorn(tmp_path, "--access-logfile", str(log), "--access-logformat", "%(m)s %(U)s %(s)s %(p)s") as server:
        pid = pid_of(server)
        wait_until(lambda: log.read_text() == f"GET /facts 200 <{pid}>\n", log.read_text())
        log.rename(old)
        server.signal(signal.SIGUSR1)
        wait_until(log.exists, "gunicorn did not reopen it")

        # Between gunicorn's signal and the worker's a line may still go to the old file.
        def is_reopened() -> bool:
            server.request("GET", "/raises")
            return "GET /raises 500" in log.read_text()

        wait_until(is_reopened, "nothing in the new file")
        assert old.read_text().startswith("GET /facts 200")


def test_the_access_log_of_standard_output_is_written_there(tmp_path: Path, probe_listener: object) -> None:
    with gunicorn(tmp_path, "--access-logfile", "-") as server:
        pid_of(server)
        server.output.wait_for(r'127\.0\.0\.1 - - \[.*\] "GET /facts HTTP/1\.1" 200 \d+ "-" "-"')


def test_hooks_are_called_as_gunicorn_calls_them(tmp_path: Path, probe_listener: object) -> None:
    names = (
        "on_starting",
        "when_ready",
        "pre_fork",
        "post_fork",
        "post_worker_init",
        "worker_exit",
        "child_exit",
        "on_exit",
    )
    told = tmp_path / "hooks"
    config = f"def tell(name):\n    with open({str(told)!r}, 'a') as file:\n        file.write(name + '\\n')\n"
    for name in names:
        parameters = {"on_starting": "a", "when_ready": "a", "on_exit": "a", "post_worker_init": "a"}.get(name, "a, b")
        config += f"def {name}({parameters}):\n    tell({name!r})\n"
    with gunicorn(tmp_path, config=config) as server:
        pid_of(server)
    assert told.read_text().split() == list(names)


# --- ends and replacements ---------------------------------------------------------------------------------------


def test_term_answers_what_is_under_way(tmp_path: Path, channel: Channel) -> None:
    with gunicorn(tmp_path) as server, server.connect() as wire:
        wire.send(request_bytes("GET", channel.target("/held")))
        channel.expect("call")
        server.signal(signal.SIGTERM)
        # The worker has closed its copies of the socket too: it drains.
        wait_until(partial(is_refused, server), "the doors stay open")
        channel.open("go")
        assert wire.read_response().body == b"held"
        assert server.wait() == 0
        assert "drained 1 requests" in server.log.text


def test_int_ends_at_once(tmp_path: Path, channel: Channel) -> None:
    config = "def worker_int(worker):\n    worker.log.info('the hook worker_int')\n"
    with gunicorn(tmp_path, config=config) as server, server.connect() as wire:
        wire.send(request_bytes("GET", channel.target("/held")))
        channel.expect("call")
        server.signal(signal.SIGINT)
        assert wire.expect_end() == b""
        assert server.wait() == 0
        assert "the hook worker_int" in server.log.text
        assert "ending with a request still in the application: GET /held" in server.log.text
        channel.open("go")


def test_a_request_that_outlives_the_graceful_timeout_is_cut_and_named(tmp_path: Path, channel: Channel) -> None:
    # Of a worker that is replaced: at a stop of all gunicorn kills what is left at that moment.
    with gunicorn(tmp_path, "--graceful-timeout", "1") as server, server.connect() as wire:
        wire.send(request_bytes("GET", channel.target("/held")))
        os.kill(channel.expect("call"), signal.SIGTERM)
        assert wire.expect_end() == b""
        server.log.wait_for("the graceful timeout is over; cut: GET /held")
        server.log.wait_for("ending with a request still in the application: GET /held")
        channel.open("go")
        wait_until(lambda: pid_of(server) > 0, "no successor")


def test_a_worker_is_replaced_after_max_requests(tmp_path: Path, probe_listener: object) -> None:
    with gunicorn(tmp_path, "--max-requests", "5") as server:
        first = pid_of(server)
        for _ in range(5):
            server.request("GET", "/facts")
        server.log.wait_for("Autorestarting worker after current request")
        server.log.wait_for(rf"\[{first}\] \[INFO\] Worker exiting")
        wait_until(lambda: pid_of(server) != first, "the same worker serves")


def test_the_heartbeat_goes_on_while_a_slow_request_runs(tmp_path: Path, probe_listener: object) -> None:
    with gunicorn(tmp_path, "--timeout", "3") as server:
        assert server.request("GET", "/sleep").json() == pid_of(server)
        assert "WORKER TIMEOUT" not in server.log.text


def test_gunicorn_replaces_a_worker_whose_interpreter_is_stuck(tmp_path: Path, probe_listener: object) -> None:
    with gunicorn(tmp_path, "--timeout", "3") as server, server.connect() as wire:
        first = pid_of(server)
        wire.send(request_bytes("GET", "/hang"))
        server.log.wait_for(rf"WORKER TIMEOUT \(pid:{first}\)")
        assert wire.expect_end() == b""
        wait_until(lambda: pid_of(server) != first, "the same worker serves")


def test_a_killed_worker_is_replaced(tmp_path: Path, probe_listener: object) -> None:
    with gunicorn(tmp_path) as server:
        first = pid_of(server)
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: pid_of(server) != first, "the same worker serves")


def test_workers_of_a_killed_master_drain_and_leave(tmp_path: Path, probe_listener: object) -> None:
    with gunicorn(tmp_path) as server:
        worker = pid_of(server)
        server.signal(signal.SIGKILL)
        server.wait()
        server.log.wait_for("Parent changed, shutting down")

        def is_gone() -> bool:
            try:
                os.kill(worker, 0)
            except ProcessLookupError:
                return True
            # An orphan that nobody reaps, as in a container without an init, is as gone.
            return Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[0] == "Z"

        wait_until(is_gone, "the worker is still there")


def test_reloads_under_load_lose_no_request(tmp_path: Path, probe_listener: object) -> None:
    with gunicorn(tmp_path, "--workers", "2", "--threads", "4") as server:
        load = Load(server.address, clients=4)
        for turn in range(1, 4):
            before = set(load.pids)
            server.signal(signal.SIGHUP)
            server.log.wait_for(rf"(?s)(Booting worker.*){{{2 * (turn + 1)}}}")
            wait_until(partial(has_others, load, before), "no new worker answers")
            # Both old ones have gone: gunicorn reloads one time after the other.
            server.log.wait_for(rf"(?s)(Worker exiting.*){{{2 * turn}}}")
        load.stop()
    assert load.failures == []
    assert load.answered > 100 and len(set(load.pids)) >= 4


def test_workers_that_are_replaced_under_load_lose_no_request(tmp_path: Path, probe_listener: object) -> None:
    with gunicorn(tmp_path, "--workers", "2", "--threads", "4", "--max-requests", "50") as server:
        load = Load(server.address, clients=4)
        wait_until(lambda: len(set(load.pids)) >= 6, "no new workers answer")
        load.stop()
    assert load.failures == []


def has_others(load: Load, before: set[int]) -> bool:
    return not set(load.pids) <= before


class Load:
    """Clients that ask again and again, half of them on kept connections, and retry nothing."""

    def __init__(self, address: Any, clients: int) -> None:
        self.address = address
        self.failures: list[str] = []
        self.pids: list[int] = []
        self.has_ended = threading.Event()
        self.threads = [threading.Thread(target=self.ask, args=(number % 2 == 0,)) for number in range(clients)]
        for thread in self.threads:
            thread.start()

    @property
    def answered(self) -> int:
        return len(self.pids)

    def stop(self) -> None:
        self.has_ended.set()
        for thread in self.threads:
            thread.join(DEADLINE_S)

    def ask(self, is_kept: bool) -> None:
        wire = None
        while not self.has_ended.is_set():
            try:
                wire = wire or Wire(self.address)
                response = wire.request("GET", "/facts")
                self.pids.append(int(response.json()["pid"]))
                if not is_kept or response.value("Connection") == "close":
                    wire.close()
                    wire = None
            except (OSError, ConnectionEnded, AssertionError) as error:
                self.failures.append(repr(error))
                wire = None
        if wire:
            wire.close()
