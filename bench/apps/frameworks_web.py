"""The questions of `bench/web.py` answered by `dragoman.web`."""

from __future__ import annotations

from typing import Any

from dragoman.web import App, Response


def made() -> App:
    """The three routes."""
    app = App(__name__)

    @app.get("/")
    def hello() -> str:
        return "Hello, world!\n"

    @app.get("/user/<int:id>")
    def user(id: int) -> str:
        return f"user {id}"

    @app.get("/json")
    def data() -> dict[str, Any]:
        return {"id": 7, "name": "Ada", "tags": ["a", "b"]}

    return app


app = made()

many = made()
for number in range(200):
    many.add_url_rule(f"/page-{number}/<int:id>", f"page{number}", lambda id: f"user {id}")

hooked = made()


@hooked.before_request
def before_one() -> None:
    """Nothing."""


@hooked.before_request
def before_two() -> None:
    """Nothing."""


@hooked.after_request
def after_one(response: Response) -> Response:
    """Nothing."""
    return response


@hooked.after_request
def after_two(response: Response) -> Response:
    """Nothing."""
    return response


@hooked.teardown_request
def teardown_one(error: BaseException | None) -> None:
    """Nothing."""


@hooked.teardown_request
def teardown_two(error: BaseException | None) -> None:
    """Nothing."""
