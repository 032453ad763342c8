"""What every store does: the same tests against memory, files, SQLite, PostgreSQL and Redis."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dragoman.middleware.stores import FileStore, MemoryStore, RedisStore, SQLStore, Store, StoreDown
from tests.support.server import REPOSITORY
from tests.support.wire import DEADLINE_S

KINDS = ["memory", "file", "sqlite", "postgresql", "redis"]
SHARED = [kind for kind in KINDS if kind != "memory"]
Make = Callable[..., Store]
names = itertools.count()


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Makes stores that see the same; arguments are the store's own."""
    table = f"store_{next(names)}"

    def made(**options: Any) -> Store:
        if kind == "memory":
            return MemoryStore(**options)
        if kind == "file":
            return FileStore(tmp_path, **options)
        if kind == "sqlite":
            return SQLStore(f"sqlite:///{tmp_path}/store.db", **options)
        if kind == "postgresql":
            return SQLStore(request.getfixturevalue("postgresql_server").url, table=table, **options)
        return RedisStore(request.getfixturevalue("redis_server").url, prefix=f"{table}:", **options)

    return made


@pytest.fixture
def store(make: Make) -> Store:
    return make()


def test_what_was_put_is_got_with_its_version(store: Store) -> None:
    version = store.put("a", b"1", 60)
    found = store.get("a")
    assert found is not None
    assert (found.value, found.version) == (b"1", version)


def test_what_was_never_put_is_not_there(store: Store) -> None:
    assert store.get("a") is None
    assert store.delete("a") is False


def test_each_write_has_a_version_of_its_own_also_of_the_same_value(store: Store) -> None:
    versions = {store.put("a", b"1", 60), store.put("a", b"1", 60)}
    store.delete("a")
    versions.add(store.put("a", b"1", 60))
    assert len(versions) == 3


def test_a_swap_needs_the_version_that_is_there(store: Store) -> None:
    first = store.put("a", b"1", 60)
    second = store.swap("a", b"2", 60, first)
    assert second is not None
    assert store.swap("a", b"3", 60, first) is None
    assert store.get("a") == (b"2", second)


def test_a_swap_for_nothing_needs_nothing_to_be_there(store: Store) -> None:
    assert store.swap("a", b"1", 60, None) is not None
    assert store.swap("a", b"2", 60, None) is None
    assert store.swap("b", b"2", 60, b"12345678") is None
    assert store.get("b") is None


def test_a_delete_may_need_a_version(store: Store) -> None:
    first = store.put("a", b"1", 60)
    second = store.put("a", b"2", 60)
    assert store.delete("a", first) is False
    assert store.delete("a", second) is True
    assert store.get("a") is None


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "redis"], indirect=False)
def test_what_has_expired_is_not_there_to_anybody(make: Make) -> None:
    now = [1000.0]
    store = make(clock=lambda: now[0])
    version = store.put("a", b"1", 10)
    now[0] = 1009.9
    assert store.get("a") is not None
    now[0] = 1010.0
    assert store.get("a") is None
    assert store.swap("a", b"2", 10, version) is None
    assert store.delete("a") is False
    assert store.swap("a", b"3", 10, None) is not None


def test_an_expiry_comes(store: Store) -> None:
    store.put("a", b"1", 0.05)
    until = time.monotonic() + DEADLINE_S
    while store.get("a") is not None:
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize("ttl_s", [0, -1, float("inf"), float("nan")])
def test_a_time_that_is_none_is_refused(store: Store, ttl_s: float) -> None:
    with pytest.raises(ValueError, match="ttl_s: want seconds above 0"):
        store.put("a", b"1", ttl_s)
    with pytest.raises(ValueError, match="ttl_s: want seconds above 0"):
        store.swap("a", b"1", ttl_s, None)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=80), value=st.binary())
def test_any_key_and_any_value_come_back(store: Store, key: str, value: bytes) -> None:
    store.put(key, value, 60)
    found = store.get(key)
    assert found is not None and found.value == value


def test_of_many_swaps_at_once_each_counts(make: Make) -> None:
    stores = [make() for _ in range(4)] if make().is_shared else [make()] * 4
    stores[0].put("n", b"0", 60)

    def count(store: Store) -> None:
        for _ in range(25):
            while True:
                found = store.get("n")
                assert found is not None
                if store.swap("n", b"%d" % (int(found.value) + 1), 60, found.version):
                    break

    threads = [threading.Thread(target=count, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = stores[0].get("n")
    assert found is not None and found.value == b"100"


COUNTING = """
import sys
from dragoman.middleware.stores import FileStore, RedisStore, SQLStore
store = eval(sys.argv[1])
for _ in range(50):
    while True:
        found = store.get("n")
        if store.swap("n", b"%d" % (int(found.value) + 1), 60, found.version):
            break
"""


@pytest.mark.parametrize("kind", SHARED, indirect=False)
def test_of_swaps_by_two_processes_each_counts(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    table = f"store_{next(names)}"
    if kind == "file":
        code = f"FileStore({str(tmp_path)!r})"
    elif kind == "sqlite":
        code = f"SQLStore('sqlite:///{tmp_path}/store.db', timeout_s=10)"
    elif kind == "postgresql":
        code = f"SQLStore({request.getfixturevalue('postgresql_server').url!r}, table={table!r}, timeout_s=10)"
    else:
        code = f"RedisStore({request.getfixturevalue('redis_server').url!r}, prefix='{table}:', timeout_s=10)"
    store: Store = eval(code)
    store.put("n", b"0", 60)
    started = [subprocess.Popen([sys.executable, "-c", COUNTING, code], cwd=REPOSITORY) for _ in range(2)]
    assert [process.wait(60) for process in started] == [0, 0]
    found = store.get("n")
    assert found is not None and found.value == b"100"


@pytest.mark.parametrize("kind", ["redis", "postgresql"], indirect=False)
def test_an_outage_is_said_and_ends_by_itself(make: Make, kind: str, request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue(f"{kind}_server")
    store = make()
    store.put("a", b"1", 60)
    server.kill()
    try:
        with pytest.raises(StoreDown, match="127"):
            store.get("a")
        with pytest.raises(StoreDown):
            store.swap("a", b"2", 60, None)
    finally:
        server.start()
    # The first command after it, on whatever connection was kept.
    assert store.put("b", b"2", 60)


@pytest.mark.parametrize("kind", ["redis", "postgresql"], indirect=False)
def test_a_server_that_was_restarted_between_two_commands_is_not_noticed(
    make: Make, kind: str, request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue(f"{kind}_server")
    store = make()
    store.put("a", b"1", 60)
    server.kill()
    server.start()
    assert store.swap("b", b"2", 60, None)


@pytest.mark.parametrize("kind", ["redis", "postgresql"], indirect=False)
def test_a_server_that_says_nothing_is_given_up(make: Make, kind: str, request: pytest.FixtureRequest) -> None:
    server = request.getfixturevalue(f"{kind}_server")
    store = make(timeout_s=0.2)
    store.put("a", b"1", 60)
    came: list[object] = []

    def ask() -> None:
        try:
            came.append(store.get("a"))
        except StoreDown as error:
            came.append(error)

    server.freeze()
    try:
        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        thread.join(DEADLINE_S)
        assert [type(one) for one in came] == [StoreDown]
    finally:
        server.thaw()
    until = time.monotonic() + DEADLINE_S
    while True:
        try:
            assert store.put("b", b"2", 60)
            break
        except StoreDown:
            assert time.monotonic() < until
