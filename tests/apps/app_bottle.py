"""A Bottle application: form, upload, stream, signed cookie, file, JSON."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bottle

from tests.apps.frameworks import FILE, lines, summary, validated

bottle.BaseRequest.MEMFILE_MAX = 64 << 20
app = bottle.Bottle()
_DIRECTORY = tempfile.TemporaryDirectory(prefix="dragoman-bottle-")
(Path(_DIRECTORY.name) / "file.bin").write_bytes(FILE)


@app.get("/hello")
def hello() -> str:
    bottle.response.content_type = "text/plain; charset=utf-8"
    return f"Hello, {bottle.request.query.getunicode('name') or 'world'}!"


@app.get("/json")
def json() -> dict[str, Any]:
    return {"framework": "bottle", "path": bottle.request.path}


@app.post("/form")
def form() -> dict[str, Any]:
    fields = bottle.request.forms
    return {"name": fields.getunicode("name"), "text": fields.getunicode("text")}


@app.post("/upload")
def upload() -> dict[str, Any]:
    file = bottle.request.files["file"]
    return {"name": file.raw_filename, **summary(file.file.read())}


@app.post("/body")
def body() -> dict[str, Any]:
    return summary(bottle.request.body.read())


@app.get("/stream")
def stream() -> Iterator[str]:
    bottle.response.content_type = "text/plain"
    yield from lines()


@app.get("/file")
def file() -> Any:
    return bottle.static_file("file.bin", root=_DIRECTORY.name, mimetype="application/octet-stream")


@app.get("/visits")
def visits() -> str:
    count = (bottle.request.get_cookie("visits", secret="only for tests") or 0) + 1
    bottle.response.set_cookie("visits", count, secret="only for tests")
    bottle.response.content_type = "application/json"
    return str(count)


@app.get("/redirect")
def redirect() -> None:
    bottle.redirect("/hello", 302)


@app.get("/fails")
def fails() -> str:
    raise RuntimeError("the view fails")


validated_app = validated(app)
