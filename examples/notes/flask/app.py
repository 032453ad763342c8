"""The API: people, their notes, and attachments of these."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, Response, current_app, g, jsonify, request, send_file, session, url_for
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import HTTPException, Unauthorized

from notes.store import Missing, NameTaken, Store, secret_of

people = Blueprint("people", __name__)
notes = Blueprint("notes", __name__, url_prefix="/notes")


def create_app(folder: str | None = None) -> Flask:
    app = Flask(__name__)
    place = Path(folder or os.environ.get("NOTES_FOLDER", "var")).absolute()
    app.config.from_mapping(SECRET_KEY=secret_of(place), FOLDER=place, MAX_CONTENT_LENGTH=1 << 20)
    app.register_blueprint(people)
    app.register_blueprint(notes)
    app.before_request(find_person)
    app.teardown_request(close_store)
    app.register_error_handler(HTTPException, refused)
    app.register_error_handler(Invalid, invalid)
    app.register_error_handler(Missing, missing)
    app.register_error_handler(NameTaken, taken)
    return app


# Errors, all of them in JSON


class Invalid(Exception):
    """Fields of a request that are not as they should be, each with what is wanted."""

    def __init__(self, fields: dict[str, str]) -> None:
        super().__init__()
        self.fields = fields


def invalid(error: Invalid) -> tuple[dict[str, Any], int]:
    return {"error": "Some fields are wrong.", "fields": error.fields}, 422


def refused(error: HTTPException) -> tuple[dict[str, Any], int, list[tuple[str, str]]]:
    kept = [pair for pair in error.get_headers() if pair[0] in ("Allow", "WWW-Authenticate")]
    return {"error": error.description}, error.code or 500, kept


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
        raise Unauthorized("Log in first.", www_authenticate=WWWAuthenticate("basic", {"realm": "notes"}))


# What is wanted of a body


def body_of(kinds: dict[str, tuple[type, Any]]) -> dict[str, Any]:
    """The fields of the body. `kinds` has the type and the default of each; without a default it is None."""
    given = request.get_json()
    if not isinstance(given, dict):
        raise Invalid({"": "want an object"})
    wrong, values = {}, {}
    for name, (kind, default) in kinds.items():
        value = given.get(name, default)
        if not isinstance(value, kind):
            wrong[name] = f"want {kind.__name__}"
        elif kind is list and not all(isinstance(one, str) for one in value):
            wrong[name] = "want a list of texts"
        values[name] = value
    if wrong:
        raise Invalid(wrong)
    return values


def person_body() -> dict[str, Any]:
    values = body_of({"name": (str, None), "password": (str, None)})
    if not values["name"]:
        raise Invalid({"name": "want a text"})
    if len(values["password"]) < 8:
        raise Invalid({"password": "want 8 characters or more"})
    return values


def note_body() -> dict[str, Any]:
    values = body_of({"title": (str, None), "text": (str, ""), "tags": (list, [])})
    if not 1 <= len(values["title"]) <= 100:
        raise Invalid({"title": "want 1 to 100 characters"})
    return values


# People


@people.post("/people")
def register() -> tuple[dict[str, Any], int]:
    given = person_body()
    session["person"] = store().add_person(given["name"], given["password"])
    return {"name": given["name"]}, 201


@people.post("/login")
def login() -> dict[str, Any]:
    given = person_body()
    number = store().person_of(given["name"], given["password"])
    if number is None:
        raise Unauthorized("There is nobody of that name and password.")
    session.clear()
    session["person"] = number
    return {"name": given["name"]}


@people.post("/logout")
def logout() -> tuple[str, int]:
    session.clear()
    return "", 204


@people.get("/me")
def me() -> dict[str, Any]:
    return {"name": None if g.person is None else store().name_of(g.person)}


# Notes


@notes.get("")
def listed() -> Response:
    page = request.args.get("page", 1, type=int)
    per_page = request.args.get("per_page", 20, type=int)
    if page < 1 or not 1 <= per_page <= 100:
        raise Invalid({"page": "want 1 or more", "per_page": "want 1 to 100"})
    words, tag = request.args.get("q", ""), request.args.get("tag", "")
    found, total = store().notes(g.person, words, tag, page, per_page)
    pages = max(1, -(-total // per_page))
    response = jsonify(items=found, page=page, pages=pages, total=total)
    if page < pages:
        asked: dict[str, Any] = {"q": words or None, "tag": tag or None, "per_page": per_page, "page": page + 1}
        response.headers["Link"] = f'<{url_for(".listed", **asked)}>; rel="next"'
    return response


@notes.post("")
def add() -> tuple[dict[str, Any], int, dict[str, str]]:
    made = store().add_note(g.person, **note_body())
    return made, 201, {"Location": url_for(".one", number=made["id"])}


@notes.get("/<int:number>")
def one(number: int) -> Response:
    response = jsonify(store().note(g.person, number))
    response.add_etag()
    return response.make_conditional(request)


@notes.put("/<int:number>")
def change(number: int) -> dict[str, Any]:
    return store().change_note(g.person, number, **note_body())


@notes.delete("/<int:number>")
def remove(number: int) -> tuple[str, int]:
    store().remove_note(g.person, number)
    return "", 204


# Attachments


@notes.post("/<int:number>/attachments")
def attach(number: int) -> tuple[list[dict[str, Any]], int]:
    files = request.files.getlist("file")
    if not files:
        raise Invalid({"file": "want one file or more"})
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
