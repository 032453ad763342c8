"""`TrustedHosts`: which names are served, and which texts are no names."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.middleware import TrustedHosts
from tests.middleware.kit import Inner, ask


def status(app: Any, host: str | None, path: str = "/") -> int:
    if host is None:

        def without(environ: Any, start_response: Any) -> Any:
            del environ["HTTP_HOST"]
            return app(environ, start_response)

        return ask(without, "GET", path).status
    return ask(app, "GET", path, {"Host": host}).status


@pytest.mark.parametrize(
    ("hosts", "host", "is_served"),
    [
        (["shop.example"], "shop.example", True),
        (["shop.example"], "SHOP.Example", True),
        (["shop.example"], "shop.example.", True),
        (["shop.example"], "shop.example:8000", True),
        (["shop.example"], "www.shop.example", False),
        (["shop.example"], "shop.example.evil.example", False),
        (["shop.example"], "shopxexample", False),
        ([".shop.example"], "shop.example", True),
        ([".shop.example"], "a.b.shop.example", True),
        ([".shop.example"], "evilshop.example", False),
        (["*.shop.example"], "www.shop.example", True),
        (["*.shop.example"], "shop.example", False),
        (["shop.example:8000"], "shop.example:8000", True),
        (["shop.example:8000"], "shop.example", False),
        (["a.example", "b.example"], "b.example", True),
        (["127.0.0.1", "[::1]"], "[::1]:8000", True),
        (["*"], "anything.example", True),
        (["münchen.example"], "xn--mnchen-3ya.example", True),
        # No names at all: two readers could read different hosts from them.
        (["*"], "shop.example@evil.example", False),
        (["*"], "shop.example/evil", False),
        (["*"], "shop.example, evil.example", False),
        (["*"], "shop.example:80a", False),
        (["*"], "shop.example:80:80", False),
        (["*"], "", False),
        (["*"], "a b", False),
        (["*"], None, False),
        (["shop.example"], None, False),
    ],
)
def test_which_hosts_are_served(hosts: list[str], host: str | None, is_served: bool) -> None:
    assert status(TrustedHosts(Inner(), hosts=hosts), host) == (200 if is_served else 400)


def test_a_refused_request_does_not_reach_the_application() -> None:
    inner = Inner()
    answer = ask(TrustedHosts(inner, hosts=["shop.example"], status=421), "GET", "/", {"Host": "evil.example"})
    assert (answer.status, answer.reason, inner.calls) == (421, "Misdirected Request", 0)
    assert answer.text == "This host is not served here.\n"
    assert ask(TrustedHosts(inner, hosts=["shop.example"])).status == 200
    inner.settled()


def test_paths_may_be_asked_for_by_any_host() -> None:
    app = TrustedHosts(Inner(), hosts=["shop.example"], exempt=["/livez"])
    assert status(app, "10.0.0.7:8000", "/livez") == 200
    assert status(app, "10.0.0.7:8000", "/livezz") == 400


@given(st.text(max_size=40))
def test_whatever_the_host_is_only_the_names_get_in(text: str) -> None:
    if TrustedHosts(hosts=["shop.example", ".b.example"]).is_trusted(text):
        name = text.lower().partition(":")[0].removesuffix(".")
        assert name == "shop.example" or f".{name}".endswith(".b.example")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hosts": "shop.example"}, "hosts: want a list of names"),
        ({"hosts": []}, "hosts: want a list of names"),
        ({"hosts": [3]}, "hosts: want names, got 3"),
        ({"hosts": ["https://shop.example"]}, "hosts: host pattern 'https://shop.example': want a name"),
        ({"hosts": ["shop.*"]}, "want a name such as"),
        ({"hosts": ["*shop.example"]}, "want a name such as"),
        ({"hosts": ["a.example"], "status": 404}, "status: want 400 or 421, got 404"),
    ],
)
def test_what_is_no_name_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrustedHosts(**options)
