"""The catalogue under real servers: the same findings, with the same party and place, as under the driver's.

The always rules natively under Dragoman; all of them by `Checked` under Dragoman, gunicorn and waitress.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from dragoman.contract import RULES, Rule
from dragoman.testing import LiveServer
from tests.contract.programs import Program, Request, programs
from tests.contract.served import FINDINGS, wrapped
from tests.support.needs import need
from tests.support.server import Process
from tests.support.wire import Address, Wire, request_bytes

ANSWER_S = 2.0
ADDRESS = "127.0.0.1:0"
COMMANDS = {
    "dragoman": ["dragoman", "tests.contract.served:app", "--bind", ADDRESS, "--workers", "0"],
    "gunicorn": ["gunicorn", "tests.contract.served:app", "--bind", ADDRESS, "-k", "gthread", "--threads", "4"],
    "waitress": ["waitress", "--listen", ADDRESS, "--threads", "8", "tests.contract.served:app"],
}


def is_served(program: Program) -> bool:
    """Whether a real server and a socket can show it. Left out is what takes a server of the driver's: those that are
    wrong themselves, and clients that leave between two blocks, which sockets pass on too late or not at all.
    """
    return program.kind != "server" and all(request.blocks is None for request in program.requests)


SERVED = [program for program in programs() if is_served(program)]
BROKEN = [program for program in SERVED if program.is_broken]
HINTED = [program for program in SERVED if program.is_hint]
LEGAL = [program for program in SERVED if not program.is_broken and not program.is_hint]
REFUSED_AS_IT_IS_LOADED = {"body/async-def"}
NATIVE = [
    program
    for program in BROKEN
    if RULES[program.rule or ""].cost == "always" and program.name not in REFUSED_AS_IT_IS_LOADED
]


TOLD_OF_A_CUT = (
    frozenset({"start-response-late", "exception-after-start"}),
    "it may do so, and its operator has to know of a response that was cut",
)
# What the server itself tells otherwise than `Checked`, and why.
NATIVELY: Mapping[str, tuple[frozenset[str], str]] = {
    "status/hands-on-with-a-keyword": (
        frozenset(),
        "it takes exc_info by its name, as most servers do; that others may not is what Checked tells",
    ),
    "legal_answers/tries-an-error-page-in-mid-stream": TOLD_OF_A_CUT,
    "legal_answers/error-page-around-what-has-begun": TOLD_OF_A_CUT,
}


def of(chosen: list[Program]) -> Any:
    return pytest.mark.parametrize("program", chosen, ids=lambda program: program.name)


@dataclass(frozen=True)
class Told:
    """What was said of one program: rule, party and whether it is a hint (where that is said), file and line."""

    rule: str
    party: str | None
    file: str | None
    line: int | None
    is_hint: bool | None = None


@dataclass(frozen=True)
class Run:
    """What `Checked` has said of each program under that server, by the program's name."""

    server: str
    told: Mapping[str, list[Told]]


def ask(address: Address, request: Request, *fields: tuple[str, str]) -> None:
    """Sends the request, and reads whatever comes of it until the connection ends."""
    # Some servers leave a connection open when the program has broken their response.
    prefix = [("X-Prefix", request.script_name)] if request.script_name else []
    assert not request.environ, "a client cannot send this"
    with Wire(address, ANSWER_S) as wire, contextlib.suppress(TimeoutError):
        target = quote(request.script_name + request.path, encoding="latin-1")
        body = request.body if request.method == "POST" else None
        wire.send(request_bytes(request.method, target, [*fields, *prefix, ("Connection", "close")], body))
        wire.expect_end()


@pytest.fixture(scope="module", params=COMMANDS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One run of all programs under a server."""
    need(request.param)
    file = tmp_path_factory.mktemp("findings") / "findings"
    file.touch()
    server = Process(COMMANDS[request.param], {FINDINGS: str(file)})
    try:
        for program in SERVED:
            for one in program.requests:
                ask(server.address, one, ("X-Program", program.name))
        ask(server.address, Request())
        server.process.terminate()
        server.wait()
    finally:
        server.kill()
    by_name = defaultdict(list)
    for line in file.read_text(encoding="utf-8").splitlines():
        finding = json.loads(line)
        by_name[finding.pop("program")].append(Told(**finding))
    return Run(request.param, by_name)


def judge(server: str, program: Program, found: list[Told]) -> None:
    """Hold what was said under the server against what is known of the program."""
    rules = {one.rule for one in found}
    if server == "native" and (difference := NATIVELY.get(program.name)):
        assert rules == difference[0], found
        return
    if program.rule is None or (program.is_hint and server == "native"):
        assert found == []
        return
    assert {one.is_hint for one in found} <= {program.is_hint, None}
    assert program.rule in rules, found
    assert rules <= {program.rule, *program.also}, found
    assert {one.party for one in found} <= {program.kind, None}, found
    for one in found:
        if one.rule == program.rule and program.lines:
            assert one.file is not None and Path(one.file).resolve() == Path(program.file)
            assert one.line in program.lines, f"line {one.line}, not one of {sorted(program.lines)}"


@of(BROKEN + HINTED)
def test_a_broken_program_is_found_with_its_party_and_place(program: Program, run: Run) -> None:
    judge(run.server, program, run.told.get(program.name, []))


@of(LEGAL)
def test_a_legal_program_is_not_reported(program: Program, run: Run) -> None:
    judge(run.server, program, run.told.get(program.name, []))


MESSAGE = re.compile(r"contract: (?P<rule>[a-z0-9-]+)\n  [^\n]*?(?:  \((?P<file>[^()\n]+):(?P<line>\d+)\))?\n")


def told_natively(program: Program) -> list[Told]:
    """What Dragoman itself says, without `Checked`."""
    with LiveServer(wrapped(program, lambda app: app)) as server:
        for request in program.requests:
            ask((server.host, server.port), request)
    messages = [MESSAGE.match(report) for report in server.reports]
    return [
        Told(one["rule"], None, one["file"] and str(Path(one["file"]).resolve()), one["line"] and int(one["line"]))
        for one in messages
        if one is not None
    ]


@of(NATIVE)
def test_an_always_rule_is_told_by_the_server_itself(program: Program) -> None:
    judge("native", program, told_natively(program))


@of(LEGAL + HINTED)
def test_the_server_itself_reports_no_legal_program(program: Program) -> None:
    judge("native", program, told_natively(program))


@pytest.mark.parametrize(
    "rule", [rule for rule in RULES.values() if rule.cost in ("always", "deep")], ids=lambda rule: rule.id
)
def test_every_rule_is_broken_under_each_server_at_a_line_that_is_known(rule: Rule) -> None:
    shown = [program for program in BROKEN + HINTED if program.rule == rule.id and program.lines]
    assert shown
    assert all(program.is_hint == rule.is_hint for program in shown)
    if rule.cost == "always":
        natively = [program for program in shown if program in NATIVE and program.name not in NATIVELY]
        assert natively


def test_hardly_any_program_takes_a_server_that_is_not_real() -> None:
    left_out = [program.name for program in programs() if program.kind != "server" and not is_served(program)]
    assert len(left_out) <= 5, left_out
