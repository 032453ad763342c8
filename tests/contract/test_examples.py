"""Every wrong example of the rules' table breaks its rule, every right one breaks none."""

from __future__ import annotations

import contextlib
import gc
import io
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.contract import RULES, Checked, Finding, Rule
from dragoman.errors import ApplicationError
from dragoman.loader import load
from tests.contract.driver import Outcome, Refused, Server
from tests.contract.programs import Request

# What a page and a terminal show without breaking a line, and what a reader takes in at a glance.
LINES_AT_MOST = 16
COLUMNS_AT_MOST = 100

AT_LOAD = [rule for rule in RULES.values() if rule.cost == "load"]
PROGRAMS = [rule for rule in RULES.values() if rule.cost != "load"]
# Those that one checker finds as they are served: `dragoman check`, which repeats requests, has tests of its own.
SERVED = [rule for rule in PROGRAMS if rule.cost != "check"]

# One breach breaks these, too: what raises after the head was sent has left the application late.
ALSO = {
    "start-response-late": {"exception-after-start"},
    "start-response-raised-ignored": {"status-malformed", "start-response-missing"},
    "exc-info-swallowed": {"start-response-late"},
    "body-iterated-twice": {"chunk-pulled-ahead"},
    "yielded-through-write": {"chunk-pulled-ahead"},
}


def of(rules: list[Rule]) -> Any:
    return pytest.mark.parametrize("rule", rules, ids=lambda rule: rule.id)


class Refusing(Server):
    """A server that refuses a malformed status, as most do: an application may ignore that, too."""

    def start_response(self, status: Any, headers: Any, exc_info: Any = None) -> Any:
        if status == "200":
            raise Refused("a status has a reason")
        return super().start_response(status, headers, exc_info)


class Blocks:
    """A body of two blocks, which has to be closed."""

    def __init__(self) -> None:
        self.is_open = True

    def __iter__(self) -> Iterator[bytes]:
        return iter([b"Hello, ", b"world"] if self.is_open else [])

    def close(self) -> None:
        self.is_open = False


def plain(environ: dict[str, Any], start_response: Any) -> Any:
    """What a middleware of the table stands around."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return Blocks()


def file_response(environ: dict[str, Any], start_response: Any) -> Any:
    """The same for a rule about files."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return environ["wsgi.file_wrapper"](io.BytesIO(b"Hello, world"), 8192)


def request_for(rule: Rule) -> Request:
    """One request that each example is answered with: it has a path, a query and a body to be used."""
    method = "HEAD" if rule.id == "body-on-head" else "POST"
    query = {"QUERY_STRING": "/cart%0D%0ASet-Cookie:%20admin=1"}
    return Request(method=method, path="/shop/cart", body=b"Hello", environ=query)


def findings_of(rule: Rule, code: str) -> list[Finding]:
    """What `Checked`, on both sides of a middleware, says of the example when it serves two requests."""
    found: list[Finding] = []

    def checked(app: Any) -> Checked:
        return Checked(app, found.append, hints=rule.is_hint)

    names = namespace(rule, code)
    if "middleware" in names:
        stack = checked(names["middleware"](checked(file_response if rule.id == "file-wrapper-lost" else plain)))
    else:
        stack = checked(names["app"])
    for _ in range(2):
        Refusing(request_for(rule), Outcome()).run(stack)
        if after := names.get("after"):
            with contextlib.suppress(Exception):
                after()
    # What was never closed says so as it is collected.
    del stack, names
    gc.collect()
    return found


def namespace(rule: Rule, code: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "shop"}
    exec(compile(code, f"<{rule.id}>", "exec"), names)
    return names


@pytest.fixture(autouse=True)
def _unawaited() -> Iterator[None]:
    """A coroutine that nobody awaits is what one of the examples shows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


@of(SERVED)
def test_a_wrong_example_breaks_its_rule(rule: Rule) -> None:
    found = findings_of(rule, rule.wrong)
    rules = {finding.rule for finding in found}
    assert rule.id in rules
    assert rules <= {rule.id, *ALSO.get(rule.id, ())}, [str(finding) for finding in found]


@of(SERVED)
def test_a_wrong_example_is_blamed_on_a_party_that_the_rule_names(rule: Rule) -> None:
    parties = {finding.party for finding in findings_of(rule, rule.wrong)}
    assert all(party in rule.party for party in parties), parties


@of(PROGRAMS)
def test_a_right_example_breaks_no_rule(rule: Rule) -> None:
    assert [str(finding) for finding in findings_of(rule, rule.right)] == []


@of(PROGRAMS)
def test_an_example_is_a_whole_program_of_a_few_lines(rule: Rule) -> None:
    for code in (rule.wrong, rule.right):
        names = namespace(rule, code)
        assert ("app" in names) != ("middleware" in names)
        lines = code.splitlines()
        assert len(lines) <= LINES_AT_MOST
        assert max(map(len, lines)) <= COLUMNS_AT_MOST


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The module that the command lines of the table name."""
    (tmp_path / "shop.py").write_text(
        "settings = {'debug': True}\n\ndef app(environ, start_response):\n    return []\n\n"
        "def create_app():\n    return app\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("shop", None)


@pytest.mark.usefixtures("shop")
@of(AT_LOAD)
def test_a_wrong_command_line_is_refused_with_its_rule_and_a_right_one_is_not(rule: Rule) -> None:
    with pytest.raises(ApplicationError) as refused:
        load(target_of(rule.wrong))
    assert str(refused.value).startswith(f"contract: {rule.id}: ")
    load(target_of(rule.right))


def target_of(command_line: str) -> str:
    command, _, target = command_line.partition(" ")
    assert command == "dragoman"
    return target.strip("'")
