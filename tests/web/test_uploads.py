"""`UploadedFile`: a file of a form, as libraries that read files want it, and gone when the request has ended."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import os
import shutil
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from dragoman.web import App, Request, UploadedFile
from tests.middleware.kit import Answered, ask

LARGE = 1 << 17


def posted(handler: Any, content: bytes, *, filename: str = "a.bin") -> Answered:
    app = App(__name__)
    app.add_url_rule("/", "it", handler, methods=["POST"])
    body = f'--b\r\nContent-Disposition: form-data; name="f"; filename="{filename}"\r\n\r\n'.encode() + content
    return ask(app, "POST", "/", {"Content-Type": "multipart/form-data; boundary=b"}, body + b"\r\n--b--\r\n")


def zipped(content: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("a", content)
    return target.getvalue()


@pytest.mark.parametrize("size", [10, LARGE], ids=["in memory", "on disk"])
def test_its_place_is_told_and_set_as_in_any_file(size: int) -> None:
    def handler(request: Request) -> dict[str, Any]:
        file = request.files["f"]
        end = file.seek(0, os.SEEK_END)
        told = file.tell()
        file.seek(2)
        line = file.readline()
        return {"end": end, "told": told, "line": line.decode(), "rest": len(file.readlines()), "now": file.tell()}

    content = b"ab\ncd\nef\n".ljust(size, b"x")
    got = json.loads(posted(handler, content).body)
    assert got == {"end": size, "told": size, "line": "\n", "rest": 3, "now": size}


@pytest.mark.parametrize("size", [10, LARGE], ids=["in memory", "on disk"])
def test_libraries_read_it(size: int) -> None:
    content = b"a,b\nc,d\n".ljust(size, b"\n")

    def rows(request: Request) -> dict[str, Any]:
        decoded = codecs.iterdecode(request.files["f"], "utf-8")
        return {"rows": [row for row in csv.reader(decoded) if row]}

    def rows_of_text(request: Request) -> dict[str, Any]:
        with io.TextIOWrapper(request.files["f"], "utf-8") as text:  # type: ignore[arg-type]
            return {"rows": [row for row in csv.reader(text) if row]}

    def unzipped(request: Request) -> str:
        return zipfile.ZipFile(request.files["f"]).read("a").decode()  # type: ignore[arg-type]

    def gunzipped(request: Request) -> str:
        return gzip.GzipFile(fileobj=request.files["f"], mode="rb").read().decode()  # type: ignore[arg-type]

    def untarred(request: Request) -> list[Any]:
        return tarfile.open(fileobj=request.files["f"]).getnames()  # type: ignore[arg-type,call-overload,no-any-return]

    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("a"))
    assert json.loads(posted(rows, content).body) == {"rows": [["a", "b"], ["c", "d"]]}
    assert json.loads(posted(rows_of_text, content).body) == {"rows": [["a", "b"], ["c", "d"]]}
    assert posted(unzipped, zipped(content)).body == content
    assert posted(gunzipped, gzip.compress(content)).body == content
    assert json.loads(posted(untarred, tar.getvalue()).body) == ["a"]


def test_what_files_do_not_have_it_has_not_either() -> None:
    def handler(request: Request) -> str:
        file: Any = request.files["f"]
        with pytest.raises(AttributeError, match=r"UploadedFile.*'nonsense'"):
            _ = file.nonsense
        return str(hasattr(file, "_upload"))

    assert posted(handler, b"a").text == "True"
    assert not hasattr(UploadedFile.__new__(UploadedFile), "anything")


def test_it_is_saved_whole_wherever_it_was_read_to(tmp_path: Path) -> None:
    def handler(request: Request) -> str:
        file = request.files["f"]
        file.read(3)
        file.save(tmp_path / "a")
        file.seek(0)
        with (tmp_path / "b").open("wb") as target:
            shutil.copyfileobj(file, target)
        return ""

    content = os.urandom(LARGE)
    assert posted(handler, content).status == 200
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == content


@pytest.mark.parametrize("end", ["answer", "fault", "refusal"])
def test_no_file_stays_open_however_the_request_ends(end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []

    def spooled(size: int) -> Any:
        made.append(forms_file(size))
        return made[-1]

    forms_file = tempfile.SpooledTemporaryFile
    monkeypatch.setattr(tempfile, "SpooledTemporaryFile", spooled)

    def handler(request: Request) -> str:
        assert len(request.files["f"].read()) == LARGE
        return "" if end == "answer" else str(1 / 0)

    answer = posted(handler, b"x" * LARGE + (b"\r\n--b\r\nbroken" if end == "refusal" else b""))
    assert answer.status == {"answer": 200, "fault": 500, "refusal": 400}[end]
    assert [file.closed for file in made] == [True]
