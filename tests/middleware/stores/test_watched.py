"""`Watched`: an outage is one line, and one request at a time asks whether it is over."""

from __future__ import annotations

import threading

import pytest

from dragoman.middleware.stores import MemoryStore, Stored, StoreDown
from dragoman.middleware.stores.watched import Watched
from tests.support.wire import DEADLINE_S


class Failing(MemoryStore):
    """Away while `is_away`."""

    is_away = False
    asked = 0

    def get(self, key: str) -> Stored | None:
        self.asked += 1
        if self.is_away:
            raise StoreDown("memory: gone")
        return super().get(key)


def test_an_outage_is_two_lines(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    store = Failing()
    watched = Watched(store, "sessions", "requests have none", clock=lambda: now[0])
    store.is_away = True
    for _ in range(5):
        now[0] += 1
        with pytest.raises(StoreDown):
            watched.get("a")
    store.is_away = False
    now[0] += 1
    assert watched.get("a") is None
    assert caplog.messages == [
        "sessions: memory cannot be reached, requests have none: StoreDown: memory: gone",
        "sessions: memory is there again, after 5 failures",
    ]


def test_a_store_that_has_failed_is_left_alone_for_a_while() -> None:
    now = [0.0]
    store = Failing()
    watched = Watched(store, "sessions", "", pause_s=0.5, clock=lambda: now[0])
    store.is_away = True
    for now[0] in (0.0, 0.1, 0.49):
        with pytest.raises(StoreDown):
            watched.get("a")
    assert store.asked == 1
    store.is_away = False
    now[0] = 0.5
    assert watched.get("a") is None
    assert watched.get("a") is None
    assert store.asked == 3


def test_while_one_request_waits_for_the_store_the_others_hear_at_once_that_it_is_away() -> None:
    now = [0.0]
    entered, leave = threading.Event(), threading.Event()

    class Slow(Failing):
        def get(self, key: str) -> Stored | None:
            if self.asked:
                entered.set()
                assert leave.wait(DEADLINE_S)
            return super().get(key)

    store = Slow()
    watched = Watched(store, "sessions", "", clock=lambda: now[0])
    store.is_away = True
    with pytest.raises(StoreDown):
        watched.get("a")
    now[0] = 1.0
    failed: list[BaseException] = []

    def ask() -> None:
        try:
            watched.get("a")
        except StoreDown as error:
            failed.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    assert entered.wait(DEADLINE_S)
    with pytest.raises(StoreDown, match="a moment ago"):
        watched.get("a")
    leave.set()
    thread.join()
    assert len(failed) == 1


def test_a_failure_that_was_slow_to_come_does_not_undo_a_recovery(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    store = Failing()
    watched = Watched(store, "sessions", "", clock=lambda: now[0])
    store.is_away = True
    with pytest.raises(StoreDown):
        watched.get("a")

    def slow() -> None:
        # Asked while the store was away; what came of it is heard of after the store came back.
        now[0] = 3.0
        store.is_away = False
        assert watched.get("b") is None
        raise StoreDown("memory: gone")

    now[0] = 2.0
    with pytest.raises(StoreDown):
        watched.watching(slow)
    assert watched.get("c") is None
    assert len(caplog.messages) == 2


def test_an_answer_that_was_slow_to_come_does_not_end_an_outage(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    store = Failing()
    watched = Watched(store, "sessions", "", clock=lambda: now[0])

    def slow() -> str:
        # Answered before the store went away, and heard of after that.
        now[0] = 1.0
        store.is_away = True
        with pytest.raises(StoreDown):
            watched.get("a")
        return "found"

    assert watched.watching(slow) == "found"
    with pytest.raises(StoreDown, match="a moment ago"):
        watched.get("b")
    assert len(caplog.messages) == 1
