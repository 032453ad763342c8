"""Holds docs/faults.md: every test that it names exists, and every test of this directory has its row."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAMED = set(
    re.findall(r"\| `([a-z0-9_]+)` \|$", (ROOT / "docs" / "faults.md").read_text(encoding="utf-8"), re.MULTILINE)
)


def names_in(directory: str, pattern: str, definition: str) -> set[str]:
    files = (ROOT / directory).rglob(pattern)
    return {name for file in files for name in re.findall(definition, file.read_text(encoding="utf-8"))}


def test_every_test_that_the_page_names_exists() -> None:
    existing = names_in("tests", "test_*.py", r"def (test_\w+)") | names_in("crates", "*.rs", r"fn (\w+)\(\)")
    assert NAMED and NAMED - existing == set()


def test_every_test_of_a_fault_has_its_row() -> None:
    own = names_in("tests/faults", "test_*.py", r"\ndef (test_\w+)")
    of_the_page = {"test_every_test_that_the_page_names_exists", "test_every_test_of_a_fault_has_its_row"}
    assert own - NAMED - of_the_page == set()
