"""The shared table between processes: unrelated ones, forked ones, killed and stopped ones."""

from __future__ import annotations

import fcntl
import itertools
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from limits.storage import storage_from_string

from dragoman.middleware.rate_limit import shared_memory
from dragoman.middleware.rate_limit.shared_memory import open_table
from dragoman.middleware.rate_limit.storage import SharedMemoryStorage
from tests.support.wire import DEADLINE_S

REPOSITORY = Path(__file__).resolve().parents[3]
SIZE_BYTES = 1 << 16
names = itertools.count()


@pytest.fixture
def name() -> str:
    return f"test-{os.getpid()}-{next(names)}"


@pytest.fixture(autouse=True)
def nothing_left(tmp_path: Path) -> Iterator[None]:
    yield
    for path in list(shared_memory.opened):
        if path.is_relative_to(tmp_path):
            del shared_memory.opened[path]


def uri(name: str, directory: Path) -> str:
    return f"shm://{name}?size=64k&dir={directory}"


def python(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": f"{REPOSITORY / 'python'}{os.pathsep}{REPOSITORY}"},
    )


HITS = """
    import sys
    from limits import parse
    from limits.storage import storage_from_string
    from limits.strategies import STRATEGIES
    import dragoman.middleware.rate_limit
    strategy = STRATEGIES[sys.argv[2]](storage_from_string(sys.argv[1]))
    print("ready", flush=True)
    sys.stdin.readline()
    item = parse("500/hour")
    print(sum(strategy.hit(item, "somebody") for _ in range(int(sys.argv[3]))))
"""


@pytest.mark.parametrize("strategy", ["fixed-window", "sliding-window-counter", "token-bucket"])
def test_unrelated_processes_count_together_to_the_last_request(name: str, tmp_path: Path, strategy: str) -> None:
    processes = [python(HITS, uri(name, tmp_path), strategy, "400") for _ in range(3)]
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    allowed = [int(process.communicate("\n", DEADLINE_S)[0]) for process in processes]
    # Another token may flow in meanwhile: one in 7.2 seconds.
    assert 500 <= sum(allowed) <= 500 + (10 if strategy == "token-bucket" else 0)


def test_threads_count_together(name: str, tmp_path: Path) -> None:
    storage = storage_from_string(uri(name, tmp_path))
    counts: list[int] = []

    def count() -> None:
        counts.extend(storage.incr("a", 60) for _ in range(300))  # type: ignore[arg-type]

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    assert sorted(counts) == list(range(1, 1201))


def test_a_forked_child_counts_in_the_same_table_and_its_locks_are_free(name: str, tmp_path: Path) -> None:
    storage = SharedMemoryStorage(uri(name, tmp_path))
    lock = storage.table.lock
    assert isinstance(lock, shared_memory.FileLock)
    # As if another thread were just counting when somebody forks.
    with lock.threads:
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                status = 0 if [storage.incr("a", 60) for _ in range(200)] == list(range(1, 201)) else 1
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert storage.incr("a", 60) == 201


def test_the_lock_of_parent_and_child_keeps_them_apart(name: str, tmp_path: Path) -> None:
    storage = SharedMemoryStorage(uri(name, tmp_path))
    storage.incr("a", 60)
    pids = []
    for _ in range(2):
        if (pid := os.fork()) == 0:
            try:
                for _ in range(500):
                    storage.incr("a", 60)
            finally:
                os._exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)
    assert storage.incr("a", 60) == 1002


HOLDER = """
    import sys
    from dragoman.middleware.rate_limit.storage import SharedMemoryStorage
    storage = SharedMemoryStorage(sys.argv[1])
    def hold(state):
        print("held", flush=True)
        sys.stdin.readline()
        return None, None
    storage.table.update(b"fixed-window\\0a", 0.0, hold)
"""


def holder(name: str, directory: Path) -> subprocess.Popen[str]:
    """A process that has the lock of "a", until it is told a line."""
    process = python(HOLDER, uri(name, directory))
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_a_holder_that_is_killed_does_not_keep_its_lock(name: str, tmp_path: Path) -> None:
    storage = SharedMemoryStorage(uri(name, tmp_path))
    process = holder(name, tmp_path)
    assert not storage.check() or storage.incr("b", 60) == 1
    process.kill()
    process.communicate()
    assert storage.incr("a", 60) == 1


def test_nobody_waits_for_a_holder_that_does_not_go_on(name: str, tmp_path: Path) -> None:
    storage = SharedMemoryStorage(uri(name, tmp_path))
    process = holder(name, tmp_path)
    with pytest.raises(TimeoutError, match="is it stopped"):
        storage.incr("a", 60)
    process.communicate("\n", DEADLINE_S)
    assert storage.incr("a", 60) == 1


KILLED_WHILE_COUNTING = """
    import sys
    from dragoman.middleware.rate_limit.storage import SharedMemoryStorage
    storage = SharedMemoryStorage(sys.argv[1])
    print("counting", flush=True)
    while True:
        storage.incr("a", 3600)
"""


def test_processes_that_are_killed_while_they_count_leave_a_table_that_works(name: str, tmp_path: Path) -> None:
    storage = SharedMemoryStorage(uri(name, tmp_path))
    last = 0
    for _ in range(8):
        process = python(KILLED_WHILE_COUNTING, uri(name, tmp_path))
        assert process.stdout is not None and process.stdout.readline() == "counting\n"
        process.send_signal(signal.SIGKILL)
        process.communicate()
        counted = storage.incr("a", 3600)
        assert counted > last
        last = counted


def test_a_table_opened_twice_in_a_process_is_one(name: str, tmp_path: Path) -> None:
    # A second descriptor that is closed would take the locks of the first with it.
    assert open_table(name, SIZE_BYTES, str(tmp_path)) is open_table(name, SIZE_BYTES, str(tmp_path))
    with pytest.raises(ValueError, match="open already with a size of"):
        open_table(name, 2 * SIZE_BYTES, str(tmp_path))


def path_of(name: str, directory: Path) -> Path:
    return directory / f"dragoman-{os.geteuid()}-{name}.limits"


def test_the_file_is_for_its_user_alone_and_its_room_is_taken_at_once(name: str, tmp_path: Path) -> None:
    open_table(name, 1 << 20, str(tmp_path))
    found = path_of(name, tmp_path).stat()
    assert found.st_mode & 0o777 == 0o600
    assert found.st_blocks * 512 >= found.st_size


def test_a_table_of_another_size_is_made_anew(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    old = open_table(name, SIZE_BYTES, str(tmp_path))
    shared_memory.opened.clear()
    new = open_table(name, 2 * SIZE_BYTES, str(tmp_path))
    assert len(new.memory) > len(old.memory)
    assert "is of another size or version" in caplog.text


def test_a_table_whose_maker_was_killed_is_finished(name: str, tmp_path: Path) -> None:
    path_of(name, tmp_path).write_bytes(bytes(5000))
    path_of(name, tmp_path).chmod(0o600)
    assert SharedMemoryStorage(uri(name, tmp_path)).incr("a", 60) == 1


def test_a_file_that_is_no_table_is_left_alone(name: str, tmp_path: Path) -> None:
    path_of(name, tmp_path).write_bytes(b"somebody's letters")
    with pytest.raises(FileExistsError, match="is not a table of limits"):
        open_table(name, SIZE_BYTES, str(tmp_path))
    assert path_of(name, tmp_path).read_bytes() == b"somebody's letters"


def test_a_link_that_somebody_has_laid_is_not_followed(name: str, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"")
    path_of(name, tmp_path).symlink_to(target)
    with pytest.raises(OSError, match="symbolic link"):
        open_table(name, SIZE_BYTES, str(tmp_path))
    assert target.read_bytes() == b""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_file_of_another_user_is_refused(name: str, tmp_path: Path) -> None:
    open_table(name, SIZE_BYTES, str(tmp_path))
    shared_memory.opened.clear()
    os.chown(path_of(name, tmp_path), 65534, 65534)
    with pytest.raises(PermissionError, match="somebody else has made it"):
        open_table(name, SIZE_BYTES, str(tmp_path))


@pytest.mark.parametrize("name", ["", "../up", "a/b", "a b", "x" * 101])
def test_names_that_could_lead_elsewhere_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="want a name of letters"):
        open_table(name, SIZE_BYTES, str(tmp_path))


def test_many_processes_that_start_at_once_make_one_table(name: str, tmp_path: Path) -> None:
    processes = [python(HITS, uri(name, tmp_path), "fixed-window", "3") for _ in range(4)]
    for process in processes:
        assert process.communicate("\n", DEADLINE_S)[0] == "ready\n3\n"
    assert [path.name for path in tmp_path.iterdir()] == [path_of(name, tmp_path).name]


def test_locks_are_those_that_the_kernel_takes_from_the_dead(name: str, tmp_path: Path) -> None:
    # Whoever replaces them by something that a fork inherits has to answer for both tests above.
    lock = open_table(name, SIZE_BYTES, str(tmp_path)).lock
    assert isinstance(lock, shared_memory.FileLock)
    lock.acquire(0)
    if (pid := os.fork()) == 0:
        try:
            fcntl.lockf(lock.file.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 0)
        except BlockingIOError:
            os._exit(0)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    lock.release(0)
