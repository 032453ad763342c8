"""An application out of werkzeug's parts: router, request, response, and its middlewares around and between."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from werkzeug.exceptions import HTTPException
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.http_proxy import ProxyMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.middleware.shared_data import SharedDataMiddleware
from werkzeug.routing import Map, Rule
from werkzeug.utils import redirect, send_file
from werkzeug.wrappers import Request, Response

from tests.apps.frameworks import FILE, Wrap, lines, summary, unwrapped, validated

_DIRECTORY = tempfile.TemporaryDirectory(prefix="dragoman-werkzeug-")
_PATH = Path(_DIRECTORY.name) / "file.bin"
_PATH.write_bytes(FILE)


def hello(request: Request) -> Response:
    return Response(f"Hello, {request.args.get('name', 'world')}!", mimetype="text/plain")


def json(request: Request) -> Response:
    import json

    return Response(json.dumps({"framework": "werkzeug", "path": request.path}), mimetype="application/json")


def form(request: Request) -> Response:
    return Response(repr([request.form["name"], request.form["text"]]))


def upload(request: Request) -> Response:
    file = request.files["file"]
    return Response(repr(summary(file.read())))


def body(request: Request) -> Response:
    return Response(repr(summary(request.get_data())))


def stream(request: Request) -> Response:
    return Response(lines(), mimetype="text/plain")


def file(request: Request) -> Response:
    return send_file(_PATH, request.environ, mimetype="application/octet-stream", conditional=True)


def visits(request: Request) -> Response:
    response = Response("counted")
    response.set_cookie("visits", str(int(request.cookies.get("visits", 0)) + 1))
    return response.make_conditional(request)


def redirect_(request: Request) -> Any:
    return redirect("/hello")


def fails(request: Request) -> Response:
    raise RuntimeError("the view fails")


VIEWS = {view.__name__.rstrip("_"): view for view in (hello, json, form, upload, body, stream, file, visits, redirect_)}
_URLS = Map([Rule(f"/{name}", endpoint=name) for name in VIEWS] + [Rule("/fails", endpoint="fails")])


@Request.application
def plain(request: Request) -> Any:
    """The application without its middlewares."""
    try:
        name, _ = _URLS.bind_to_environ(request.environ).match()
        return {**VIEWS, "fails": fails}[name](request)
    except HTTPException as error:
        return error


def make(wrap: Wrap = unwrapped) -> Any:
    """The application with its middlewares, and `wrap` around each."""
    mounted = wrap(DispatcherMiddleware(wrap(plain), {"/mounted": wrap(plain)}))
    shared = wrap(SharedDataMiddleware(mounted, {"/static": _DIRECTORY.name}))
    # A target that nobody listens on: a path of it is a 502.
    proxied = wrap(ProxyMiddleware(shared, {"/proxied/": {"target": "http://127.0.0.1:1/", "host": None}}))
    return wrap(ProxyFix(proxied, x_for=1, x_proto=1, x_host=1, x_prefix=1))


app = make()
validated_app = validated(app)
