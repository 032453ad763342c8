"""A Django project with planted faults: the comment `planted:` names the rule that is broken there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import include, path, re_path
from django.views import View

settings.configure(
    ALLOWED_HOSTS=["shop.example"],
    LOGGING_CONFIG=None,
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="only for tests",
    USE_TZ=True,
)
django.setup()

SEEN: list[str] = []


class Current:
    """What is a global, and should be the request's."""

    user = ""


def index(request: HttpRequest) -> HttpResponse:
    return HttpResponse("fine")


def proxied(request: HttpRequest) -> HttpResponse:  # planted: header-hop-by-hop
    return HttpResponse("what another server has said", headers={"Transfer-Encoding": "chunked"})


def deleted(request: HttpRequest, number: int) -> HttpResponse:  # planted: body-on-no-content
    response = HttpResponse("deleted", status=204)
    del response["Content-Type"]
    return response


class Unchanged(View):
    def get(self, request: HttpRequest, year: str) -> HttpResponse:  # planted: header-name-malformed
        return HttpResponse("as it was", headers={"Last Change": "never"})


def rows(request: HttpRequest) -> StreamingHttpResponse:
    def lines() -> Iterator[str]:
        yield "row 0\n"
        raise LookupError("there is no row 1")  # planted: exception-after-start

    return StreamingHttpResponse(lines())


def lines(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(f"line {number}\n" for number in range(3))


def longer(request: HttpRequest) -> HttpResponse:  # planted: body-too-long
    text = "Grüße"
    return HttpResponse(text, headers={"Content-Length": str(len(text))})


def seen(request: HttpRequest, slug: str) -> JsonResponse:  # planted: app-shared-state
    SEEN.append(slug)
    return JsonResponse(SEEN[-5:], safe=False)


def me(request: HttpRequest) -> HttpResponse:  # planted: app-shared-state
    Current.user = request.META.get("HTTP_USER_AGENT", "")
    time.sleep(0.001)
    return HttpResponse(Current.user)


def drained(request: HttpRequest) -> HttpResponse:
    request.environ["wsgi.input"].close()  # planted: input-closed
    return HttpResponse("read it all")


def logged(request: HttpRequest) -> HttpResponse:
    request.environ["wsgi.errors"].write(b"a line\n")  # planted: errors-not-text
    return HttpResponse("logged")


class Freed(HttpResponse):
    def close(self) -> None:
        super().close()
        raise OSError("was freed before")  # planted: close-raised


def freed(request: HttpRequest) -> HttpResponse:
    return Freed("freed")


urlpatterns: list[Any] = [
    path("", index),
    path("proxied", proxied),
    path("orders/", include([path("<int:number>/deleted", deleted)])),
    re_path(r"^archive/(?P<year>[0-9]{4})/$", Unchanged.as_view()),
    path("rows", rows),
    path("lines", lines),
    path("longer", longer),
    path("seen/<slug:slug>", seen),
    path("me", me),
    path("drained", drained),
    path("logged", logged),
    path("freed", freed),
]


def titled(inner: Callable[..., Any]) -> Callable[..., Any]:
    def middleware(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:  # planted: chunk-pulled-ahead
        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            kept = [item for item in headers if item[0] != "X-Title"]
            return start_response(status, kept, exc_info) if exc_info else start_response(status, kept)

        response = inner(environ, start)
        try:
            return [b"".join(response)]
        finally:
            response.close()

    return middleware


application = titled(get_wsgi_application())
