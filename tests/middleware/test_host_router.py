"""`HostRouter`: which application a host belongs to."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.middleware import HostRouter, stack
from tests.middleware.kit import Inner, ask


def named(name: str) -> Inner:
    return Inner(blocks=(name.encode(),))


def made() -> HostRouter:
    hosts = {
        "api.shop.example": named("api"),
        "shop.example:8443": named("admin"),
        "*.shop.example": named("tenant"),
        ".münchen.example": named("city"),
    }
    return HostRouter(named("site"), hosts=hosts)


@pytest.mark.parametrize(
    ("host", "name", "subdomain"),
    [
        ("api.shop.example", "api", None),
        ("API.shop.example.:8000", "api", None),
        ("shop.example", "site", None),
        ("shop.example:8443", "admin", None),
        ("acme.shop.example", "tenant", "acme"),
        ("a.b.shop.example", "tenant", "a.b"),
        ("evilshop.example", "site", None),
        ("xn--mnchen-3ya.example", "city", ""),
        ("www.xn--mnchen-3ya.example", "city", "www"),
        ("192.0.2.1", "site", None),
    ],
)
def test_exact_names_come_first_then_patterns_then_the_rest(host: str, name: str, subdomain: str | None) -> None:
    answer = ask(made(), headers={"Host": host})
    assert (answer.text, answer.environ.get("dragoman.subdomain")) == (name, subdomain)


@pytest.mark.parametrize("host", ["", "a b", "shop.example@api.shop.example"])
def test_a_host_that_is_none_is_nobodys(host: str) -> None:
    assert ask(made(), headers={"Host": host}).status == 421


def test_without_an_application_for_the_rest_the_answer_is_421() -> None:
    app = HostRouter(hosts={"a.example": named("a")})
    assert ask(app, headers={"Host": "a.example"}).text == "a"
    assert ask(app, headers={"Host": "b.example"}).status == 421


def test_hosts_are_remembered_up_to_a_bound() -> None:
    def tenant(environ: Any, start_response: Any) -> Any:
        return environ.get("dragoman.subdomain")

    app: Any = HostRouter(lambda environ, start_response: "first", hosts={"*.shop.example": tenant})  # type: ignore[arg-type, return-value]
    for number in [*range(1100), *range(1100)]:
        assert app({"HTTP_HOST": f"t{number}.shop.example"}, print) == f"t{number}"
    assert len(app.known) == 1024
    # What is remembered is not whose application is inside: one configured layer may be around several.
    app({"HTTP_HOST": "x.example"}, print)
    other = app.around(lambda environ, start_response: "other")
    assert other({"HTTP_HOST": "x.example"}, print) == "other"


def test_in_a_stack_it_stands_around_the_application_of_the_rest() -> None:
    app = stack(named("site"), HostRouter(hosts={"a.example": named("a")}))
    assert [ask(app, headers={"Host": host}).text for host in ("a.example", "b.example")] == ["a", "site"]


@pytest.mark.parametrize(
    ("hosts", "error", "message"),
    [
        ({"https://a.example": Inner()}, ValueError, "hosts: host pattern 'https://a.example'"),
        ({"a.*": Inner()}, ValueError, "hosts: host pattern"),
        ({"a.example": "app"}, TypeError, "hosts: a.example: want a WSGI application, got 'app'"),
    ],
)
def test_what_cannot_be_routed_is_refused(hosts: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        HostRouter(hosts=hosts)


def test_an_application_that_counts_as_false_is_one() -> None:
    class Empty(list[bytes]):
        def __call__(self, environ: Any, start_response: Any) -> list[bytes]:
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b"empty"]

    app = HostRouter(Inner(), hosts={"api.shop.example": Empty(), "*.shop.example": Empty()})
    assert [ask(app, headers={"Host": host}).text for host in ("api.shop.example", "a.shop.example")] == ["empty"] * 2


@pytest.mark.parametrize("pattern", ["*.shop.example", "*.shop.example.", ".shop.example.:8000", "*.Shop.Example:8000"])
def test_what_stands_in_front_is_the_same_however_the_pattern_is_written(pattern: str) -> None:
    inner = Inner()
    ask(HostRouter(hosts={pattern: inner}), headers={"Host": "a.b.shop.example:8000"})
    assert inner.environs[0]["dragoman.subdomain"] == "a.b"
