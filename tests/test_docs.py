"""Holds the pages: generated ones are up to date, links lead somewhere, and the README's application runs."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from dragoman import __version__
from dragoman.contract import render

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(path for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("changes/*.md")))


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_pages_are_up_to_date() -> None:
    for name, content in generator().pages().items():
        written = (ROOT / "docs" / name).read_text(encoding="utf-8")
        assert written == content, f"docs/{name} is older than its table: make docs"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_what_is_there(page: Path) -> None:
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (page.parent / target).exists(), target


def readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_application_of_the_readme_runs_and_answers_as_shown() -> None:
    source = re.search(r"```python\n(.*?)```", readme(), re.DOTALL)
    assert source is not None
    assert len(source[1].splitlines()) <= 8
    names: dict[str, object] = {}
    exec(source[1], names)
    app = names["app"]
    assert callable(app)
    started: list[object] = []
    body = b"".join(app({"QUERY_STRING": "you"}, lambda *arguments: started.extend(arguments)))
    assert started[0] == "200 OK"
    assert body.decode() in readme()


def test_the_report_that_the_readme_shows_is_the_one_that_is_made() -> None:
    # Its own application, returning text: the place is where the function begins.
    source = re.search(r"```python\n(.*?)```", readme(), re.DOTALL)
    assert source is not None
    names: dict[str, Any] = {}
    exec(compile(source[1], "app.py", "exec"), names)
    app = names["app"]
    facts = {
        "method": "GET",
        "path": "/hello",
        "application": app,
        "value": "'Hello'",
        "got_type": "str",
        "index": 0,
        "where": ("app.py", app.__code__.co_firstlineno, "app"),
    }
    for line in render("body-not-bytes", facts, "app:app").splitlines():
        assert f"    {line}\n" in readme()


def test_the_version_is_one_and_the_same_everywhere() -> None:
    assert f'version = "{__version__}"' in (ROOT / "Cargo.toml").read_text()
    assert f"dragoman {__version__} serves" in readme()


@pytest.mark.parametrize("path", [path for path in ROOT.glob("changes/*.md") if path.name != "README.md"])
def test_a_change_fragment_is_one_or_two_sentences(path: Path) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+\.md", path.name)
    assert 1 <= len(re.findall(r"\.(?:\s|$)", path.read_text(encoding="utf-8"))) <= 3


@pytest.mark.parametrize("name", ["threats.md", "limits.md"])
def test_every_test_that_a_page_names_is_there(name: str) -> None:
    page = (ROOT / "docs" / name).read_text(encoding="utf-8")
    names = {
        name
        for row in page.splitlines()
        if row.startswith("| ")
        for name in re.findall(r"`([^`]+)`", row.split("|")[-2])
    }
    cases = {f"{path.parent.name}/{path.stem}" for path in ROOT.glob("tests/corpus/http1/*/*.txt")}
    sources = [*ROOT.glob("tests/**/*.py"), *ROOT.glob("crates/**/*.rs")]
    functions = set(re.findall(r"^\s*(?:fn|def) (\w+)", "\n".join(path.read_text() for path in sources), re.MULTILINE))
    assert len(names) > 30
    assert names <= cases | functions, names - cases - functions


def test_every_counter_that_the_limits_name_is_there_and_is_asserted_in_a_test() -> None:
    rows = [row.split(" | ") for row in (ROOT / "docs" / "limits.md").read_text(encoding="utf-8").splitlines()]
    cells = [row[3] for row in rows if len(row) >= 5 and row[3] not in ("counter", "---")]
    named = {name for cell in cells if not cell.startswith("none: ") for name in cell.split(", ")}
    assert all(cells) and len(named) > 25
    engine = (ROOT / "crates" / "engine" / "src" / "counters.rs").read_text() + "".join(
        (ROOT / path).read_text() for path in ("crates/http1/src/error.rs", "crates/engine/src/plan.rs")
    )
    known = set(re.findall(r"^    (\w+) => \w+,$", engine, re.MULTILINE)) | set(re.findall(r'"([a-z0-9-]+)"', engine))
    assert named <= known, named - known
    asserting = "".join(
        path.read_text() for path in [*ROOT.glob("tests/wire/*.py"), *ROOT.glob("crates/engine/tests/*.rs")]
    )
    unasserted = {name for name in named if f'"{name}"' not in asserting}
    assert unasserted == set()
