"""`dragoman check` on projects: planted faults are found at their lines, and what is right stays silent."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.server import REPOSITORY

APPS = REPOSITORY / "tests" / "apps"


def run(*arguments: str, cwd: Path = REPOSITORY) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "dragoman", "check", *arguments],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        cwd=cwd,
    )
    return done.returncode, done.stdout, done.stderr


def planted(file: Path, mark: str = "planted") -> set[tuple[str, int]]:
    """Rule and line of each fault."""
    found = set()
    for number, line in enumerate(file.read_text().splitlines(), 1):
        if match := re.search(rf"# {mark}: ([a-z0-9-]+)$", line):
            found.add((match[1], number))
    return found


def breaches(output: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(output)["breaches"]
    return found


@pytest.mark.parametrize(
    ("target", "middleware"),
    [
        ("faulty_flask:app", {"close-missing"}),
        ("faulty_django:application", {"chunk-pulled-ahead"}),
    ],
)
def test_ten_kinds_of_planted_faults_are_found_with_rule_party_and_line(target: str, middleware: set[str]) -> None:
    file = APPS / f"{target.partition(':')[0]}.py"
    wanted = planted(file)
    assert len({rule for rule, _ in wanted}) >= 10
    # It is done in a few seconds, and has a minute: a loaded machine takes longer.
    status, output, errors = run(f"tests.apps.{target}", "--json", "--time", "60")
    assert status == 1, errors
    found = breaches(output)
    assert {(one["rule"], one["line"]) for one in found} == wanted
    assert {one["file"] for one in found} == {f"tests/apps/{file.name}"}
    assert {one["rule"] for one in found if one["party"] == "middleware"} == middleware
    report = json.loads(output)
    assert report["left_out"] == 0
    assert report["requests"]["catalogue"] >= 80 and report["requests"]["route"] >= 5 * report["routes"]
    # Each request that can be repeated is, often enough for what chance does not explain.
    assert report["calls"] > 5 * sum(report["requests"].values())


def test_methods_that_change_something_are_used_at_routes_only_when_asked_for() -> None:
    wanted = planted(APPS / "faulty_flask.py", "planted, --unsafe")
    for flags in (["--unsafe"], ["--request", "POST /orders"]):
        _, output, _ = run("tests.apps.faulty_flask:app", "--json", "--rule", "header-name-malformed", *flags)
        assert {(one["rule"], one["line"]) for one in breaches(output)} == wanted
    status, output, _ = run("tests.apps.faulty_flask:app", "--json", "--rule", "header-name-malformed")
    assert (status, breaches(output)) == (0, [])
    assert json.loads(output)["held_back"] > 0


@pytest.mark.parametrize("framework", ["bottle", "django", "falcon", "flask", "pyramid"])
def test_the_applications_of_the_frameworks_are_clean(framework: str) -> None:
    status, output, errors = run(f"tests.apps.app_{framework}:app", "--unsafe", "--time", "20")
    assert status == 0, output + errors
    assert "no breach" in output


@pytest.mark.parametrize("example", ["django", "flask", "plain"])
def test_the_examples_are_clean_and_raise_nothing(example: str) -> None:
    name = "project" if example == "django" else "app"
    status, output, errors = run(name, "--chdir", f"examples/{example}", "--fail-on", "error")
    assert status == 0, output + errors
