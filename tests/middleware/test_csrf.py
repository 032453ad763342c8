"""`Csrf`: what browsers say, tokens for those that say nothing, and the body that the application still gets."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.middleware import Csrf, Sessions
from dragoman.middleware.csrf import CSRF_TOKEN
from dragoman.middleware.csrf.origin import Source, judge, origins
from dragoman.middleware.csrf.token import masked, new_secret, unmasked
from dragoman.middleware.sessions import SESSION
from dragoman.middleware.stores import MemoryStore
from tests.middleware.kit import Answered, Inner, ask

SECRET = "a secret of 32 characters, or so"
URLENCODED = "application/x-www-form-urlencoded"

OURS, OTHER, UNSAID = Source.OURS, Source.OTHER, Source.UNSAID
TRUSTED = ["https://pay.example", "http://dev.example:8000"]


# Rows of TestCrossOriginProtection of Go's net/http, and our own for schemes and ports.
@pytest.mark.parametrize(
    ("site", "origin", "scheme", "host", "source"),
    [
        ("same-origin", None, "https", "shop.example", OURS),
        ("none", None, "https", "shop.example", OURS),
        ("cross-site", None, "https", "shop.example", OTHER),
        ("same-site", None, "https", "shop.example", OTHER),
        ("same-origin", "https://evil.example", "https", "shop.example", OURS),
        ("cross-site", "https://shop.example", "https", "shop.example", OTHER),
        ("same-origin,cross-site", None, "https", "shop.example", OTHER),
        ("SAME-ORIGIN", None, "https", "shop.example", OTHER),
        (None, None, "https", "shop.example", UNSAID),
        (None, "https://shop.example", "https", "shop.example", OURS),
        (None, "https://evil.example", "https", "shop.example", OTHER),
        (None, "null", "https", "shop.example", OTHER),
        (None, "https://shop.example", "https", None, OTHER),
        (None, "https://shop.example.evil.example", "https", "shop.example", OTHER),
        (None, "https://shop.example@evil.example", "https", "shop.example", OTHER),
        (None, "https://evil.example#shop.example", "https", "shop.example", OTHER),
        (None, "//shop.example", "https", "shop.example", OTHER),
        (None, "shop.example", "https", "shop.example", OTHER),
        (None, "file://shop.example", "https", "shop.example", OTHER),
        (None, "https://shop.example/", "https", "shop.example", OTHER),
        # TLS may end at a proxy that says nothing of it; the other way round it cannot.
        (None, "https://shop.example", "http", "shop.example", OURS),
        (None, "http://shop.example", "https", "shop.example", OTHER),
        (None, "http://shop.example", "http", "shop.example", OURS),
        # Ports.
        (None, "https://shop.example", "https", "shop.example:443", OURS),
        (None, "https://shop.example:8443", "https", "shop.example:8443", OURS),
        (None, "https://shop.example:8443", "https", "shop.example", OTHER),
        (None, "http://shop.example", "http", "shop.example:8080", OTHER),
        (None, "https://SHOP.example", "https", "shop.EXAMPLE", OURS),
        (None, "http://[::1]:8000", "http", "[::1]:8000", OURS),
        # Those that are trusted.
        ("cross-site", "https://pay.example", "https", "shop.example", OURS),
        ("same-site", "http://dev.example:8000", "https", "shop.example", OURS),
        (None, "https://pay.example", "https", "shop.example", OURS),
        ("cross-site", "http://pay.example", "https", "shop.example", OTHER),
        ("cross-site", "https://dev.example:8000", "https", "shop.example", OTHER),
        ("cross-site", "https://sub.pay.example", "https", "shop.example", OTHER),
    ],
)
def test_where_a_request_comes_from(
    site: str | None, origin: str | None, scheme: str, host: str | None, source: Source
) -> None:
    assert judge(site, origin, scheme, host, origins(TRUSTED, "trusted_origins"))[0] is source


@given(site=st.none() | st.text(), origin=st.none() | st.text(), host=st.none() | st.text())
def test_whatever_a_client_says_is_judged(site: str | None, origin: str | None, host: str | None) -> None:
    source, reason = judge(site, origin, "https", host, frozenset())
    assert source is not OURS or site in ("same-origin", "none") or (origin and host)
    assert reason.isascii() or repr(reason)


CROSS = {"Sec-Fetch-Site": "cross-site"}


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_what_changes_nothing_goes_through(method: str) -> None:
    inner = Inner()
    assert ask(Csrf(inner), method, "/", CROSS).status == 200
    inner.settled()


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "PURGE", "TRACE", "get"])
def test_what_changes_something_and_comes_from_another_site_is_refused(method: str) -> None:
    inner = Inner()
    answered = ask(Csrf(inner), method, "/", CROSS, **{"wsgi.input": io.BytesIO(b"")})
    assert answered.status == 403
    assert "Sec-Fetch-Site is 'cross-site'" in answered.text
    assert inner.calls == 0


def test_a_refusal_is_logged_for_operators_to_find(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "dragoman.middleware")
    ask(Csrf(Inner()), "POST", "/pay", CROSS)
    assert caplog.messages == ["csrf: refused POST '/pay': Sec-Fetch-Site is 'cross-site'"]


def test_a_client_that_says_nothing_goes_through() -> None:
    assert ask(Csrf(Inner()), "POST").status == 200


def test_an_exempt_path_is_not_looked_at() -> None:
    app = Csrf(Inner(), exempt=["/hooks"])
    assert ask(app, "POST", "/hooks/stripe", CROSS).status == 200
    for path in ("/hooksx", "/hooks/../pay", "/hooks\\..\\pay"):
        assert ask(app, "POST", path, CROSS).status == 403


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"trusted_origins": ["https://a.example/path"]}, "trusted_origins: want origins such as"),
        ({"trusted_origins": ["a.example"]}, "trusted_origins: want origins such as"),
        ({"trusted_origins": ["https://*.example"]}, "trusted_origins: want origins such as"),
        ({"trusted_origins": "https://a.example"}, "want a list of origins"),
        ({"exempt": ["hooks"]}, 'exempt: want paths that begin with "/"'),
        ({"unsaid": "refuse"}, 'unsaid: want "allow" or "token"'),
        ({"secret": SECRET}, 'only with unsaid="token"'),
        ({"unsaid": "token", "secret": "short"}, "secret: want a random text"),
        ({"header": "X CSRF"}, "header: want the name of a field"),
        ({"form_bytes": 10}, "form_bytes: want a whole number"),
    ],
)
def test_a_setting_that_is_wrong_is_said_at_once(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Csrf(**options)


class Page(Inner):
    """Answers with the token, and to a POST with the body."""

    def answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.calls += 1
        if environ["REQUEST_METHOD"] == "POST":
            blocks = [environ["wsgi.input"].read()]
        else:
            blocks = [str(environ[CSRF_TOKEN]).encode()]
        start_response(self.status, list(self.headers))
        self.blocks = blocks
        from tests.middleware.kit import Counted

        return Counted(self)


Make = Callable[[Any], Any]


@pytest.fixture(params=["cookie", "session", "signed session"])
def app(request: pytest.FixtureRequest) -> Any:
    """The page with tokens, kept in the three places that there are."""
    if request.param == "cookie":
        return Csrf(Page(), unsaid="token", secret=SECRET)
    inner = Csrf(Page(), unsaid="token")
    return Sessions(inner, store=MemoryStore()) if request.param == "session" else Sessions(inner, secret=SECRET)


def cookies_of(answered: Answered) -> dict[str, str]:
    return {"Cookie": "; ".join(text.partition(";")[0] for text in answered.values("Set-Cookie"))}


def test_a_token_of_a_page_is_good_in_a_field_and_in_a_form(app: Any) -> None:
    page = ask(app)
    cookies = cookies_of(page)
    assert page.value("Vary") == "Cookie"
    body = f"a=1&csrf_token={page.text}&b=2".encode()
    assert ask(app, "POST", "/", {**cookies, "Content-Type": URLENCODED}, body).body == body
    assert ask(app, "POST", "/", {**cookies, "X-CSRF-Token": page.text}).status == 200


def test_each_page_has_another_token_and_all_of_them_are_good(app: Any) -> None:
    first = ask(app)
    cookies = cookies_of(first)
    second = ask(app, headers=cookies)
    assert second.values("Set-Cookie") == []
    assert first.text != second.text
    for page in (first, second):
        assert ask(app, "POST", "/", {**cookies, "X-CSRF-Token": page.text}).status == 200


def test_without_a_token_or_with_anothers_it_is_refused(app: Any) -> None:
    page, other = ask(app), ask(app)
    cookies = cookies_of(page)
    for fields in (
        {},
        cookies,
        {"X-CSRF-Token": page.text},
        {**cookies, "X-CSRF-Token": other.text},
        {**cookies, "X-CSRF-Token": ""},
        {**cookies, "X-CSRF-Token": "é"},
        {**cookies, "X-CSRF-Token": page.text[:-2]},
        {**cookies, "X-CSRF-Token": page.text + "=" * 100},
        {**cookies, "X-CSRF-Token": "A" * 86},
    ):
        assert ask(app, "POST", "/", fields).status == 403, fields


def test_what_a_browser_says_counts_more_than_a_token(app: Any) -> None:
    page = ask(app)
    fields = {**cookies_of(page), "X-CSRF-Token": page.text}
    assert ask(app, "POST", "/", {**fields, "Sec-Fetch-Site": "cross-site"}).status == 403
    assert ask(app, "POST", "/", {"Sec-Fetch-Site": "same-origin"}).status == 200


def test_a_request_that_asks_for_no_token_gets_no_cookie(app: Any) -> None:
    answered = ask(app, "POST", "/", {"Sec-Fetch-Site": "same-origin"})
    assert (answered.values("Set-Cookie"), answered.values("Vary")) == ([], [])


def test_a_cookie_that_a_sibling_domain_has_made_up_is_refused() -> None:
    app = Csrf(Page(), unsaid="token", secret=SECRET)
    import base64

    made_up = b"\1" * 32
    cookie = base64.urlsafe_b64encode(made_up).rstrip(b"=").decode()
    fields = {"Cookie": f"__Host-csrf={cookie}", "X-CSRF-Token": masked(made_up)}
    assert ask(app, "POST", "/", fields).status == 403


def test_a_token_of_before_a_login_is_no_token_after_it() -> None:
    class Login(Page):
        def answer(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            if environ["PATH_INFO"] == "/login":
                environ[SESSION].rotate()
                environ[SESSION]["user"] = 5
            return super().answer(environ, start_response)

    app = Sessions(Csrf(Login(), unsaid="token"), store=MemoryStore())
    page = ask(app)
    login = ask(app, "POST", "/login", {**cookies_of(page), "X-CSRF-Token": page.text})
    assert ask(app, "POST", "/", {**cookies_of(login), "X-CSRF-Token": page.text}).status == 403
    after = ask(app, headers=cookies_of(login))
    assert ask(app, "POST", "/", {**cookies_of(login), "X-CSRF-Token": after.text}).status == 200


def test_a_new_secret_signs_and_an_old_one_still_verifies() -> None:
    page = ask(Csrf(Page(), unsaid="token", secret=SECRET))
    fields = {**cookies_of(page), "X-CSRF-Token": page.text}
    other = "another secret, as long as that"
    assert ask(Csrf(Page(), unsaid="token", secret=[other, SECRET]), "POST", "/", fields).status == 200
    assert ask(Csrf(Page(), unsaid="token", secret=other), "POST", "/", fields).status == 403


def test_without_a_secret_and_without_a_session_it_says_what_is_missing() -> None:
    with pytest.raises(RuntimeError, match="Csrf: want secret=…, or Sessions outside"):
        ask(Csrf(Page(), unsaid="token"))


def test_the_cookie_is_for_this_host_for_https_and_for_no_script() -> None:
    page = ask(Csrf(Page(), unsaid="token", secret=SECRET))
    text = page.value("Set-Cookie") or ""
    assert text.startswith("__Host-csrf=")
    assert text.split("; ")[1:] == ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"]
    assert page.value("Cache-Control") == "private"


def test_a_token_first_asked_for_after_the_head_is_an_error_that_says_so() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b"one"
        yield str(environ[CSRF_TOKEN]).encode()

    with pytest.raises(RuntimeError, match="after the head"):
        ask(Csrf(app, unsaid="token", secret=SECRET))


def test_the_hidden_input_is_a_field_of_that_name() -> None:
    seen = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        seen.append(environ[CSRF_TOKEN].input)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b""]

    ask(Csrf(app, unsaid="token", secret=SECRET, form_field='a"b'))
    assert seen[0].startswith('<input type="hidden" name="a&quot;b" value="')


@given(st.text(max_size=300))
def test_any_text_is_a_token_or_none(text: str) -> None:
    found = unmasked(text)
    assert found is None or len(found) == 32


def test_a_secret_comes_out_of_its_mask() -> None:
    secret = new_secret([b"key"])
    assert len(masked(secret)) == 86
    assert unmasked(masked(secret)) == secret
