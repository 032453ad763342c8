"""`ForceHTTPS`: where requests by http are sent, and that it is never somewhere else."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.middleware import ForceHTTPS
from tests.middleware.kit import Inner, ask


def led(app: Any, target: str = "/", method: str = "GET", **more: Any) -> tuple[int, str | None]:
    answer = ask(app, method, target, **more)
    return answer.status, answer.value("Location")


def test_a_request_by_http_is_sent_to_the_same_place_by_https() -> None:
    inner = Inner()
    app = ForceHTTPS(inner)
    assert led(app, "/a b?x=1&y=%20") == (301, "https://shop.example/a%20b?x=1&y=%20")
    assert inner.calls == 0
    assert ask(app, **{"wsgi.url_scheme": "https"}).text == "Hello"
    inner.settled()


@pytest.mark.parametrize(
    ("method", "permanent", "status"),
    [
        ("GET", True, 301),
        ("HEAD", True, 301),
        ("POST", True, 308),
        ("PUT", True, 308),
        ("OPTIONS", True, 308),
        ("GET", False, 302),
        ("HEAD", False, 302),
        ("DELETE", False, 307),
    ],
)
def test_a_method_is_kept(method: str, permanent: bool, status: int) -> None:
    assert led(ForceHTTPS(Inner(), permanent=permanent), method=method)[0] == status


def test_flask_talisman_a_redirected_post_stays_a_post() -> None:
    # flask-talisman answers 302 or 301 to every method, and the client asks again with GET and without the body.
    assert led(ForceHTTPS(Inner()), "/buy", "POST", body=b"x=1") == (308, "https://shop.example/buy")


@pytest.mark.parametrize(
    ("options", "host", "location"),
    [
        ({}, "shop.example:8000", "https://shop.example/"),
        ({}, "SHOP.example", "https://shop.example/"),
        ({}, "[::1]:8000", "https://[::1]/"),
        ({"port": 8443}, "shop.example:8000", "https://shop.example:8443/"),
        ({"host": "www.shop.example"}, "shop.example", "https://www.shop.example/"),
        ({"host": "www.shop.example"}, "nonsense@", "https://www.shop.example/"),
        ({"host": "www.shop.example", "port": 8443}, "shop.example", "https://www.shop.example:8443/"),
    ],
)
def test_the_host_is_the_one_that_was_asked_for_or_a_fixed_one(
    options: dict[str, Any], host: str, location: str
) -> None:
    assert led(ForceHTTPS(Inner(), **options), headers={"Host": host}) == (301, location)


@pytest.mark.parametrize("host", ["", "evil.example/", "shop.example@evil.example", "a b", "shop.example\\.evil"])
def test_without_a_host_that_is_one_nobody_is_sent_anywhere(host: str) -> None:
    answer = ask(ForceHTTPS(Inner()), "GET", "/", {"Host": host})
    assert (answer.status, answer.values("Location")) == (400, [])


@pytest.mark.parametrize(
    "path", ["//evil.example", "/\\evil.example", "/@evil.example", "/\r\nX: y", "/..//evil.example"]
)
def test_no_path_leads_to_another_host(path: str) -> None:
    _, location = led(ForceHTTPS(Inner()), path)
    assert location is not None and location.startswith("https://shop.example/")
    assert location.isprintable() and urlsplit(location).hostname == "shop.example"


@given(st.text(max_size=30), st.text(max_size=30))
def test_whatever_is_asked_for_the_location_is_one_of_this_host(path: str, query: str) -> None:
    given_as = {"PATH_INFO": "/" + path.encode().decode("latin-1"), "QUERY_STRING": query.encode().decode("latin-1")}
    _, location = led(ForceHTTPS(Inner()), **given_as)
    assert location is not None and location.startswith("https://shop.example/") and location.isascii()
    assert location.isprintable() and " " not in location


def test_where_it_is_mounted_and_escaped_slashes_stay() -> None:
    assert led(ForceHTTPS(Inner()), "/a/b", REQUEST_URI="/a%2Fb?c")[1] == "https://shop.example/a%2Fb"
    assert led(ForceHTTPS(Inner()), "/b", SCRIPT_NAME="/shop")[1] == "https://shop.example/shop/b"


def test_paths_may_be_answered_by_http() -> None:
    app = ForceHTTPS(Inner(), exempt=["/livez"])
    assert ask(app, "GET", "/livez").text == "Hello"
    assert led(app, "/livezz")[0] == 301


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"port": 0}, "port: want 1 to 65535, got 0"),
        ({"port": "443"}, "port: want 1 to 65535"),
        ({"host": "https://shop.example"}, "host: want a name such as"),
        ({"host": "shop.example:443"}, "host: want a name such as .*, without a port"),
        ({"exempt": "/livez"}, "exempt: want a list of paths"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ForceHTTPS(**options)
