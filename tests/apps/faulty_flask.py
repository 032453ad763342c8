"""A Flask project with planted faults: the comment `planted:` names the rule that is broken there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from flask import Flask, Response, jsonify, request
from werkzeug.middleware.dispatcher import DispatcherMiddleware

app = Flask(__name__)
VISITED: list[str] = []
LATE: list[Any] = []


class Current:
    """What is a global, and should be the request's."""

    user = ""


@app.get("/")
def index() -> str:
    return "fine"


@app.get("/proxied")  # planted: header-hop-by-hop
def proxied() -> Response:
    response = Response("what another server has said", mimetype="text/plain")
    response.headers["Connection"] = "keep-alive"
    return response


@app.get("/names/<name>")  # planted: header-not-latin1
def names(name: str) -> Response:
    return Response(name, mimetype="text/plain", headers={"X-Name": "лист"})


@app.get("/report")  # planted: body-too-short
def report() -> Response:
    return Response((line for line in ["one\n", "two\n"]), mimetype="text/plain", headers={"Content-Length": "1000"})


@app.get("/rows/<int:count>")
def rows(count: int) -> Response:
    def lines() -> Iterator[str]:
        yield "row 0\n"
        raise LookupError("there is no row 1")  # planted: exception-after-start

    return Response(lines(), mimetype="text/plain")


@app.get("/visited/<path:place>")  # planted: app-shared-state
def visited(place: str) -> Response:
    VISITED.append(place)
    return jsonify(VISITED[-5:])


@app.get("/me")  # planted: app-shared-state
def me() -> str:
    Current.user = request.headers.get("User-Agent", "")
    time.sleep(0.001)
    return Current.user


@app.get("/drained")
def drained() -> str:
    request.environ["wsgi.input"].close()  # planted: input-closed
    return "read it all"


@app.get("/logged")
def logged() -> str:
    request.environ["wsgi.errors"].write(b"a line\n")  # planted: errors-not-text
    return "logged"


@app.get("/later")
def later() -> str:
    stream = request.environ["wsgi.input"]

    def read() -> None:
        time.sleep(0.01)
        stream.read()  # planted: environ-after-request

    thread = threading.Thread(target=read)
    thread.start()
    LATE.append(thread)
    return "read later"


@app.get("/freed")
def freed() -> Response:
    response = Response("freed", mimetype="text/plain")

    @response.call_on_close
    def free() -> None:
        raise OSError("was freed before")  # planted: close-raised

    return response


@app.post("/orders")  # planted, --unsafe: header-name-malformed
def orders() -> Response:
    return Response("created", status=201, mimetype="text/plain", headers={"Order Number": "7"})


def plain(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[Any]:  # planted: body-not-bytes
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["text"]


class Stamp:
    """A middleware that reads the whole page to stamp it, and forgets to close it."""

    def __init__(self, inner: Callable[..., Any]) -> None:
        self.inner = inner

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:  # planted: close-missing
        for block in self.inner(environ, start_response):
            yield block.upper()


def file(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return open(__file__, "rb")


app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/plain": plain, "/stamped": Stamp(file)})  # type: ignore[method-assign]
