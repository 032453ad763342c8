"""A module that is loaded late is loaded once, and its names are its own."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from dragoman.web.late import Late


def test_it_is_loaded_by_the_first_name_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "module_that_is_late.py").write_text("made = []\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    late = Late("module_that_is_late")
    assert "module_that_is_late" not in sys.modules
    made = late.made
    monkeypatch.delitem(sys.modules, "module_that_is_late")
    assert late.made is made


def test_a_name_that_it_has_not_is_told_of_the_module() -> None:
    with pytest.raises(AttributeError, match=r"module 'json' has no attribute 'nothing'"):
        _ = Late("json").nothing


def test_a_module_that_there_is_not_is_told_when_it_is_wanted() -> None:
    late = Late("dragoman.no_such_module")
    with pytest.raises(ModuleNotFoundError, match=r"dragoman\.no_such_module"):
        _ = late.anything
