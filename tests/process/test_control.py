"""The control socket: each command, who is heard, and what is left behind."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from dragoman.errors import OperatorError
from dragoman.remote import ask, status_text
from dragoman.values import Address, address
from tests.faults.kit import children, eventually, state
from tests.support.server import Server
from tests.support.wire import DEADLINE_S

SHOP = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"shop"]
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "control"


@pytest.fixture
def server(tmp_path: Path, path: Path) -> Iterator[Server]:
    (tmp_path / "shop.py").write_text(SHOP)
    flags = ("--workers", "2", "--chdir", str(tmp_path), "--drain-linger", "0", "--control-socket", str(path))
    with Server("shop:app", *flags, env={"PYTHONDONTWRITEBYTECODE": "1"}) as server:
        yield server


def told(path: Path, *words: str) -> Mapping[str, Any]:
    return ask(str(path), (), words)


def test_status_names_the_run_and_its_workers(server: Server, path: Path) -> None:
    answer = told(path, "status")
    assert (answer["ok"], answer["phase"], answer["pid"]) == (True, "serving", server.pid)
    assert [one["state"] for one in answer["workers"]] == ["ready", "ready"]
    assert {one["pid"] for one in answer["workers"]} == set(children(server.pid))
    assert all(one["memory_bytes"] > 1 << 20 for one in answer["workers"])
    text = status_text(answer)
    assert "serves shop:app" in text and len(text.splitlines()) == 5


def test_reload_waits_until_all_workers_are_replaced(server: Server, path: Path) -> None:
    before = set(children(server.pid))
    assert told(path, "reload", "--wait") == {"ok": True, "text": "reloaded"}
    assert not {one["pid"] for one in told(path, "status")["workers"] if one["state"] == "ready"} & before


def test_a_reload_that_fails_says_why_and_changes_nothing(server: Server, path: Path, tmp_path: Path) -> None:
    before = set(children(server.pid))
    (tmp_path / "shop.py").write_text("import nowhere")
    answer = told(path, "reload", "--wait")
    assert not answer["ok"] and "No module named 'nowhere'" in answer["text"]
    assert {pid for pid in children(server.pid) if state(pid) != "Z"} == before
    (tmp_path / "shop.py").write_text(SHOP)
    assert told(path, "reload", "--wait")["ok"]


@pytest.mark.parametrize("more", [(), ("--preload",)], ids=["each worker loads", "preload"])
def test_a_reload_whose_application_hangs_fails_in_time_and_says_where(
    path: Path, tmp_path: Path, more: Sequence[str]
) -> None:
    module = tmp_path / "shop.py"
    module.write_text(SHOP)
    flags = ("--workers", "2", "--chdir", str(tmp_path), "--drain-linger", "0", "--control-socket", str(path))
    env = {"PYTHONDONTWRITEBYTECODE": "1"}
    with Server("shop:app", *flags, "--start-timeout", "3", *more, env=env) as server:
        before = {one["pid"] for one in told(path, "status")["workers"]}
        module.write_text(f"import time\ntime.sleep(60)\n{SHOP}")
        answer = told(path, "reload", "--wait")
        assert not answer["ok"]
        sentence, *stack = answer["text"].splitlines()
        why = f"it was not ready within 3 s, and hangs at {module}:2; --start-timeout gives it longer"
        assert sentence == f"not reloaded, what serves goes on: {why}"
        # The application's own frames, and nothing of the import machinery or of ours.
        assert stack == ["Current thread (most recent call first):", f'  File "{module}", line 2 in <module>']
        server.log.wait_for(re.escape(f"{why}\n"))
        assert {one["pid"] for one in told(path, "status")["workers"]} == before
        module.write_text(SHOP)
        assert told(path, "reload", "--wait")["ok"]


def test_the_command_line_says_whether_it_worked_and_why_not(server: Server, path: Path, tmp_path: Path) -> None:
    def command(*words: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "dragoman", *words, "--control-socket", str(path)]
        return subprocess.run(line, capture_output=True, text=True, timeout=DEADLINE_S, check=False)

    done = command("status")
    assert (done.returncode, done.stderr) == (0, "") and "serves shop:app" in done.stdout
    assert json.loads(command("status", "--json").stdout)["phase"] == "serving"
    done = command("reload", "--wait")
    assert (done.returncode, done.stdout, done.stderr) == (0, "reloaded\n", "")
    (tmp_path / "shop.py").write_text("(")
    done = command("reload", "--wait")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        "dragoman: reload: not reloaded, what serves goes on: importing shop fails: SyntaxError"
    )
    assert len(done.stderr.splitlines()) > 2, done.stderr
    done = command("scale", "none")
    assert (done.returncode, done.stderr) == (
        2,
        'dragoman: scale "none": want a whole number from 1 to 1024\n',
    )
    assert command("stop").returncode == 0
    assert server.wait() == 0
    done = command("status")
    assert done.returncode == 1 and "no server answers at" in done.stderr


def test_scale_sets_the_number_of_workers(server: Server, path: Path) -> None:
    assert told(path, "scale", "3")["ok"]
    eventually(lambda: len(told(path, "status")["workers"]) == 3, "three workers")
    for wrong in (["scale"], ["scale", "0"], ["scale", "many"], ["scale", "1", "2"]):
        assert told(path, *wrong) == {"ok": False, "text": "want a whole number from 1 to 1024"}


def test_reopen_and_unknown_commands_are_answered(server: Server, path: Path) -> None:
    assert told(path, "reopen")["ok"]
    assert told(path, "dance") == {"ok": False, "text": "no command of this server: dance"}


@pytest.mark.parametrize("words", [["stop"], ["stop", "--now"]])
def test_stop_ends_the_server_and_takes_the_file_away(server: Server, path: Path, words: list[str]) -> None:
    assert told(path, *words)["ok"]
    assert server.wait() == 0
    assert not path.exists()


def test_the_file_lets_only_its_owner_in(server: Server, path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else: the refusal of others is not tested here")
def test_another_user_is_not_heard(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SHOP)
    with Server("shop:app", "--workers", "1", "--chdir", str(tmp_path)) as server:
        name = f"\0dragoman-0-{'127.0.0.1:0'}"
        program = (
            "import os, socket, sys\nos.setgroups([])\nos.setresuid(65534, 65534, 65534)\n"
            f"sock = socket.socket(socket.AF_UNIX)\nsock.connect({name!r})\n"
            "sock.sendall(b'[\"status\"]\\n')\nsys.stdout.write(repr(sock.recv(100)))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=DEADLINE_S, check=False
        )
        assert done.stdout in ("", "b''"), done
        assert ask("auto", (address("127.0.0.1:0"),), ["status"])["ok"]
        assert server.request("GET", "/").body == b"shop"


@pytest.mark.parametrize("line", [b"\n", b"{}\n", b"[1]\n", b"\xff\xff\n", b"x" * 5000, b"[]\n"])
def test_nonsense_costs_nobody_anything(server: Server, path: Path, line: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(DEADLINE_S)
        sock.connect(str(path))
        sock.sendall(line)
        with suppress(ConnectionResetError):  # what it has not read is lost with the connection
            assert sock.recv(100) == b""
    assert told(path, "status")["ok"]


def test_a_client_that_says_nothing_keeps_nobody_waiting(server: Server, path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.connect(str(path))
        silent.sendall(b'["sta')
        assert told(path, "status")["ok"]
        silent.sendall(b'tus"]\n')
        assert json.loads(silent.recv(65536))["ok"]


def test_two_servers_cannot_have_one_path(server: Server, path: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "dragoman", "shop:app", "--bind", "127.0.0.1:0", "--chdir", str(tmp_path)]
    command += ["--workers", "1", "--control-socket", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 1
    assert f'--control-socket "{path}": another server listens there' in done.stderr
    assert told(path, "status")["ok"]


class TestAnotherAddress:
    """The automatic socket is named after the first address, and a reload may bring another one."""

    def configure(self, directory: Path, name: str) -> tuple[Address, ...]:
        bind = f"unix:{directory / name}"
        (directory / "dragoman.toml").write_text(f'[server]\nbind = "{bind}"\n')
        return (address(bind),)

    @pytest.fixture
    def started(self, tmp_path: Path) -> Iterator[tuple[Server, tuple[Address, ...]]]:
        (tmp_path / "shop.py").write_text(SHOP)
        bind = self.configure(tmp_path, "a.sock")
        flags = ("--config", str(tmp_path / "dragoman.toml"), "--chdir", str(tmp_path), "--workers", "1")
        env = {"PYTHONDONTWRITEBYTECODE": "1"}
        with Server("shop:app", *flags, "--drain-linger", "0", binds=(), env=env) as server:
            yield server, bind

    def test_commands_find_the_server_where_they_did_until_the_reload_is_done_and_by_the_new_address_then(
        self, started: tuple[Server, tuple[Address, ...]], tmp_path: Path
    ) -> None:
        server, before = started
        after = self.configure(tmp_path, "b.sock")
        (tmp_path / "shop.py").write_text("(")
        assert not ask("auto", before, ["reload", "--wait"])["ok"]
        assert ask("auto", before, ["status"])["pid"] == server.pid
        with pytest.raises(OperatorError, match=r"no server answers at its control socket .*b\.sock") as caught:
            ask("auto", after, ["status"])
        assert re.search(f"servers of this user are heard with --bind .*{before[0]}", str(caught.value))
        (tmp_path / "shop.py").write_text(SHOP)
        assert ask("auto", before, ["reload", "--wait"])["ok"]
        assert ask("auto", after, ["status"])["pid"] == server.pid
        with pytest.raises(OperatorError, match=r"no server answers at its control socket .*a\.sock"):
            ask("auto", before, ["status"])
        assert ask("auto", after, ["stop"])["ok"]
        assert server.wait() == 0

    def test_a_successor_that_has_another_address_is_found_by_that(
        self, started: tuple[Server, tuple[Address, ...]], tmp_path: Path
    ) -> None:
        server, before = started
        after = self.configure(tmp_path, "b.sock")
        server.signal(signal.SIGUSR2)
        assert server.wait() == 0
        successor = ask("auto", after, ["status"])["pid"]
        assert successor != server.pid
        try:
            with pytest.raises(OperatorError, match=r"no server answers at its control socket .*a\.sock"):
                ask("auto", before, ["status"])
        finally:
            os.kill(successor, signal.SIGTERM)
        eventually(lambda: not (tmp_path / "b.sock").exists(), "it has ended")


def test_without_a_server_the_error_says_where_it_was_looked_for(path: Path) -> None:
    with pytest.raises(OperatorError, match=r"no server answers at .*control"):
        told(path, "status")
    with pytest.raises(OperatorError, match="there is no socket to reach the server by"):
        ask("none", (), ["status"])


@pytest.mark.parametrize("flags", [(), ("--preload",)])
@pytest.mark.parametrize(
    ("line", "cause"),
    [
        ("raise KeyboardInterrupt", "loading the application ends with KeyboardInterrupt"),
        ("import os; os._exit(7)", "ended with status 7 before it was ready; no exception has ended it, but os._exit"),
        ("import os; os.kill(os.getpid(), 11)", "was killed by SIGSEGV before it was ready"),
    ],
)
def test_a_reload_says_how_the_import_has_ended(
    tmp_path: Path, path: Path, line: str, cause: str, flags: Sequence[str]
) -> None:
    shop = tmp_path / "shop.py"
    shop.write_text(SHOP)
    common = ("--workers", "1", "--chdir", str(tmp_path), "--drain-linger", "0", "--control-socket", str(path))
    with Server("shop:app", *common, *flags, env={"PYTHONDONTWRITEBYTECODE": "1"}) as server:
        shop.write_text(f"{SHOP}\n{line}\n")
        answer = told(path, "reload", "--wait")
        assert not answer["ok"] and cause in answer["text"]
        if "Interrupt" in line:
            assert "shop.py" in answer["text"]
        assert server.request("GET", "/").body == b"shop"


SQUATTER = """
import os, socket, sys
sock = socket.socket(socket.AF_UNIX)
os.setuid(int(sys.argv[2]))
sock.bind(chr(0) + sys.argv[1])
sock.listen()
print("listening", flush=True)
while True:
    peer, _ = sock.accept()
    peer.sendall(b'{"ok": true, "text": "reloaded"}\\n')
    peer.close()
"""


@contextmanager
def squatter(name: str, uid: int) -> Iterator[int]:
    """Another program that listens at the abstract name, as that user."""
    command = [sys.executable, "-c", SQUATTER, name, str(uid)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline()
        try:
            yield process.pid
        finally:
            process.kill()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def test_an_answer_of_another_user_is_not_believed() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can be another user")
    where = address(f"127.0.0.1:{free_port()}")
    with squatter(f"dragoman-0-{where}", 65534) as pid:
        with pytest.raises(OperatorError, match=rf"process {pid} of user 65534"):
            ask("auto", (where,), ("reload", "--wait"))


def test_a_server_whose_automatic_name_is_taken_says_by_whom(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SHOP)
    bind, uid = f"127.0.0.1:{free_port()}", os.getuid()
    with squatter(f"dragoman-{uid}-{bind}", uid) as pid:
        with Server(
            "shop:app", "--workers", "1", "--chdir", str(tmp_path), "--drain-linger", "0", binds=(bind,)
        ) as server:
            server.log.wait_for(rf"\[WARNING\] .*commands.* process {pid} of user {uid}")
