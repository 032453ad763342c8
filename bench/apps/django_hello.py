"""Hello by Django, in one file and without middleware."""

from __future__ import annotations

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["*"],
    DEBUG=False,
    MIDDLEWARE=[],
    ROOT_URLCONF=__name__,
    SECRET_KEY="only for the benchmark",
)
django.setup()


def hello(request: HttpRequest) -> HttpResponse:
    """The same text as the plain application's."""
    return HttpResponse("Hello, world!\n", headers={"Content-Length": "14"})


urlpatterns = [path("", hello)]
app = get_wsgi_application()
