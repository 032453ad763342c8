"""Forks that fail: a reload says so and what serves goes on, a start gives up; and applications that mind SIGCHLD."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.process.test_reload import Shop, answers, shop
from tests.support.server import REPOSITORY, Server, run_command

__all__ = ["shop"]

FAILING = """
import os

def {hook}(server):
    def fork():
        raise BlockingIOError(11, "Resource temporarily unavailable")
    os.fork = fork
"""
IGNORING = "import signal\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
REAPING = """
import os, signal
def reap(*_):
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except OSError:
        pass
signal.signal(signal.SIGCHLD, reap)
"""


def hooks(directory: Path, hook: str) -> str:
    path = directory / "hooks.py"
    path.write_text(FAILING.format(hook=hook))
    return str(path)


@pytest.mark.parametrize("flags", [(), ("--preload",)], ids=["each worker loads", "preload"])
def test_a_reload_whose_fork_fails_says_so_and_what_serves_goes_on(shop: Shop, flags: tuple[str, ...]) -> None:
    control = str(shop.directory / "control")
    common = ("--chdir", str(shop.directory), "--workers", "1", "--control-socket", control, *flags)
    with Server("shop:app", *common, "--hooks", hooks(shop.directory, "on_reload")) as server:
        status, said = run_command("reload", "--wait", "--control-socket", control)
        assert status == 1
        assert "Resource temporarily unavailable" in said
        server.log.wait_for("not reloaded, what serves goes on: .*Resource temporarily unavailable")
        answers(server, "1")


@pytest.mark.parametrize("flags", [(), ("--preload",)], ids=["each worker loads", "preload"])
def test_a_start_whose_forks_fail_ends_with_the_reason(shop: Shop, flags: tuple[str, ...]) -> None:
    status, said = run_command(
        *("shop:app", "--chdir", str(shop.directory), "--workers", "1", "--bind", "127.0.0.1:0"),
        *("--hooks", hooks(shop.directory, "on_starting"), "--control-socket", "none", *flags),
        cwd=REPOSITORY,
    )
    assert status == 1, said
    assert "Resource temporarily unavailable" in said
    assert "giving up" in said


@pytest.mark.parametrize("handling", [IGNORING, REAPING], ids=["ignored", "reaped"])
def test_preload_serves_an_application_that_minds_the_ends_of_children(shop: Shop, handling: str) -> None:
    path = shop.directory / "shop.py"
    path.write_text(handling + path.read_text())
    with shop.serve("--preload") as server:
        answers(server, "1")
        assert "Traceback" not in server.log.text
