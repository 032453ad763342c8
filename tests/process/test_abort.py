"""The hook `worker_abort`: called in a worker that hangs, before it is ended."""

from __future__ import annotations

from pathlib import Path

from tests.support.probe import Channel
from tests.support.server import Server, run_command
from tests.support.wire import request_bytes

HOOKS = """
import traceback
def worker_abort(worker):
    worker.log.info("aborted worker %s", worker.number)
"""


def hooks(directory: Path) -> str:
    path = directory / "hooks.py"
    path.write_text(HOOKS)
    return str(path)


def test_worker_abort_is_called_when_the_graceful_timeout_is_over(tmp_path: Path, channel: Channel) -> None:
    flags = ("--workers", "1", "--drain-linger", "0", "--graceful-timeout", "0.2", "--hooks", hooks(tmp_path))
    with Server("tests.process.apps_process:app", *flags) as server, server.connect() as wire:
        wire.send(request_bytes("GET", channel.target("/held")))
        channel.expect("call")
        assert server.stop() == 0
        channel.open("go")
        assert "aborted worker 1" in server.log.wait_for_end()


def test_worker_abort_is_called_when_a_start_takes_too_long(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("import time\ntime.sleep(60)\n")
    status, said = run_command(
        *("slow:app", "--workers", "1", "--chdir", str(tmp_path), "--bind", "127.0.0.1:0", "--start-timeout", "0.5"),
        *("--control-socket", "none", "--hooks", hooks(tmp_path)),
    )
    assert status == 3
    assert "aborted worker 1" in said
