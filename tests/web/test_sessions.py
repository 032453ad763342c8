"""Sessions: touched or not, changed or not, in errors and in streams, by http and by https."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dragoman.middleware import Sessions
from dragoman.middleware.sessions import SessionSealed
from dragoman.web import App, Response, abort, get_flashed_messages, request, session
from tests.middleware.kit import Answered, ask, environ_of
from tests.web.kit import opened

KEY = "sixteen bytes of a secret, and more"


def made_app() -> App:
    app = App(__name__)
    app.secret_key = KEY

    @app.get("/untouched")
    def untouched() -> str:
        return "text"

    @app.get("/asked")
    def asked() -> str:
        # Named, and never asked for anything.
        assert session is not None
        assert request.session is request.session
        return "text"

    @app.get("/read")
    def read() -> dict[str, Any]:
        return {"n": session.get("n")}

    @app.get("/write/<int:n>")
    def write(n: int) -> str:
        session["n"] = n
        return "text"

    @app.get("/same")
    def same() -> str:
        session["n"] = session["n"]
        return "text"

    @app.get("/inside")
    def inside() -> str:
        session.setdefault("list", []).append(1)
        return "text"

    @app.get("/clear")
    def clear() -> str:
        session.clear()
        return "text"

    @app.get("/abort")
    def aborting() -> str:
        session["n"] = 400
        abort(400)

    @app.get("/fault")
    def fault() -> str:
        session["n"] = 500
        raise LookupError

    @app.get("/stream")
    def stream() -> Iterator[str]:
        session["n"] = "stream"

        def blocks() -> Iterator[str]:
            yield "a"
            yield str(session["n"])

        return blocks()

    return app


def cookie_of(answer: Answered) -> str | None:
    fields = answer.values("Set-Cookie")
    return fields[0].partition(";")[0] if fields else None


def asked(app: Any, target: str, cookie: str | None = None, **more: Any) -> Answered:
    return ask(app, "GET", target, {"Cookie": cookie} if cookie else {}, **more)


def test_a_request_that_does_not_touch_its_session_costs_nothing_and_says_nothing() -> None:
    app = made_app()
    for target in ("/untouched", "/asked", "/nope"):
        answer = asked(app, target)
        assert answer.values("Set-Cookie") == []
        assert "Cookie" not in (answer.value("Vary") or "")
    # Not even a secret is wanted.
    del app.config["SECRET_KEY"]
    assert asked(app, "/untouched").status == 200


def test_a_session_that_is_read_varies_the_answer_and_sets_no_cookie() -> None:
    answer = asked(made_app(), "/read")
    assert (answer.text, answer.value("Vary"), answer.values("Set-Cookie")) == ('{"n":null}', "Cookie", [])


def test_what_is_written_comes_back_and_is_written_once() -> None:
    app = made_app()
    written = asked(app, "/write/7")
    cookie = cookie_of(written)
    assert cookie is not None
    assert written.value("Vary") == "Cookie"
    assert written.value("Cache-Control") == "private"
    [field] = written.values("Set-Cookie")
    assert "HttpOnly" in field and "SameSite=Lax" in field and "Path=/" in field
    read = asked(app, "/read", cookie)
    assert (read.text, read.values("Set-Cookie")) == ('{"n":7}', [])
    assert asked(app, "/same", cookie).status == 200


def test_changes_inside_of_lists_are_seen() -> None:
    app = made_app()
    cookie = cookie_of(asked(app, "/inside"))
    changed = cookie_of(asked(app, "/inside", cookie))
    assert changed is not None and changed != cookie


def test_a_cleared_session_ends_its_cookie() -> None:
    app = made_app()
    [field] = asked(app, "/clear", cookie_of(asked(app, "/write/1"))).values("Set-Cookie")
    assert "Max-Age=0" in field


@pytest.mark.parametrize(
    "cookie", ["session=nonsense", "session=", "session=a.b.c", "session=\xff", "session=" + "a" * 4000, "session=;;;"]
)
def test_a_cookie_that_nobody_has_signed_is_an_empty_session(cookie: str) -> None:
    assert asked(made_app(), "/read", cookie).text == '{"n":null}'


def test_the_signature_of_another_secret_counts_only_as_a_fallback() -> None:
    cookie = cookie_of(asked(made_app(), "/write/7"))
    app = made_app()
    app.secret_key = "another secret of sixteen bytes"
    assert asked(app, "/read", cookie).text == '{"n":null}'
    rotated = made_app()
    rotated.secret_key = "another secret of sixteen bytes"
    rotated.config["SECRET_KEY_FALLBACKS"] = [KEY]
    assert asked(rotated, "/read", cookie).text == '{"n":7}'


@pytest.mark.parametrize(("target", "status"), [("/abort", 400), ("/fault", 500)])
def test_the_pages_of_errors_keep_the_session_as_flask_does(target: str, status: int) -> None:
    import flask

    app = made_app()
    answer = asked(app, target)
    assert answer.status == status
    assert asked(app, "/read", cookie_of(answer)).text == f'{{"n":{status}}}'

    theirs = flask.Flask("theirs")
    theirs.secret_key = KEY
    theirs.logger.disabled = True

    @theirs.get("/abort")
    def aborting() -> None:
        flask.session["n"] = 400
        flask.abort(400)

    @theirs.get("/fault")
    def fault() -> None:
        flask.session["n"] = 500
        raise LookupError

    assert cookie_of(asked(theirs.wsgi_app, target)) is not None


def test_a_hook_before_may_answer_and_keep_the_session() -> None:
    app = made_app()

    @app.before_request
    def login() -> Any:
        session["seen"] = True
        return "stop" if request.path == "/stop" else None

    assert cookie_of(asked(app, "/stop")) is not None


def test_a_hook_after_may_use_the_session_too() -> None:
    app = made_app()

    @app.after_request
    def count(response: Response) -> Response:
        session["count"] = session.get("count", 0) + 1
        return response

    assert cookie_of(asked(app, "/untouched")) is not None
    assert cookie_of(asked(app, "/nope")) is not None


# Streams


def test_a_session_is_stored_with_the_head_of_a_stream_and_can_be_read_in_it() -> None:
    app = made_app()
    answer = asked(app, "/stream")
    assert answer.text == "astream"
    assert asked(app, "/read", cookie_of(answer)).text == '{"n":"stream"}'


@pytest.mark.parametrize("use", ["write", "first read", "first write"])
def test_what_a_stream_would_lose_is_refused(use: str) -> None:
    app = made_app()

    @app.get("/late")
    def late() -> Iterator[str]:
        if use == "write":
            session["n"] = 1

        def blocks() -> Iterator[str]:
            yield "a"
            if use == "first read":
                session.get("n")
            else:
                session["n"] = 2
            yield "never"

        return blocks()

    answer = opened(app, environ_of("GET", "/late"))
    assert next(answer.blocks) == b"a"
    with pytest.raises(SessionSealed):
        next(answer.blocks)
    answer.close()


def test_a_session_that_was_named_before_a_stream_and_used_in_it_is_refused_as_well() -> None:
    app = made_app()

    @app.get("/late")
    def late() -> Iterator[str]:
        mine = request.session

        def blocks() -> Iterator[str]:
            yield "a"
            mine["n"] = 2

        return blocks()

    answer = opened(app, environ_of("GET", "/late"))
    next(answer.blocks)
    with pytest.raises(SessionSealed):
        next(answer.blocks)
    answer.close()


# Settings


def test_the_cookie_is_secure_by_https_and_not_by_http_whichever_was_first() -> None:
    https: dict[str, Any] = {"wsgi.url_scheme": "https"}
    for order in (({}, https), (https, {})):
        app = made_app()
        fields = {bool(more): asked(app, "/write/1", **more).values("Set-Cookie")[0] for more in order}
        assert "Secure" not in fields[False]
        assert fields[False].startswith("session=")
        assert "; Secure" in fields[True]
        assert fields[True].startswith("__Host-session=")
        assert asked(app, "/read", fields[True].partition(";")[0], **https).text == '{"n":1}'


def test_settings_say_what_the_cookie_is() -> None:
    app = made_app()
    app.config.update(
        SESSION_COOKIE_NAME="own",
        SESSION_COOKIE_SECURE=True,
        SESSION_COOKIE_HTTPONLY=False,
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_COOKIE_PATH="/app",
        SESSION_COOKIE_DOMAIN="shop.example",
        SESSION_IDLE_S=60,
    )
    [field] = asked(app, "/write/1").values("Set-Cookie")
    assert field.startswith("own=")
    for part in ("Secure", "SameSite=Strict", "Path=/app", "Domain=shop.example"):
        assert part in field
    assert "HttpOnly" not in field


@pytest.mark.parametrize("key", [None, "", b""])
def test_without_a_secret_the_error_says_what_to_set(key: Any, caplog: pytest.LogCaptureFixture) -> None:
    app = made_app()
    app.config["SECRET_KEY"] = key
    assert asked(app, "/write/1").status == 500
    assert "set app.secret_key, or SECRET_KEY in the settings, to 16" in caplog.text


@pytest.mark.parametrize("key", [None, "", b""])
def test_without_a_secret_a_session_is_empty_and_pages_show_no_messages(key: Any) -> None:
    app = made_app()
    app.config["SECRET_KEY"] = key

    @app.get("/page")
    def page() -> dict[str, Any]:
        session.clear()
        flags: Any = session
        seen = [session.get("user"), "user" in session, session.pop("user", None), len(session), list(session)]
        return {"seen": seen, "flags": [flags.new, flags.modified], "messages": get_flashed_messages()}

    answer = asked(app, "/page", "session=abc")
    assert answer.text == '{"seen":[null,false,null,0,[]],"flags":[true,false],"messages":[]}'
    assert answer.values("Set-Cookie") == []


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"SECRET_KEY": "dev"}, "the setting SECRET_KEY: want a random text of 16 bytes"),
        ({"SECRET_KEY_FALLBACKS": ["old"]}, "the setting SECRET_KEY_FALLBACKS: want a random text of 16 bytes"),
        ({"SESSION_COOKIE_NAME": "a b"}, "the settings SESSION_IDLE_S and SESSION_COOKIE_…: "),
        ({"SESSION_COOKIE_SAMESITE": "None", "SESSION_COOKIE_SECURE": False}, "SESSION_COOKIE_…: "),
        ({"SESSION_IDLE_S": 0}, "SESSION_COOKIE_…: idle_s: want seconds"),
    ],
)
def test_a_setting_that_no_session_can_have_is_told_by_its_name(
    settings: dict[str, Any], told: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = made_app()
    app.config.update(settings)
    assert asked(app, "/write/1").status == 500
    assert told in caplog.text


def test_a_session_that_no_cookie_holds_is_500_and_the_log_says_why(caplog: pytest.LogCaptureFixture) -> None:
    app = made_app()

    @app.get("/large")
    def large() -> str:
        import secrets

        session["data"] = secrets.token_hex(5000)
        return "text"

    assert asked(app, "/large").status == 500
    assert "give a store" in caplog.text


@pytest.mark.parametrize("value", [object(), {1, 2}, b"bytes"])
def test_a_value_that_no_session_holds_is_told_where_it_is_set(value: Any, caplog: pytest.LogCaptureFixture) -> None:
    app = made_app()
    app.add_url_rule("/bad", "bad", lambda: session.__setitem__("x", value))
    assert asked(app, "/bad").status == 500
    assert "session['x']" in caplog.text


def test_a_layer_around_the_application_has_the_session() -> None:
    app = made_app()
    del app.config["SECRET_KEY"]
    layered = Sessions(app, secret=KEY, secure=False)
    answer = asked(layered, "/write/3")
    assert len(answer.values("Set-Cookie")) == 1
    assert asked(layered, "/read", cookie_of(answer)).text == '{"n":3}'


def test_sessions_of_the_applications_own_come_before_the_settings() -> None:
    app = made_app()
    app.sessions = Sessions(secret=KEY, secure=False, cookie="mine")
    assert (cookie_of(asked(app, "/write/3")) or "").startswith("mine=")


def test_two_applications_in_each_other_have_their_own_sessions() -> None:
    outer, inner = made_app(), made_app()
    inner.config["SESSION_COOKIE_NAME"] = "inner"
    outer.mount("/m", inner)
    assert (cookie_of(asked(outer, "/m/write/1")) or "").startswith("inner=")
    assert (cookie_of(asked(outer, "/write/1")) or "").startswith("session=")
