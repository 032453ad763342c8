"""The command: help, version, explanations, exit statuses, and its refusals."""

import subprocess
import sys
from pathlib import Path

import dragoman
from dragoman.settings import rows


def run(*arguments: str, cwd: Path | None = None) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "dragoman", *arguments], capture_output=True, text=True, timeout=30, check=False, cwd=cwd
    )
    return done.returncode, done.stdout, done.stderr


def test_help_shows_every_flag_under_the_heading_of_its_group() -> None:
    status, output, _ = run("--help")
    assert status == 0
    for row in rows():
        assert f"{row.group}:" in output
        assert all(flag in output for flag in row.flags)
    assert run("-h")[1] == output


def test_the_version_is_that_of_the_package() -> None:
    assert run("--version") == (0, f"dragoman {dragoman.__version__}\n", "")


def test_an_unknown_flag_is_refused_with_near_ones_and_status_2() -> None:
    status, output, errors = run("app:app", "--bnd", "x")
    assert (status, output) == (2, "")
    assert errors.startswith("dragoman: no such option") and "--bind" in errors and errors.count("\n") == 1


def test_a_wrong_value_is_one_line_and_status_2() -> None:
    status, _, errors = run("app:app", "--threads", "4k")
    assert status == 2
    assert errors == 'dragoman: --threads "4k": want a whole number from 1 to 1024 (also DRAGOMAN_THREADS)\n'


def test_without_an_application_those_of_the_directory_are_named(tmp_path: Path) -> None:
    (tmp_path / "app.py").touch()
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "wsgi.py").touch()
    status, _, errors = run(cwd=tmp_path)
    assert status == 2
    assert "such as dragoman app or dragoman shop.wsgi" in errors


def test_explain_shows_rule_reason_clause_and_both_examples() -> None:
    status, output, _ = run("explain", "body-not-bytes")
    assert status == 0
    for part in ("body-not-bytes", "Why:", "PEP 3333", "Fix:", "Wrong:", "return ['Hello']", "Right:", "[b'Hello']"):
        assert part in output


def test_explain_alone_lists_all_rules_and_an_unknown_one_names_near_ones() -> None:
    status, output, _ = run("explain")
    assert status == 0
    assert "header-injection" in output
    status, _, errors = run("explain", "body-not-byte")
    assert status == 2
    assert "did you mean body-not-bytes" in errors
