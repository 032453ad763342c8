"""The table that processes share: nothing that was counted is lost, whoever is killed, and it never grows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dragoman.middleware.metrics import table as module
from dragoman.middleware.metrics.storage import parsed, table_of
from dragoman.middleware.metrics.table import DROPPED, IN_FLIGHT, NAME_BYTES, Layout, Table, Totals
from dragoman.middleware.shared_file import HEAD_LOCK
from tests.support.wire import DEADLINE_S

REPOSITORY = Path(__file__).resolve().parents[3]
LAYOUT = Layout(100, 300)
COUNTS = """
    import sys
    from dragoman.middleware.metrics.storage import table_of
    from dragoman.middleware.metrics.table import Layout
    table = table_of(sys.argv[1], Layout(100, 300), "test")
    table.joined()
    print("ready", flush=True)
    for line in sys.stdin:
        name, _, amount = line.partition(" ")
        found = table.find(name.encode(), 1)
        table.joined()[found.start if found else 1] += float(amount)
        table.joined()[0] += 1
        totals = table.totals()
        print(totals.cells[totals.names[name.encode()].start], totals.processes, flush=True)
"""


class Other:
    """Another process that counts in the same table."""

    def __init__(self, uri: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(COUNTS), uri],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY / "python")},
        )
        assert self.process.stdout is not None and self.process.stdout.readline() == "ready\n"

    def count(self, name: str, amount: int = 1) -> tuple[float, int]:
        """Count; gives what it then finds in the table: the sum, and how many processes."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{name} {amount}\n")
        self.process.stdin.flush()
        total, processes = self.process.stdout.readline().split()
        return float(total), int(processes)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=DEADLINE_S)

    def end(self) -> None:
        self.process.communicate(timeout=DEADLINE_S)


@contextmanager
def others(uri: str, number: int) -> Iterator[list[Other]]:
    found = [Other(uri) for _ in range(number)]
    try:
        yield found
    finally:
        for one in found:
            one.kill()


def uri_in(directory: Path) -> str:
    return f"shm://test?dir={directory}"


def total_of(table: Table, name: bytes) -> float:
    totals = table.totals()
    return totals.cells[totals.names[name].start]


def test_processes_count_together(tmp_path: Path) -> None:
    with others(uri_in(tmp_path), 3) as (one, two, three):
        assert one.count("a") == (1, 3)
        assert two.count("a", 2) == (3, 3)
        assert three.count("b", 5) == (5, 3)
        assert one.count("b") == (6, 3)
    assert len(list(tmp_path.iterdir())) == 1


def test_what_a_killed_process_has_counted_stays_and_what_it_had_in_flight_goes(tmp_path: Path) -> None:
    with others(uri_in(tmp_path), 1) as [stays]:
        stays.count("a")
        gone = Other(uri_in(tmp_path))
        assert gone.count("a", 4) == (5, 2)
        gone.kill()
        assert stays.count("a", 0) == (5, 1)
        table = table_of(uri_in(tmp_path), LAYOUT, "test")
        # Two requests of the one that stays.
        assert table.totals().cells[IN_FLIGHT] == 2
        table.leave()


def test_who_comes_when_nobody_is_left_begins_at_zero(tmp_path: Path) -> None:
    with others(uri_in(tmp_path), 1) as [first]:
        first.count("a", 7)
    with others(uri_in(tmp_path), 1) as [second]:
        assert second.count("b") == (1, 1)
        assert second.count("a") == (1, 1)


def test_a_successor_that_is_there_before_the_last_one_goes_goes_on(tmp_path: Path) -> None:
    with others(uri_in(tmp_path), 1) as [first]:
        first.count("a", 7)
        second = Other(uri_in(tmp_path))
        second.count("b")
        first.kill()
        assert second.count("a") == (8, 1)
        second.kill()


def test_the_last_one_removes_the_file(tmp_path: Path) -> None:
    one, two = Other(uri_in(tmp_path)), Other(uri_in(tmp_path))
    one.count("a")
    two.count("a")
    one.end()
    assert len(list(tmp_path.iterdir())) == 1
    assert two.count("a") == (3, 1)
    two.end()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_was_removed_before_we_had_a_place_is_made_again(tmp_path: Path) -> None:
    table = table_of(uri_in(tmp_path), LAYOUT, "test")
    [path] = tmp_path.iterdir()
    path.unlink()
    table.joined()
    with others(uri_in(tmp_path), 1) as [other]:
        assert other.count("a") == (1, 2)
        assert total_of(table, b"a") == 1
    table.leave()


def test_a_child_of_fork_has_a_place_of_its_own(tmp_path: Path) -> None:
    table = table_of(uri_in(tmp_path), LAYOUT, "test")
    found = table.find(b"a", 1)
    assert found is not None
    table.joined()[found.start] += 1
    child = os.fork()
    if child == 0:
        try:
            again = table.find(b"a", 1)
            assert again == found
            table.joined()[again.start] += 10
            newer = table.find(b"b", 1)
            assert newer is not None
            table.joined()[newer.start] += 3
            os._exit(table.totals().processes)
        finally:
            os._exit(99)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
    assert (total_of(table, b"a"), total_of(table, b"b"), table.totals().processes) == (11, 3, 1)
    table.leave()


def test_a_stopped_process_holds_nobody_up_for_long(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    table = table_of(uri_in(tmp_path), LAYOUT, "test")
    table.joined()
    with others(uri_in(tmp_path), 1) as [other]:
        other.count("a")
        assert table.file is not None
        held = os.fork()
        if held == 0:
            table.file.lock()
            os.kill(os.getpid(), signal.SIGSTOP)
            os._exit(0)
        assert os.WIFSTOPPED(os.waitpid(held, os.WUNTRACED)[1])
        try:
            assert table.find(b"new", 1) is None
            assert "is it stopped?" in caplog.text
            # What is known is counted all the same.
            assert table.totals().processes == 2
        finally:
            os.kill(held, signal.SIGKILL)
            os.waitpid(held, 0)
        assert table.find(b"new", 1) is not None
    table.leave()


def test_nobody_buries_a_process_while_all_are_added_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = table_of(uri_in(tmp_path), LAYOUT, "test")
    table.joined()
    statuses: list[int] = []
    added_up = Table.added_up

    def watched(table: Table) -> Totals:
        if (child := os.fork()) == 0:
            assert table.file is not None
            os._exit(table.file.try_lock(HEAD_LOCK))
        statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        return added_up(table)

    monkeypatch.setattr(Table, "added_up", watched)
    table.totals()
    assert statuses == [0]
    table.leave()


def test_who_joins_when_all_was_begun_anew_meanwhile_knows_the_new_names(tmp_path: Path) -> None:
    go, wait = os.pipe(), os.pipe()
    if (maker := os.fork()) == 0:
        try:
            table = table_of(uri_in(tmp_path), LAYOUT, "test")
            table.find(b"a", 1)
            if os.fork() == 0:
                os.read(go[0], 1)
                names = table.totals().names
                table.find(b"a", 1)
                os.write(wait[1], b"%d %d" % (names[b"b"].start, b"a" in names))
        finally:
            # Without a word: the file stays.
            os._exit(0)
    os.waitpid(maker, 0)
    with others(uri_in(tmp_path), 1) as [other]:
        assert other.count("b")[0] == 1
        os.write(go[1], b"!")
        assert os.read(wait[0], 10) == b"2 0"
    for end in (*go, *wait):
        os.close(end)


def test_a_full_table_takes_nothing_new_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    table = Table(Layout(5, 100), None, "small")
    found = [table.find(b"%d" % number, 1) for number in range(8)]
    assert [one is None for one in found] == [False] * 5 + [True] * 3
    assert table.find(b"0", 1) == found[0]
    assert caplog.messages == ["small is full with 5 names: what is new is not told apart"]
    few_cells = Table(Layout(5, 10), None, "small")
    assert few_cells.find(b"a", 9) is None
    assert few_cells.find(b"b", 8) == range(2, 10)
    assert few_cells.find(b"c", 1) is None


def test_some_names_have_room_of_their_own() -> None:
    table = Table(Layout(2, 100, spare=1), None, "small")
    found = [table.find(name, 1) for name in (b"a", b"b", b"c")]
    assert [one is None for one in found] == [False, False, True]
    assert table.find(b"c", 1, is_spare=True) is not None
    assert table.find(b"d", 1, is_spare=True) is None
    assert table.find(b"c", 1) is not None


def test_who_knows_that_a_table_is_full_asks_nobody_again(tmp_path: Path) -> None:
    layout = Layout(1, 100, spare=1)
    table = table_of(uri_in(tmp_path), layout, "test")
    assert table.find(b"a", 1) is not None
    assert table.find(b"b", 1) is None
    assert table.file is not None
    table.file.lock = lambda at=0: pytest.fail("a lock")  # type: ignore[method-assign]
    assert table.find(b"c", 1) is None
    del table.file.lock
    assert table.find(b"c", 1, is_spare=True) is not None
    table.leave()


def test_a_name_that_is_too_long_has_no_place_and_is_no_reason_to_call_the_table_full(
    caplog: pytest.LogCaptureFixture,
) -> None:
    table = Table(LAYOUT, None, "test")
    assert table.find(b"x" * NAME_BYTES, 1) is not None
    assert table.find(b"x" * (NAME_BYTES + 1), 1) is None
    assert table.find(b"short", 1) is not None
    assert caplog.messages == []


def test_when_all_places_are_taken_a_process_counts_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(table: Table) -> None:
        raise OSError("all 256 places for processes are taken")

    monkeypatch.setattr(module.Table, "take_place", full)
    table = table_of(uri_in(tmp_path), LAYOUT, "test")
    table.joined()[DROPPED] += 1
    assert table.totals().cells[:2] == [0, 1]
    assert "what this process counts the others will not know: all 256 places" in caplog.text


def test_threads_lose_nothing(tmp_path: Path) -> None:
    table = table_of(uri_in(tmp_path), LAYOUT, "test")

    def count(thread: int) -> None:
        for number in range(200):
            found = table.find(b"%d" % (number % 20), 1)
            cells = table.joined()
            assert found is not None
            with table.lock:
                cells[found.start] += 1

    threads = [threading.Thread(target=count, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE_S)
    totals = table.totals()
    assert [totals.cells[totals.names[b"%d" % number].start] for number in range(20)] == [80] * 20
    table.leave()


def test_another_layout_makes_the_file_anew_and_in_one_process_is_refused(tmp_path: Path) -> None:
    with others(uri_in(tmp_path), 1) as [other]:
        other.count("a")
        table = table_of(uri_in(tmp_path), LAYOUT, "other buckets")
        assert table.totals().names == {}
        with pytest.raises(ValueError, match="in use already, with other buckets or another size"):
            table_of(uri_in(tmp_path), LAYOUT, "test")
        assert other.count("a") == (2, 1)
        table.leave()


def test_a_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / f"dragoman-{os.geteuid()}-test.metrics"
    path.write_bytes(b"not ours at all, and long enough to be read as a head")
    with pytest.raises(FileExistsError, match="is not a table of metrics"):
        table_of(uri_in(tmp_path), LAYOUT, "test")
    assert path.read_bytes().startswith(b"not ours")
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError):
        table_of(uri_in(tmp_path), LAYOUT, "test")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("uri", "meant"),
    [
        ("memory://", (None, None)),
        ("shm://shop", ("shop", None)),
        ("shm://shop?dir=/run/shop", ("shop", "/run/shop")),
    ],
)
def test_what_a_uri_means(uri: str, meant: tuple[str | None, str | None]) -> None:
    assert parsed(uri) == meant


@pytest.mark.parametrize("uri", ["", "shop", "redis://a", "memory://a", "shm://a/b", "shm://a?size=1", "shm://../a"])
def test_what_is_no_uri(uri: str) -> None:
    with pytest.raises(ValueError, match="want"):
        table_of(uri, LAYOUT, "test")


def test_without_a_name_it_is_that_of_the_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    name, _ = parsed("shm://")
    assert name is not None and name.startswith(f"{tmp_path.name}-"[:40])
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert parsed("shm://")[0] != name
