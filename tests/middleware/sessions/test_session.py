"""What holds for sessions of both kinds, in the cookie and in a store."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from dragoman.middleware import Sessions
from dragoman.middleware.sessions import SESSION, Session, SessionSealed
from dragoman.middleware.stores import MemoryStore
from tests.middleware.kit import Inner, ask
from tests.middleware.sessions.visitor import SECRET, Visitor

Make = Callable[..., Any]


@pytest.fixture(params=["cookie", "store"])
def make(request: pytest.FixtureRequest) -> Make:
    """Makes the layer around an application; each call of one test has the same store."""
    where = {"secret": SECRET} if request.param == "cookie" else {"store": MemoryStore()}
    return functools.partial(Sessions, **where)


@pytest.fixture
def visit(make: Make) -> Visitor:
    return Visitor(make)


def put(**values: Any) -> Callable[[Session], object]:
    return lambda session: session.update(values)


def test_what_one_request_sets_the_next_one_has(visit: Visitor) -> None:
    assert visit(dict) == {}
    visit(put(user=5, cart=["a", {"n": 1}], name="Zoë", ratio=0.5, none=None))
    assert visit(dict) == {"user": 5, "cart": ["a", {"n": 1}], "name": "Zoë", "ratio": 0.5, "none": None}


@pytest.mark.parametrize("text", ["\ud800", "a\x00b", "\u2028", "😀", "\ufffe"])
def test_any_text_that_json_can_bring_is_kept(visit: Visitor, text: str) -> None:
    visit(put(name=text))
    assert visit(dict) == {"name": text}
    visit(put(**{text: 1}))
    assert visit(dict) == {"name": text, text: 1}


def test_one_visitor_has_nothing_of_another_one(make: Make) -> None:
    one, other = Visitor(make), Visitor(make)
    one(put(user=1))
    assert other(dict) == {}
    other(put(user=2))
    assert one(dict) == {"user": 1}


def test_a_request_that_does_not_use_it_gets_no_field_of_it(visit: Visitor) -> None:
    visit(put(user=1))
    visit(lambda session: None)
    assert (visit.answered.values("Vary"), visit.answered.values("Set-Cookie")) == ([], [])
    assert visit.answered.values("Cache-Control") == []


@pytest.mark.parametrize("use", [len, dict, lambda one: "x" in one, lambda one: one.get("x"), lambda one: one.is_new])
def test_a_request_that_looks_at_it_varies_by_cookie_and_sets_none(visit: Visitor, use: Any) -> None:
    visit(use)
    assert (visit.answered.value("Vary"), visit.answered.values("Set-Cookie")) == ("Cookie", [])
    visit(put(user=1))
    assert visit.answered.value("Vary") == "Cookie"
    assert visit.answered.value("Cache-Control") == "private"
    visit(use)
    assert (visit.answered.value("Vary"), visit.answered.values("Set-Cookie")) == ("Cookie", [])


def test_what_the_application_says_of_caches_stays(make: Make) -> None:
    inner = Inner(headers=[("Vary", "Accept"), ("Cache-Control", "no-store"), ("Content-Type", "text/plain")])

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        environ[SESSION]["a"] = 1
        return inner(environ, start_response)

    answered = ask(make(app))
    assert (answered.value("Vary"), answered.value("Cache-Control")) == ("Accept, Cookie", "no-store")


def test_the_cookie_is_for_this_host_for_https_and_for_no_script(visit: Visitor) -> None:
    visit(put(a=1))
    name, _, rest = (visit.answered.value("Set-Cookie") or "").partition("=")
    assert name == "__Host-session"
    assert rest.split("; ")[1:] == ["Path=/", "Max-Age=1209600", "Secure", "HttpOnly", "SameSite=Lax"]


def test_the_cookie_is_as_it_was_asked_for(make: Make) -> None:
    visit = Visitor(
        functools.partial(make, secure=False, same_site="Strict", domain="shop.example", persistent=False, path="/a")
    )
    visit(put(a=1))
    name, _, rest = (visit.answered.value("Set-Cookie") or "").partition("=")
    assert name == "session"
    assert rest.split("; ")[1:] == ["Domain=shop.example", "Path=/a", "HttpOnly", "SameSite=Strict"]


def test_a_list_that_is_changed_in_place_is_stored(visit: Visitor) -> None:
    visit(put(cart=["a"], other={"n": {"deep": 1}}))
    visit(lambda session: session["cart"].append("b"))
    visit(lambda session: session["other"]["n"].update(deep=2))
    assert visit(dict) == {"cart": ["a", "b"], "other": {"n": {"deep": 2}}}


def test_a_list_that_is_only_read_is_not_stored(visit: Visitor) -> None:
    visit(put(cart=["a"]))
    assert visit(lambda session: (session["cart"], session.is_changed)) == (["a"], False)
    assert visit.answered.values("Set-Cookie") == []


def test_a_list_that_is_changed_after_it_was_asked_whether_it_is_changed_is_stored(visit: Visitor) -> None:
    visit(put(cart=["a"]))

    def act(session: Session) -> list[bool]:
        cart = session["cart"]
        seen = [session.is_changed]
        for item in ("b", "c"):
            cart.append(item)
            seen.append(session.is_changed)
        return seen

    assert visit(act) == [False, True, True]
    assert visit(dict) == {"cart": ["a", "b", "c"]}


def test_a_list_set_and_changed_later_in_the_same_request_is_stored_as_it_is_at_the_end(visit: Visitor) -> None:
    def act(session: Session) -> None:
        session["cart"] = cart = ["a"]
        cart.append("b")

    visit(act)
    assert visit(dict) == {"cart": ["a", "b"]}


def test_a_key_can_go(visit: Visitor) -> None:
    visit(put(a=1, b=2))
    assert visit(lambda session: session.pop("a")) == 1
    assert visit(dict) == {"b": 2}
    with pytest.raises(KeyError):
        visit(lambda session: session.pop("a"))


def test_clear_ends_it_and_takes_the_cookie_away(visit: Visitor) -> None:
    visit(put(a=1))
    visit(Session.clear)
    assert visit.cookies == {}
    assert visit(dict) == {}


def test_an_emptied_session_takes_the_cookie_away(visit: Visitor) -> None:
    visit(put(a=1))
    visit(lambda session: session.pop("a"))
    assert visit.cookies == {}


def test_what_is_set_and_removed_again_in_one_request_sets_no_cookie(visit: Visitor) -> None:
    visit(lambda session: (session.update(a=1), session.pop("a")))
    assert visit.answered.values("Set-Cookie") == []


def test_what_is_set_after_clear_begins_a_new_one(visit: Visitor) -> None:
    visit(put(a=1))
    before = dict(visit.cookies)
    visit(lambda session: (session.clear(), session.update(b=2)))
    assert visit.cookies != before
    assert visit(dict) == {"b": 2}


def test_rotate_keeps_the_data_under_a_new_cookie(make: Make) -> None:
    now = [1000.0]
    visit = Visitor(functools.partial(make, clock=lambda: now[0]))
    visit(put(a=1, _csrf="known before"))
    before = dict(visit.cookies)
    now[0] += 10
    visit(lambda session: (session.rotate(), session.update(user=5)))
    assert visit.cookies != before
    assert visit(dict) == {"a": 1, "user": 5}
    assert visit(lambda session: session.created) == 1010


def test_change_gives_the_new_value(visit: Visitor) -> None:
    for number in (1, 2, 3):
        assert visit(lambda session: session.change("n", lambda n: n + 1, 0)) == number
    assert visit(dict) == {"n": 3}


class Odd:
    pass


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (Odd(), r"session\['a'\]: want what JSON holds .* got Odd"),
        ({"x": [1, {2}]}, r"session\['a'\]\['x'\]\[1\]: want what JSON holds .* got set"),
        ({1: 2}, r"session\['a'\]: want keys of text, got 1"),
        (float("nan"), r"session\['a'\]: JSON has no nan"),
        (b"x", "got bytes"),
    ],
)
def test_what_json_does_not_hold_is_refused_where_it_is_set(visit: Visitor, value: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        visit(lambda session: session.update(a=value))
    visit(put(a=[]))
    with pytest.raises(TypeError):
        visit(lambda session: session["a"].append(value))


def test_a_key_that_is_no_text_is_refused(visit: Visitor) -> None:
    with pytest.raises(TypeError, match=r"session\[5\]: want keys of text"):
        visit(lambda session: session.update({5: 1}))  # type: ignore[call-overload]


def streamed(make: Make, early: Any, late: Any) -> Any:
    """An application that does `early` before its head and `late` in its body."""

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        session = environ[SESSION]
        early(session)
        start_response("200 OK", [("Content-Type", "text/plain")])

        def blocks() -> Any:
            yield b"one"
            late(session)
            yield b"two"

        return blocks()

    return make(app)


def test_a_change_after_the_head_is_an_error_that_says_so(make: Make) -> None:
    for late in (put(a=2), Session.clear, Session.rotate, lambda one: one.pop("a"), lambda one: one.change("a", int)):
        with pytest.raises(SessionSealed, match="stored with the head"):
            ask(streamed(make, put(a=1), late))


def test_a_first_use_after_the_head_is_an_error_that_says_so(make: Make) -> None:
    with pytest.raises(SessionSealed, match="first used after the head"):
        ask(streamed(make, lambda session: None, len))


def test_reading_goes_on_after_the_head(make: Make) -> None:
    assert ask(streamed(make, put(a=1), lambda session: session["a"])).text == "onetwo"


def test_an_exception_before_the_head_stores_nothing(visit: Visitor) -> None:
    visit(put(a=1))

    def act(session: Session) -> None:
        session["a"] = 2
        raise RuntimeError("by plan")

    with pytest.raises(RuntimeError, match="by plan"):
        visit(act)
    assert visit(dict) == {"a": 1}


def test_a_head_that_is_given_again_has_the_cookie_again(make: Make) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        environ[SESSION]["a"] = 1
        start_response("200 OK", [("Content-Type", "text/plain")])
        try:
            raise RuntimeError("by plan")
        except RuntimeError:
            import sys

            start_response("500 Internal Server Error", [("Content-Type", "text/plain")], sys.exc_info())
        return [b"failed"]

    answered = ask(make(app))
    assert answered.status == 500
    assert answered.value("Set-Cookie") is not None


@pytest.mark.parametrize("cookie", ["x", "", "a.b.c", '"', "é" * 10, "x" * 9000, "A" * 43, "%00", "e30.e30"])
def test_a_cookie_that_is_not_ours_is_no_session_and_stays(make: Make, cookie: str) -> None:
    visit = Visitor(make)
    visit.cookies["__Host-session"] = cookie
    assert visit(lambda session: (dict(session), session.is_new)) == ({}, True)
    assert visit.answered.values("Set-Cookie") == []
    visit(put(a=1))
    assert visit.cookies["__Host-session"] != cookie
    assert visit(dict) == {"a": 1}


def test_an_unused_session_is_over_after_its_time(make: Make) -> None:
    now = [1000.0]
    visit = Visitor(functools.partial(make, idle_s=100, clock=lambda: now[0]))
    visit(put(a=1))
    now[0] = 1099
    assert visit(dict) == {"a": 1}
    # Its use was noted, so that it goes on from there.
    now[0] = 1198
    assert visit(dict) == {"a": 1}
    now[0] = 1298
    assert visit(dict) == {}


def test_use_is_noted_only_after_a_tenth_of_the_time_and_prolongs_the_cookie(make: Make) -> None:
    now = [1000.0]
    visit = Visitor(functools.partial(make, idle_s=100, clock=lambda: now[0]))
    visit(put(a=1))
    now[0] = 1009
    visit(dict)
    assert visit.answered.values("Set-Cookie") == []
    now[0] = 1010
    visit(dict)
    assert "Max-Age=100;" in (visit.answered.value("Set-Cookie") or "")


def test_a_session_that_each_request_changes_keeps_its_cookie(make: Make) -> None:
    now = [1000.0]
    visit = Visitor(functools.partial(make, idle_s=100, clock=lambda: now[0]))
    visit(put(count=0))
    until = now[0] + 100
    for _ in range(60):
        now[0] += 5
        # A browser drops a cookie whose time is over.
        assert now[0] < until
        visit(lambda session: session.change("count", lambda count: count + 1))
        if visit.answered.values("Set-Cookie"):
            until = now[0] + 100
    assert visit(dict) == {"count": 60}


def test_a_session_is_over_after_its_whole_time_however_it_is_used(make: Make) -> None:
    now = [1000.0]
    visit = Visitor(functools.partial(make, idle_s=100, lifetime_s=150, clock=lambda: now[0]))
    visit(put(a=1))
    for now[0] in (1050.0, 1100.0, 1149.0):
        assert visit(dict) == {"a": 1}
    assert "Max-Age=1;" in (visit.answered.value("Set-Cookie") or "")
    now[0] = 1150
    assert visit(dict) == {}


def test_a_repr_has_no_values(visit: Visitor) -> None:
    visit(put(card="4111"))
    assert visit(repr) == "<Session, not read>"
    assert visit(lambda session: (len(session), repr(session))) == (1, "<Session ['card']>")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "want secret=.* or store="),
        ({"secret": SECRET, "store": MemoryStore()}, "not both"),
        ({"secret": "short"}, "secret: want a random text of 16 bytes at least"),
        ({"secret": []}, "secret: want a random text"),
        ({"secret": [SECRET, "short"]}, "secret: want a random text"),
        ({"secret": SECRET, "idle_s": 0}, "idle_s: want seconds"),
        ({"secret": SECRET, "lifetime_s": 0}, "lifetime_s: want seconds"),
        ({"secret": SECRET, "when_down": "raise"}, 'when_down: want "empty" or "error"'),
        ({"secret": SECRET, "same_site": "None", "secure": False}, "SameSite=None wants secure=True"),
        ({"secret": SECRET, "cookie": "__Host-a", "domain": "a.example"}, "wants no domain"),
        ({"secret": SECRET, "cookie": "a b"}, "want a name"),
    ],
)
def test_a_setting_that_is_wrong_is_said_at_once(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Sessions(**options)


def test_an_operator_is_told_once_that_a_secure_cookie_was_set_by_http(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    layer = make()
    for _ in range(2):
        Visitor(layer.around)(put(a=1))
    assert [message for message in caplog.messages if "set by http" in message] == [caplog.messages[0]]
    caplog.clear()
    Visitor(make().around)(put(a=1), HTTP_HOST="localhost:8000")
    Visitor(make().around)(put(a=1), **{"wsgi.url_scheme": "https"})
    assert not any("set by http" in message for message in caplog.messages)
