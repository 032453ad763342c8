"""A Flask application: a page, JSON, an upload, and lines that are streamed. Serve it with `dragoman app`."""

from collections.abc import Iterator

from flask import Flask, Response, jsonify, request

app = Flask(__name__)


@app.get("/")
def index() -> str:
    return '<form method="post" action="/upload" enctype="multipart/form-data"><input type="file" name="file"><button>'


@app.get("/json")
def json() -> Response:
    return jsonify(path=request.path, query=request.args.to_dict(flat=False))


@app.post("/upload")
def upload() -> Response:
    file = request.files["file"]
    return jsonify(name=file.filename, size=len(file.read()))


@app.get("/stream")
def stream() -> Response:
    def lines() -> Iterator[str]:
        for number in range(10):
            yield f"line {number}\n"

    return Response(lines(), mimetype="text/plain")
