"""Hooks, handlers of exceptions, and what tests and commands use."""

import sqlite3
from collections.abc import Mapping
from typing import Any

from dragoman.web import App, Blueprint, HTTPException, Request, Response, g, request, session
from dragoman.web.errors import NotFound
from dragoman.web.testing import Client, LiveClient, TestResponse

app = App(__name__)
part = Blueprint("part", __name__)


@app.before_request
def nothing() -> None:
    g.user = session.get("user")


@app.before_request
def perhaps() -> str | None:
    return None if request.args else "none"


@part.before_request
async def in_loop() -> tuple[str, int] | None:
    return None


@part.before_app_request
def for_all() -> Response | None:
    return None


@app.after_request
def same(response: Response) -> Response:
    response.headers["X-Part"] = "1"
    return response


@app.after_request
async def same_in_loop(response: Response) -> Response:
    return response


@part.after_app_request
def for_all_after(response: Response) -> Response:
    return response


@app.teardown_request
def end(error: BaseException | None) -> None:
    pass


@part.teardown_app_request
def end_for_all(error: BaseException | None = None) -> object:
    return error


@app.url_value_preprocessor
def take(endpoint: str | None, values: dict[str, Any]) -> None:
    values.pop("lang", None)


@app.url_defaults
def give(endpoint: str, values: dict[str, Any]) -> None:
    values["lang"] = "en"


@app.context_processor
def names() -> dict[str, int]:
    return {"a": 1}


@part.app_context_processor
def more_names() -> Mapping[str, object]:
    return {}


@app.shell_context_processor
def for_shell() -> dict[str, object]:
    return {"App": App}


@app.errorhandler(404)
def missing(error: NotFound) -> tuple[str, int]:
    return error.description, 404


@app.errorhandler(sqlite3.Error)
def broken(error: sqlite3.Error) -> dict[str, str]:
    return {"error": str(error)}


@part.app_errorhandler(HTTPException)
async def any_answer(error: HTTPException) -> Response:
    return Response(error.description, error.code)


@app.get("/")
def index() -> str:
    return "index"


app.register_error_handler(ZeroDivisionError, lambda error: "zero")


@app.cli.command("init-db")
def init_db() -> None:
    pass


def test_site() -> None:
    client: Client = app.test_client()
    response: TestResponse = client.get("/", query_string={"a": 1}, headers={"X-Key": "1"}, auth=("Ann", "x"))
    response = client.post("/", json={"a": 1}, follow_redirects=True)
    code: int = response.status_code
    with client.session_transaction() as changed:
        changed["user"] = code
    live: LiveClient = app.test_client(live=True)
    with live:
        live.get(live.url, buffered=False).close()


def reading(request: Request) -> None:
    page: int = request.args.get("page", 1, type=int)
    names: list[str] = request.form.getlist("name")
    agent: str | None = request.headers.get("User-Agent")
    print(page, names, agent)
