"""`RateLimit` under servers."""

from __future__ import annotations

from dragoman.middleware import RateLimit
from tests.middleware.part import Part, Probe
from tests.support.wire import Response


def is_let_through(response: Response) -> None:
    assert (response.status, response.body) == (200, b"Hello, you")
    assert response.value("RateLimit-Policy") == '"100000/hour";q=100000;w=3600'
    assert (response.value("RateLimit") or "").startswith('"100000/hour";r=')


def is_refused(response: Response) -> None:
    assert response.status == 429
    assert int(response.value("Retry-After") or "") >= 1
    assert response.body.startswith(b"Too many requests. Try again in ")


def is_exempt(response: Response) -> None:
    assert response.status == 204
    assert response.value("RateLimit") is None


def layer() -> RateLimit:
    # Those that cost more than there is are refused whatever came before.
    return RateLimit(
        limits="100000/hour",
        storage="memory://",
        exempt=[f"/rate-limit/{kind}/empty" for kind in ("plain", "flask", "django")],
        cost=lambda environ: int(environ.get("HTTP_X_COST", "1")),
    )


PARTS = [
    Part(
        "rate-limit",
        layer,
        (
            Probe("/hello", is_let_through),
            Probe("/hello", is_refused, fields={"X-Cost": "100001"}),
            Probe("/echo", is_refused, "POST", fields={"X-Cost": "100001"}, body=b"unread" * 1000),
            Probe("/empty", is_exempt),
        ),
    )
]
