"""Writes docs/contract-checkers.md: what three checkers say of each program of the catalogue."""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib.metadata
import io
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.contract.driver import check, drive, lint, validate
from tests.contract.programs import Program, programs

PAGE = Path(__file__).resolve().parents[2] / "docs" / "contract-checkers.md"
SILENT = "·"

INTRODUCTION = """\
`tests/contract/programs` holds {broken} programs that break the WSGI contract and {legal} that keep it in an odd way:
what applications, middleware and servers really emit. Each runs in one process under a server that goes by the letter
of PEP 3333, through each of the three checkers; a middleware has a checker on both of its sides.

The three have different aims. `dragoman.contract.Checked` names a rule for each finding, and whose breach it is.
`wsgiref.validate` raises `AssertionError`, and in places asks for more than PEP 3333 does, so that an application works
with the most old-fashioned server. werkzeug's `LintMiddleware` gives warnings, among them advice about HTTP that is no
part of WSGI, such as absolute URLs in `Location`. When they report a program that is odd but legal, that is often meant
so.
"""
REPORTED = f"""\
Reported means that the checker has said anything at all of the program: by a finding, an assertion that failed, a
warning, or another exception that it raised itself. Only Dragoman's findings have rules to compare. `{SILENT}`: it says
nothing; most of these breaches are outside of what the checker looks at.\
"""


@dataclass(frozen=True)
class Row:
    """What was said of one program."""

    program: Program
    rules: frozenset[str]
    validate: bool
    lint: bool


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.contract", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit status 1 if the page is not up to date"
    )
    options = parser.parse_args()
    text = page([judged(program) for program in programs()])
    if not options.check:
        PAGE.write_text(text, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != text:
        sys.exit(f"{PAGE.name} is older than its programs: python -m tests.contract")


def judged(program: Program) -> Row:
    # Coroutines that nobody awaits, and the like, say so on stderr: not what this page is about.
    with contextlib.redirect_stderr(io.StringIO()):
        drive(program)
        rules = frozenset(finding.rule for finding in check(program))
        row = Row(program, rules, bool(validate(program).reports), bool(lint(program).reports))
        gc.collect()
    return row


def page(rows: list[Row]) -> str:
    broken = [row for row in rows if row.program.is_broken]
    legal = [row for row in rows if not row.program.is_broken]
    return "\n".join(
        [
            "# Three checkers, one catalogue",
            "",
            "<!-- Written by python -m tests.contract; changes belong there. -->",
            "",
            INTRODUCTION.format(broken=len(broken), legal=len(legal)),
            f"Python {platform.python_version()}, werkzeug {importlib.metadata.version('werkzeug')}.",
            "",
            "| | Dragoman | wsgiref.validate | werkzeug lint |",
            "| --- | --- | --- | --- |",
            f"| broken programs reported, of {len(broken)} | {count(broken, 'rules')} | {count(broken, 'validate')} "
            f"| {count(broken, 'lint')} |",
            f"| … with the rule that is broken | {sum(row.program.rule in row.rules for row in broken)} "
            "| names no rules | names no rules |",
            f"| legal programs reported, of {len(legal)} | {count(legal, 'rules')} | {count(legal, 'validate')} "
            f"| {count(legal, 'lint')} |",
            "",
            REPORTED,
            "",
            "## Broken programs",
            "",
            *table(broken),
            "",
            "## Legal programs",
            "",
            *table(legal),
            "",
        ]
    )


def count(rows: list[Row], checker: str) -> int:
    return sum(bool(getattr(row, checker)) for row in rows)


def table(rows: list[Row]) -> list[str]:
    lines = ["| program | what it is | rule | Dragoman | validate | lint |", "| --- | --- | --- | --- | --- | --- |"]
    for row in rows:
        about = row.program.about.splitlines()[0].replace("|", "\\|").replace("<", "&lt;")
        rule = f"`{row.program.rule}`" if row.program.rule else ""
        if row.program.is_hint:
            rule += " (hint)"
        said = ("reports" if one else SILENT for one in (row.rules, row.validate, row.lint))
        lines.append(f"| {row.program.name} | {about} | {rule} | {' | '.join(said)} |")
    return lines


if __name__ == "__main__":
    main()
