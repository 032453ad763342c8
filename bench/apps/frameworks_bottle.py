"""The questions of `bench/web.py` answered by Bottle."""

from __future__ import annotations

from typing import Any

import bottle


def made() -> bottle.Bottle:
    """The three routes."""
    app = bottle.Bottle()

    @app.get("/")
    def hello() -> str:
        return "Hello, world!\n"

    @app.get("/user/<id:int>")
    def user(id: int) -> str:
        return f"user {id}"

    @app.get("/json")
    def data() -> dict[str, Any]:
        return {"id": 7, "name": "Ada", "tags": ["a", "b"]}

    return app


app = made()
many = made()
for number in range(200):
    many.get(f"/page-{number}/<id:int>")(lambda id: f"user {id}")
