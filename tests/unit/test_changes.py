"""What counts as a file of the application, and which changes are told of, in one go."""

from __future__ import annotations

import os
import sys
import threading
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from dragoman.supervisor import changes
from dragoman.supervisor.changes import Watched, changed, directories_of, files_elsewhere, is_library, look
from dragoman.supervisor.watch import said


def make(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("")


def names(root: Path, found: Iterator[str] | dict[str, object] | list[str]) -> list[str]:
    return sorted(os.path.relpath(path, root) for path in found)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make(
        tmp_path,
        *("shop.py", "shop/views.py", "shop/page.html", "shop/__pycache__/views.py", ".git/hook.py", ".venv/lib/x.py"),
        *("env/pyvenv.cfg", "env/lib/y.py", "node_modules/z.py", "templates/deep/a.html", "dragoman.toml"),
    )
    return tmp_path


def test_python_files_count_but_not_those_of_tools_environments_and_caches(root: Path) -> None:
    assert names(root, dict(look(Watched(str(root))))) == ["shop.py", "shop/views.py"]
    assert names(root, directories_of(Watched(str(root)))) == [".", "shop", "templates", "templates/deep"]


def test_an_environment_can_be_the_directory_itself(root: Path) -> None:
    assert names(root, dict(look(Watched(str(root / "env"))))) == ["env/lib/y.py"]


def test_extra_files_count_as_they_are_and_directories_with_all_that_is_in_them(root: Path) -> None:
    extra = (str(root / "templates"), str(root / "dragoman.toml"), str(root / "not-yet"))
    found = names(root, dict(look(Watched(str(root / "shop"), extra))))
    assert found == ["dragoman.toml", "shop/views.py", "templates/deep/a.html"]
    assert names(root, directories_of(Watched(str(root / "shop"), extra)))[0] == "."


def test_files_that_come_go_or_are_written_have_changed() -> None:
    before = {"gone": (1, 1, 1), "same": (1, 1, 1), "written": (1, 1, 1), "replaced": (1, 1, 1)}
    after = {"same": (1, 1, 1), "written": (2, 1, 1), "replaced": (1, 1, 2), "come": (1, 1, 1)}
    assert changed(before, after) == ["come", "gone", "replaced", "written"]


def test_more_files_than_any_application_has_are_not_looked_at(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "FILES_AT_MOST", 1)
    monkeypatch.setattr(changes, "DIRECTORIES_AT_MOST", 2)
    assert len(look(Watched(str(root)))) == 1 and len(directories_of(Watched(str(root)))) == 2


def test_libraries_are_not_the_applications() -> None:
    assert is_library(pytest.__file__) and is_library(os.__file__) and is_library(changes.__file__)
    assert not is_library("/home/me/tools.py")


def test_modules_from_elsewhere_are_those_of_no_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for directory in ("root", "elsewhere"):
        make(tmp_path, f"{directory}/tools_of_{directory}.py")
        module = types.ModuleType(f"tools_of_{directory}")
        module.__file__ = str(tmp_path / directory / f"tools_of_{directory}.py")
        monkeypatch.setitem(sys.modules, module.__name__, module)
    found = files_elsewhere(str(tmp_path / "root"))
    assert str(tmp_path / "elsewhere" / "tools_of_elsewhere.py") in found
    assert not any("tools_of_root" in path for path in found)


@pytest.fixture
def wakes(monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """Lets `changes` look once for each release."""
    allowed = threading.Semaphore(0)

    def wakes(ask: object) -> Iterator[None]:
        while allowed.acquire(blocking=False):
            yield

    monkeypatch.setattr(changes, "wakes", wakes)
    return allowed


def test_a_file_that_was_saved_before_the_first_look_has_changed(root: Path, wakes: threading.Semaphore) -> None:
    watched = Watched(str(root))
    before = look(watched)
    (root / "shop.py").write_text("changed")
    wakes.release(3)
    assert list(changes.changes(lambda: watched, before, quiet_s=0)) == [[str(root / "shop.py")]]


def test_a_module_that_is_watched_from_now_on_has_not_changed_by_that_and_goes_once(
    root: Path, wakes: threading.Semaphore
) -> None:
    elsewhere = str(root / ".venv/lib/x.py")
    asked = [Watched(str(root))]
    before = look(asked[0])
    found = changes.changes(lambda: asked[0], before, quiet_s=0)
    asked[0] = Watched(str(root), files=changes.stamps_of([elsewhere]))
    wakes.release(2)
    assert list(found) == []
    os.unlink(elsewhere)
    wakes.release(4)
    found = changes.changes(lambda: asked[0], {**before}, quiet_s=0)
    assert list(found) == [[elsewhere]]


def test_without_the_library_it_is_time_to_look_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changes, "LIBRARY", "there_is_no_such_library")
    monkeypatch.setattr(changes, "POLL_S", 0.0)
    found = changes.wakes(lambda: Watched("/nowhere"))
    assert [next(found) for _ in range(3)] == [None] * 3


def test_some_of_what_has_changed_is_named() -> None:
    assert said(["/srv/shop/a.py"], "/srv/shop") == "a.py changed"
    assert said(["/srv/shop/a.py", "/srv/shopping/b.py"], "/srv/shop") == "a.py, /srv/shopping/b.py changed"
    assert said([f"/s/{n}.py" for n in range(9)], "/s") == "0.py, 1.py, 2.py and 6 more changed"
    assert said(["/s/a\nb.py"], "/s") == "a\\nb.py changed"
