"""An application of WebOb: wsgify as view and as middleware, its file and directory applications."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import webob
from webob import exc, static
from webob.dec import wsgify

from tests.apps.frameworks import FILE, Wrap, lines, summary, unwrapped, validated

_DIRECTORY = tempfile.TemporaryDirectory(prefix="dragoman-webob-")
_PATH = Path(_DIRECTORY.name) / "file.bin"
_PATH.write_bytes(FILE)
Request = webob.Request


def hello(request: Request) -> Any:
    return webob.Response(f"Hello, {request.params.get('name', 'world')}!", content_type="text/plain", charset="utf-8")


def json(request: Request) -> Any:
    return webob.Response(json_body={"framework": "webob", "path": request.path})


def form(request: Request) -> Any:
    return repr([request.POST["name"], request.POST["text"]])


def upload(request: Request) -> Any:
    return repr(summary(request.POST["file"].file.read()))


def body(request: Request) -> Any:
    return repr(summary(request.body))


def stream(request: Request) -> Any:
    return webob.Response(app_iter=(line.encode() for line in lines()), content_type="text/plain")


def file(request: Request) -> Any:
    return static.FileApp(str(_PATH))


def visits(request: Request) -> Any:
    response = webob.Response("counted", conditional_response=True, etag="one")
    response.set_cookie("visits", str(int(request.cookies.get("visits", 0)) + 1))
    return response


def redirect(request: Request) -> Any:
    return exc.HTTPFound(location="/hello")


def fails(request: Request) -> Any:
    raise RuntimeError("the view fails")


VIEWS = {view.__name__: view for view in (hello, json, form, upload, body, stream, file, visits, redirect, fails)}


def make(wrap: Wrap = unwrapped) -> Any:
    """The application with its middlewares, and `wrap` around each."""
    directory = wrap(static.DirectoryApp(_DIRECTORY.name))

    @wsgify
    def plain(request: Request) -> Any:
        name = request.path_info_peek()
        if name == "static":
            request.path_info_pop()
            return directory
        return VIEWS[name](request) if name in VIEWS else exc.HTTPNotFound()

    @wsgify.middleware
    def tagged(request: Request, app: Any) -> Any:
        """It works on the response, and passes its iterable on."""
        response = request.get_response(app)
        response.headers["X-Tag"] = "here"
        return response

    @wsgify.middleware
    def errors(request: Request, app: Any) -> Any:
        """HTTP exceptions that the application raises become its response."""
        try:
            return request.get_response(app)
        except exc.HTTPException as error:
            return error

    return wrap(errors(wrap(tagged(wrap(plain)))))


app = make()
validated_app = validated(app)
