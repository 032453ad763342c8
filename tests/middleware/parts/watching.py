"""The parts that watch: `Metrics`, `Tracing` and `ServerTiming` under servers."""

from __future__ import annotations

from opentelemetry.sdk.trace import TracerProvider

from dragoman.middleware import Metrics, ServerTiming, Tracing
from tests.middleware.part import Part, Probe
from tests.support.wire import Response


def greets(response: Response) -> None:
    assert (response.status, response.text) == (200, "Hello, you")


def echoes(response: Response) -> None:
    assert (response.status, response.text) == (200, "body")


def is_empty(response: Response) -> None:
    assert (response.status, response.body) == (204, b"")


def has_no_body(response: Response) -> None:
    assert (response.status, response.body) == (200, b"")


def has_the_time(response: Response) -> None:
    greets(response)
    assert (response.value("Server-Timing") or "").startswith("total;dur=")


def has_no_time(response: Response) -> None:
    greets(response)
    assert response.values("Server-Timing") == []


WHOLE = (
    Probe("/hello", greets),
    Probe("/hello", has_no_body, "HEAD"),
    Probe("/echo", echoes, "POST", {}, b"body"),
    Probe("/empty", is_empty),
)
TRACEPARENT = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}

PARTS = [
    Part("metrics", lambda: Metrics(storage="memory://", allow="*", paths=["/metrics"]), WHOLE),
    Part(
        "tracing",
        lambda: Tracing(tracer_provider=TracerProvider()),
        (*WHOLE, Probe("/hello", greets, fields=TRACEPARENT)),
    ),
    Part("tracing-idle", Tracing, (*WHOLE, Probe("/hello", greets, fields=TRACEPARENT))),
    Part(
        "server-timing",
        ServerTiming,
        (
            Probe("/hello", has_the_time),
            Probe("/hello", has_no_time, fields={"X-Real-IP": "192.0.2.7"}),
        ),
    ),
]
