"""Who may see what is told of the inside, with proxies that say who asks, that do not, and that are not believed."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.middleware import Maintenance, ProxyHeaders
from dragoman.middleware.insiders import Insiders
from tests.middleware.kit import Inner, ask

HERE = {"REMOTE_ADDR": "127.0.0.1"}


def is_inside(sent: dict[str, str], environ: dict[str, Any], **proxies: Any) -> bool:
    inner = Inner()
    ask(ProxyHeaders(inner, **proxies) if proxies else inner, headers=sent, **environ)
    return Insiders(["127.0.0.1", "10.0.0.0/8"]).have_sent(inner.environs[0])


def test_who_asks_from_an_address_that_is_named_is_inside() -> None:
    assert is_inside({}, HERE)
    assert is_inside({}, HERE, trusted=["127.0.0.1"])
    assert not is_inside({}, {"REMOTE_ADDR": "192.0.2.7"})


@pytest.mark.parametrize(
    ("syntax", "sent"),
    [
        ("x-forwarded", {"X-Forwarded-For": "203.0.113.9"}),
        # The proxy has relayed it, and nobody knows for whom: its own address is not the client's.
        ("x-forwarded", {"X-Forwarded-For": "unknown"}),
        ("x-forwarded", {"X-Forwarded-For": "_hidden"}),
        ("x-forwarded", {"X-Forwarded-For": "fe80::1%eth0"}),
        ("x-forwarded", {"X-Forwarded-For": "unix:"}),
        ("x-forwarded", {"X-Forwarded-For": ""}),
        ("x-forwarded", {"X-Real-IP": "203.0.113.9"}),
        ("forwarded", {"Forwarded": "for=_hidden"}),
        ("forwarded", {"Forwarded": "proto=http"}),
        ("forwarded", {"X-Forwarded-For": "203.0.113.9"}),
    ],
)
def test_who_comes_by_a_proxy_is_not_taken_for_it(syntax: Any, sent: dict[str, str]) -> None:
    assert not is_inside(sent, HERE, trusted=["127.0.0.1"], syntax=syntax)
    # A proxy that is not believed has relayed it all the same.
    assert not is_inside(sent, HERE, trusted=["192.0.2.1"], syntax=syntax)


def test_a_client_that_a_believed_proxy_names_is_inside_if_it_is() -> None:
    assert is_inside({"X-Forwarded-For": "10.1.2.3"}, HERE, trusted=["127.0.0.1"])
    # The server has believed the proxy itself.
    environ = {"REMOTE_ADDR": "10.1.2.3", "REMOTE_PORT": "", "SERVER_SOFTWARE": "dragoman/1"}
    assert is_inside({"X-Forwarded-Proto": "https"}, environ, trusted=["192.0.2.1"], fields=["proto"])


def test_a_unix_socket_says_nothing_of_who_asks() -> None:
    assert not is_inside({}, {"REMOTE_ADDR": ""})
    assert not is_inside({"X-Forwarded-For": "unknown"}, {"REMOTE_ADDR": ""}, trusted=["127.0.0.1"])
    assert Insiders("*").have_sent({"REMOTE_ADDR": ""})


def test_maintenance_lets_nobody_through_for_the_address_of_a_proxy() -> None:
    app = Maintenance(Inner(), when=lambda environ: True, allow=["127.0.0.1"])
    assert ask(app, **HERE).status == 200
    assert ask(app, headers={"X-Forwarded-For": "203.0.113.9"}, **HERE).status == 503
    behind = ProxyHeaders(app, trusted=["127.0.0.1"])
    assert ask(behind, headers={"X-Forwarded-For": "unknown"}, **HERE).status == 503
