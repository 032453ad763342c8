"""The route of a request, as frameworks know it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import bottle
import flask
import pytest

from dragoman.middleware import Metrics
from dragoman.middleware.layer import Layer
from dragoman.middleware.routes import route_of
from tests.middleware.kit import Inner, ask


class Asking(Layer):
    """Notes the route of each request when its head goes out."""

    def __init__(self, app: Any = None, **options: Any) -> None:
        super().__init__(app)
        self.options = options
        self.routes: list[str | None] = []

    def __call__(self, environ: Any, start_response: Any) -> Any:
        def started(*head: Any) -> Any:
            self.routes.append(route_of(environ, **self.options))
            return start_response(*head)

        return self.app(environ, started)


def routes_of(app: Any, *paths: str, **more: Any) -> list[str | None]:
    asking = Asking(app)
    for path in paths:
        ask(asking, "GET", path, **more)
    return asking.routes


def test_of_flask_it_is_the_rule() -> None:
    app = flask.Flask(__name__)
    app.add_url_rule("/users/<int:id>", "user", str)
    assert routes_of(app, "/users/7", "/users/x", "/none") == ["/users/<int:id>", None, None]
    assert routes_of(app, "/users/7", SCRIPT_NAME="/shop") == ["/shop/users/<int:id>"]


def test_of_flask_it_is_known_when_the_request_has_ended() -> None:
    # Flask takes its request out of the environ at the end of the call.
    app = flask.Flask(__name__)
    app.add_url_rule("/users/<int:id>", "user", lambda id: (str(one) for one in range(id)))
    metrics = Metrics(app, storage="memory://", registry=False)
    ask(metrics, "GET", "/users/7")
    assert 'route="/users/<int:id>"' in metrics.exposition()[1].decode()


def test_of_bottle_it_is_the_rule() -> None:
    app = bottle.Bottle()
    app.route("/users/<id:int>")(str)
    assert routes_of(app, "/users/7", "/none") == ["/users/<id:int>", None]


def test_an_application_may_say_it() -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        environ["dragoman.route"] = "/said"
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"x"]

    assert routes_of(app, "/x") == ["/said"]


def test_a_hook_comes_first_and_may_know_nothing() -> None:
    assert route_of({"dragoman.route": "/a"}, lambda environ: "/b") == "/b"
    assert route_of({"dragoman.route": "/a"}, lambda environ: None) == "/a"


def test_a_hook_that_fails_fails_no_request(caplog: pytest.LogCaptureFixture) -> None:
    def failing(environ: Any) -> str:
        raise LookupError("by plan")

    assert ask(Metrics(Inner(), storage="memory://", registry=False, route=failing)).status == 200
    assert "the function for it has failed" in caplog.text


@pytest.mark.parametrize(
    "environ", [{}, {"werkzeug.request": object()}, {"bottle.route": object()}, {"dragoman.route": 7}]
)
def test_what_is_something_else_is_no_route(environ: dict[str, Any]) -> None:
    assert route_of(environ) is None


def test_a_plain_application_has_none() -> None:
    assert routes_of(Inner(), "/x") == [None]


def test_of_django_it_is_what_its_middleware_says() -> None:
    # In a process of its own: Django is set up once only.
    program = r"""
import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path, re_path
from tests.middleware.test_routes import routes_of
urlpatterns = [
    path("users/<int:pk>", lambda request, pk: HttpResponse(pk)),
    re_path(r"^old/(\d+)$", lambda request, number: HttpResponse(number)),
    path("", lambda request: HttpResponse("home")),
]
settings.configure(
    ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="x", LOGGING_CONFIG=None,
    MIDDLEWARE=["dragoman.contrib.django.middleware.RouteMiddleware"],
)
app = get_wsgi_application()
print(routes_of(app, "/users/7", "/old/1", "/", "/none"))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert done.stdout == "['/users/<int:pk>', '/old/(\\\\d+)', '/', None]\n", done.stderr
