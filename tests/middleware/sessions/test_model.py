"""Sessions against a model: whatever one request does, the next one has; whatever two do at once, both count."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.middleware import Sessions
from dragoman.middleware.sessions import Session
from dragoman.middleware.sessions.keeping import unpacked
from dragoman.middleware.stores import FileStore, MemoryStore, SQLStore, Store
from tests.middleware.sessions.visitor import SECRET, Visitor
from tests.support.backends import Backend

KEYS = st.sampled_from(["a", "b", "c"])
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
LEAVES = st.none() | st.booleans() | st.integers() | FLOATS | st.text(max_size=5)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)
Step = tuple[str, str, Any]
STEPS = st.lists(
    st.tuples(st.just("set"), KEYS, VALUES)
    | st.tuples(st.just("remove"), KEYS, st.none())
    | st.tuples(st.just("append"), KEYS, LEAVES)
    | st.tuples(st.just("change"), KEYS, LEAVES)
    | st.tuples(st.sampled_from(["clear", "rotate", "read"]), st.just(""), st.none()),
    max_size=6,
)


def do(target: Session | dict[str, Any], steps: list[Step]) -> None:
    """The same to a session and to a dict."""
    for what, key, value in steps:
        if what == "set":
            target[key] = value
        elif what == "remove":
            target.pop(key, None)
        elif what == "append" and isinstance(target.get(key), list):
            target[key].append(value)
        elif what == "change":
            if isinstance(target, Session):
                target.change(key, lambda old, value=value: [old, value], 0)
            else:
                target[key] = [target.get(key, 0), value]
        elif what == "clear":
            target.clear()
        elif what == "rotate" and isinstance(target, Session):
            target.rotate()
        elif what == "read":
            list(target.items())


def copied(value: Any) -> Any:
    import copy

    return copy.deepcopy(value)


@pytest.mark.parametrize("where", ["cookie", "store"])
@settings(max_examples=60, deadline=None)
@given(requests=st.lists(STEPS, max_size=4))
def test_what_requests_do_after_each_other_is_what_is_there(where: str, requests: list[list[Step]]) -> None:
    options: dict[str, Any] = {"secret": SECRET} if where == "cookie" else {"store": MemoryStore()}
    visit = Visitor(functools.partial(Sessions, **options))
    model: dict[str, Any] = {}
    for steps in requests:
        visit(functools.partial(do, steps=copied(steps)))
        do(model, copied(steps))
        assert visit(dict) == model
        assert bool(visit.cookies) is bool(model)


@settings(max_examples=60, deadline=None)
@given(before=st.dictionaries(KEYS, VALUES, min_size=1), early=STEPS, late=STEPS)
def test_two_requests_at_once_that_change_different_keys_both_count(
    before: dict[str, Any], early: list[Step], late: list[Step]
) -> None:
    def of(steps: list[Step], suffix: str) -> list[Step]:
        kept = [step for step in steps if step[0] not in ("clear", "rotate")]
        return copied([(what, f"{key}{suffix}" if key else key, value) for what, key, value in kept])  # type: ignore[no-any-return]

    start = {f"{key}{suffix}": copied(value) for key, value in before.items() for suffix in "12"}
    visit = Visitor(functools.partial(Sessions, store=MemoryStore()))
    # One key that nobody removes: an emptied session is over, and its id with it.
    visit(lambda session: session.update(copied(start), always=True))
    second = Visitor(visit.make)
    second.cookies = dict(visit.cookies)

    def first(session: Session) -> None:
        len(session)
        second(functools.partial(do, steps=of(early, "1")))
        do(session, of(late, "2"))

    visit(first)
    model = {**copied(start), "always": True}
    do(model, of(early, "1"))
    do(model, of(late, "2"))
    assert visit(dict) == model


@pytest.fixture(params=["file", "sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "file":
        return FileStore(tmp_path)
    if request.param == "sqlite":
        return SQLStore(f"sqlite:///{tmp_path}/store.db")
    server: Backend = request.getfixturevalue("postgresql_server")
    return SQLStore(server.url, table="sessions")


def test_any_store_keeps_sessions(store: Store) -> None:
    visit = Visitor(functools.partial(Sessions, store=store))
    steps: list[Callable[[Session], object]] = [
        lambda session: session.update(name="Zoë", cart=[]),
        lambda session: session["cart"].append("tea"),
        lambda session: session.change("n", lambda n: n + 1, 0),
        Session.rotate,
    ]
    for step in steps:
        visit(step)
    assert visit(dict) == {"name": "Zoë", "cart": ["tea"], "n": 1}
    visit(Session.clear)
    assert visit(dict) == {}


@given(st.binary(max_size=100) | st.text(max_size=100))
def test_whatever_is_stored_is_a_session_or_none(text: Any) -> None:
    found = unpacked(text)
    assert found is None or isinstance(found[0], dict)
