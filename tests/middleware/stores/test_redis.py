"""`RedisStore`: what it refuses, and an answer that is lost."""

from __future__ import annotations

from typing import Any

import pytest
from redis.exceptions import ConnectionError as NotConnected

from dragoman.middleware.stores import RedisStore
from tests.support.backends import Backend


@pytest.mark.parametrize("url", ["http://a", "127.0.0.1:6379", ""])
def test_another_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="want redis://"):
        RedisStore(url)


def test_the_log_has_no_password() -> None:
    assert RedisStore("redis://a:geheim@127.0.0.1:6379/0?password=geheim").what == "redis://…@127.0.0.1:6379/0"


def test_a_swap_whose_answer_was_lost_counts_once(redis_server: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    store = RedisStore(redis_server.url, prefix="lost:")
    before = store.put("n", b"0", 60)
    store.swap("warm", b"0", 60, None)
    connection = store.client.connection_pool.get_connection()
    store.client.connection_pool.release(connection)
    read, lost = connection.read_response, []

    def reading(*words: Any, **named: Any) -> Any:
        answer = read(*words, **named)
        if not lost:
            lost.append(answer)
            raise NotConnected("lost on its way")
        return answer

    monkeypatch.setattr(connection, "read_response", reading)
    version = store.swap("n", b"1", 60, before)
    assert lost == [1]
    assert store.get("n") == (b"1", version)
