"""Sessions and contexts in tests: what is in the session before a request, and what can be looked at after one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from dragoman.middleware import Compress, Sessions
from dragoman.middleware.stores import MemoryStore
from dragoman.types import Environ, StartResponse, WSGIApplication
from dragoman.web import App, current_app, g, has_request_context, request, session
from dragoman.web.testing import Client

SECRET = "0123456789abcdef0123456789abcdef"


def visiting() -> App:
    app = App("visiting", static_folder=None)
    app.testing = True

    @app.get("/visit")
    def visit() -> dict[str, Any]:
        session["count"] = session.get("count", 0) + 1
        g.seen = "visit"
        return {"count": session["count"]}

    @app.get("/look")
    def look() -> dict[str, Any]:
        return dict(session)

    @app.get("/plain/<int:number>")
    def plain(number: int) -> str:
        return "plain"

    @app.get("/stream")
    def stream() -> Iterator[str]:
        yield "a"
        g.seen = "end"
        yield "b"

    @app.get("/fail")
    def fail() -> str:
        raise ZeroDivisionError

    return app


def in_cookie() -> App:
    app = visiting()
    app.secret_key = SECRET
    return app


def in_store() -> App:
    app = visiting()
    app.sessions = Sessions(store=MemoryStore(), secure=False)
    return app


def in_layer() -> App:
    app = visiting()
    app.wsgi_app = Compress(Sessions(app.wsgi_app, store=MemoryStore(), secure=False))
    return app


def in_strict_layer() -> App:
    app = visiting()
    app.wsgi_app = Sessions(app.wsgi_app, store=MemoryStore(), secure=False, when_down="error")
    return app


KINDS = pytest.mark.parametrize("make", [in_cookie, in_store, in_layer, in_strict_layer])


@KINDS
def test_what_a_transaction_sets_is_there_in_the_next_request_and_the_other_way_round(make: Any) -> None:
    client = make().test_client()
    with client.session_transaction() as before:
        assert dict(before) == {}
        before["count"] = 41
        before["list"] = [1]
    assert client.get("/visit").json == {"count": 42}
    with client.session_transaction() as after:
        assert dict(after) == {"count": 42, "list": [1]}
        after["list"].append(2)
        del after["count"]
    assert client.get("/look").json == {"list": [1, 2]}


@KINDS
def test_a_transaction_that_raises_stores_nothing(make: Any) -> None:
    client = make().test_client()
    with suppress(ZeroDivisionError), client.session_transaction() as changed:
        changed["count"] = 1
        raise ZeroDivisionError
    assert client.get("/look").json == {}


@KINDS
def test_a_transaction_that_clears_the_session_ends_it(make: Any) -> None:
    client = make().test_client()
    client.get("/visit")
    with client.session_transaction() as ending:
        ending.clear()
    assert client.get("/look").json == {}


@KINDS
def test_visitors_have_sessions_of_their_own(make: Any) -> None:
    app = make()
    one, other = app.test_client(), app.test_client()
    with one.session_transaction() as changed:
        changed["count"] = 7
    assert other.get("/visit").json == {"count": 1}
    assert one.get("/visit").json == {"count": 8}


def test_a_transaction_of_an_application_without_a_secret_says_what_is_missing() -> None:
    with pytest.raises(RuntimeError, match="SECRET_KEY"), visiting().test_client().session_transaction():
        pass


def test_a_transaction_that_a_layer_answers_itself_says_so_and_takes_what_the_layer_wants() -> None:
    app = in_cookie()
    app.wsgi_app = guarded(app.wsgi_app)
    client = app.test_client()
    with pytest.raises(RuntimeError, match=r"answered 401 Unauthorized itself"), client.session_transaction():
        pass
    with client.session_transaction(auth=("ann", "right")) as changed:
        changed["count"] = 1
    assert client.get("/look", auth=("ann", "right")).json == {"count": 1}


def guarded(app: WSGIApplication) -> WSGIApplication:
    """Lets those in who send an Authorization."""

    def guard(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if "HTTP_AUTHORIZATION" in environ:
            return app(environ, start_response)
        start_response("401 Unauthorized", [("Content-Type", "text/plain")])
        return [b"who?"]

    return guard


def test_transactions_want_cookies_and_an_app() -> None:
    with pytest.raises(TypeError, match="use_cookies=False"):
        in_cookie().test_client(use_cookies=False).session_transaction()

    def other(environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("204 No Content", [])
        return []

    with pytest.raises(TypeError, match=r"want an App of dragoman\.web"):
        Client(other).session_transaction()


@KINDS
def test_in_a_with_block_the_last_request_can_be_looked_at(make: Any) -> None:
    app = make()
    with app.test_client() as client:
        assert not has_request_context()
        client.get("/visit?a=1")
        assert (request.path, request.args["a"], request.endpoint) == ("/visit", "1", "visit")
        assert (g.seen, session["count"]) == ("visit", 1)
        assert current_app.name == "visiting"
        client.get("/plain/7")
        assert request.view_args == {"number": 7}
        assert "seen" not in g
        # Nobody has asked for it in that request.
        assert session["count"] == 1
    assert not has_request_context()


def test_without_a_with_block_nothing_is_kept() -> None:
    in_cookie().test_client().get("/visit")
    assert not has_request_context()


def test_what_is_kept_of_a_stream_and_of_a_path_without_a_rule_is_there_too() -> None:
    with in_cookie().test_client() as client:
        client.get("/stream")
        assert g.seen == "end"
        client.get("/none")
        assert (request.path, request.endpoint) == ("/none", None)


def test_a_request_that_raises_leaves_nothing_and_that_before_is_forgotten() -> None:
    with in_cookie().test_client() as client:
        client.get("/visit")
        with pytest.raises(ZeroDivisionError):
            client.get("/fail")
        assert not has_request_context()


def test_the_context_around_a_with_block_is_back_at_its_end() -> None:
    inner, outer = in_cookie(), in_cookie()

    @outer.get("/outer")
    def index() -> str:
        with inner.test_client() as client:
            client.get("/plain/1")
            assert request.path == "/plain/1"
        return request.path

    assert outer.test_client().get("/outer").text == "/outer"


def test_a_mounted_application_that_answers_is_the_one_that_is_looked_at() -> None:
    inner, outer = in_cookie(), App("outer", static_folder=None)
    inner.name = "inner"
    outer.mount("/inner", inner)
    with outer.test_client() as client:
        client.get("/inner/visit")
        assert (current_app.name, request.script_root, request.path) == ("inner", "/inner", "/visit")


def test_with_blocks_of_one_client_are_not_nested() -> None:
    with in_cookie().test_client() as client, pytest.raises(RuntimeError, match="with block already"), client:
        pass


def test_clients_without_a_with_block_leave_the_entry_of_an_application_as_it_is() -> None:
    app = in_cookie()
    app.test_client().get("/visit")
    served = app.own_entry
    app.test_client().get("/visit")
    assert app.own_entry is served and app.entry is served
