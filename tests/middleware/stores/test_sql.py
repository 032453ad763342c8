"""`SQLStore`: what it refuses, a fork, and two that make the table at once."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from dragoman.middleware.stores import SQLStore
from tests.support.backends import Backend


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://a/b", "want sqlite or postgresql, got 'mysql'"),
        ("sqlite://", "SQLite in memory is another one in each thread"),
        ("sqlite:///:memory:", "SQLite in memory"),
        ("store.db", "want a URL as SQLAlchemy has it"),
    ],
)
def test_another_database_is_refused(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        SQLStore(url)


def test_the_log_has_no_password() -> None:
    for url in ("postgresql+psycopg://a:geheim@127.0.0.1/b", "postgresql+psycopg://127.0.0.1/b?user=a&password=geheim"):
        assert "geheim" not in SQLStore(url).what


def test_the_file_of_sqlite_is_its_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        store = SQLStore(f"sqlite:///{tmp_path}/store.db")
        store.put("a", b"1", 60)
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert modes == {"store.db": 0o600, "store.db-wal": 0o600, "store.db-shm": 0o600}


def test_a_file_of_sqlite_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.touch()
    path.chmod(0o660)
    SQLStore(f"sqlite:///{path}").put("a", b"1", 60)
    assert path.stat().st_mode & 0o777 == 0o660


def test_two_that_make_the_table_at_once_both_have_it(postgresql_server: Backend) -> None:
    for number in range(5):
        stores = [SQLStore(postgresql_server.url, table=f"raced_{number}") for _ in range(4)]
        barrier = threading.Barrier(4)
        done: list[bytes] = []

        def put(store: SQLStore, barrier: threading.Barrier = barrier, done: list[bytes] = done) -> None:
            barrier.wait()
            done.append(store.put("a", b"1", 60))

        threads = [threading.Thread(target=put, args=(store,)) for store in stores]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(done) == 4


def test_a_child_does_not_speak_on_its_parents_connections(postgresql_server: Backend) -> None:
    store = SQLStore(postgresql_server.url, table="forked")
    store.put("a", b"1", 60)
    child = os.fork()
    if child == 0:
        found = store.get("a")
        os._exit(0 if found and found.value == b"1" else 1)
    for _ in range(50):
        assert store.get("a")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert store.get("a")


def test_what_has_expired_is_removed_while_others_write(tmp_path: Path) -> None:
    now = [0.0]
    store = SQLStore(f"sqlite:///{tmp_path}/store.db", clock=lambda: now[0])
    for number in range(50):
        store.put(f"old {number}", b"1", 10)
    now[0] = 100.0
    for _ in range(100):
        store.put("new", b"2", 10)
    with store.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM dragoman_store").scalar() == 1
