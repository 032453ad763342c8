"""--user and --group: root opens what only root can, and the application never sees root's rights."""

from __future__ import annotations

import os
import signal
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.kit import children
from tests.support.server import Server, Stream, run_command, start_process
from tests.support.users import GROUPS, NAME, USER, open_directory, run_as, run_as_root, seen_by_all, setpriv
from tests.support.wire import DEADLINE_S

APP = "tests.process.apps_surroundings:app"
BOTH = pytest.mark.parametrize("workers", ["0", "2"])
CONNECT = """
import socket, sys
with socket.socket(socket.AF_UNIX) as client:
    client.connect(sys.argv[1])
"""


@pytest.fixture
def directory() -> Iterator[Path]:
    with open_directory() as directory:
        yield directory


def serve(*flags: str, workers: str = "2", binds: tuple[str, ...] = ("127.0.0.1:0",), **more: str) -> Server:
    flags = ("--workers", workers, "--drain-linger", "0", *flags)
    return Server(APP, *flags, binds=binds, wrapper=seen_by_all(), address=more.get("address"))


def refusal(*flags: str, wrapper: list[str] | None = None) -> str:
    """What root is told that cannot serve so."""
    command = [sys.executable, "-m", "dragoman", APP, "--bind", "127.0.0.1:0", "--workers", "0", *flags]
    done = run_as_root([*(wrapper or []), *command])
    assert done.returncode == 1, done.stderr
    assert "(WSGI)" not in done.stderr, "it has served"
    return done.stderr


@BOTH
@pytest.mark.parametrize("user", [NAME, str(USER.pw_uid)])
def test_the_application_runs_as_the_user_from_its_first_line(workers: str, user: str) -> None:
    with serve("--user", user, workers=workers) as server:
        found = server.request("GET", "/identity").json()
    expected = {"uids": [USER.pw_uid] * 3, "gids": [USER.pw_gid] * 3, "groups": GROUPS}
    assert found["at_import"] == expected
    assert found["now"] == expected


@BOTH
def test_no_way_leads_back_to_root(workers: str) -> None:
    with serve("--user", NAME, workers=workers) as server:
        assert server.request("GET", "/identity").json()["open_ways"] == []


def test_a_group_of_its_own_comes_with_the_groups_of_the_user() -> None:
    with serve("--user", NAME, "--group", "12345") as server:
        found = server.request("GET", "/identity").json()["now"]
    assert found["gids"] == [12345] * 3
    assert found["groups"] == sorted(os.getgrouplist(NAME, 12345))


def test_a_number_without_a_name_is_a_user_with_its_group_alone() -> None:
    with serve("--user", "54321", "--group", "12345") as server:
        found = server.request("GET", "/identity").json()["now"]
    assert found == {"uids": [54321] * 3, "gids": [12345] * 3, "groups": [12345]}


def test_a_group_alone_leaves_the_user() -> None:
    with serve("--group", "12345") as server:
        found = server.request("GET", "/identity").json()["now"]
    assert (found["uids"], found["gids"]) == ([0] * 3, [12345] * 3)


def test_the_supervisor_stays_root() -> None:
    with serve("--user", NAME) as server:
        assert os.stat(f"/proc/{server.pid}").st_uid == 0


def test_rotated_logs_are_opened_again_in_a_directory_of_roots(directory: Path) -> None:
    error_log, access_log = directory / "error.log", directory / "access.log"
    flags = ("--user", NAME, "--error-logfile", str(error_log), "--access-logfile", str(access_log))
    socket_path = str(directory / "socket")
    with serve(*flags, binds=(f"unix:{socket_path}",), address=socket_path) as server:
        server.request("GET", "/hello?before")
        for log in (error_log, access_log):
            assert log.stat().st_uid == USER.pw_uid
            log.rename(log.with_suffix(".1"))
        server.signal(signal.SIGUSR1)
        ask_until(server, access_log, "/hello?after")
        assert [log.stat().st_uid for log in (error_log, access_log)] == [USER.pw_uid] * 2
    assert "cannot be opened again" not in error_log.read_text() + error_log.with_suffix(".1").read_text()


def ask_until(server: Server, log: Path, target: str) -> None:
    """Sends requests until one of them stands in the log."""
    from tests.faults.kit import eventually

    def stands() -> bool:
        server.request("GET", target)
        return log.exists() and target in log.read_text()

    eventually(stands, f"{target} stands in {log}")


def test_a_unix_socket_belongs_to_the_user_and_the_umask_says_who_else_connects(directory: Path) -> None:
    path = directory / "socket"
    with serve("--user", NAME, "--umask", "077", binds=(f"unix:{path}",)) as server:
        status = path.stat()
        assert (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) == (0o700, USER.pw_uid, USER.pw_gid)
        command = [sys.executable, "-c", CONNECT, str(path)]
        assert run_as(USER.pw_uid, USER.pw_gid, command).returncode == 0
        other = run_as(54321, 54321, command)
        assert "PermissionError" in other.stderr
        assert server.request("GET", "/hello").body == b"hello"
    assert not path.exists()


def test_a_spool_directory_of_roots_is_told_of_before_anything_is_served(directory: Path) -> None:
    text = refusal("--user", NAME, "--spool-directory", str(directory))
    assert f'--spool-directory "{directory}": cannot be written to' in text


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--user", "nobdy"), '--user "nobdy": this machine has no such user'),
        (("--group", "nogrp"), '--group "nogrp": this machine has no such group'),
        (("--user", "54321"), '--user "54321": no user of this machine has the number'),
        (("--user", "4294967295"), '--user "4294967295": want a name, or a number from 0 to 4294967294'),
        (("--user", "9" * 5000), "want a name, or a number"),
    ],
)
def test_who_is_not_known_is_refused_in_one_line(flags: tuple[str, str], words: str) -> None:
    status, text = run_command(APP, "--bind", "127.0.0.1:0", *flags)
    assert status == 1, text
    assert words in text and text.count("\n") == 1


def test_who_is_not_root_cannot_become_somebody_else() -> None:
    command = [sys.executable, "-m", "dragoman", APP, "--bind", "127.0.0.1:0", "--user", "root"]
    done = run_as(USER.pw_uid, USER.pw_gid, command)
    assert done.returncode == 1
    assert done.stderr == (
        f'dragoman: --user "root": only root may become somebody else, and this process runs as {NAME}'
        f" ({USER.pw_uid}); start it as root, or leave this out\n"
    )


def test_who_is_the_user_already_needs_no_root() -> None:
    flags = ("--bind", "127.0.0.1:0", "--user", NAME, "--workers", "0")
    done = run_as(USER.pw_uid, USER.pw_gid, [sys.executable, "-m", "dragoman", "no_such_module", *flags])
    assert done.returncode == 3, done.stderr


def test_root_without_the_capability_is_told_which_one_it_needs() -> None:
    text = refusal("--user", NAME, wrapper=setpriv("--bounding-set=-setuid"))
    assert f"this process cannot become user {USER.pw_uid}" in text and "CAP_SETUID" in text


def test_who_could_be_root_again_serves_nothing() -> None:
    """A securebit lets a process keep its capabilities when it becomes another user (capabilities(7))."""
    assert "but could be root again" in refusal("--user", NAME, wrapper=setpriv("--securebits=+no_setuid_fixup"))


def test_modules_of_the_applications_directory_never_run_as_root(directory: Path) -> None:
    """Whatever the server imports when it runs, under whichever name: the directory may be the user's to write to."""
    told = "import os\nos.write(2, b'SHADOW %d\\n' % os.getuid())\nraise ImportError('a shadow')\n"
    for name in set(sys.stdlib_module_names) - {"__main__", "shop"}:
        (directory / f"{name}.py").write_text(told)
    (directory / "shop.py").write_text("def app(environ, start):\n    start('200 OK', [])\n    return [b'shop']\n")
    # As it is installed: Python looks for modules beside the script first, not where it is started.
    script = directory / "bin" / "dragoman"
    script.parent.mkdir()
    script.write_text("from dragoman.cli import main\nmain()\n")
    flags = ["shop:app", "--chdir", str(directory), "--user", NAME, "--bind", "127.0.0.1:0", "--workers", "2"]
    command = [*seen_by_all(), sys.executable, str(script), *flags]
    process = start_process(command, cwd=Path("/"))
    assert process.stderr is not None
    log = Stream(process.stderr)
    try:
        log.wait_for("serves shop:app")
    finally:
        process.terminate()
        process.wait(DEADLINE_S)
    assert "SHADOW 0\n" not in log.wait_for_end()


def test_a_title_can_be_changed_after_the_rights_are_given_up() -> None:
    program = (
        "from dragoman.supervisor import Identity, set_title\n"
        "set_title('before')\n"
        "Identity(54321, 12345, (12345,)).drop()\n"
        "print(set_title('after'), open('/proc/self/cmdline').read().rstrip(chr(0)), open('/proc/self/comm').read())\n"
    )
    done = run_as_root([sys.executable, "-c", program])
    assert done.stdout.split() == ["True", "dragoman:", "after", "dragoman"], done.stderr


def test_an_application_that_is_loaded_once_is_loaded_as_the_user() -> None:
    with serve("--user", NAME, "--preload") as server:
        found = server.request("GET", "/identity").json()
        titles = [Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0") for pid in children(server.pid)]
    assert found["at_import"]["uids"] == found["now"]["uids"] == [USER.pw_uid] * 3
    assert found["open_ways"] == []
    assert sorted(titles) == [f"dragoman: {part} [{APP}]" for part in ("preload", "worker 1", "worker 2")]


def test_a_reload_replaces_workers_by_workers_of_the_user() -> None:
    with serve("--user", NAME) as server:
        server.signal(signal.SIGHUP)
        server.log.wait_for("reloaded: 2 workers")
        assert server.request("GET", "/identity").json()["at_import"]["uids"] == [USER.pw_uid] * 3


@pytest.mark.parametrize("flags", [(), ("--preload",)], ids=["each worker loads", "preload"])
def test_hooks_of_a_worker_run_as_the_user(flags: tuple[str, ...], directory: Path) -> None:
    hooks = directory / "hooks.py"
    hooks.write_text("import os\ndef post_fork(server, worker):\n    server.log.info('post_fork as %d', os.getuid())\n")
    with serve("--user", NAME, "--hooks", str(hooks), *flags, workers="1") as server:
        server.log.wait_for(rf"post_fork as {USER.pw_uid}$")
