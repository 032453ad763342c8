"""The cookies of the client of tests: kept, sent and dropped as browsers do."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.web import App, Request, Response
from dragoman.web.testing import Cookie
from dragoman.web.testing.cookies import CookieJar

SITE = "http://shop.example/cart/list"


def kept(field: str, url: str = SITE) -> Cookie | None:
    jar = CookieJar()
    jar.take(field, url)
    return next(iter(jar), None)


def sent(field: str, to: str, by: str = SITE) -> bool:
    """Whether a cookie that `by` has set goes to `to`."""
    jar = CookieJar()
    jar.take(field, by)
    return bool(jar.field(to))


def setting() -> App:
    app = App("setting", static_folder=None)
    app.testing = True

    @app.get("/set")
    def set_one(request: Request) -> Response:
        response = Response("set")
        response.set_cookie("name", request.args["value"])
        return response

    @app.get("/end")
    def end_one() -> Response:
        response = Response("ended")
        response.delete_cookie("name")
        return response

    @app.get("/")
    def index(request: Request) -> dict[str, Any]:
        return dict(request.cookies)

    return app


def test_a_cookie_that_an_answer_sets_comes_with_the_next_request_until_one_ends_it() -> None:
    client = setting().test_client()
    client.get("/set?value=Ann")
    assert client.get("/").json == {"name": "Ann"}
    client.get("/end")
    assert client.get("/").json == {}


def test_a_client_without_cookies_keeps_none() -> None:
    client = setting().test_client(use_cookies=False)
    client.get("/set?value=Ann")
    assert client.get("/").json == {}
    with pytest.raises(TypeError, match="use_cookies=False"):
        client.get_cookie("name")


def test_a_cookie_is_looked_at_set_and_deleted_by_the_test() -> None:
    client = setting().test_client()
    client.get("/set", query_string={"value": "Änn, 1"})
    cookie = client.get_cookie("name")
    assert cookie is not None
    assert (cookie.value, cookie.decoded_value) == ("%C3%84nn%2C%201", "Änn, 1")
    assert (cookie.domain, cookie.path, cookie.http_only, cookie.same_site) == ("localhost", "/", True, "Lax")
    client.delete_cookie("name")
    assert client.get_cookie("name") is None
    client.set_cookie("own", "1")
    client.set_cookie("deep", "2", path="/deep")
    client.set_cookie("other", "3", domain="other.example")
    assert client.get("/").json == {"own": "1"}
    assert client.get_cookie("other", "other.example") is not None


def test_a_cookie_of_the_request_itself_goes_beside_those_that_are_kept() -> None:
    client = setting().test_client()
    client.set_cookie("kept", "1")
    assert client.get("/", headers={"Cookie": "own=2"}).json == {"own": "2", "kept": "1"}


def test_a_cookie_of_a_redirect_goes_to_where_it_leads() -> None:
    app = setting()

    @app.get("/go")
    def go() -> Response:
        response = Response("", 302, {"Location": "/"})
        response.set_cookie("on", "the-way")
        return response

    assert app.test_client().get("/go", follow_redirects=True).json == {"on": "the-way"}


@pytest.mark.parametrize(
    ("field", "to", "is_sent"),
    [
        ("a=1; Path=/", "http://shop.example/", True),
        ("a=1; Path=/", "http://www.shop.example/", False),
        ("a=1; Domain=shop.example; Path=/", "http://www.shop.example/", True),
        ("a=1; Domain=.SHOP.example; Path=/", "http://shop.example/", True),
        ("a=1; Domain=shop.example; Path=/", "http://workshop.example/", False),
        ("a=1; Domain=other.example; Path=/", "http://other.example/", False),
        ("a=1; Domain=example; Path=/", "http://shop.example/", True),
        ("a=1", "http://shop.example/cart", True),
        ("a=1", "http://shop.example/cart/other", True),
        ("a=1", "http://shop.example/cartoon", False),
        ("a=1", "http://shop.example/", False),
        ("a=1; Path=/cart/", "http://shop.example/cart/x", True),
        ("a=1; Path=/cart/", "http://shop.example/cart", False),
        ("a=1; Path=cart", "http://shop.example/cart/x", True),
        ("a=1; Path=/; Max-Age=0", "http://shop.example/", False),
        ("a=1; Path=/; Max-Age=-1", "http://shop.example/", False),
        ("a=1; Path=/; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "http://shop.example/", True),
        ("a=1; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "http://shop.example/", False),
        ("a=1; Path=/; Expires=Thu, 01-Jan-1970 00:00:00 GMT", "http://shop.example/", False),
        ("a=1; Path=/; Expires=never", "http://shop.example/", True),
        ("=1; Path=/", "http://shop.example/", False),
        ("a; Path=/", "http://shop.example/", False),
    ],
)
def test_a_cookie_goes_where_its_attributes_say(field: str, to: str, is_sent: bool) -> None:
    assert sent(field, to) is is_sent


@pytest.mark.parametrize(
    ("field", "by", "is_kept"),
    [
        ("a=1; Secure", "http://shop.example/", False),
        ("a=1; Secure", "https://shop.example/", True),
        ("a=1; Secure", "http://localhost/", True),
        ("__Host-a=1; Secure; Path=/", "https://shop.example/", True),
        ("__Host-a=1; Secure; Path=/; Domain=shop.example", "https://shop.example/", False),
        ("__Host-a=1; Secure; Path=/x", "https://shop.example/x", False),
        ("__Secure-a=1", "https://shop.example/", False),
        ("a=1; Domain=0.0.1", "http://127.0.0.1/", False),
    ],
)
def test_what_browsers_drop_is_dropped(field: str, by: str, is_kept: bool) -> None:
    assert (kept(field, by) is not None) is is_kept


def test_a_secure_cookie_goes_by_https_alone() -> None:
    assert not sent("a=1; Secure; Path=/", "http://shop.example/", "https://shop.example/")
    assert sent("a=1; Secure; Path=/", "https://shop.example/", "http://localhost/") is False
    assert sent("a=1; Secure; Path=/", "https://shop.example/", "https://shop.example/")


def test_the_longest_path_comes_first_and_the_same_place_is_written_over() -> None:
    jar = CookieJar()
    for field in ("a=root; Path=/", "a=deep; Path=/cart", "a=other; Path=/"):
        jar.take(field, SITE)
    assert jar.field(SITE) == "a=deep; a=other"


def test_a_cookie_ends_when_its_time_has_come() -> None:
    past = datetime.now(timezone.utc) - timedelta(seconds=1)
    assert Cookie("a", "1", "shop.example", "/", expires=past).is_over
    cookie = kept("a=1; Max-Age=60")
    assert cookie is not None and cookie.max_age == 60
    assert cookie.expires is not None and cookie.expires > datetime.now(timezone.utc)
    cookie = kept(f"a=1; Max-Age={10**14}")
    assert cookie is not None and not cookie.is_over


# Of texts with "%" nobody knows whether they are escaped.
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="%"), max_size=200))
def test_any_text_that_response_set_cookie_takes_comes_back(value: str) -> None:
    response = Response()
    response.set_cookie("name", value)
    cookie = kept(response.headers["Set-Cookie"])
    assert cookie is not None and cookie.decoded_value == value


@given(st.text(), st.sampled_from([SITE, "https://localhost/", "http://127.0.0.1:8000/a/b?c"]))
def test_no_field_is_a_failure_and_what_is_kept_goes_back_to_where_it_came_from(field: str, url: str) -> None:
    cookie = kept(field, url)
    if cookie is not None and cookie.path in ("/", urlsplit(url).path):
        assert cookie.goes_to(urlsplit(url))
