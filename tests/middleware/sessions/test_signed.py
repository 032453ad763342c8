"""Sessions in a signed cookie: the signature, its keys, and how much a cookie holds."""

from __future__ import annotations

import base64
import functools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.middleware import Sessions
from dragoman.middleware.sessions import SessionTooLarge
from tests.middleware.sessions.visitor import SECRET, Visitor

OTHER = "another secret, as long as that"


def visitor(**options: Any) -> Visitor:
    return Visitor(functools.partial(Sessions, **options))


def moved(visit: Visitor, **options: Any) -> Visitor:
    """The same visitor with the same cookies, before another configuration."""
    other = visitor(**options)
    other.cookies = visit.cookies
    return other


def test_a_new_secret_signs_and_an_old_one_still_verifies() -> None:
    visit = visitor(secret=SECRET)
    visit(lambda session: session.update(a=1))
    both = moved(visit, secret=[OTHER, SECRET])
    assert both(dict) == {"a": 1}
    both(lambda session: session.update(b=2))
    assert moved(both, secret=OTHER)(dict) == {"a": 1, "b": 2}
    assert moved(both, secret=SECRET)(dict) == {}


def test_a_cookie_of_another_name_with_the_same_secret_is_none_of_ours() -> None:
    admin = visitor(secret=SECRET, cookie="__Host-admin")
    admin(lambda session: session.update(is_admin=True))
    visit = visitor(secret=SECRET)
    visit.cookies["__Host-session"] = admin.cookies["__Host-admin"]
    assert visit(dict) == {}


def test_no_other_byte_of_the_cookie_is_taken() -> None:
    visit = visitor(secret=SECRET)
    visit(lambda session: session.update(user=5))
    value = visit.cookies["__Host-session"]
    for place in range(len(value)):
        changed = value[:place] + ("A" if value[place] != "A" else "B") + value[place + 1 :]
        # The last character of base64 without padding has bits that nobody reads.
        if place == len(value) - 1:
            continue
        visit.cookies["__Host-session"] = changed
        assert visit(dict) == {}, place


@given(st.text(max_size=200))
def test_any_cookie_of_a_client_is_read_without_an_error(text: str) -> None:
    visit = visitor(secret=SECRET)
    visit.cookies["__Host-session"] = text.encode().decode("latin-1")
    assert visit(dict) == {}


def test_a_session_that_no_cookie_holds_is_refused_and_says_what_is_large() -> None:
    visit = visitor(secret=SECRET)
    noise = base64.b64encode(bytes(range(256)) * 16).decode()
    import random

    shuffled = "".join(random.Random(1).sample(noise, len(noise)))
    with pytest.raises(SessionTooLarge, match=r"4096 at most.*give a store\. The largest: cart about 5\d\d\d"):
        visit(lambda session: session.update(cart=shuffled, user=5))


def test_what_compresses_takes_less_of_the_cookie() -> None:
    visit = visitor(secret=SECRET)
    visit(lambda session: session.update(cart="a" * 10_000))
    assert len(visit.cookies["__Host-session"]) < 200
    assert visit(dict) == {"cart": "a" * 10_000}
