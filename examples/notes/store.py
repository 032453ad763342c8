"""The notes in SQLite, their attachments as files: what both applications have in common."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import shutil
import sqlite3
from pathlib import Path
from typing import IO, Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS person (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, salt BLOB NOT NULL, password BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS note (
    id INTEGER PRIMARY KEY, person INTEGER NOT NULL REFERENCES person (id),
    title TEXT NOT NULL, text TEXT NOT NULL, tags TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS attachment (
    id INTEGER PRIMARY KEY, note INTEGER NOT NULL REFERENCES note (id) ON DELETE CASCADE,
    name TEXT NOT NULL, type TEXT NOT NULL, size INTEGER NOT NULL, file TEXT NOT NULL
);
"""


class Missing(LookupError):
    """There is no such note or attachment, or it belongs to somebody else."""


class NameTaken(ValueError):
    """Somebody has that name already."""


class Store:
    """The notes in one folder. One for each request: connections of SQLite do not change threads."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.db = sqlite3.connect(folder / "notes.sqlite")
        self.db.row_factory = sqlite3.Row
        self.db.executescript(SCHEMA)
        self.db.execute("PRAGMA foreign_keys = ON")

    def close(self) -> None:
        """Give the connection back."""
        self.db.close()

    # People

    def add_person(self, name: str, password: str) -> int:
        """The number of the new person. Raises NameTaken."""
        salt = secrets.token_bytes(16)
        try:
            with self.db:
                added = self.db.execute(
                    "INSERT INTO person (name, salt, password) VALUES (?, ?, ?)", (name, salt, digest(password, salt))
                )
        except sqlite3.IntegrityError:
            raise NameTaken(name) from None
        assert added.lastrowid is not None
        return added.lastrowid

    def person_of(self, name: str, password: str) -> int | None:
        """The number of who has this name and this password."""
        row = self.db.execute("SELECT * FROM person WHERE name = ?", (name,)).fetchone()
        salt = b"nobody" if row is None else row["salt"]
        given = digest(password, salt)
        return row["id"] if row is not None and hmac.compare_digest(given, row["password"]) else None

    def name_of(self, person: int) -> str | None:
        """The name of a person."""
        row = self.db.execute("SELECT name FROM person WHERE id = ?", (person,)).fetchone()
        return None if row is None else row["name"]

    # Notes

    def notes(self, person: int, words: str, tag: str, page: int, per_page: int) -> tuple[list[dict[str, Any]], int]:
        """The notes of a page, the newest first, and how many there are on all pages."""
        where = "person = ?"
        values: list[Any] = [person]
        if words:
            where += " AND (instr(lower(title), lower(?)) OR instr(lower(text), lower(?)))"
            values += [words, words]
        if tag:
            where += " AND EXISTS (SELECT 1 FROM json_each(tags) WHERE value = ?)"
            values += [tag]
        [total] = self.db.execute(f"SELECT count(*) FROM note WHERE {where}", values).fetchone()
        rows = self.db.execute(
            f"SELECT * FROM note WHERE {where} ORDER BY id DESC LIMIT ? OFFSET ?",
            [*values, per_page, (page - 1) * per_page],
        )
        return [self.as_note(row) for row in rows], total

    def note(self, person: int, note: int) -> dict[str, Any]:
        """One note. Raises Missing."""
        row = self.db.execute("SELECT * FROM note WHERE id = ? AND person = ?", (note, person)).fetchone()
        if row is None:
            raise Missing(f"There is no note {note}.")
        return self.as_note(row)

    def add_note(self, person: int, title: str, text: str, tags: list[str]) -> dict[str, Any]:
        """The new note."""
        with self.db:
            added = self.db.execute(
                "INSERT INTO note (person, title, text, tags) VALUES (?, ?, ?, ?)",
                (person, title, text, json.dumps(tags)),
            )
        assert added.lastrowid is not None
        return self.note(person, added.lastrowid)

    def change_note(self, person: int, note: int, title: str, text: str, tags: list[str]) -> dict[str, Any]:
        """The note as it is now. Raises Missing."""
        self.note(person, note)
        with self.db:
            self.db.execute(
                "UPDATE note SET title = ?, text = ?, tags = ? WHERE id = ?", (title, text, json.dumps(tags), note)
            )
        return self.note(person, note)

    def remove_note(self, person: int, note: int) -> None:
        """Remove it with its attachments. Raises Missing."""
        attachments = self.note(person, note)["attachments"]
        for one in attachments:
            self.remove_attachment(person, note, one["id"])
        with self.db:
            self.db.execute("DELETE FROM note WHERE id = ?", (note,))

    # Attachments

    def attach(self, person: int, note: int, name: str, kind: str, content: IO[bytes]) -> dict[str, Any]:
        """The new attachment. Its file has a name of our own: that of the client is for showing. Raises Missing."""
        self.note(person, note)
        file = self.folder / secrets.token_hex(16)
        with file.open("wb") as target:
            shutil.copyfileobj(content, target)
        with self.db:
            added = self.db.execute(
                "INSERT INTO attachment (note, name, type, size, file) VALUES (?, ?, ?, ?, ?)",
                (note, name, kind, file.stat().st_size, file.name),
            )
        return {"id": added.lastrowid, "name": name, "type": kind, "size": file.stat().st_size}

    def attachment(self, person: int, note: int, attachment: int) -> tuple[Path, dict[str, Any]]:
        """Its file and what is known of it. Raises Missing."""
        self.note(person, note)
        row = self.db.execute("SELECT * FROM attachment WHERE id = ? AND note = ?", (attachment, note)).fetchone()
        if row is None:
            raise Missing(f"Note {note} has no attachment {attachment}.")
        return self.folder / row["file"], as_attachment(row)

    def remove_attachment(self, person: int, note: int, attachment: int) -> None:
        """Remove it with its file. Raises Missing."""
        file, _ = self.attachment(person, note, attachment)
        with self.db:
            self.db.execute("DELETE FROM attachment WHERE id = ?", (attachment,))
        os.unlink(file)

    def as_note(self, row: sqlite3.Row) -> dict[str, Any]:
        attachments = self.db.execute("SELECT * FROM attachment WHERE note = ? ORDER BY id", (row["id"],))
        return {
            "id": row["id"],
            "title": row["title"],
            "text": row["text"],
            "tags": json.loads(row["tags"]),
            "attachments": [as_attachment(one) for one in attachments],
        }


def secret_of(folder: Path) -> str:
    """What signs the sessions' cookies: NOTES_SECRET, or else a file that the first process makes for all others."""
    given = os.environ.get("NOTES_SECRET")
    if given:
        return given
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "secret"
    try:
        with os.fdopen(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as made:
            made.write(secrets.token_hex(32))
    except FileExistsError:
        pass
    return file.read_text()


def as_attachment(row: sqlite3.Row) -> dict[str, Any]:
    return {name: row[name] for name in ("id", "name", "type", "size")}


def digest(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=2**12, r=8, p=1)
