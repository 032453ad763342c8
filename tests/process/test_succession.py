"""An upgrade in which one of the two supervisors ends too early: the sockets are never left without anybody."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest

from tests.faults.kit import children, eventually, state
from tests.process.test_reload import Shop, version
from tests.process.test_renewal import end
from tests.support.server import Server, run_command

__all__ = ["shop"]

from tests.process.test_reload import shop

# Until the file is there; then it is version 2.
WAITS = "2 if all(__import__('time').sleep(0.01) is None for _ in iter(lambda: {is_there}, True)) else 0"


def upgrade_that_waits(server: Server, shop: Shop) -> tuple[int, Path]:
    """The process of a successor whose worker loads until the file is there, and that file."""
    file = shop.directory / "loaded"
    shop.release(WAITS.format(is_there=f"__import__('os').path.exists({str(file)!r})"))
    server.signal(signal.SIGUSR2)
    successor = int(server.log.wait_for(r"upgrading: process (\d+)")[1])
    eventually(lambda: bool(children(successor)), "its worker loads")
    return successor, file


@pytest.mark.parametrize("is_unix", [False, True])
def test_a_successor_takes_what_it_has_got_though_its_predecessor_was_killed_meanwhile(
    shop: Shop, is_unix: bool
) -> None:
    pid_file, path = shop.directory / "pid", str(shop.directory / "http")
    common = ("--workers", "1", "--chdir", str(shop.directory), "--pid", str(pid_file), "--drain-linger", "0")
    control = ("--control-socket", str(shop.directory / "control"))
    binds = (f"unix:{path}",) if is_unix else ("127.0.0.1:0",)
    with Server("shop:app", *common, *control, binds=binds) as server:
        before = children(server.pid)
        successor, file = upgrade_that_waits(server, shop)
        os.kill(server.pid, signal.SIGKILL)
        server.wait()
        eventually(lambda: all(state(pid) in ("", "Z") for pid in before), "its workers have drained")
        # Where nobody serves yet a client waits, and is answered.
        with server.connect() as wire:
            file.touch()
            assert wire.request("GET", "/").body.startswith(b"2 ")
        server.log.wait_for("which is gone")
        eventually(lambda: pid_file.read_text() == f"{successor}\n", "the pid file is the successor's")
        assert run_command("stop", *control) == (0, "stopping\n")
        eventually(lambda: state(successor) in ("", "Z"), "the successor ends")
        assert not os.path.exists(path) and not pid_file.exists()


def test_a_predecessor_that_is_killed_before_the_successor_looks_at_its_sockets_leaves_them_to_it(shop: Shop) -> None:
    pid_file = shop.directory / "pid"
    hooks = shop.directory / "hooks.py"
    file = shop.directory / "go"
    hooks.write_text("def on_starting(server):\n    pass\n")
    with shop.serve("--hooks", str(hooks), "--pid", str(pid_file), workers="1") as server:
        # A successor reads them before it binds anything.
        hooks.write_text(f"import os, time\nwhile not os.path.exists({str(file)!r}):\n    time.sleep(0.01)\n")
        server.signal(signal.SIGUSR2)
        successor = int(server.log.wait_for(r"upgrading: process (\d+)")[1])
        os.kill(server.pid, signal.SIGKILL)
        server.wait()
        file.touch()
        eventually(lambda: pid_file.read_text() == f"{successor}\n", "the successor serves")
        try:
            assert version(server) == "1"
        finally:
            end(successor)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_end_of_a_server_is_that_of_a_successor_which_does_not_serve_yet(
    shop: Shop, number: signal.Signals
) -> None:
    path = str(shop.directory / "http")
    common = ("--workers", "1", "--chdir", str(shop.directory), "--control-socket", "none", "--drain-linger", "0")
    with Server("shop:app", *common, binds=(f"unix:{path}",)) as server:
        successor, _ = upgrade_that_waits(server, shop)
        loading = children(successor)
        server.signal(number)
        assert server.wait() == 0
        server.log.wait_for(rf"process {successor}, which was to take over, does not serve yet and is ended, too")
        eventually(lambda: all(state(pid) in ("", "Z") for pid in (successor, *loading)), "nobody is left")
        assert not os.path.exists(path)
        assert "not upgraded" not in server.log.text


def test_a_variable_of_another_upgrade_is_not_believed(shop: Shop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        inode = os.fstat(sock.fileno()).st_ino
        for told in (
            "nonsense",
            "[]",
            f'{{"pid": {os.getpid()}, "sockets": {{"127.0.0.1:0": [{sock.fileno()}, {inode}], "channel": [2, 7]}}}}',
        ):
            common = ("--workers", "1", "--chdir", str(shop.directory), "--control-socket", "none")
            with Server("shop:app", *common, env={"DRAGOMAN_UPGRADE": told}) as server:
                assert version(server) == "1"
                assert "taking over" not in server.log.text
