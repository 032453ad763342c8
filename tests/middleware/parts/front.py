"""The parts that stand in front: who asks, for which host, by which scheme, from which page."""

from __future__ import annotations

from typing import Any

from dragoman.middleware import Cors, ForceHTTPS, Layer, ProxyHeaders, SecurityHeaders, TrustedHosts
from dragoman.middleware.passing import editing
from tests.middleware.part import Part, Probe
from tests.support.wire import Response

LOCAL = ["127.0.0.1", "::1"]
FORWARDED = {
    "X-Forwarded-For": "192.0.2.9",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "shop.example",
    "X-Forwarded-Prefix": "/shop",
}


def greets(response: Response) -> None:
    assert (response.status, response.text) == (200, "Hello, you")


def echoes(response: Response) -> None:
    assert (response.status, response.text) == (200, "body")


def is_refused(response: Response) -> None:
    assert response.status == 400


def is_sent_on(response: Response) -> None:
    assert response.status == 301
    location = response.value("Location") or ""
    assert location.startswith("https://shop.example/force-https-all/") and location.endswith("/hello?name=a%20b")


def keeps_the_method(response: Response) -> None:
    assert response.status == 308


def has_the_fields(response: Response) -> None:
    greets(response)
    assert response.value("X-Frame-Options") == "SAMEORIGIN"
    assert response.value("X-Content-Type-Options") == "nosniff"
    assert (response.value("Content-Security-Policy") or "").startswith("script-src 'nonce-")
    assert response.values("Strict-Transport-Security") == []


def is_readable(response: Response) -> None:
    greets(response)
    assert response.value("Access-Control-Allow-Origin") == "https://shop.example"
    assert "Origin" in (response.value("Vary") or "")


def is_closed(response: Response) -> None:
    greets(response)
    assert response.values("Access-Control-Allow-Origin") == []
    assert "Origin" in (response.value("Vary") or "")


def is_granted(response: Response) -> None:
    assert (response.status, response.body) == (204, b"")
    assert response.value("Access-Control-Allow-Methods") == "GET, HEAD, POST, PUT, PATCH, DELETE"


class Shown(Layer):
    """Says in the response what the application would see."""

    def __call__(self, environ: Any, start_response: Any) -> Any:
        seen = " ".join(
            str(environ[key]) for key in ("REMOTE_ADDR", "wsgi.url_scheme", "HTTP_HOST", "SCRIPT_NAME", "SERVER_PORT")
        )
        left = [key for key in environ if "FORWARDED" in key]
        return self.app(
            environ,
            editing(start_response, lambda status, headers: (status, [*headers, ("X-Seen", f"{seen} {left}")])),
        )


class Proxied(Layer):
    """`ProxyHeaders` with something inside that shows what it has done."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options = options

    def __call__(self, environ: Any, start_response: Any) -> Any:
        return ProxyHeaders(Shown(self.app), **self.options)(environ, start_response)


def is_proxied(response: Response) -> None:
    greets(response)
    address, scheme, host, script, port, left = (response.value("X-Seen") or "").split(" ", 5)
    assert (address, scheme, host, port, left) == ("192.0.2.9", "https", "shop.example", "443", "[]")
    assert script.startswith("/shop/proxied/")


def is_proxied_by_rfc_7239(response: Response) -> None:
    greets(response)
    assert (response.value("X-Seen") or "").split(" ")[:3] == ["192.0.2.9", "https", "shop.example"]


ORIGIN = {"Origin": "https://shop.example"}

PARTS = [
    Part(
        "proxy-headers",
        lambda: ProxyHeaders(trusted=LOCAL, fields=["for", "proto", "host", "prefix"]),
        (
            Probe("/hello", greets),
            Probe("/hello", greets, fields=FORWARDED),
            Probe("/hello", is_refused, fields={**FORWARDED, "X-Forwarded-Prefix": "//evil.example"}),
            Probe("/echo", echoes, "POST", FORWARDED, b"body"),
        ),
    ),
    Part(
        "proxied",
        lambda: Proxied(trusted=LOCAL, fields=["for", "proto", "host", "prefix"]),
        (
            Probe("/hello", is_proxied, fields=FORWARDED),
            Probe("/hello", is_proxied, fields={**FORWARDED, "X-Forwarded-For": "10.0.0.1, 192.0.2.9, 127.0.0.1"}),
        ),
    ),
    Part(
        "forwarded",
        lambda: Proxied(trusted=LOCAL, syntax="forwarded"),
        (
            Probe(
                "/hello",
                is_proxied_by_rfc_7239,
                fields={"Forwarded": "for=10.0.0.1, for=192.0.2.9;proto=https;host=shop.example"},
            ),
        ),
    ),
    Part(
        "trusted-hosts",
        lambda: TrustedHosts(hosts=["test", "a", ".shop.example"]),
        (
            Probe("/hello", greets),
            Probe("/hello", greets, fields={"Host": "WWW.shop.example:8000"}),
            Probe("/hello", is_refused, fields={"Host": "shop.example.evil.example"}),
        ),
    ),
    Part(
        "force-https",
        lambda: ForceHTTPS(host="shop.example", exempt=["/force-https"]),
        (Probe("/hello", greets),),
    ),
    Part(
        "force-https-all",
        lambda: ForceHTTPS(host="shop.example"),
        (
            Probe("/hello?name=a%20b", is_sent_on),
            Probe("/echo", keeps_the_method, "POST", {}, b"body"),
        ),
        streams=False,
        because="no request by http gets through",
    ),
    Part(
        "security-headers",
        lambda: SecurityHeaders(csp={"script-src": ["'nonce'"]}),
        (Probe("/hello", has_the_fields),),
    ),
    Part(
        "cors",
        lambda: Cors(origins=["https://shop.example"]),
        (
            Probe("/hello", is_readable, fields=ORIGIN),
            Probe("/hello", is_closed, fields={"Origin": "https://evil.example"}),
            Probe("/hello", is_closed),
            Probe("/hello", is_granted, "OPTIONS", {**ORIGIN, "Access-Control-Request-Method": "PUT"}),
        ),
    ),
]
