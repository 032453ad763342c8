"""The three classic mistakes, and the messages that explain them, word for word."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.contract import Checked
from tests.contract.driver import Outcome
from tests.contract.driver import Server as PepServer
from tests.contract.programs import Request
from tests.support.server import Server

MESSAGES = Path(__file__).parent / "messages"
RULE_OF = {"without_head": "start-response-missing", "text": "body-not-bytes", "two_heads": "start-response-twice"}


@pytest.fixture
def views(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module of the three views, with its project as the working directory."""
    monkeypatch.chdir(MESSAGES)
    monkeypatch.syspath_prepend(str(MESSAGES))
    yield importlib.import_module("shop.views")
    for name in ("shop.views", "shop"):
        sys.modules.pop(name, None)


def message(rule: str) -> str:
    return (MESSAGES / f"{rule}.txt").read_text(encoding="utf-8").rstrip("\n")


def test_there_is_a_message_for_each_of_the_three() -> None:
    assert {path.stem for path in MESSAGES.glob("*.txt")} == set(RULE_OF.values())


@pytest.mark.parametrize("view", RULE_OF)
def test_the_server_logs_the_message(view: str) -> None:
    with Server(f"shop.views:{view}", cwd=MESSAGES) as server:
        assert server.request("GET", "/hello").status == 500
        assert server.stop() == 0
        log = server.log.wait_for_end()
    # What follows the first line of a message is set in by two, after the time and level of the first.
    said = message(RULE_OF[view]).replace("\n", "\n  ")
    assert f"[ERROR] {said}\n[" in log


@pytest.mark.parametrize("view", RULE_OF)
def test_checked_says_the_same(view: str, views: Any) -> None:
    findings: list[Any] = []
    outcome = Outcome()
    PepServer(Request(path="/hello"), outcome).run(Checked(getattr(views, view), findings.append))
    assert [str(finding) for finding in findings] == [message(RULE_OF[view])]
