"""What a reload takes anew: the release that a link leads to, logs, directories, sockets; all of it or nothing."""

from __future__ import annotations

import os
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.kit import children, eventually, state
from tests.process.test_reload import NO_BYTECODE, SHOP, answers, version, workers
from tests.support.server import Server, run_command


class Releases:
    """Releases side by side, and a link to the one that is to be served, as deployment tools have it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.current = directory / "current"
        for name in ("1", "2"):
            (directory / name).mkdir()
            (directory / name / "shop.py").write_text(SHOP.replace("@", name))
        self.switch("1")

    def switch(self, name: str) -> None:
        draft = self.directory / "draft"
        draft.symlink_to(self.directory / name)
        draft.replace(self.current)


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    return Releases(tmp_path)


@pytest.mark.parametrize("flags", [(), ("--preload",)])
@pytest.mark.parametrize("is_entered", [False, True], ids=["chdir", "started there"])
def test_a_reload_serves_the_release_that_the_link_leads_to_by_then(
    releases: Releases, is_entered: bool, flags: tuple[str, ...]
) -> None:
    # A shell that has entered a link says its name in PWD.
    env = {**NO_BYTECODE, **({"PWD": str(releases.current)} if is_entered else {})}
    where = () if is_entered else ("--chdir", str(releases.current))
    common = ("--workers", "1", "--control-socket", "none", *where, *flags)
    cwd = releases.current if is_entered else releases.directory
    with Server("shop:app", *common, env=env, cwd=cwd) as server:
        assert version(server) == "1"
        releases.switch("2")
        shutil.rmtree(releases.directory / "1")
        server.signal(signal.SIGHUP)
        server.log.wait_for("reloaded: 1 worker")
        answers(server, "2")


def test_an_upgrade_starts_in_the_release_that_the_link_leads_to_by_then(releases: Releases, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    env = {**NO_BYTECODE, "PWD": str(releases.current)}
    common = ("--workers", "1", "--control-socket", "none", "--pid", str(pid_file))
    with Server("shop:app", *common, env=env, cwd=releases.current) as server:
        releases.switch("2")
        shutil.rmtree(releases.directory / "1")
        server.signal(signal.SIGUSR2)
        assert server.wait() == 0
        try:
            answers(server, "2")
        finally:
            end(int(pid_file.read_text()))


def end(pid: int) -> None:
    os.kill(pid, signal.SIGTERM)
    eventually(lambda: state(pid) in ("", "Z"), "the successor ends, too")


class Configured:
    """A server that is configured by a file; what the tests are not about stands in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.file = directory / "dragoman.toml"
        self.release("1")

    def release(self, version: str, where: str = ".") -> None:
        (self.directory / where).mkdir(exist_ok=True)
        draft = self.directory / "draft"
        draft.write_text(SHOP.replace("@", version))
        draft.replace(self.directory / where / "shop.py")

    def write(self, **settings: object) -> None:
        rows = {"workers": 1, "drain_linger": 0, **settings}
        texts = [
            f"{name} = {f'{value!r}'.lower() if isinstance(value, bool) else repr(value)}"
            for name, value in rows.items()
        ]
        self.file.write_text("\n".join(["[server]", *texts, ""]))

    def serve(self, **settings: object) -> Server:
        self.write(**settings)
        env = {**NO_BYTECODE, "DRAGOMAN_WORKERS": ""}
        binds = () if "bind" in settings else ("127.0.0.1:0",)
        return Server("shop:app", "--config", str(self.file), env=env, cwd=self.directory, binds=binds)

    def path(self, name: str) -> str:
        return str(self.directory / name)

    def reload(self, *flags: str) -> tuple[int, str]:
        return run_command("reload", *flags, "--config", str(self.file), cwd=self.directory)


@pytest.fixture
def configured(tmp_path: Path) -> Configured:
    return Configured(tmp_path)


def test_a_reload_moves_the_logs_and_one_that_fails_leaves_them(configured: Configured) -> None:
    common = {"control_socket": configured.path("control")}
    first = {"access_logfile": configured.path("a1"), **common}
    second = {"access_logfile": configured.path("a2"), "error_logfile": configured.path("e2"), **common}
    with configured.serve(**first) as server:
        configured.write(**second)
        configured.release("(")
        assert configured.reload("--wait")[0] == 1
        server.log.wait_for("not reloaded, what serves goes on: worker 1")
        assert version(server) == "1"
        eventually(lambda: "GET / " in Path(configured.path("a1")).read_text(), "the access log of before goes on")
        configured.release("2")
        status, output = configured.reload("--wait")
        assert (status, output) == (0, "reloaded\n")
        answers(server, "2")
        eventually(lambda: "GET / " in Path(configured.path("a2")).read_text(), "the access log has moved")
        assert "reloaded: 1 worker" in Path(configured.path("e2")).read_text()
        assert "reloaded: 1 worker" not in server.log.text
        # Nobody holds on to the ones of before.
        held = {os.readlink(one) for pid in (server.pid, *children(server.pid)) for one in descriptors(pid)}
        assert configured.path("a2") in held and configured.path("a1") not in held


def descriptors(pid: int) -> Iterator[Path]:
    for one in Path(f"/proc/{pid}/fd").iterdir():
        if one.is_symlink():
            yield one


def test_a_log_that_cannot_be_opened_refuses_the_reload_with_the_cause(configured: Configured) -> None:
    common = {"control_socket": configured.path("control")}
    with configured.serve(**common) as server:
        configured.write(access_logfile=configured.path("none/a"), pid=configured.path("pid"), **common)
        status, output = configured.reload("--wait")
        assert status == 1 and "there is no directory" in output
        assert not os.path.exists(configured.path("pid"))
        assert version(server) == "1"


def test_a_reload_moves_the_directory_the_paths_and_the_pid_file(configured: Configured) -> None:
    common = {"control_socket": configured.path("control")}
    configured.release("2", "other")
    with configured.serve(pid=configured.path("p1"), **common) as server:
        configured.write(chdir="other", pid="p2", pythonpath="there", **common)
        assert configured.reload("--wait") == (0, "reloaded\n")
        answers(server, "2")
        assert Path(configured.path("other/p2")).read_text() == f"{server.pid}\n"
        assert not os.path.exists(configured.path("p1"))
        configured.release("(", "other")
        configured.write(pid=configured.path("p3"), **common)
        configured.release("(")
        assert configured.reload("--wait")[0] == 1
        assert not os.path.exists(configured.path("p3"))
        assert os.readlink(f"/proc/{server.pid}/cwd") == configured.path("other")
    assert not os.path.exists(configured.path("other/p2"))


def test_a_control_socket_that_is_to_vanish_is_refused_and_one_with_another_path_moves(configured: Configured) -> None:
    with configured.serve(control_socket=configured.path("c1")) as server:
        configured.write(control_socket="none")
        server.signal(signal.SIGHUP)
        server.log.wait_for("not reloaded, .*control_socket has changed from or to none, which takes a new start")
        configured.write(control_socket=configured.path("c2"))
        server.signal(signal.SIGHUP)
        server.log.wait_for("reloaded: 1 worker")
        assert configured.reload("--wait") == (0, "reloaded\n")
        assert not os.path.exists(configured.path("c1"))


def test_a_reload_that_is_refused_at_once_says_why_without_being_waited_for(configured: Configured) -> None:
    common = {"control_socket": configured.path("control")}
    with configured.serve(**common):
        configured.file.write_text("[server\n")
        status, output = run_command("reload", "--control-socket", configured.path("control"))
        assert status == 1 and "not reloaded, what serves goes on" in output and "dragoman.toml" in output


@pytest.mark.parametrize("preload", [False, True])
def test_an_address_that_a_reload_gives_up_is_refused_to_clients_and_can_be_had_back(
    configured: Configured, preload: bool
) -> None:
    first, second = free_port(), free_port()
    common = {"control_socket": configured.path("control"), "preload": preload}
    with configured.serve(bind=f"127.0.0.1:{first}", **common) as server:
        for _ in range(3):
            configured.write(bind=f"127.0.0.1:{second}", **common)
            assert configured.reload("--wait") == (0, "reloaded\n")
            eventually(lambda: is_refused(first), "nobody listens where nobody answers")
            configured.write(bind=f"127.0.0.1:{first}", **common)
            assert configured.reload("--wait") == (0, "reloaded\n")
            assert version(server) == "1"


def test_several_free_ports_stay_what_they_are(configured: Configured) -> None:
    common = {"control_socket": configured.path("control")}
    with configured.serve(bind=["127.0.0.1:0", "127.0.0.1:0"], **common) as server:
        first, second = (int(port) for port in server.log.wait_for(r":(\d+)\n.*:(\d+)$").groups())
        configured.write(bind=["127.0.0.1:0"], **common)
        assert configured.reload("--wait") == (0, "reloaded\n")
        eventually(lambda: is_refused(second), "one is given up")
        assert not is_refused(first)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def is_refused(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) != 0


def test_a_reload_makes_the_file_of_a_unix_socket_again(configured: Configured) -> None:
    path = configured.path("http")
    with configured.serve(bind=f"unix:{path}", control_socket=configured.path("control")) as server:
        os.unlink(path)
        assert configured.reload("--wait") == (0, "reloaded\n")
        assert version(server) == "1"
        assert len(workers(server)) >= 1
    assert not os.path.exists(path)


def test_an_upgrade_makes_the_file_of_a_unix_socket_again(configured: Configured) -> None:
    path, pid_file = configured.path("http"), Path(configured.path("pid"))
    common = {"bind": f"unix:{path}", "control_socket": configured.path("control"), "pid": str(pid_file)}
    with configured.serve(**common) as server:
        os.unlink(path)
        server.signal(signal.SIGUSR2)
        server.log.wait_for("taking over from process")
        assert server.wait() == 0
        try:
            assert version(server) == "1"
        finally:
            end(int(pid_file.read_text()))
    assert not os.path.exists(path)
    assert "Traceback" not in server.log.text
