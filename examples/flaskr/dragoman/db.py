"""The database of a request, and the command that makes it."""

from __future__ import annotations

import os
import secrets
import sqlite3
from pathlib import Path

import click

from dragoman.web import App, current_app, g


def get_db() -> sqlite3.Connection:
    """The connection of this request, opened when it is first asked for."""
    if "db" not in g:
        g.db = sqlite3.connect(current_app.config["DATABASE"])
        g.db.row_factory = sqlite3.Row
    return g.db


def close_db(error: BaseException | None = None) -> None:
    """Close it, where it was opened."""
    db = g.pop("db", None)
    if db is not None:
        db.close()


def init_db() -> None:
    """Make the tables anew, and a secret for sessions where there is none."""
    folder = Path(current_app.instance_path)
    folder.mkdir(parents=True, exist_ok=True)
    with current_app.open_resource("../schema.sql", "r") as schema:
        get_db().executescript(schema.read())
    config = folder / "config.py"
    if not config.exists() and not current_app.secret_key:
        with os.fdopen(os.open(config, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(f"SECRET_KEY = {secrets.token_hex(32)!r}\n")


def init_app(app: App) -> None:
    """Give an application its database."""
    app.teardown_appcontext(close_db)

    @app.cli.command("init-db")
    def init_db_command() -> None:
        """Make the tables anew: all posts are lost."""
        init_db()
        click.echo(f"There is an empty database at {current_app.config['DATABASE']}.")
