"""mypy --strict and pyright accept the applications of accepted/, and refuse each marked line of refused/ alone."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dragoman.web import App
from tests.support.needs import need
from tests.typing.accepted import handlers, hooks

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CASES = ("accepted", "refused")
# A line with an error says by which rule of either checker.
MARK = re.compile(r"# refused: ([a-z-]+), (report\w+)$")
# What pyright adds about a decorator that it has refused.
BESIDE = {"reportUntypedFunctionDecorator", "reportUnknownMemberType", "reportUnusedExpression"}
# The checkers read the standard library anew, on a machine that has other things to do.
DEADLINE_S = 300

Found = dict[tuple[str, int], set[str]]


def expected(checker: int) -> Found:
    """The marked lines with the rule of a checker."""
    found: Found = {}
    for path in sorted(HERE.glob("refused/*.py")):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            match = MARK.search(line)
            assert match or "# refused" not in line, f"{path.name}:{number}: want # refused: MYPY-CODE, PYRIGHT-RULE"
            if match:
                found[f"refused/{path.name}", number] = {match[checker]}
    assert len(found) > 40
    return found


def by_mypy(directory: Path) -> Found:
    """What mypy says, as a project that uses the library has it: that one's own errors are not shown."""
    command = [sys.executable, "-m", "mypy", "--config-file=", "--strict", "--follow-imports=silent"]
    command += ["--no-error-summary", "--show-error-codes", "--no-pretty", f"--cache-dir={directory / 'cache'}"]
    done = run([*command, *CASES], directory, MYPYPATH=str(ROOT / "python"))
    found: Found = {}
    for line in done.stdout.splitlines():
        match = re.match(r"(\w+/\w+\.py):(\d+): error: .*\[([a-z-]+)\]$", line)
        assert match or ": note:" in line, line
        if match:
            found.setdefault((match[1], int(match[2])), set()).add(match[3])
    return found


def by_pyright(directory: Path) -> Found:
    """What pyright says in its strict mode."""
    settings = {"include": CASES, "extraPaths": [str(ROOT / "python")], "typeCheckingMode": "strict"}
    (directory / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "pyright", "-p", str(directory), "--pythonpath", sys.executable, "--outputjson"]
    done = run(command, directory)
    assert done.stdout.startswith("{"), f"pyright did not run (it wants Node.js): {done.stdout}{done.stderr}"
    found: Found = {}
    for one in json.loads(done.stdout)["generalDiagnostics"]:
        path = Path(one["file"]).relative_to(directory.resolve()).as_posix()
        found.setdefault((path, one["range"]["start"]["line"] + 1), set()).add(one.get("rule", one["message"]))
    return found


def run(command: list[str], directory: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **environment}
    return subprocess.run(
        command, cwd=directory, env=env, capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The cases apart from the project, whose settings are not those of others."""
    for name in CASES:
        shutil.copytree(HERE / name, tmp_path / name)
    return tmp_path


@pytest.mark.timeout(DEADLINE_S)
def test_mypy_accepts_what_is_right_and_refuses_what_is_not(directory: Path) -> None:
    need("mypy", "check")
    assert by_mypy(directory) == expected(1)


@pytest.mark.timeout(DEADLINE_S)
def test_pyright_accepts_what_is_right_and_refuses_what_is_not(directory: Path) -> None:
    need("pyright", "check")
    found = by_pyright(directory)
    wanted = expected(2)
    assert {place: rules - BESIDE for place, rules in found.items()} == wanted


def test_what_the_checkers_accept_is_answered() -> None:
    app = handlers.app
    app.testing = True
    client = app.test_client()
    # Of what gives Any nobody knows.
    asked = [row["rule"] for row in app.routes() if "GET" in row["methods"] and row["endpoint"] != "anything"]
    assert len(asked) > 30
    for rule in asked:
        assert client.get(re.sub("<.*>", "1", rule)).status_code < 500, rule
    assert client.post("/struct", json={"name": "Ann"}).json == {"name": "Ann", "age": 0}


def test_what_the_checkers_refuse_is_refused_where_it_runs() -> None:
    source = (HERE / "refused" / "wrong_handlers.py").read_text()
    app = App("refused", static_folder=None)
    app.testing = True
    names: dict[str, Any] = {"__name__": "refused"}
    # Up to where a call itself is wrong.
    source = source.partition('@app.get("/option"')[0].replace("app = App(__name__)", "")
    exec(compile(source, "wrong_handlers.py", "exec", dont_inherit=True), names | {"app": app})
    client = app.test_client()
    # Some of them would do by chance: a list is an iterable, and a number has a text.
    for rule in (
        "/int",
        "/none",
        "/perhaps",
        "/float",
        "/object",
        "/tuple/swapped",
        "/tuple/long",
        "/coroutine",
    ):
        method = next(row["methods"][0] for row in app.routes() if row["rule"] == rule)
        with pytest.raises(TypeError):
            client.open(rule, method=method)


def test_hooks_that_the_checkers_accept_are_called() -> None:
    hooks.app.testing = True
    hooks.app.secret_key = "0123456789abcdef"
    response = hooks.app.test_client().get("/?a=1")
    assert (response.text, response.headers["X-Part"]) == ("index", "1")
