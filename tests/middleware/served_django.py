"""The Django application of `served.py`."""

from __future__ import annotations

import io
from typing import Any

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["*"],
    DEBUG=False,
    DEBUG_PROPAGATE_EXCEPTIONS=True,
    LOGGING_CONFIG=None,
    # In every project that Django makes; it says the length of a response.
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="only for tests",
    USE_TZ=True,
)
django.setup()


def hello(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"Hello, {request.GET.get('name', 'you')}", content_type="text/plain; charset=utf-8")


def streamed(request: HttpRequest) -> Any:
    from tests.middleware.served import stream

    return StreamingHttpResponse(stream(request.GET["gate"]), content_type="text/plain")


def echo(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.body, content_type="text/plain")


def form(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.POST.get("text", ""), content_type="text/plain")


def file(request: HttpRequest) -> Any:
    from tests.middleware.served import FILE

    return FileResponse(io.BytesIO(FILE), content_type="text/plain")


def empty(request: HttpRequest) -> HttpResponse:
    response = HttpResponse(status=204)
    del response["Content-Type"]
    return response


def failing(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("by plan")


urlpatterns = [
    path("hello", hello),
    path("stream", streamed),
    path("echo", echo),
    path("form", form),
    path("file", file),
    path("empty", empty),
    path("raise", failing),
]
application = get_wsgi_application()
