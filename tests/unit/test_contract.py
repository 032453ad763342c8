"""Contract rules: the table is whole, messages say what, where, why and the fix, each place is reported once."""

import ast
import re
import threading
from collections.abc import Mapping
from textwrap import dedent, indent
from typing import Any

import pytest

from dragoman.contract import RULES, Reporter, Rule, explain, render
from dragoman.contract.rule import Effect
from dragoman.errors import UsageError


def hello(environ: object, start_response: object) -> None:
    """An application to be named."""


FACTS: Mapping[str, Any] = {
    "method": "GET",
    "path": "/hello",
    "application": hello,
    "value": "'Hello'",
    "got_type": "str",
    "index": 0,
    "where": ("shop/views.py", 12, "hello"),
    "started": False,
}


def test_a_report_says_what_where_why_and_how_to_mend_it() -> None:
    assert render("body-not-bytes", FACTS).splitlines() == [
        "contract: body-not-bytes",
        f"  GET /hello → {__name__}:hello  (shop/views.py:12)",
        "  The response iterable gave a str where WSGI needs bytes: 'Hello' (item 0).",
        '  Why: HTTP carries bytes; only the application knows the encoding.  PEP 3333, "Unicode Issues"',
        "  Fix: give b'Hello', or 'Hello'.encode('utf-8')",
        "  More: dragoman explain body-not-bytes",
    ]


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_every_rule_is_rendered_with_all_its_facts_and_with_none(rule: Rule) -> None:
    everything = {**FACTS, "name": "X-A", "declared": 5, "sent": 7, "exception": ValueError("broken")}
    for facts in (everything, {}, {key: None for key in everything}):
        message = render(rule.id, facts)
        assert message.startswith(f"contract: {rule.id}\n")
        assert rule.why in message and rule.clause in message and f"dragoman explain {rule.id}" in message
        assert not re.search(r"\{\w+", message), message


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_every_rule_is_complete_and_ends_in_sentences_that_need_no_facts(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", rule.id)
    assert "{" not in rule.said[-1] and "{" not in rule.fix[-1]
    assert rule.said[-1].endswith(".") and rule.why.endswith(".")
    assert "PEP 3333" in rule.clause or "RFC 9" in rule.clause
    assert rule.wrong != rule.right
    assert (rule.effect is Effect.REFUSE) == (rule.cost == "load")


@pytest.mark.parametrize("rule", [rule for rule in RULES.values() if rule.cost != "load"], ids=lambda rule: rule.id)
def test_every_example_is_python(rule: Rule) -> None:
    for code in (rule.wrong, rule.right):
        body = f"try:\n    pass\n{code}" if code.startswith("except") else code
        ast.parse(f"def f():\n{indent(dedent(body), '    ')}")


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_every_rule_is_explained_with_both_examples(rule: Rule) -> None:
    page = explain(rule.id)
    assert page.startswith(rule.id)
    for line in (rule.wrong + "\n" + rule.right).splitlines():
        assert line in page


def test_an_unknown_rule_is_answered_with_near_ones() -> None:
    with pytest.raises(UsageError, match="did you mean header-injection"):
        explain("header-injections")


def test_a_rule_of_a_newer_engine_is_still_reported() -> None:
    assert render("from-the-future", FACTS).startswith("contract: from-the-future\n  GET /hello →")


def test_values_of_peers_and_applications_cannot_forge_lines() -> None:
    message = render("status-malformed", {**FACTS, "path": "/a\nb\x1b[2J", "value": "'x\ny'"})
    assert len(message.splitlines()) == 6
    assert "\x1b" not in message


def test_long_values_are_shortened() -> None:
    assert len(render("status-malformed", {**FACTS, "value": "x" * 10_000})) < 1000


def test_braces_in_values_are_only_text() -> None:
    assert "{0.__class__}" in render("status-malformed", {**FACTS, "value": "'{0.__class__}'"})


def test_an_exception_that_cannot_be_shown_does_not_break_its_report() -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert "raised Broken" in render("close-raised", {"exception": Broken()})


@pytest.mark.parametrize(
    ("application", "name"),
    [(hello, f"{__name__}:hello"), (Reporter(print), "dragoman.contract.report:Reporter"), (None, "the application")],
)
def test_an_application_is_named_by_module_and_qualified_name(application: object, name: str) -> None:
    assert render("close-raised", {"application": application}).splitlines()[1].strip() == name


def test_a_middleware_at_fault_is_named_beside_the_application() -> None:
    line = render("headers-item", {**FACTS, "where": ("mw.py", 3, "Gzip.__call__")}).splitlines()[1]
    assert line.endswith(f"{__name__}:hello, in Gzip.__call__  (mw.py:3)")


def test_each_rule_is_reported_once_for_each_place() -> None:
    messages: list[str] = []
    report = Reporter(messages.append)
    for _ in range(3):
        report("body-not-bytes", FACTS)
        report("body-is-str", FACTS)
        report("body-not-bytes", {**FACTS, "where": ("shop/views.py", 13, "hello")})
        report("body-not-bytes", {**FACTS, "where": None})
    assert len(messages) == 4


def test_places_that_are_made_up_at_run_time_do_not_fill_the_memory() -> None:
    messages: list[str] = []
    report = Reporter(messages.append)
    for line in range(5000):
        report("body-not-bytes", {**FACTS, "where": ("<string>", line, "f")})
    assert len(messages) == len(report.seen) == 1000


def test_threads_that_break_one_rule_together_are_reported_once() -> None:
    messages: list[str] = []
    report = Reporter(messages.append)
    threads = [threading.Thread(target=report, args=("body-not-bytes", FACTS)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(messages) == 1
