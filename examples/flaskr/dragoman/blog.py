"""Posts: everybody reads them, authors write them and change their own."""

from __future__ import annotations

import sqlite3
from typing import Any

from dragoman.web import Blueprint, abort, flash, g, redirect, render_template, request, url_for
from flaskr.dragoman.auth import wants_author
from flaskr.dragoman.db import get_db

bp = Blueprint("blog", __name__)


@bp.app_template_filter()
def day(written: str) -> str:
    """The day of a time as SQLite has it."""
    return written.partition(" ")[0]


@bp.get("/")
def index() -> str:
    posts = get_db().execute(
        "SELECT post.*, author.name FROM post JOIN author ON author.id = post.author ORDER BY post.id DESC"
    )
    return render_template("blog/index.html", posts=posts.fetchall())


@bp.route("/create", methods=["GET", "POST"])
@wants_author
def create() -> Any:
    if request.method == "POST" and (title := wanted_title()):
        with get_db() as db:
            db.execute(
                "INSERT INTO post (author, title, text) VALUES (?, ?, ?)", (g.author["id"], title, request.form["text"])
            )
        return redirect(url_for("blog.index"))
    return render_template("blog/form.html", post=None)


@bp.route("/<int:id>/update", methods=["GET", "POST"])
@wants_author
def update(id: int) -> Any:
    post = own_post(id)
    if request.method == "POST" and (title := wanted_title()):
        with get_db() as db:
            db.execute("UPDATE post SET title = ?, text = ? WHERE id = ?", (title, request.form["text"], id))
        return redirect(url_for("blog.index", _anchor=f"post-{id}"))
    return render_template("blog/form.html", post=post)


@bp.post("/<int:id>/delete")
@wants_author
def delete(id: int) -> Any:
    own_post(id)
    with get_db() as db:
        db.execute("DELETE FROM post WHERE id = ?", (id,))
    return redirect(url_for("blog.index"))


def own_post(id: int) -> sqlite3.Row:
    """A post of who is logged in: 404 for none, 403 for another's."""
    post = get_db().execute("SELECT * FROM post WHERE id = ?", (id,)).fetchone()
    if post is None:
        abort(404, f"There is no post {id}.")
    if post["author"] != g.author["id"]:
        abort(403)
    return post


def wanted_title() -> str:
    """The title that was sent; without one the visitor is told."""
    title = request.form["title"].strip()
    if not title:
        flash("A post wants a title.", "error")
    return title
