"""The pages of `dragoman.web`: their examples run, and each page that one of their applications has is answered."""

from __future__ import annotations

import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.web import App
from tests.middleware.kit import ask

PAGES = sorted((Path(__file__).resolve().parents[2] / "docs" / "web").glob("*.md"))
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def examples() -> list[Any]:
    return [
        pytest.param(page, block[1], id=f"{page.stem}-{number}")
        for page in PAGES
        # Its blocks are files, one after the other: test_tutorial.py follows them.
        if page.stem != "tutorial"
        for number, block in enumerate(BLOCK.finditer(page.read_text(encoding="utf-8")), 1)
    ]


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """What an example sets up of logging is its own."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


@pytest.mark.parametrize(("page", "example"), examples())
def test_an_example_runs_and_its_application_answers(
    page: Path, example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if "@pytest.fixture" in example:
        run_by_pytest(example, tmp_path)
        return
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "hello.html").write_text("<h1>Hello {{ name }}</h1>")
    # The lines of the page, so that a failure says where it is.
    before = page.read_text(encoding="utf-8").partition(example)[0].count("\n")
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile("\n" * before + example, str(page), "exec", dont_inherit=True), names)
    app = names.get("app")
    if not isinstance(app, App):
        return
    for route in app.routes():
        if "GET" in route["methods"]:
            target = re.sub(r"<any\('([^']+)'.*?\):\w+>", r"\1", route["rule"])
            target = re.sub(r"<(?:int:)?\w+>", "7", target)
            assert ask(app, target=target).status < 400, target


def run_by_pytest(example: str, directory: Path) -> None:
    """Run the tests of an example as those who copy it do."""
    (directory / "test_example.py").write_text(example)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_example.py"]
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout


def test_the_index_has_each_page() -> None:
    index = next(page for page in PAGES if page.name == "README.md")
    linked = set(re.findall(r"\]\((\w+\.md)\)", index.read_text(encoding="utf-8")))
    assert linked == {page.name for page in PAGES} - {index.name}
