"""`FileStore`: what is in its directory, and what a crash leaves there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dragoman.middleware.stores import FileStore, StoreDown


def files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file() and path.name != ".lock"]


def test_the_directory_and_its_files_are_their_owners_alone(tmp_path: Path) -> None:
    FileStore(tmp_path / "made").put("a", b"1", 60)
    for path in (tmp_path / "made", *(tmp_path / "made").rglob("*")):
        assert path.stat().st_mode & 0o077 == 0


def test_no_key_leads_out_of_the_directory(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "in")
    for key in ("../out", "/etc/passwd", "a" * 5000, "a\0b", "."):
        store.put(key, b"1", 60)
    assert len(files(tmp_path / "in")) == 5
    assert os.listdir(tmp_path) == ["in"]


@pytest.mark.parametrize("left_bytes", [0, 3, 24, 27])
def test_a_file_that_lost_its_end_is_not_there(tmp_path: Path, left_bytes: int) -> None:
    store = FileStore(tmp_path)
    store.put("a", b"1234", 60)
    [path] = files(tmp_path)
    os.truncate(path, left_bytes)
    assert store.get("a") is None
    assert store.swap("a", b"2", 60, None) is not None


def test_what_has_expired_and_what_was_left_half_written_goes_while_others_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dragoman.middleware.stores.file.WRITES_A_SWEEP", 1)
    now = [0.0]
    store = FileStore(tmp_path, clock=lambda: now[0])
    for number in range(300):
        store.put(f"old {number}", b"1", 10)
    half = files(tmp_path)[0].parent / ".half"
    half.write_bytes(b"1")
    now[0] = 100.0
    for _ in range(257):
        store.put("new", b"2", 10)
    assert [path.name for path in files(tmp_path)] == [store.path_of("new").name]


def test_a_directory_that_cannot_be_written_is_a_store_that_is_away(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "a")
    (tmp_path / "a").rmdir()
    (tmp_path / "a").write_text("a file")
    with pytest.raises(StoreDown, match="Not a directory"):
        store.put("a", b"1", 60)
    with pytest.raises(StoreDown):
        store.get("a")
