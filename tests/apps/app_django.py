"""A Django application: static files, CSRF, form, upload, streaming, signed-cookie sessions, files."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.wsgi import get_wsgi_application
from django.http import (
    FileResponse,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.middleware.csrf import get_token
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from tests.apps.frameworks import FILE, lines, summary, validated

_DIRECTORY = tempfile.TemporaryDirectory(prefix="dragoman-django-")
_STATIC = Path(_DIRECTORY.name) / "static"
_STATIC.mkdir()
(_STATIC / "style.css").write_text("body { color: teal }\n")
(_STATIC / "data.bin").write_bytes(FILE)

settings.configure(
    ALLOWED_HOSTS=["*"],
    DATA_UPLOAD_MAX_MEMORY_SIZE=None,
    DEBUG=True,  # the static files view serves in this mode alone
    INSTALLED_APPS=["django.contrib.staticfiles", "django.contrib.sessions"],
    LOGGING_CONFIG=None,
    MIDDLEWARE=[
        "django.middleware.common.CommonMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
    ],
    ROOT_URLCONF=__name__,
    SECRET_KEY="only for tests",
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    STATICFILES_DIRS=[str(_STATIC)],
    STATIC_URL="/static/",
    USE_TZ=True,
)
django.setup()


def hello(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"Hello, {request.GET.get('name', 'world')}!", content_type="text/plain; charset=utf-8")


def json(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"framework": "django", "path": request.path})


@csrf_exempt
def form(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"name": request.POST["name"], "text": request.POST["text"]})


def csrf_form(request: HttpRequest) -> HttpResponse:
    """GET gives the token, POST is refused without it."""
    return JsonResponse({"token": get_token(request), "name": request.POST.get("name")})


@csrf_exempt
def upload(request: HttpRequest) -> HttpResponse:
    file = request.FILES["file"]
    return JsonResponse({"name": file.name, **summary(file.read())})


@csrf_exempt
def body(request: HttpRequest) -> HttpResponse:
    return JsonResponse(summary(request.body))


def stream(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(lines(), content_type="text/plain")


def file(request: HttpRequest) -> FileResponse:
    return FileResponse(open(_STATIC / "data.bin", "rb"), content_type="application/octet-stream")


def visits(request: HttpRequest) -> HttpResponse:
    request.session["visits"] = request.session.get("visits", 0) + 1
    return JsonResponse(request.session["visits"], safe=False)


def redirect(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect("/hello")


def fails(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("the view fails")


urlpatterns: list[Any] = [
    path(view.__name__.replace("_", "-"), view)
    for view in (hello, json, form, csrf_form, upload, body, stream, file, visits, redirect, fails)
]

app = StaticFilesHandler(get_wsgi_application())
validated_app = validated(app)
