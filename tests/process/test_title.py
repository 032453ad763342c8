"""The titles under which ps shows the processes of a run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.kit import children
from tests.support.needs import need_program
from tests.support.server import Server
from tests.support.wire import DEADLINE_S

APP = "tests.process.apps_surroundings:app"


@pytest.fixture(autouse=True)
def ps() -> None:
    need_program("ps", "procps")


def shown(pid: int, column: str = "args") -> str:
    """What ps shows of the process."""
    output = subprocess.run(
        ["ps", "-ww", "-o", f"{column}=", "-p", str(pid)], capture_output=True, text=True, check=True
    )
    return output.stdout.rstrip("\n").rstrip()


def serve(*flags: str, **more: object) -> Server:
    return Server(APP, "--drain-linger", "0", *flags, **more)  # type: ignore[arg-type]


def test_supervisor_and_workers_say_what_they_are_and_what_they_serve(probe_listener: object) -> None:
    with serve("--workers", "2") as server:
        server.request("GET", "/hello")
        assert shown(server.pid) == f"dragoman: supervisor [{APP}]"
        titles = sorted(shown(pid) for pid in children(server.pid))
    assert titles == [f"dragoman: worker 1 [{APP}]", f"dragoman: worker 2 [{APP}]"]


def test_a_process_that_serves_alone_says_so(probe_listener: object) -> None:
    with serve("--workers", "0") as server:
        assert shown(server.pid) == f"dragoman: server [{APP}]"


def test_a_name_stands_for_the_application(probe_listener: object) -> None:
    with serve("--workers", "0", "--name", "shop") as server:
        assert shown(server.pid) == "dragoman: server [shop]"
    with serve("--workers", "0", "-n", "shop\x1b[2J\n") as server:
        assert shown(server.pid) == r"dragoman: server [shop\x1b[2J\n]"


def test_tools_that_go_by_the_name_of_the_program_find_it(probe_listener: object) -> None:
    with serve("--workers", "0") as server:
        assert shown(server.pid, "comm") == "dragoman"


def test_the_environment_of_the_process_can_still_be_read(probe_listener: object) -> None:
    with serve("--workers", "0", env={"SHOP_MARK": "here"}) as server:
        environment = Path(f"/proc/{server.pid}/environ").read_bytes().split(b"\0")
    assert b"SHOP_MARK=here" in environment


def test_a_title_is_cut_where_the_command_line_ended(tmp_path: Path) -> None:
    script = (
        "from dragoman.supervisor import set_title; import time; print(set_title('wörker ' * 20), flush=True); input()"
    )
    (tmp_path / "s").write_text(script)
    paths = os.pathsep.join(filter(None, sys.path))
    process = subprocess.Popen(
        ["python", "s"],
        executable=sys.executable,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": paths, "PYTHONHOME": sys.base_prefix},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None and process.stdout.readline() == b"True\n"
        # "python", "s" and a NUL behind each: room for eight bytes and the last NUL.
        assert shown(process.pid) == "dragoman"
    finally:
        process.communicate(b"\n", DEADLINE_S)
