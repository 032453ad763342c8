"""`dragoman.serve` in a script: until a signal comes, and what the script finds then."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.commands import CommandServer
from tests.support.probe import Channel
from tests.support.server import run_command, start_process
from tests.support.wire import DEADLINE_S, request_bytes

SCRIPT = """
import os, signal, sys
import dragoman
from tests.process.apps_process import app

before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
status = dragoman.serve({application}, bind="127.0.0.1:0", drain_linger=0{more})
print("status", status, flush=True)
print("pid", os.getpid(), flush=True)
print("handlers", (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before, flush=True)
sys.exit(status)
"""


def script(tmp_path: Path, application: str = "app", more: str = "") -> str:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT.format(application=application, more=more))
    return str(path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_script_goes_on_after_the_signal_with_its_own_handlers(
    tmp_path: Path, probe_listener: object, number: signal.Signals
) -> None:
    with CommandServer(script(tmp_path)) as server:
        facts = server.request("GET", "/process").json()
        assert facts["pid"] == server.pid and facts["multiprocess"] is False
        server.signal(number)
        assert server.wait() == 0
        assert server.output.wait_for_end() == f"status 0\npid {server.pid}\nhandlers True\n"
        assert "Traceback" not in server.log.text
        assert "serves __main__:app (WSGI)" in server.log.text


def test_term_answers_what_is_under_way(tmp_path: Path, channel: Channel) -> None:
    with CommandServer(script(tmp_path)) as server, server.connect() as wire:
        wire.send(request_bytes("GET", channel.target("/held")))
        channel.expect("call")
        server.signal(signal.SIGTERM)
        channel.open("go")
        assert wire.read_response().body == b"held"
        assert server.wait() == 0


def test_a_script_that_asks_for_workers_is_their_supervisor(tmp_path: Path, probe_listener: object) -> None:
    with CommandServer(script(tmp_path, more=", workers=2")) as server:
        facts = server.request("GET", "/process").json()
        assert facts["pid"] != server.pid and facts["multiprocess"] is True
        assert server.stop() == 0
        # Once: the workers, which are forked in the middle of the script, never come to its next line.
        assert server.output.wait_for_end() == f"status 0\npid {server.pid}\nhandlers True\n"


def test_a_reload_fails_where_the_application_is_an_object_and_says_why(tmp_path: Path, probe_listener: object) -> None:
    control = str(tmp_path / "control")
    with CommandServer(script(tmp_path, more=f", workers=1, control_socket={control!r}")) as server:
        for flags in (("--wait",), ()):
            status, output = run_command("reload", *flags, "--control-socket", control)
            assert status == 1 and "cannot be loaded anew; start the script anew" in output
        server.signal(signal.SIGHUP)
        server.log.wait_for("(?s)(not reloaded, what serves goes on: the application is an object.*){3}")


def test_a_reload_fails_where_the_script_has_imported_what_it_names(tmp_path: Path, probe_listener: object) -> None:
    control, named = str(tmp_path / "control"), '"tests.process.apps_process:app"'
    with CommandServer(script(tmp_path, named, f", workers=1, control_socket={control!r}")):
        status, output = run_command("reload", "--control-socket", control)
        assert status == 1 and "the supervisor itself has tests.process.apps_process imported" in output


def test_an_application_can_be_named_as_on_the_command_line(tmp_path: Path, probe_listener: object) -> None:
    with CommandServer(script(tmp_path, '"tests.process.apps_process:app"', ", workers=0")) as server:
        assert server.request("GET", "/hello").body == b"hello"
        assert "serves tests.process.apps_process:app (WSGI)" in server.log.text


def test_variables_are_settings_of_a_script_too(tmp_path: Path, probe_listener: object) -> None:
    env = {"DRAGOMAN_SERVER_HEADER": "from-a-variable", "DRAGOMAN_WORKERS": "2"}
    with CommandServer(script(tmp_path), env=env) as server:
        response = server.request("GET", "/process")
        assert response.value("Server") == "from-a-variable"
        assert response.json()["pid"] == server.pid, (
            "a callable is served where it is, unless the script says otherwise"
        )


def test_an_address_in_use_is_an_error_with_a_text(tmp_path: Path, probe_listener: object) -> None:
    with CommandServer(script(tmp_path)) as first:
        assert not isinstance(first.address, str)
        path = tmp_path / "second.py"
        path.write_text(f"import dragoman\ndragoman.serve(lambda e, s: [], bind='127.0.0.1:{first.address[1]}')\n")
        second = start_process([sys.executable, str(path)])
        try:
            _, errors = second.communicate(timeout=DEADLINE_S)
        except subprocess.TimeoutExpired:
            os.killpg(second.pid, signal.SIGKILL)
            raise
        assert b"dragoman.errors.OperatorError: --bind " in errors and b"address in use" in errors
        assert second.returncode == 1


def test_a_script_can_serve_twice(tmp_path: Path, probe_listener: object) -> None:
    path = tmp_path / "twice.py"
    path.write_text(
        "import dragoman, sys\nfrom tests.process.apps_process import app\n"
        "for _ in range(2):\n    print(dragoman.serve(app, bind='127.0.0.1:0', drain_linger=0), flush=True)\n"
    )
    with CommandServer(str(path)) as server:
        assert server.request("GET", "/hello").body == b"hello"
        offset = len(server.log.text)
        server.signal(signal.SIGTERM)
        port = int(server.log.wait_for(r"http://127\.0\.0\.1:(\d+)", since=offset)[1])
        server.address = ("127.0.0.1", port)
        assert server.request("GET", "/hello").body == b"hello"
        assert server.stop() == 0
        assert server.output.wait_for_end() == "0\n0\n"
