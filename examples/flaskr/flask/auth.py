"""Accounts: who is it, and who may?"""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Callable
from typing import Any

from flask import Blueprint, flash, g, redirect, render_template, request, session, url_for

from flaskr.flask.db import get_db
from flaskr.passwords import is_right, kept

bp = Blueprint("auth", __name__, url_prefix="/auth")


@bp.before_app_request
def load_author() -> None:
    """Put the author whose session it is into `g`."""
    number = session.get("author")
    g.author = None
    if number is not None:
        g.author = get_db().execute("SELECT * FROM author WHERE id = ?", (number,)).fetchone()


def wants_author(view: Callable[..., Any]) -> Callable[..., Any]:
    """A handler that sends those who are not logged in to the login."""

    @functools.wraps(view)
    def checked(*args: Any, **kwargs: Any) -> Any:
        return redirect(url_for("auth.login")) if g.author is None else view(*args, **kwargs)

    return checked


@bp.route("/register", methods=["GET", "POST"])
def register() -> Any:
    if request.method == "POST":
        name, password = request.form["name"].strip(), request.form["password"]
        if not name or not password:
            flash("Both a name and a password are needed.", "error")
        else:
            try:
                with get_db() as db:
                    db.execute("INSERT INTO author (name, password) VALUES (?, ?)", (name, kept(password)))
            except sqlite3.IntegrityError:
                flash(f"The name {name} is taken.", "error")
            else:
                flash("Welcome! Log in with your new account.")
                return redirect(url_for("auth.login"))
    return render_template("auth/form.html", what="Register")


@bp.route("/login", methods=["GET", "POST"])
def login() -> Any:
    if request.method == "POST":
        name, password = request.form["name"].strip(), request.form["password"]
        author = get_db().execute("SELECT * FROM author WHERE name = ?", (name,)).fetchone()
        if author is not None and is_right(password, author["password"]):
            session.clear()
            session["author"] = author["id"]
            return redirect(url_for("blog.index"))
        flash("There is no such name with such a password.", "error")
    return render_template("auth/form.html", what="Log in")


@bp.post("/logout")
def logout() -> Any:
    session.clear()
    return redirect(url_for("blog.index"))
