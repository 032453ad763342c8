"""The pages of the parts: their examples run, and their tables have the arguments that there are."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from dragoman import middleware
from dragoman.middleware import Layer
from tests.middleware.kit import Inner, ask

PAGES = sorted((Path(__file__).resolve().parents[2] / "docs" / "middleware").glob("*.md"))
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
ROW = re.compile(r"^\| `(\w+)` \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)


def plain(name: str) -> str:
    return re.sub("[-_]", "", name).lower()


PARTS = {plain(name): getattr(middleware, name) for name in middleware.__all__}
# Its code is run by a test of its own, which has what it needs.
ELSEWHERE = {"coming-from-flask"}
PAGES_OF_PARTS = [page for page in PAGES if inspect.isclass(PARTS.get(plain(page.stem)))]


def examples(page: Path) -> list[str]:
    return BLOCK.findall(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    "page", [page for page in PAGES if examples(page) and page.stem not in ELSEWHERE], ids=lambda page: page.stem
)
def test_the_examples_of_a_page_run_and_answer(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # What an example shares with other processes is shared with no real ones here.
    monkeypatch.setattr("dragoman.middleware.shared_file.default_directory", lambda: str(tmp_path))
    for directory in ("static", "dist"):
        Path(directory).mkdir()
        Path(directory, "index.html").write_text("<p>")
    for example in examples(page):
        names: dict[str, Any] = {"app": Inner(), "api": Inner(), "admin": Inner(), "check_database": lambda: None}
        exec(compile(example, str(page), "exec"), names)
        answer = ask(names["app"], "GET", "/", SERVER_SOFTWARE="other/1.0")
        assert answer.status < 500


@pytest.mark.parametrize("page", PAGES_OF_PARTS, ids=lambda page: page.stem)
def test_the_table_of_a_page_has_the_arguments_with_their_defaults(page: Path) -> None:
    part = PARTS[plain(page.stem)]
    assert issubclass(part, Layer)
    parameters = {name: one for name, one in inspect.signature(part).parameters.items() if name != "app"}
    rows = {name: default for name, _, default, _ in ROW.findall(page.read_text(encoding="utf-8"))}
    assert list(rows) == list(parameters)
    for name, one in parameters.items():
        if one.default is inspect.Parameter.empty:
            assert rows[name] == "needed"
        elif rows[name].startswith("`"):
            assert ast.literal_eval(rows[name].strip("`")) == one.default, name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_tests_that_a_page_names_are_there(page: Path) -> None:
    named = set(re.findall(r"`(test_\w+)`", page.read_text(encoding="utf-8")))
    sources = "\n".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.rglob("test_*.py"))
    assert named <= set(re.findall(r"^def (test_\w+)", sources, re.MULTILINE))
