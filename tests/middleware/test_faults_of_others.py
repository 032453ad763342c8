"""What is known to go wrong with Flask-Session and Flask-HTTPAuth, by the number of the report, and does not here."""

from __future__ import annotations

import base64
import functools
import threading
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher

from dragoman.middleware import BasicAuth, Sessions
from dragoman.middleware.stores import FileStore, MemoryStore, RedisStore, SQLStore, Store
from tests.middleware.kit import Inner, ask
from tests.middleware.sessions.visitor import Visitor

USERS = {"anna": PasswordHasher(1, 8, 1).hash("façade")}


def visitor(store: Store, **options: Any) -> Visitor:
    return Visitor(functools.partial(Sessions, store=store, **options))


def test_flask_session_71_two_requests_that_append_to_a_list_both_count() -> None:
    visit = visitor(MemoryStore())
    visit(lambda session: session.update(items=[]))

    def append(session: Any, item: str) -> None:
        session.change("items", lambda items: [*items, item])

    def first(session: Any) -> None:
        len(session)
        second = Visitor(visit.make)
        second.cookies = dict(visit.cookies)
        second(lambda other: append(other, "bar"))
        append(session, "foo")

    visit(first)
    assert visit(dict) == {"items": ["bar", "foo"]}


def test_flask_session_149_an_answer_that_changes_nothing_writes_nothing_over_another_ones_change() -> None:
    visit = visitor(MemoryStore())
    visit(lambda session: session.update(a=1))

    def reading(session: Any) -> None:
        len(session)
        second = Visitor(visit.make)
        second.cookies = dict(visit.cookies)
        second(lambda other: other.update(a=2))

    visit(reading)
    assert visit.answered.values("Set-Cookie") == []
    assert visit(dict) == {"a": 2}


@pytest.mark.parametrize(("when_down", "status"), [("empty", 200), ("error", 503)])
def test_flask_session_45_and_82_a_redis_that_is_away_is_no_500(when_down: Any, status: int) -> None:
    inner = Inner()

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        environ["dragoman.session"].get("user")
        return inner(environ, start_response)

    # Port 1 of this host is nobody's.
    store = RedisStore("redis://127.0.0.1:1/0")
    cookie = {"Cookie": f"__Host-session={'A' * 43}"}
    assert ask(Sessions(app, store=store, when_down=when_down), headers=cookie).status == status


def test_flask_session_27_a_login_gives_a_new_id_and_a_logout_ends_the_old_one() -> None:
    visit = visitor(MemoryStore())
    visit(lambda session: session.update(cart=["a"]))
    known = dict(visit.cookies)
    visit(lambda session: (session.rotate(), session.update(user=5)))
    attacker = Visitor(visit.make)
    attacker.cookies = dict(known)
    assert attacker(dict) == {}
    stolen = dict(visit.cookies)
    visit(lambda session: session.clear())
    attacker.cookies = stolen
    assert attacker(dict) == {}


def test_flask_session_73_a_list_that_is_changed_in_place_is_stored() -> None:
    visit = visitor(MemoryStore())
    visit(lambda session: session.update(state={"a": []}))
    visit(lambda session: session["state"]["a"].append(1))
    assert visit(dict) == {"state": {"a": [1]}}


def test_flask_session_20_a_file_is_whole_while_others_write_it(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    store.put("a", b"0" * 10_000, 60)
    found: list[bytes | None] = []
    is_over = threading.Event()

    def read() -> None:
        while not is_over.is_set():
            stored = store.get("a")
            found.append(stored.value if stored else None)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(200):
        store.put("a", b"%d" % (number % 10) * 10_000, 60)
    is_over.set()
    for thread in threads:
        thread.join()
    assert all(value is not None and value == value[:1] * 10_000 for value in found)


def test_flask_session_67_and_151_a_session_without_a_lasting_cookie_has_an_expiry(tmp_path: Path) -> None:
    now = [1000.0]
    store = SQLStore(f"sqlite:///{tmp_path}/store.db", clock=lambda: now[0])
    visit = visitor(store, persistent=False, idle_s=100, clock=lambda: now[0])
    visit(lambda session: session.update(a=1))
    assert "Max-Age" not in (visit.answered.value("Set-Cookie") or "")
    assert visit(dict) == {"a": 1}
    now[0] = 1101.0
    assert visit(dict) == {}


def authorization(raw: bytes) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(raw).decode()}"}


@pytest.mark.parametrize("raw", [b"\xff:\xfe", b"\xff", b"a:\xf0\x28", b":", b"", bytes(range(256))])
def test_flask_httpauth_122_credentials_that_are_no_text_are_401(raw: bytes) -> None:
    assert ask(BasicAuth(Inner(), users=USERS), headers=authorization(raw)).status == 401


@pytest.mark.parametrize("coding", ["utf-8", "latin-1"])
def test_flask_httpauth_151_a_client_that_writes_latin_1_gets_in_like_one_that_writes_utf_8(coding: str) -> None:
    fields = authorization("anna:façade".encode(coding))
    assert ask(BasicAuth(Inner(), users=USERS), headers=fields).status == 200
