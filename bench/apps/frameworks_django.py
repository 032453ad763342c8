"""The questions of `bench/web.py` answered by Django without middleware."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["*"], DEBUG=False, MIDDLEWARE=[], ROOT_URLCONF=__name__, SECRET_KEY="for the benchmark"
)
django.setup()


def hello(request: HttpRequest) -> HttpResponse:
    """A constant."""
    return HttpResponse("Hello, world!\n", headers={"Content-Length": "14"})


def user(request: HttpRequest, id: int) -> HttpResponse:
    """The number."""
    return HttpResponse(f"user {id}")


def data(request: HttpRequest) -> HttpResponse:
    """A small object."""
    return JsonResponse({"id": 7, "name": "Ada", "tags": ["a", "b"]})


urlpatterns = [path("", hello), path("user/<int:id>", user), path("json", data)]
_handler = get_wsgi_application()


def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Closes the response itself, so that it makes the same work under every server."""
    response = _handler(environ, start_response)
    body = list(response)
    response.close()
    return body
