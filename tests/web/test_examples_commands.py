"""The commands in the examples' READMEs make their databases and start their applications."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.server import Server, start_process
from tests.support.wire import DEADLINE_S
from tests.web.site import EXAMPLES

SERVING = re.compile(r"dragoman (?!command)[^`\n]*create_app\(\)'")
PREPARING = re.compile(r"(?:dragoman command|flask --app) [^`\n]*init-db")


class Page(NamedTuple):
    """A page that anybody may see, a part of it, and the variable that says where files are."""

    path: str
    part: bytes
    folder: str


PAGES = {
    "flaskr": Page("/", b"Nothing yet.", "FLASKR_INSTANCE"),
    "notes": Page("/me", b"null", "NOTES_FOLDER"),
    "streams": Page("/report.csv?rows=1", b"0,Berlin,0.0", "STREAMS_FOLDER"),
}


def written(name: str, kind: re.Pattern[str]) -> list[str]:
    return kind.findall((EXAMPLES / name / "README.md").read_text(encoding="utf-8"))


def ways() -> list[tuple[str, str, str | None]]:
    """Each example with the command that serves it and the one that comes before, in both forms."""
    found = []
    for name in PAGES:
        serving, preparing = written(name, SERVING), written(name, PREPARING)
        assert len(serving) == 2 and len(preparing) in (0, 2), name
        for form, one, other in zip(("dragoman", "flask"), serving, preparing or [None, None], strict=True):
            assert f"{name}.{form}" in one and (other is None or f"{name}.{form}" in other)
            found.append((name, one, other))
    return found


@pytest.mark.parametrize(("name", "serving", "preparing"), ways())
def test_the_commands_of_a_readme_serve(name: str, serving: str, preparing: str | None, tmp_path: Path) -> None:
    page = PAGES[name]
    environment = {page.folder: str(tmp_path)}
    if preparing is not None:
        process = start_process([sys.executable, "-m", *shlex.split(preparing)], env=environment, cwd=EXAMPLES)
        output, errors = process.communicate(timeout=DEADLINE_S)
        assert process.returncode == 0, (output + errors).decode()
    _, *flags, application = shlex.split(serving)
    with Server(application, *flags, cwd=EXAMPLES, env=environment) as server:
        answer = server.request("GET", page.path)
        assert answer.status == 200 and page.part in answer.body
