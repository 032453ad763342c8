"""The hook for pre-commit: its file can be read, and its command runs as pre-commit runs it."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.needs import need

ROOT = Path(__file__).resolve().parents[2]
SHOP = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [{body}]
"""


def read(text: str) -> Any:
    need("yaml")
    return importlib.import_module("yaml").safe_load(text)


def hook() -> dict[str, Any]:
    (one,) = read((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    return dict(one)


def configurations() -> list[dict[str, Any]]:
    """The files that the page shows."""
    page = (ROOT / "docs" / "check.md").read_text(encoding="utf-8")
    blocks = [read(block) for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    return [block for block in blocks if "repos" in block]


def run_hook(directory: Path, one: dict[str, Any], arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """As pre-commit runs a hook of the language `system`: from the PATH, in the project, without files' names."""
    assert (one["language"], one["pass_filenames"]) == ("system", False)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        [*shlex.split(one["entry"]), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=directory,
        env={**os.environ, "PATH": path},
    )


@pytest.mark.parametrize(("body", "status"), [("b'Hello'", 0), ("'Hello'", 1)])
def test_the_hook_fails_where_a_rule_is_broken(tmp_path: Path, body: str, status: int) -> None:
    (tmp_path / "shop.py").write_text(SHOP.format(body=body))
    done = run_hook(tmp_path, hook(), ["shop:app"])
    assert done.returncode == status, done.stdout + done.stderr
    assert ("contract: body-not-bytes" in done.stdout) is bool(status)


def test_the_page_shows_hooks_that_run(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").touch()
    (tmp_path / "shop" / "wsgi.py").write_text(SHOP.format(body="b'Hello'"))
    shown = configurations()
    assert len(shown) == 2
    for configuration in shown:
        ((one,),) = [repository["hooks"] for repository in configuration["repos"]]
        assert one["id"] == hook()["id"]
        done = run_hook(tmp_path, {**hook(), **one}, one.get("args", []))
        assert done.returncode == 0, done.stdout + done.stderr
