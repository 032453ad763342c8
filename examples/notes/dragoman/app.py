"""The API: people, their notes, and attachments of these."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct

from dragoman.web import (
    App,
    Blueprint,
    Request,
    Response,
    current_app,
    g,
    jsonify,
    request,
    send_file,
    session,
    url_for,
)
from dragoman.web.errors import HTTPException, Unauthorized
from dragoman.web.validation import ValidationFailed
from notes.store import Missing, NameTaken, Store, secret_of

people = Blueprint("people", __name__)
notes = Blueprint("notes", __name__, url_prefix="/notes")


def create_app(folder: str | None = None) -> App:
    app = App(__name__)
    place = Path(folder or os.environ.get("NOTES_FOLDER", "var")).absolute()
    app.config.from_mapping(SECRET_KEY=secret_of(place), FOLDER=place, MAX_CONTENT_LENGTH=1 << 20)
    app.register_blueprint(people)
    app.register_blueprint(notes)
    app.before_request(find_person)
    app.teardown_request(close_store)
    app.register_error_handler(HTTPException, refused)
    app.register_error_handler(Missing, missing)
    app.register_error_handler(NameTaken, taken)
    return app


# Errors, all of them in JSON


def refused(error: HTTPException) -> tuple[dict[str, Any], int, list[tuple[str, str]]]:
    told: dict[str, Any] = {"error": error.description}
    if isinstance(error, ValidationFailed):
        told["fields"] = {one["field"]: one["detail"] for one in error.errors}
    return told, error.code, error.headers


def invalid(**fields: str) -> ValidationFailed:
    return ValidationFailed([{"in": "query", "field": name, "detail": wanted} for name, wanted in fields.items()])


def missing(error: Missing) -> tuple[dict[str, Any], int]:
    return {"error": str(error.args[0])}, 404


def taken(error: NameTaken) -> tuple[dict[str, Any], int]:
    return {"error": f"The name {error} is taken."}, 409


# What each request has


def store() -> Store:
    if "store" not in g:
        g.store = Store(current_app.config["FOLDER"])
    return g.store


def close_store(error: BaseException | None) -> None:
    opened = g.pop("store", None)
    if opened is not None:
        opened.close()


def find_person() -> None:
    """By the session, or by name and password: programs have no cookies."""
    given = request.authorization
    if given is not None and given.type == "basic":
        g.person = store().person_of(given.username or "", given.password or "")
    else:
        g.person = session.get("person")


@notes.before_request
def want_person() -> None:
    if g.person is None:
        raise Unauthorized("Log in first.", headers=[("WWW-Authenticate", 'Basic realm="notes"')])


# What is wanted of a body


class Person(Struct):
    """Who registers or logs in."""

    name: Annotated[str, Meta(min_length=1)]
    password: Annotated[str, Meta(min_length=8)]


class Note(Struct):
    """What there is to say of a note."""

    title: Annotated[str, Meta(min_length=1, max_length=100)]
    text: str = ""
    tags: list[str] = []


# People


@people.post("/people")
def register(body: Person) -> tuple[dict[str, Any], int]:
    session["person"] = store().add_person(body.name, body.password)
    return {"name": body.name}, 201


@people.post("/login")
def login(body: Person) -> dict[str, Any]:
    number = store().person_of(body.name, body.password)
    if number is None:
        raise Unauthorized("There is nobody of that name and password.")
    session.clear()
    session["person"] = number
    return {"name": body.name}


@people.post("/logout")
def logout() -> tuple[str, int]:
    session.clear()
    return "", 204


@people.get("/me")
def me() -> dict[str, Any]:
    return {"name": None if g.person is None else store().name_of(g.person)}


# Notes


@notes.get("")
def listed(request: Request) -> Response:
    page = request.args.get("page", 1, type=int)
    per_page = request.args.get("per_page", 20, type=int)
    if page < 1 or not 1 <= per_page <= 100:
        raise invalid(page="want 1 or more", per_page="want 1 to 100")
    words, tag = request.args.get("q", ""), request.args.get("tag", "")
    found, total = store().notes(g.person, words, tag, page, per_page)
    pages = max(1, -(-total // per_page))
    response = jsonify(items=found, page=page, pages=pages, total=total)
    if page < pages:
        asked: dict[str, Any] = {"q": words or None, "tag": tag or None, "per_page": per_page, "page": page + 1}
        response.headers["Link"] = f'<{url_for(".listed", **asked)}>; rel="next"'
    return response


@notes.post("")
def add(body: Note) -> tuple[dict[str, Any], int, dict[str, str]]:
    made = store().add_note(g.person, body.title, body.text, body.tags)
    return made, 201, {"Location": url_for(".one", number=made["id"])}


@notes.get("/<int:number>")
def one(request: Request, number: int) -> Response:
    response = jsonify(store().note(g.person, number))
    response.add_etag()
    return response.make_conditional(request)


@notes.put("/<int:number>")
def change(number: int, body: Note) -> dict[str, Any]:
    return store().change_note(g.person, number, body.title, body.text, body.tags)


@notes.delete("/<int:number>")
def remove(number: int) -> tuple[str, int]:
    store().remove_note(g.person, number)
    return "", 204


# Attachments


@notes.post("/<int:number>/attachments")
def attach(request: Request, number: int) -> tuple[list[dict[str, Any]], int]:
    files = request.files.getlist("file")
    if not files:
        raise invalid(file="want one file or more")
    opened = store()
    return [opened.attach(g.person, number, one.filename, one.mimetype, one.stream) for one in files], 201


@notes.get("/<int:number>/attachments/<int:attachment>")
def attachment(number: int, attachment: int) -> Response:
    file, known = store().attachment(g.person, number, attachment)
    return send_file(file, known["type"], as_attachment=True, download_name=known["name"], etag=file.name)


@notes.delete("/<int:number>/attachments/<int:attachment>")
def detach(number: int, attachment: int) -> tuple[str, int]:
    store().remove_attachment(g.person, number, attachment)
    return "", 204
