"""A Flask application: form, upload, stream, session, file, JSON."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from flask import Flask, Response, jsonify, redirect, request, send_file, session, stream_with_context

from tests.apps.frameworks import FILE, lines, summary, validated

app = Flask(__name__)
app.secret_key = "only for tests"
_DIRECTORY = tempfile.TemporaryDirectory(prefix="dragoman-flask-")
_PATH = Path(_DIRECTORY.name) / "file.bin"
_PATH.write_bytes(FILE)


@app.get("/hello")
def hello() -> Response:
    return Response(f"Hello, {request.args.get('name', 'world')}!", mimetype="text/plain")


@app.get("/json")
def json() -> Response:
    return jsonify(framework="flask", path=request.path)


@app.post("/form")
def form() -> Response:
    return jsonify(name=request.form["name"], text=request.form["text"])


@app.post("/upload")
def upload() -> Response:
    file = request.files["file"]
    return jsonify(name=file.filename, **summary(file.read()))


@app.post("/body")
def body() -> Response:
    return jsonify(summary(request.get_data()))


@app.get("/stream")
def stream() -> Response:
    return Response(stream_with_context(lines()), mimetype="text/plain")


@app.get("/file")
def file() -> Response:
    return send_file(_PATH, mimetype="application/octet-stream")


@app.get("/visits")
def visits() -> Response:
    session["visits"] = session.get("visits", 0) + 1
    return jsonify(session["visits"])


@app.get("/redirect")
def redirect_() -> Any:
    return redirect("/hello")


@app.get("/fails")
def fails() -> Response:
    raise RuntimeError("the view fails")


validated_app = validated(app)
