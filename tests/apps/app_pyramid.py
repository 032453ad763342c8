"""A Pyramid application: form, upload, stream, signed-cookie session, file, JSON."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPFound
from pyramid.response import FileResponse, Response
from pyramid.session import SignedCookieSessionFactory

from tests.apps.frameworks import FILE, lines, summary, validated

_DIRECTORY = tempfile.TemporaryDirectory(prefix="dragoman-pyramid-")
_PATH = Path(_DIRECTORY.name) / "file.bin"
_PATH.write_bytes(FILE)


def hello(request: Any) -> Response:
    return Response(f"Hello, {request.params.get('name', 'world')}!", content_type="text/plain", charset="utf-8")


def json(request: Any) -> Response:
    return Response(json={"framework": "pyramid", "path": request.path})


def form(request: Any) -> Response:
    return Response(json={"name": request.POST["name"], "text": request.POST["text"]})


def upload(request: Any) -> Response:
    file = request.POST["file"]
    return Response(json={"name": file.filename, **summary(file.file.read())})


def body(request: Any) -> Response:
    return Response(json=summary(request.body))


def stream(request: Any) -> Response:
    return Response(app_iter=(line.encode() for line in lines()), content_type="text/plain")


def file(request: Any) -> FileResponse:
    return FileResponse(str(_PATH), request=request, content_type="application/octet-stream")


def visits(request: Any) -> Response:
    request.session["visits"] = request.session.get("visits", 0) + 1
    return Response(json=request.session["visits"])


def redirect(request: Any) -> HTTPFound:
    return HTTPFound("/hello")


def fails(request: Any) -> Response:
    raise RuntimeError("the view fails")


def _make() -> Any:
    with Configurator(session_factory=SignedCookieSessionFactory("only for tests")) as config:
        for view in (hello, json, form, upload, body, stream, file, visits, redirect, fails):
            config.add_route(view.__name__, f"/{view.__name__}")
            config.add_view(view, route_name=view.__name__)
        return config.make_wsgi_app()


app = _make()
validated_app = validated(app)
