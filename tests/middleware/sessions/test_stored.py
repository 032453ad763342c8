"""Sessions in a store: what it has, parallel requests of one session, and a store that is away."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

import pytest

from dragoman.middleware import Sessions
from dragoman.middleware.sessions import SESSION, Session, SessionUnavailable
from dragoman.middleware.sessions.stored import MOVED
from dragoman.middleware.stores import MemoryStore, StoreDown
from tests.middleware.kit import Answered, Inner, ask
from tests.middleware.sessions.visitor import Visitor


class Away(MemoryStore):
    """A store that can be away, and counts what it is asked."""

    is_away = False
    asked: int = 0

    def __getattribute__(self, name: str) -> Any:
        if name in ("get", "put", "swap", "delete"):
            self.asked += 1
            if self.is_away:
                raise StoreDown("memory: away by plan")
        return super().__getattribute__(name)


@pytest.fixture
def store() -> Away:
    return Away()


@pytest.fixture
def visit(store: Away) -> Visitor:
    return Visitor(functools.partial(Sessions, store=store))


def set_to(**values: Any) -> Callable[[Session], object]:
    return lambda session: session.update(values)


def kept(store: Away) -> list[bytes]:
    return [entry.stored.value for entry in store.entries.values() if entry.stored.value != MOVED]


def test_the_store_has_no_id_that_a_cookie_could_be_made_of(store: Away, visit: Visitor) -> None:
    visit(set_to(a=1))
    [cookie] = visit.cookies.values()
    assert len(cookie) == 43
    assert not any(cookie in key or cookie.encode() in entry.stored.value for key, entry in store.entries.items())


def test_an_id_of_another_applications_cookie_is_none_of_ours(store: Away) -> None:
    site = Visitor(functools.partial(Sessions, store=store))
    site(set_to(user=5))
    admin = Visitor(functools.partial(Sessions, store=store, cookie="__Host-admin"))
    admin.cookies["__Host-admin"] = site.cookies["__Host-session"]
    assert admin(dict) == {}


def test_an_id_that_a_client_made_up_is_not_taken(store: Away, visit: Visitor) -> None:
    visit.cookies["__Host-session"] = "A" * 43
    visit(set_to(a=1))
    assert visit.cookies["__Host-session"] != "A" * 43


def test_what_is_no_id_is_not_asked_of_the_store(store: Away, visit: Visitor) -> None:
    visit.cookies["__Host-session"] = "../../etc/passwd"
    visit(dict)
    assert store.asked == 0


def test_a_request_that_does_not_use_it_does_not_ask_the_store(store: Away, visit: Visitor) -> None:
    visit(set_to(a=1))
    before = store.asked
    visit(lambda session: None)
    assert store.asked == before
    visit(dict)
    assert store.asked == before + 1


def test_the_id_of_before_a_rotation_is_nobodys(store: Away, visit: Visitor) -> None:
    visit(set_to(a=1))
    old = dict(visit.cookies)
    visit(Session.rotate)
    assert visit(dict) == {"a": 1}
    thief = Visitor(visit.make)
    thief.cookies = old
    assert thief(dict) == {}
    assert len(kept(store)) == 1


def test_the_id_of_a_cleared_session_is_nobodys(store: Away, visit: Visitor) -> None:
    visit(set_to(a=1))
    old = dict(visit.cookies)
    visit(Session.clear)
    visit.cookies = old
    assert visit(dict) == {}
    assert len(store.entries) == 0


def test_what_somebody_else_keeps_in_the_store_is_no_session(store: Away, visit: Visitor) -> None:
    visit(set_to(a=1))
    [key] = store.entries
    for value in (b"", b"\xff", b"{}", b"[1,2]", b'["a","b",{}]', b"[1,2,3]", b"null"):
        store.put(key, value, 60)
        assert visit(dict) == {}


def test_a_store_of_this_process_alone_is_said_where_there_are_others(
    visit: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    visit(set_to(a=1), **{"wsgi.url_scheme": "https"})
    assert len(caplog.messages) == 1
    assert "in this process's memory" in caplog.messages[0]
    caplog.clear()
    Visitor(visit.make)(set_to(a=1), **{"wsgi.url_scheme": "https", "wsgi.multiprocess": False})
    assert caplog.messages == []


# Of two requests at once, `other` is done as a whole when the first one has read the session.
def at_once(visit: Visitor, act: Callable[[Session], object], other: Callable[[Session], object]) -> None:
    cookies = dict(visit.cookies)
    second = Visitor(visit.make)
    second.cookies = dict(cookies)

    def acting(session: Session) -> None:
        len(session)
        second(other)
        act(session)

    visit(acting)
    # As a browser has it that gets both answers.
    visit.cookies = {**second.cookies, **{k: v for k, v in visit.cookies.items() if v != cookies.get(k)}}


def test_requests_that_change_different_keys_both_count(visit: Visitor) -> None:
    visit(set_to(a=1, b=1))
    at_once(visit, set_to(a=2), set_to(b=2, c=2))
    assert visit(dict) == {"a": 2, "b": 2, "c": 2}


def test_of_two_that_set_the_same_key_the_last_one_counts(visit: Visitor) -> None:
    visit(set_to(a=1))
    at_once(visit, set_to(a="late"), set_to(a="early"))
    assert visit(dict) == {"a": "late"}


def test_a_key_that_one_removes_and_another_does_not_touch_is_gone(visit: Visitor) -> None:
    visit(set_to(a=1, b=1))
    at_once(visit, lambda session: session.pop("a"), set_to(b=2))
    assert visit(dict) == {"b": 2}


def test_two_that_count_both_count(visit: Visitor) -> None:
    def count(session: Session) -> None:
        session.change("n", lambda n: n + 1, 0)

    at_once(visit, count, lambda session: None)
    at_once(visit, count, count)
    assert visit(dict) == {"n": 3}


def test_a_function_that_changes_the_list_that_it_is_given_counts_once(visit: Visitor) -> None:
    def appending(item: str) -> Callable[[list[str]], list[str]]:
        def function(items: list[str]) -> list[str]:
            items.append(item)
            return items

        return function

    default: list[str] = []
    visit(lambda session: session.change("items", appending("a"), default))
    assert (visit(dict), default) == ({"items": ["a"]}, [])
    at_once(
        visit,
        lambda session: session.change("items", appending("b")),
        lambda session: session.change("items", appending("c")),
    )
    assert visit(dict) == {"items": ["a", "c", "b"]}


def test_a_function_counts_on_top_of_what_was_changed_in_place(visit: Visitor) -> None:
    visit(set_to(items=["a"]))

    def act(session: Session) -> None:
        session["items"].append("b")
        session.change("items", lambda items: [*items, "c"])
        session["items"].append("d")

    visit(act)
    assert visit(dict) == {"items": ["a", "b", "c", "d"]}


def test_a_function_counts_on_top_of_what_the_same_request_has_set(visit: Visitor) -> None:
    visit(set_to(n=1))

    def act(session: Session) -> None:
        session["n"] = 10
        session.change("n", lambda n: n * 2)

    at_once(visit, act, set_to(n=5, other=1))
    assert visit(dict) == {"n": 20, "other": 1}


def test_a_session_that_was_ended_meanwhile_is_not_brought_back(visit: Visitor, store: Away) -> None:
    visit(set_to(user=5))
    at_once(visit, set_to(seen="today"), Session.clear)
    assert visit(dict) == {}
    assert len(store.entries) == 0


def test_a_request_of_before_a_login_does_not_get_into_the_session_after_it(visit: Visitor) -> None:
    visit(set_to(a=1))
    at_once(visit, set_to(a="of before"), lambda session: (session.rotate(), session.update(user=5)))
    assert visit(dict) == {"a": 1, "user": 5}


def test_a_rotation_has_what_others_have_stored_meanwhile(visit: Visitor, store: Away) -> None:
    visit(set_to(a=1))
    at_once(visit, lambda session: (session.rotate(), session.update(user=5)), set_to(cart=["a"]))
    assert visit(dict) == {"a": 1, "user": 5, "cart": ["a"]}
    assert len(kept(store)) == 1


def test_a_login_in_a_session_that_ended_meanwhile_begins_with_nothing_of_it(visit: Visitor) -> None:
    visit(set_to(user=1))
    at_once(visit, lambda session: (session.rotate(), session.update(user=5)), Session.clear)
    assert visit(dict) == {"user": 5}


def test_a_logout_counts_though_another_request_has_written(visit: Visitor, store: Away) -> None:
    visit(set_to(user=5))
    at_once(visit, Session.clear, set_to(seen="today"))
    assert len(store.entries) == 0


def test_an_answer_that_found_no_session_leaves_the_cookie_of_a_login_alone(visit: Visitor) -> None:
    visit(set_to(a=1))
    old = dict(visit.cookies)
    visit(Session.rotate)
    late = Visitor(visit.make)
    late.cookies = old
    late(dict)
    assert late.answered.values("Set-Cookie") == []


@pytest.mark.parametrize("end", [Session.rotate, lambda session: (session.clear(), session.update(user=6))])
def test_a_request_that_comes_just_after_a_login_with_the_id_of_before_begins_no_other_session(end: Any) -> None:
    now = [0.0]
    visit = Visitor(functools.partial(Sessions, store=MemoryStore(clock=lambda: now[0])))
    visit(set_to(a=1))
    late = Visitor(visit.make)
    late.cookies = dict(visit.cookies)
    visit(end)
    # Its answer may come after that of the login: a cookie in it would be a logout.
    late(set_to(flash="hello"))
    assert late.answered.values("Set-Cookie") == []
    # A login is one, whatever id it comes with.
    again = Visitor(visit.make)
    again.cookies = dict(late.cookies)
    again(lambda session: (session.rotate(), session.update(user=7)))
    assert again(dict) == {"user": 7}
    now[0] = 60
    late(set_to(flash="hello"))
    assert late(dict) == {"flash": "hello"}


def test_an_answer_that_has_nothing_to_keep_leaves_the_cookie_of_a_login_alone(visit: Visitor) -> None:
    visit.cookies["__Host-session"] = "A" * 43
    visit(lambda session: (session.update(a=1), session.pop("a")))
    assert visit.answered.values("Set-Cookie") == []
    visit(lambda session: session.rotate())
    assert visit.answered.values("Set-Cookie") == []


def test_parallel_requests_of_one_session_lose_nothing(visit: Visitor) -> None:
    visit(set_to(n=0))
    cookies = dict(visit.cookies)
    barrier = threading.Barrier(8)

    def requests(number: int) -> None:
        barrier.wait()
        for turn in range(20):
            one = Visitor(visit.make)
            one.cookies = dict(cookies)
            key = f"{number}-{turn}"
            one(lambda session, key=key: (session.change("n", lambda n: n + 1), session.update({key: 1})))

    threads = [threading.Thread(target=requests, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = visit(dict)
    assert found.pop("n") == 160
    assert len(found) == 160


def test_without_the_store_a_request_has_an_empty_session_and_the_cookie_stays(store: Away, visit: Visitor) -> None:
    visit(set_to(a=1))
    store.is_away = True
    assert visit(lambda session: (dict(session), session.is_available)) == ({}, False)
    visit(set_to(b=2))
    assert visit.answered.values("Set-Cookie") == []


@pytest.mark.parametrize("is_read", [True, False], ids=["away-later", "away-before"])
def test_a_logout_without_the_store_takes_the_cookie_away(store: Away, visit: Visitor, is_read: bool) -> None:
    def log_out(session: Session) -> None:
        store.is_away = not is_read
        len(session)
        store.is_away = True
        session.clear()

    visit(set_to(a=1))
    visit(log_out)
    assert visit.cookies == {}
    # Who has none is given none to drop.
    visit(Session.clear)
    assert visit.answered.values("Set-Cookie") == []


def test_what_could_not_be_read_is_not_written_over_though_the_store_is_back(store: Away, visit: Visitor) -> None:
    layer = Sessions(store=store)
    watched: Any = layer.keeper
    watched.store.pause_s = 0.0
    visit = Visitor(layer.around)
    visit(set_to(a=1))

    def act(session: Session) -> None:
        store.is_away = True
        session["b"] = 2
        store.is_away = False

    visit(act)
    assert visit.answered.values("Set-Cookie") == []
    other = Visitor(functools.partial(Sessions, store=store))
    other.cookies = visit.cookies
    assert other(dict) == {"a": 1}


@pytest.fixture
def strict(store: Away) -> Callable[..., Answered]:
    """Asks an application that uses its session, while the store is away."""

    def asking(app: Any, method: str = "GET") -> Answered:
        store.is_away = True
        return ask(Sessions(app, store=store, when_down="error"), method, "/", {"Cookie": f"__Host-session={'A' * 43}"})

    return asking


def is_unavailable(answered: Answered) -> None:
    assert answered.status == 503
    assert answered.value("Retry-After") == "5"
    assert answered.value("Set-Cookie") is None


def test_with_error_a_request_that_uses_its_session_is_answered_503(strict: Any) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        environ[SESSION]["a"]
        raise AssertionError("never comes here")

    answered = strict(app)
    is_unavailable(answered)
    assert answered.text.startswith("Sessions cannot be reached")
    assert strict(app, "HEAD").body == b""


def test_with_error_what_the_application_makes_of_it_is_replaced(strict: Any) -> None:
    inner = Inner("500 Internal Server Error", blocks=[b"Internal", b" error"])

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        with pytest.raises(SessionUnavailable):
            environ[SESSION]["a"]
        return inner(environ, start_response)

    is_unavailable(strict(app))
    inner.settled()
    assert inner.given == 0


def test_with_error_a_session_that_cannot_be_stored_is_answered_503(store: Away) -> None:
    inner = Inner()

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        environ[SESSION]["a"] = 1
        store.is_away = True
        return inner(environ, start_response)

    is_unavailable(ask(Sessions(app, store=store, when_down="error")))
    inner.settled()


@pytest.mark.parametrize("catches", [True, False])
def test_with_error_a_head_that_comes_late_is_replaced_too(strict: Any, catches: bool) -> None:
    closed = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        try:
            try:
                environ[SESSION]["a"]
            except SessionUnavailable:
                if not catches:
                    raise
            start_response("200 OK", [("Content-Type", "text/plain")])
            yield b"one"
            yield b"two"
        finally:
            closed.append(True)

    answered = strict(app)
    is_unavailable(answered)
    assert answered.text.startswith("Sessions cannot be reached")
    assert closed == [True]


def test_with_error_what_is_written_is_replaced_too(strict: Any) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        with pytest.raises(SessionUnavailable):
            len(environ[SESSION])
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        write(b"one")
        return []

    answered = strict(app)
    is_unavailable(answered)
    assert answered.text.startswith("Sessions cannot be reached")


def test_with_error_a_request_that_does_not_use_its_session_is_answered(strict: Any) -> None:
    inner = Inner(blocks=[b"one", b"two"])
    answered = strict(inner)
    assert (answered.status, answered.blocks) == (200, [b"one", b"two"])
    inner.settled()

    def late(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b"one"
        yield b"two"

    assert strict(late).blocks == [b"one", b"two"]


def test_an_outage_is_told_once_and_its_end_too(store: Away, caplog: pytest.LogCaptureFixture) -> None:
    layer = Sessions(store=store)
    watched: Any = layer.keeper
    now = [0.0]
    watched.store.clock = lambda: now[0]
    visit = Visitor(layer.around)
    store.is_away = True
    for now[0] in (1.0, 2.0, 3.0):
        visit(set_to(a=1))
    store.is_away = False
    now[0] = 4.0
    visit(set_to(a=1), **{"wsgi.url_scheme": "https", "wsgi.multiprocess": False})
    assert caplog.messages == [
        "sessions: memory cannot be reached, requests have empty sessions: StoreDown: memory: away by plan",
        "sessions: memory is there again, after 3 failures",
    ]
