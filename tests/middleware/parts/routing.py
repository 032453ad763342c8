"""The parts that lead a request somewhere else: redirects, other methods, other applications."""

from __future__ import annotations

from typing import Any

from dragoman.middleware import HostRouter, MethodOverride, Mount, Redirects
from tests.middleware.part import Part, Probe
from tests.middleware.parts.front import greets
from tests.support.wire import Response


def leads_away(response: Response) -> None:
    assert (response.status, response.value("Location")) == (308, "https://new.example/x%20y?a=1")


def echoes(response: Response) -> None:
    assert (response.status, response.text) == (200, "_method=PUT&a=1")


def other(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{environ['SCRIPT_NAME']} {environ['PATH_INFO']} {environ.get('dragoman.subdomain')}".encode()]


def is_mounted(response: Response) -> None:
    script, rest, _ = response.text.split(" ")
    assert script.endswith("/api") and rest == "/v1/x"


def is_of_the_tenant(response: Response) -> None:
    assert response.text.endswith(" acme")


FORM = {"Content-Type": "application/x-www-form-urlencoded"}

PARTS = [
    Part(
        "redirects",
        lambda: Redirects(patterns={r".*/old/(?P<rest>.*)": "https://new.example/{rest}"}),
        (Probe("/hello", greets), Probe("/old/x%20y?a=1", leads_away)),
    ),
    Part(
        "method-override",
        lambda: MethodOverride(form_field="_method"),
        (Probe("/hello", greets), Probe("/echo", echoes, "POST", FORM, b"_method=PUT&a=1")),
    ),
    Part("mount", lambda: Mount(mounts={"/api": other}), (Probe("/hello", greets), Probe("/api/v1/x", is_mounted))),
    Part(
        "host-router",
        lambda: HostRouter(hosts={"*.shop.example": other}),
        (Probe("/hello", greets), Probe("/hello", is_of_the_tenant, fields={"Host": "acme.shop.example"})),
    ),
]
