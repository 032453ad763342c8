"""Layers around an application see which rule a request has, for counting and tracing, also where it is mounted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import flask
import pytest

from dragoman.middleware import Metrics, Mount
from dragoman.middleware.routes import route_of
from dragoman.web import App, Blueprint
from tests.middleware.kit import ask


def shop() -> App:
    app = App(__name__)
    admin = Blueprint("admin", __name__, url_prefix="/admin")
    admin.add_url_rule("/{name}", "named", named)
    app.add_url_rule("/", "index", index)
    app.add_url_rule("/user/<int:id>", "user", user, methods=["GET", "POST"])
    app.add_url_rule("/stream/<int:id>", "stream", stream)
    app.add_url_rule("/broken/<int:id>", "broken", broken)
    app.register_blueprint(admin)
    return app


def index() -> str:
    return "index"


def user(id: int) -> str:
    return str(id)


def stream(id: int) -> Iterator[str]:
    yield str(id)


def broken(id: int) -> str:
    raise RuntimeError("broken")


def named(name: str) -> str:
    return name


def routes_of(app: Any, *paths: str, method: str = "GET", **more: Any) -> list[str | None]:
    """The route of each request, as it is known when the head goes out."""
    found: list[str | None] = []

    def noting(environ: Any, start_response: Any) -> Any:
        def started(*head: Any) -> Any:
            found.append(route_of(environ))
            return start_response(*head)

        return app(environ, started)

    for path in paths:
        ask(noting, method, path, **more)
    return found


def test_it_is_the_rule() -> None:
    paths = ("/", "/user/7", "/stream/7", "/broken/7", "/admin/x")
    rules = ["/", "/user/<int:id>", "/stream/<int:id>", "/broken/<int:id>", "/admin/{name}"]
    assert routes_of(shop(), *paths) == rules
    assert routes_of(shop(), "/user/8", method="POST") == ["/user/<int:id>"]
    assert routes_of(shop(), "/user/8", method="HEAD") == ["/user/<int:id>"]
    assert routes_of(shop(), "/user/8", method="OPTIONS") == ["/user/<int:id>"]


@pytest.mark.parametrize("prefix", ["", "/shop"])
def test_a_request_that_no_rule_is_for_has_none(prefix: str) -> None:
    # Not an empty one either: that would be a row of its own among the routes.
    app = shop()
    assert routes_of(app, "/none", "/user/x", SCRIPT_NAME=prefix) == [None, None]
    assert routes_of(app, "/user/7", method="DELETE", SCRIPT_NAME=prefix) == [None]


def test_below_a_prefix_it_has_the_prefix() -> None:
    assert routes_of(shop(), "/user/7", SCRIPT_NAME="/eu") == ["/eu/user/<int:id>"]
    assert routes_of(Mount(None, mounts={"/eu": shop()}), "/eu/user/7") == ["/eu/user/<int:id>"]


def test_of_an_application_that_is_mounted_in_another_it_is_seen_outside() -> None:
    outer, middle = App("outer"), App("middle")
    middle.mount("/shop", shop())
    outer.mount("/eu", middle)
    outer.add_url_rule("/<name>", "named", named)
    assert routes_of(outer, "/eu/shop/user/7", "/eu/shop/stream/7", "/x") == [
        "/eu/shop/user/<int:id>",
        "/eu/shop/stream/<int:id>",
        "/<name>",
    ]


def test_of_an_application_of_another_framework_too() -> None:
    inner = flask.Flask("inner")
    inner.add_url_rule("/user/<int:id>", "user", user)
    outer = App("outer")
    outer.mount("/old", inner)
    assert routes_of(outer, "/old/user/7") == ["/old/user/<int:id>"]


def test_metrics_count_by_rule() -> None:
    outer = App("outer")
    outer.mount("/shop", shop())
    metrics = Metrics(outer, storage="memory://", registry=False)
    for path in ("/shop/user/1", "/shop/user/2", "/shop/stream/1", "/shop/none", "/none"):
        ask(metrics, "GET", path)
    text = metrics.exposition()[1].decode()
    counted = dict(re.findall(r'^http_server_requests_total\{.*?route="([^"]*)".*?\} (\d+)', text, re.MULTILINE))
    assert counted.pop("/shop/user/<int:id>") == "2"
    assert counted.pop("/shop/stream/<int:id>") == "1"
    assert not any("none" in route for route in counted)


def test_spans_have_the_rule_in_their_name() -> None:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from dragoman.middleware import Tracing

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    outer = App("outer")
    outer.mount("/shop", shop())
    ask(Tracing(outer, tracer_provider=provider), "GET", "/shop/user/1")
    assert [span.name for span in exporter.get_finished_spans()] == ["GET /shop/user/<int:id>"]
