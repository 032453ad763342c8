"""A worker that the kernel kills for want of memory: the log says so, with its use and the limit."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.server import Server
from tests.support.wire import ConnectionEnded

LIMIT_BYTES = 96 << 20


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group with little memory; skips where this machine lets us make none."""
    root = Path("/sys/fs/cgroup")
    parent, limit = (root / "memory", "memory.limit_in_bytes") if (root / "memory").is_dir() else (root, "memory.max")
    path = parent / f"dragoman-test-{os.getpid()}"
    try:
        path.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made: {error}")
    try:
        try:
            (path / limit).write_text(str(LIMIT_BYTES))
        except OSError as error:
            pytest.skip(f"no memory limit can be set: {error}")
        # With swap the kernel would wait instead.
        with contextlib.suppress(OSError):
            (path / "memory.swap.max").write_text("0")
        with contextlib.suppress(OSError):
            (path / "memory.memsw.limit_in_bytes").write_text(str(LIMIT_BYTES))
        yield path
    finally:
        path.rmdir()


def test_a_worker_that_the_kernel_kills_is_told_with_use_and_limit(group: Path) -> None:
    enter = ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"]
    with Server("tests.process.apps_growing:app", "--workers", "1", "--drain-linger", "0", wrapper=enter) as server:
        with contextlib.suppress(OSError, ConnectionEnded):
            server.request("GET", "/grow")
        server.log.wait_for(
            r"\[ERROR\] worker 1 \(pid \d+\) was killed by the kernel because memory ran out: it had used up to \d+ MiB"
            r" of the 96 MiB that its control group may have; another one takes its place"
        )
        assert server.request("GET", "/process").status == 200
