"""The tutorial, followed: its files are written in its order, and what it shows is what comes."""

from __future__ import annotations

import html
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.server import REPOSITORY, Server
from tests.web.site import Site

PAGE = REPOSITORY / "docs" / "web" / "tutorial.md"
FILE = re.compile(r"^(?P<how>At the end of )?\*\*(?P<name>[\w./]+)\*\*[^\n]*\n\n```\w+\n(?P<text>.*?)^```", re.M | re.S)
ASKED = re.compile(r"^\$ curl (?P<arguments>[^\n]*)\n(?P<answer>(?:[^$`\n][^\n]*\n)*)", re.M)


class Step(NamedTuple):
    """A chapter: files to write, and what is asked then."""

    files: list[tuple[str, str, bool]]
    asked: list[tuple[str, str]]


def steps() -> list[Step]:
    made = []
    for chapter in PAGE.read_text(encoding="utf-8").split("\n## ")[1:]:
        files = [(one["name"], one["text"], one["how"] is not None) for one in FILE.finditer(chapter)]
        made.append(Step(files, [(one["arguments"], one["answer"]) for one in ASKED.finditer(chapter)]))
    return made


def write(step: Step, directory: Path) -> None:
    for name, text, is_added in step.files:
        path = directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(path.read_text() + "\n\n" + text if is_added else text)


def curl(site: Site, arguments: str) -> str:
    """What a command line of curl would show."""
    *flags, url = shlex.split(arguments)
    headers = dict(value.split(": ") for flag, value in zip(flags[::2], flags[1::2], strict=True) if flag == "-H")
    body = next((value.encode() for flag, value in zip(flags[::2], flags[1::2], strict=True) if flag == "-d"), None)
    path = url.removeprefix("http://127.0.0.1:8000")
    return site.ask("GET" if body is None else "POST", path, headers=headers, body=body).text


@pytest.fixture(scope="module")
def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(REPOSITORY / "python")}


def test_each_block_of_code_is_a_file_of_a_chapter() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text.count("```python\n") + text.count("```html\n") == sum(len(step.files) for step in steps())
    assert text.count("$ curl ") == sum(len(step.asked) for step in steps()) == 4


def test_what_the_tutorial_shows_is_what_comes(tmp_path: Path, environment: dict[str, str]) -> None:
    for step in steps():
        write(step, tmp_path)
        if step.asked:
            with Server("app:app", "--dev", "--no-reload", cwd=tmp_path, env=environment) as server:
                site = Site(server.url(""))
                for arguments, answer in step.asked:
                    got = curl(site, arguments)
                    if answer:
                        assert got == answer.rstrip("\n")
                    else:
                        assert all(f'"{name}"' in got for name in ("title", "pages", "errors")), got
                assert "contract:" not in server.log.text


def test_the_tests_of_the_tutorial_pass(tmp_path: Path, environment: dict[str, str]) -> None:
    for step in steps():
        write(step, tmp_path)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        command, check=False, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    words = {7: "Seven"}
    count = int(re.findall(r"(\d+) passed", done.stdout)[0])
    assert f"{words[count]} pass." in PAGE.read_text(encoding="utf-8")


def test_a_page_with_a_form_is_filled_in(tmp_path: Path, environment: dict[str, str]) -> None:
    for step in steps()[:2]:
        write(step, tmp_path)
    with Server("app:app", "--dev", "--no-reload", cwd=tmp_path, env=environment) as server:
        site = Site(server.url(""))
        assert "<li>Nothing yet</li>" in site.get("/").text
        assert site.post("/add", form={"title": "Emma"}).status == 302
        page = site.get("/").text
        assert "<p>Emma is on the shelf.</p>" in page and "<li>Emma</li>" in page
        assert "shelf.</p>" not in site.get("/").text
        site.post("/add", form={"title": " "})
        assert "A book wants a title." in site.get("/").text


@pytest.mark.parametrize(
    ("chapter", "name", "right", "wrong"),
    [(1, "app.py", "number: int", "number: str"), (2, "templates/index.html", "url_for('add')", "url_for('ad')")],
)
def test_the_mistakes_that_it_asks_for_are_told_as_it_says(
    tmp_path: Path, environment: dict[str, str], chapter: int, name: str, right: str, wrong: str
) -> None:
    for step in steps()[:chapter]:
        write(step, tmp_path)
    file = tmp_path / name
    assert right in file.read_text()
    file.write_text(file.read_text().replace(right, wrong))
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    with Server("app:app", "--dev", "--no-reload", cwd=tmp_path, env=environment) as server:
        answer = Site(server.url("")).get("/")
        assert answer.status == 500
        told = server.log.wait_for(r"(rule '/double.*|url_for\('ad'\): there is no such endpoint; .*?\?)")[1]
        assert told in text
        assert told in html.unescape(answer.text)
