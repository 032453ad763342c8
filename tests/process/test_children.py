"""Children that a hook forks in the supervisor, or the application while it is imported: they are nobody's business."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.apps_children import CHILDREN_VARIABLE, HIDDEN_HOOKS, HOOKS
from tests.process.test_forking import sockets_of
from tests.support.server import Server
from tests.support.wire import DEADLINE_S

APP = "tests.process.apps_children:app"


class Family:
    """Servers, and the children that they note."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.notes = directory / "children"
        self.notes.mkdir()

    def serve(self, *flags: str, hooks: str = "", env: dict[str, str] | None = None) -> Server:
        if hooks:
            path = self.directory / "hooks.py"
            path.write_text(hooks)
            flags = (*flags, "--hooks", str(path))
        env = {CHILDREN_VARIABLE: str(self.notes), **(env or {})}
        return Server(APP, "--workers", "1", "--drain-linger", "0", *flags, env=env)

    def child(self) -> int:
        """The newest one, once there is one."""
        until = time.monotonic() + DEADLINE_S
        while not (found := sorted(self.notes.iterdir(), key=lambda one: one.stat().st_mtime_ns)):
            assert time.monotonic() < until, "no child"
            time.sleep(0.01)
        return int(found[-1].name)


@pytest.fixture
def family(tmp_path: Path) -> Iterator[Family]:
    family = Family(tmp_path)
    yield family
    for note in family.notes.iterdir():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(note.name), signal.SIGKILL)


def wait_until_ended(pid: int) -> None:
    """Returns when the process runs no more; it may not have been reaped."""
    until = time.monotonic() + DEADLINE_S
    while True:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return
        if state in "ZX":
            return
        assert time.monotonic() < until, f"process {pid} still runs"
        time.sleep(0.01)


def wait_for_no_sockets(pid: int) -> None:
    until = time.monotonic() + DEADLINE_S
    # The parent may go on before the child has run its first instruction.
    while held := sockets_of(pid):
        assert time.monotonic() < until, held
        time.sleep(0.01)


def test_child_of_a_hook_is_terminated_alone(family: Family) -> None:
    with family.serve(hooks=HOOKS.format(hook="when_ready", is_daemon=True)) as server:
        os.kill(family.child(), signal.SIGTERM)
        wait_until_ended(family.child())
        assert server.request("GET", "/process").status == 200
        assert "drained" not in server.log.text


@pytest.mark.parametrize("is_daemon", [True, False])
@pytest.mark.parametrize("flags", [(), ("--preload",)])
def test_child_of_a_hook_lives_on_when_a_worker_leaves(family: Family, flags: tuple[str, ...], is_daemon: bool) -> None:
    with family.serve(*flags, hooks=HOOKS.format(hook="on_starting", is_daemon=is_daemon)) as server:
        child = family.child()
        os.kill(int(server.request("GET", "/process").json()["pid"]), signal.SIGTERM)
        server.log.wait_for("has ended; another one takes its place")
        assert Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
        assert "can only join a child process" not in server.log.text
        os.kill(child, signal.SIGKILL)


@pytest.mark.parametrize("hook", ["on_starting", "when_ready"])
def test_child_of_a_hook_holds_no_socket_of_the_server(family: Family, hook: str) -> None:
    with family.serve(hooks=HOOKS.format(hook=hook, is_daemon=True)):
        wait_for_no_sockets(family.child())


@pytest.mark.parametrize("hooks", [HOOKS.format(hook="when_ready", is_daemon=True), HIDDEN_HOOKS])
@pytest.mark.parametrize("flags", [(), ("--preload",)])
def test_workers_leave_when_the_supervisor_is_killed_though_its_child_lives(
    family: Family, hooks: str, flags: tuple[str, ...]
) -> None:
    server = family.serve(*flags, hooks=hooks)
    family.child()
    worker = int(server.request("GET", "/process").json()["pid"])
    os.kill(server.pid, signal.SIGKILL)
    server.wait()
    wait_until_ended(worker)


def test_supervisor_ends_though_a_child_of_a_hook_does_not(family: Family) -> None:
    with family.serve(hooks=HOOKS.format(hook="on_starting", is_daemon=False)) as server:
        child = family.child()
        assert server.stop() == 0
        server.log.wait_for(rf"process {child} \(helper\)")


@pytest.mark.parametrize("flags", [(), ("--preload",)])
def test_child_that_is_forked_at_import_holds_no_socket_and_can_be_terminated(
    family: Family, flags: tuple[str, ...]
) -> None:
    with family.serve(*flags, env={"DRAGOMAN_TEST_FORKS_AT_IMPORT": "1"}) as server:
        child = family.child()
        wait_for_no_sockets(child)
        os.kill(child, signal.SIGTERM)
        wait_until_ended(child)
        assert server.request("GET", "/process").status == 200


@pytest.mark.parametrize("flags", [(), ("--preload",), ("--workers", "0")])
def test_port_is_free_though_a_child_of_the_import_lives(family: Family, flags: tuple[str, ...]) -> None:
    with family.serve(*flags, env={"DRAGOMAN_TEST_FORKS_AT_IMPORT": "1"}) as server:
        child = family.child()
        assert server.stop() == 0
        os.kill(child, 0)
        with pytest.raises(ConnectionRefusedError):
            server.connect()
