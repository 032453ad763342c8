"""``python -m dragoman.middleware.static``: files compressed beside themselves, once."""

from __future__ import annotations

import gzip
from pathlib import Path

import brotli
import pytest

from dragoman.middleware import Static
from dragoman.middleware.static.__main__ import compress, main
from tests.middleware.files import A_TIME_S, TEXT, got, put
from tests.middleware.kit import Inner


def names(root: Path) -> set[str]:
    return {path.name for path in root.rglob("*")}


def test_texts_get_what_is_smaller_and_static_sends_it(tmp_path: Path) -> None:
    for name in ("app.css", "photo.jpg", ".env", "tiny.css"):
        put(tmp_path, name, b"a" if name == "tiny.css" else TEXT)
    (tmp_path / "app.css").chmod(0o640)
    saved = compress(str(tmp_path), ["br", "gzip"])
    assert names(tmp_path) == {"app.css", "app.css.br", "app.css.gz", "photo.jpg", ".env", "tiny.css"}
    assert set(saved) == {str(tmp_path / "app.css.br"), str(tmp_path / "app.css.gz")}
    assert gzip.decompress((tmp_path / "app.css.gz").read_bytes()) == TEXT
    assert (tmp_path / "app.css.br").stat().st_mode & 0o777 == 0o640
    answered = got(Static(Inner(), tmp_path), Accept_Encoding="br")
    assert (answered.value("Content-Encoding"), brotli.decompress(answered.body)) == ("br", TEXT)


def test_what_is_there_already_is_left_and_what_is_old_is_made_anew(tmp_path: Path) -> None:
    path = put(tmp_path, "app.css")
    assert len(compress(str(tmp_path), ["gzip"])) == 1
    assert compress(str(tmp_path), ["gzip"]) == {}
    put(tmp_path, "app.css", TEXT * 2, A_TIME_S + 10)
    assert len(compress(str(tmp_path), ["gzip"])) == 1
    assert gzip.decompress(Path(f"{path}.gz").read_bytes()) == TEXT * 2


def test_the_command_says_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path, "app.css")
    assert main([str(tmp_path), "--codings", "gzip"]) == 0
    assert capsys.readouterr().out.startswith("1 files written, ")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [(["--codings", "lzma", "."], "want some of br, zstd, gzip"), (["nowhere"], "no directory 'nowhere'")],
)
def test_what_cannot_be_is_told(arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2 and text in capsys.readouterr().err
