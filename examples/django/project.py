"""A Django project in one file: a page, JSON and a streamed text. Serve it with `dragoman project`."""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["localhost", "127.0.0.1", "[::1]"],
    ROOT_URLCONF=__name__,
    SECRET_KEY=os.environ.get("SECRET_KEY", "only for this example"),
    MIDDLEWARE=["django.middleware.common.CommonMiddleware", "django.middleware.csrf.CsrfViewMiddleware"],
)


def index(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"<h1>Hello from Django</h1><p>You asked for {request.path}")


def echo(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"method": request.method, "query": dict(request.GET.lists())})


def stream(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse((f"line {number}\n" for number in range(10)), content_type="text/plain")


urlpatterns = [path("", index), path("json", echo), path("stream", stream)]

application = get_wsgi_application()
