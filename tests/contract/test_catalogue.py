"""Every program of the catalogue: what is broken is found, with its rule, party and place; what is legal is not."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import pytest

from dragoman.contract import RULES
from tests.contract.driver import check, drive, unwrapped
from tests.contract.programs import Program, programs

PROGRAMS = programs()
BY_NAME = {program.name: program for program in PROGRAMS}
BROKEN = [program for program in PROGRAMS if program.is_broken]
HINTED = [program for program in PROGRAMS if program.is_hint]
LEGAL = [program for program in PROGRAMS if not program.is_broken]
# What is told when the application is loaded, or by repeating requests: no program here can break it.
ELSEWHERE = {"app-not-callable", "app-signature", "app-shared-state"}


def of(chosen: list[Program]) -> Any:
    return pytest.mark.parametrize("program", chosen, ids=lambda program: program.name)


@functools.cache
def found_in(name: str) -> list[Any]:
    """What is found in a program: several tests look at it."""
    return check(BY_NAME[name])


def told(findings: list[Any]) -> list[tuple[object, ...]]:
    return [(finding.rule, finding.party, finding.where) for finding in findings]


def passing_on(app: Any) -> Any:
    def middleware(environ: Any, start_response: Any) -> Any:
        return app(environ, start_response)

    return middleware


@of(BROKEN)
def test_a_broken_program_is_found_and_nothing_else_is(program: Program) -> None:
    findings = found_in(program.name)
    rules = {finding.rule for finding in findings}
    assert program.rule in rules, told(findings)
    assert rules <= {program.rule, *program.also}, told(findings)


@of(BROKEN)
def test_the_breach_is_laid_to_who_has_done_it(program: Program) -> None:
    findings = found_in(program.name)
    assert {finding.party for finding in findings} == {program.kind}, told(findings)


@of(BROKEN)
def test_the_message_says_who_it_is_by_unless_that_is_the_application(program: Program) -> None:
    for finding in found_in(program.name):
        by = [line for line in str(finding).splitlines() if line.startswith("  By: ")]
        if finding.party == "application":
            assert by == []
        else:
            assert len(by) == 1
            assert f"the {finding.party}" in by[0]


@of([program for program in BROKEN if program.lines])
def test_the_report_points_to_the_line(program: Program) -> None:
    found = [finding for finding in found_in(program.name) if finding.rule == program.rule]
    assert found
    for finding in found:
        assert finding.where is not None
        file, line, _ = finding.where
        assert Path(file).resolve() == Path(program.file)
        assert line in program.lines, f"line {line}, not one of {sorted(program.lines)}"


@of([program for program in BROKEN if program.kind == "application"])
def test_an_application_is_to_blame_through_a_middleware_that_changes_nothing(program: Program) -> None:
    findings = check(program, around=passing_on)
    of_application = [finding for finding in findings if finding.rule in {program.rule, *program.also}]
    assert program.rule in {finding.rule for finding in of_application}
    assert {finding.party for finding in findings} == {"application"}, told(findings)


@of(LEGAL)
def test_a_legal_program_is_not_reported(program: Program) -> None:
    assert told(found_in(program.name)) == []


@of(HINTED)
def test_a_hint_is_given_to_who_asks_for_it(program: Program) -> None:
    assert program.rule in {finding.rule for finding in check(program, hints=True) if finding.hint}


@of(LEGAL)
def test_a_legal_program_is_served_as_it_is_without_a_checker(program: Program) -> None:
    from dragoman.contract import Checked

    bare, checked = drive(program, unwrapped), drive(program, lambda app: Checked(app, lambda finding: None))
    assert checked.body == bare.body
    assert list(map(repr, checked.exceptions)) == list(map(repr, bare.exceptions))


def test_the_catalogue_is_as_large_as_it_has_to_be() -> None:
    assert len(BROKEN) >= 130
    assert len(LEGAL) >= 45


def test_every_rule_is_broken_by_two_programs() -> None:
    counts = {rule: [program.rule for program in PROGRAMS].count(rule) for rule in RULES if rule not in ELSEWHERE}
    assert {rule: count for rule, count in counts.items() if count < 2} == {}
    assert {program.rule for program in PROGRAMS if program.rule} <= RULES.keys()


def test_every_breach_that_code_commits_has_its_line() -> None:
    without = [program.name for program in BROKEN if not program.lines and program.kind != "server"]
    assert all(name.startswith(("close/", "layers/")) for name in without), without
