"""Hello by Flask: what the server costs beside a framework's own 70 µs."""

from __future__ import annotations

from flask import Flask

app = Flask(__name__)


@app.get("/")
def hello() -> str:
    """The same text as the plain application's."""
    return "Hello, world!\n"
