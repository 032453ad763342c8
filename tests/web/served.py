"""A broad application of `dragoman.web`, for servers in processes of their own; it is held to the contract meanwhile.

``/findings`` tells what the checker has found, ``/ends`` how many requests have begun and ended, as JSON.
"""

from __future__ import annotations

import asyncio
import collections
import io
import threading
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import Any

from dragoman.contract import Checked, Finding
from dragoman.web import (
    App,
    Blueprint,
    Request,
    Response,
    abort,
    g,
    jsonify,
    redirect,
    request,
    send_file,
    session,
    url_for,
)

GATE_S = 10.0
FILE = Path(__file__)
CONTENT = bytes(range(256)) * 1000

findings: list[str] = []
begun: collections.Counter[str] = collections.Counter()
ended: collections.Counter[str] = collections.Counter()
gates: collections.defaultdict[str, threading.Event] = collections.defaultdict(threading.Event)

site = App(__name__)
site.secret_key = "sixteen bytes of a secret, and more"
site.config.update(MAX_CONTENT_LENGTH=1 << 20, SESSION_COOKIE_SECURE=False)
admin = Blueprint("admin", url_prefix="/admin")


@site.before_request
def begin() -> None:
    begun[request.path] += 1


@site.teardown_request
def end(error: BaseException | None) -> None:
    ended[request.path] += 1


@site.get("/hello/<name>")
def hello(name: str) -> str:
    return f"Hello, {name}"


@site.get("/user/<int:id>")
def user(id: int) -> dict[str, Any]:
    return {"id": id, "url": url_for("user", id=id, _external=True)}


@site.get("/slash/")
def slash() -> str:
    return request.full_path


@site.get("/cut/<name>")
def cut(name: str) -> str:
    return f"one: {name}"


@site.get("/cut/<name>/<rest>")
def cut_in_two(name: str, rest: str) -> str:
    return f"two: {name} {rest}"


@site.route("/echo", methods=["POST", "PUT"])
def echo(request: Request) -> bytes:
    return request.data


@site.post("/upload")
def upload(request: Request) -> dict[str, Any]:
    return {"fields": request.form.pairs(), "files": {name: len(file.read()) for name, file in request.files.items()}}


@site.post("/ignored")
def ignored() -> str:
    return "not read"


@site.get("/visits")
def visits() -> dict[str, Any]:
    session["visits"] = session.get("visits", 0) + 1
    return {"visits": session["visits"]}


@site.get("/stream")
def stream(request: Request) -> Iterator[str]:
    gate = request.args["gate"]

    def blocks() -> Iterator[str]:
        g.path = request.path
        yield "one\n"
        yield "two\n" if gates[gate].wait(GATE_S) else "the gate was never opened\n"
        yield f"three {g.path}\n"

    return blocks()


@site.get("/endless")
def endless() -> Iterator[bytes]:
    while True:
        yield b"x" * 65536


@site.get("/breaks")
def breaks() -> Iterator[str]:
    yield "one"
    raise RuntimeError("by plan")


@site.get("/async")
async def asynchronous() -> dict[str, Any]:
    await asyncio.sleep(0)
    return {"path": request.path}


@site.get("/async-stream")
async def asynchronous_stream() -> AsyncIterator[str]:
    for word in ("one", "two"):
        await asyncio.sleep(0)
        yield word


@site.get("/file")
def file() -> Response:
    return send_file(FILE)


@site.get("/memory")
def memory() -> Response:
    return send_file(io.BytesIO(CONTENT), mimetype="application/octet-stream", etag="x")


@site.get("/opened")
def opened() -> Any:
    opened_file = FILE.open("rb")
    opened_file.read(10)
    return opened_file


@site.get("/wsgi")
def wsgi() -> Any:
    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        write = start_response("202 Taken", [("Content-Type", "text/plain")])
        write(b"written ")
        return iter([b"given"])

    return application


@site.get("/status/<int:code>")
def status(code: int) -> Any:
    return ("body", code)


@site.get("/abort/<int:code>")
def aborting(code: int) -> str:
    abort(code, "By plan.")


@site.get("/fault")
def fault() -> str:
    raise RuntimeError("by plan")


@site.get("/inject")
def inject(request: Request) -> Any:
    return "text", {"X-Injected": request.args["value"]}


@site.get("/wrong-length")
def wrong_length() -> Any:
    return "hello", {"Content-Length": "3"}


@site.get("/redirect")
def redirected() -> Response:
    return redirect(url_for("user", id=7))


@site.errorhandler(410)
def gone(error: Exception) -> Any:
    return jsonify(error=str(error)), 410


@admin.before_request
def guard() -> Any:
    return None if request.args.get("key") == "k" else ("locked", 403)


@admin.get("/")
def admin_index() -> str:
    return f"{request.blueprint} {url_for('.admin_index')}"


site.register_blueprint(admin)

inner = App("inner")


@inner.get("/<path:rest>")
def inside(rest: str) -> dict[str, Any]:
    return {"root": request.script_root, "path": request.path, "rest": rest}


site.mount("/inner", inner)
watch = App("watch")


@watch.get("/findings")
def told_findings() -> list[str]:
    return findings


@watch.get("/ends")
def told_ends() -> dict[str, Any]:
    return {path: [begun[path], ended[path]] for path in begun}


@watch.get("/open")
def open_gate(request: Request) -> dict[str, Any]:
    gates[request.args["gate"]].set()
    return {"is_open": True}


def note(finding: Finding) -> None:
    """Keep what is found, but for the stream that breaks by plan."""
    if finding.rule != "exception-after-start":
        findings.append(str(finding))


watch.mount("/site", Checked(site, note))
app = watch
