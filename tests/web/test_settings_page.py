"""The page of the settings has each of them with its default."""

from __future__ import annotations

import re
from pathlib import Path

from dragoman.web.config import DEFAULTS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "web" / "settings.md"
ROW = re.compile(r"^\| `([A-Z_]+)` \| `(.+?)` \| .+ \|$", re.MULTILINE)


def test_each_setting_stands_there_once_with_its_default() -> None:
    rows = ROW.findall(PAGE.read_text(encoding="utf-8"))
    assert rows == [(name, repr(default)) for name, default in sorted(DEFAULTS.items())]
