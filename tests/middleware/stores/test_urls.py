"""Stores by URL."""

from __future__ import annotations

from pathlib import Path

import pytest

from dragoman.middleware import Sessions
from dragoman.middleware.stores import FileStore, MemoryStore, RedisStore, SQLStore, store_of


def test_a_url_means_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for url, kind, what in (
        ("memory:", MemoryStore, "memory"),
        ("file:sessions", FileStore, "sessions"),
        (f"file://{tmp_path}/a", FileStore, f"{tmp_path}/a"),
        ("redis://a:b@127.0.0.1:6379/1", RedisStore, "redis://…@127.0.0.1:6379/1"),
        ("unix:///run/redis.sock", RedisStore, "unix:/run/redis.sock"),
        ("sqlite:///store.db", SQLStore, "sqlite:///store.db"),
        ("postgresql+psycopg://a@127.0.0.1/b", SQLStore, "postgresql+psycopg://a@127.0.0.1/b"),
    ):
        store = store_of(url)
        assert (type(store), store.what) == (kind, what)


@pytest.mark.parametrize(
    "url", ["", "memory", "memory:5", "file:", "file://", "http://a:geheim@b", "mysql://a", "/tmp/a"]
)
def test_another_url_is_refused_without_what_may_be_a_password(url: str) -> None:
    with pytest.raises(ValueError, match="store: want memory:") as raised:
        Sessions(store=url)
    assert "geheim" not in str(raised.value)


def test_sessions_take_a_url(tmp_path: Path) -> None:
    assert Sessions(store=f"file:{tmp_path}").is_shared
    assert not Sessions(store="memory:").is_shared
