"""The commands in the examples' READMEs start their applications."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.support.server import Server
from tests.web.site import EXAMPLES

COMMAND = re.compile(r"dragoman [^`\n]*create_app\(\)'")
# A page that anybody may see.
PAGES = {"notes": b'{"name":null}', "streams": b"number,place,value\r\n0,Berlin,0.0\r\n"}
PATHS = {"notes": "/me", "streams": "/report.csv?rows=1"}


def commands() -> list[tuple[str, str]]:
    return [
        (name, command)
        for name in PAGES
        for command in COMMAND.findall((EXAMPLES / name / "README.md").read_text(encoding="utf-8"))
    ]


def test_each_readme_has_a_command_for_each_form() -> None:
    for name in PAGES:
        forms = [command for other, command in commands() if other == name]
        assert len(forms) == 2
        assert f"{name}.dragoman" in forms[0] and f"{name}.flask" in forms[1]


@pytest.mark.parametrize(("name", "command"), commands())
def test_the_command_of_a_readme_serves(name: str, command: str, tmp_path: Path) -> None:
    _, *flags, application = shlex.split(command)
    folders = {f"{name.upper()}_FOLDER": str(tmp_path)}
    with Server(application, *flags, cwd=EXAMPLES, env=folders) as server:
        answer = server.request("GET", PATHS[name])
        assert answer.status == 200
        assert answer.body.replace(b"\n", b"").replace(b" ", b"") == PAGES[name].replace(b"\n", b"").replace(b" ", b"")
