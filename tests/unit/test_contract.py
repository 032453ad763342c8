"""Contract rules: the table is whole, messages say what, where, why and the fix, each place is reported once."""

import gc
import re
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from dragoman.contract import RULES, Reporter, Rule, explain, render
from dragoman.contract.finding import finding
from dragoman.contract.masking import MASK
from dragoman.contract.report import application_name
from dragoman.contract.rule import Effect
from dragoman.errors import UsageError


def hello(environ: object, start_response: object) -> None:
    """An application to be named."""


def into(messages: list[str]) -> Callable[[str, Mapping[str, object]], object]:
    """Takes what a reporter writes, without its fields."""
    return lambda message, fields: messages.append(message)


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
    assert re.search(r"PEP 3333|RFC (9\d\d\d|3875)", rule.clause)
    assert rule.wrong != rule.right
    assert (rule.effect is Effect.REFUSE) == (rule.cost == "load")


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_every_rule_is_explained_with_both_examples(rule: Rule) -> None:
    page = explain(rule.id)
    assert page.startswith(rule.id)
    for line in (rule.wrong + "\n" + rule.right).splitlines():
        assert line in page


DONE = re.compile(r"\b(was|were) (cut|closed|dropped|left out|replaced)\b")
# What the application has closed.
OF_STREAMS = {"input-closed", "errors-closed"}


@pytest.mark.parametrize(
    "rule", [rule for rule in RULES.values() if rule.id not in OF_STREAMS], ids=lambda rule: rule.id
)
def test_what_is_said_of_a_breach_claims_nothing_of_a_server(rule: Rule) -> None:
    for text in (*rule.said, rule.why):
        assert not DONE.search(text)


@pytest.mark.parametrize("rule", [rule for rule in RULES.values() if rule.done], ids=lambda rule: rule.id)
def test_what_dragoman_has_done_is_said_by_it_alone(rule: Rule) -> None:
    assert rule.effect in (Effect.CUT, Effect.DROP_FIELD, Effect.DROP_BODY)
    served: list[str] = []
    elsewhere: list[str] = []
    for reporter in (Reporter(into(served)), Reporter(into(elsewhere), is_server=False)):
        for _ in range(2):
            reporter(rule.id, FACTS)
        reporter.close()
    assert f" {rule.done}\n" in served[0]
    assert rule.done not in "".join(elsewhere)
    assert rule.done not in render(rule.id, FACTS)


def test_an_unknown_rule_is_answered_with_near_ones() -> None:
    with pytest.raises(UsageError, match="did you mean header-injection"):
        explain("header-injections")


@pytest.mark.parametrize(
    "asked",
    [
        "BODY-IS-STR",
        "body_is_str",
        "Body Is Str",
        "contract: body-is-str",
        "body-is-str:",
        " body-is-str.",
        "`body-is-str`",
    ],
)
def test_a_rule_is_found_as_people_write_it(asked: str) -> None:
    assert explain(asked) == explain("body-is-str")


@pytest.mark.parametrize(
    ("asked", "found", "left_out"),
    [
        ("not-bytes", ["body-not-bytes", "write-not-bytes"], "body-is-bytes"),
        ("Unicode Issues", ["body-is-str", "environ-value-type"], "close-twice"),
        ("RFC 9110 section 15.3.5", ["body-on-no-content"], "header-injection"),
        ("clause 8.6", ["header-duplicate-length"], "content-type-missing"),
        ("§ 5.5", ["header-injection"], "header-name-malformed"),
    ],
)
def test_rules_are_found_by_a_part_of_their_name_and_by_their_clause(
    asked: str, found: list[str], left_out: str
) -> None:
    shown = explain(asked)
    assert all(re.search(rf"^ *{name}\b", shown, re.MULTILINE) for name in found), shown
    assert left_out not in shown


@pytest.mark.parametrize("asked", ["body-is-sttr", "BODY_IS_STTR", "bodyisstr"])
def test_a_slip_is_answered_with_the_rule_that_was_meant(asked: str) -> None:
    with pytest.raises(UsageError, match=r"did you mean .*body-is-str"):
        explain(asked)


@pytest.mark.parametrize("asked", ["xyzzy", "3.2", "", "---", "\x1b[2J"])
def test_what_is_like_no_rule_is_answered_with_the_list(asked: str) -> None:
    with pytest.raises(UsageError, match="dragoman explain lists all rules"):
        explain(asked)


def test_a_rule_of_a_newer_engine_is_still_reported() -> None:
    assert render("from-the-future", FACTS).startswith("contract: from-the-future\n  GET /hello →")


def test_values_of_peers_and_applications_cannot_forge_lines() -> None:
    message = render("status-malformed", {**FACTS, "path": "/a\nb\x1b[2J", "value": "'x\ny'"})
    assert len(message.splitlines()) == 6
    assert "\x1b" not in message


HUSH = "hush"


@pytest.mark.parametrize(
    ("rule", "facts"),
    [
        ("header-injection", {"name": "Set-Cookie", "value": r"'session=hush\r\nx: y'"}),
        ("header-injection", {"name": "Location", "value": r"'/next?token=hush&a=b\r\nx'"}),
        ("header-not-latin1", {"name": "Authorization", "value": "'Bearer hush'"}),
        ("header-value-type", {"name": "Set-Cookie", "value": "['a=hush', 'b=hush']"}),
        ("header-hop-by-hop", {"name": "Proxy-Authorization", "value": "'Basic hush'"}),
        ("headers-item", {"value": "['Set-Cookie', 'a=hush']"}),
        ("headers-item", {"value": "'Set-Cookie: a=hush'"}),
        ("headers-not-list", {"value": "{'Content-Type': 'text/plain', 'X-Api-Key': 'hush'}"}),
        ("headers-mutated", {"value": "('Set-Cookie', 'a=hush')"}),
        ("start-response-arguments", {"value": "'200 OK', [('Set-Cookie', 'a=hush')], None, 1"}),
        ("status-malformed", {"value": r"'500 bad\r\nSet-Cookie: a=hush'"}),
        ("environ-value-type", {"name": "HTTP_COOKIE", "value": "b'a=hush'"}),
        ("start-response-raised-ignored", {"exception": ValueError("refused: Set-Cookie: a=hush")}),
        ("body-not-bytes", {"path": "/login?password=hush&next=/"}),
    ],
)
def test_credentials_are_masked_wherever_a_breach_is_told_of(rule: str, facts: Mapping[str, Any]) -> None:
    told: list[str] = []
    report = Reporter(lambda message, fields: told.append(f"{message} {fields}"))
    everything = {**FACTS, **facts, "where": ("shop/views.py", 12, "hello")}
    for _ in range(3):
        report(rule, everything)
    report.close()
    one = finding(rule, "application", "shop:app", everything)
    for text in (*told, render(rule, everything), str(one), repr(one), str(one.facts)):
        assert HUSH not in text, text
    assert MASK in told[0]


@pytest.mark.parametrize(
    ("rule", "name", "value"),
    [
        ("header-injection", "X-Title", r"'one\r\ntwo'"),
        ("header-injection", "Location", r"'/next?page=2&a=b\r\nx'"),
        ("header-name-malformed", "Set-Cookie:", "'Set-Cookie:'"),
        ("header-value-type", "Content-Length", "5"),
        ("headers-item", None, "('X-A', '1', 'token')"),
        ("body-not-bytes", None, "'token: hush'"),
    ],
)
def test_what_is_no_credential_is_shown(rule: str, name: str | None, value: str) -> None:
    assert finding(rule, "application", "shop:app", {**FACTS, "name": name, "value": value}).value == value


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
    [
        (hello, f"{__name__}:hello"),
        (Reporter(into([])), "dragoman.contract.report:Reporter"),
        (None, "the application"),
    ],
)
def test_an_application_is_named_by_module_and_qualified_name(application: object, name: str) -> None:
    assert render("close-raised", {"application": application}).splitlines()[1].strip() == name


def test_a_middleware_at_fault_is_named_beside_the_application() -> None:
    line = render("headers-item", {**FACTS, "where": ("mw.py", 3, "Gzip.__call__")}).splitlines()[1]
    assert line.endswith(f"{__name__}:hello, in Gzip.__call__  (mw.py:3)")


@pytest.mark.parametrize(
    ("cleared", "reason"),
    [
        ("inside", "the application inside of it kept the rule"),
        ("uncalled", "the application inside of it was not called"),
        ("outside", "whoever called it kept the rule"),
    ],
)
def test_a_message_about_a_middleware_names_it_and_says_how_it_is_known(cleared: str, reason: str) -> None:
    facts = {**FACTS, "party": "middleware", "by": "shop.mw:Gzip", "cleared": cleared}
    lines = render("body-not-bytes", facts).splitlines()
    assert len(lines) == 7
    assert lines[3] == f"  By: the middleware shop.mw:Gzip; {reason}"


def test_a_message_about_a_server_says_that_it_may_be_what_stands_in_between() -> None:
    lines = render("close-twice", {**FACTS, "party": "server"}).splitlines()
    assert lines[3] == "  By: the server, or what stands between it and this checker"


def test_a_message_about_an_application_has_no_such_line() -> None:
    assert len(render("body-not-bytes", {**FACTS, "party": "application", "by": "shop:app"}).splitlines()) == 6


def explained(messages: list[str]) -> list[str]:
    """The messages that are more than a line about a repetition."""
    return [message for message in messages if "\n" in message]


def test_each_rule_is_explained_once_for_each_place() -> None:
    messages: list[str] = []
    report = Reporter(into(messages))
    for _ in range(3):
        report("body-not-bytes", FACTS)
        report("body-is-str", FACTS)
        report("body-not-bytes", {**FACTS, "where": ("shop/views.py", 13, "hello")})
        report("body-not-bytes", {**FACTS, "where": None})
    assert len(explained(messages)) == 4


def test_a_failed_response_leaves_a_line_each_time() -> None:
    messages: list[str] = []
    report = Reporter(into(messages), "shop:app")
    report("body-not-bytes", FACTS)
    report("body-not-bytes", {**FACTS, "path": "/other", "index": 1})
    assert messages[1] == (
        "contract: body-not-bytes again: GET /other → shop:app:"
        " The response iterable gave a str where WSGI needs bytes: 'Hello' (item 1)."
    )


class Minutes:
    """A clock, and what is to be called at its times."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def later(self, seconds: float, function: Callable[[], None]) -> Callable[[], object]:
        timer = (self.now_s + seconds, function)
        self.timers.append(timer)
        return lambda: self.timers.remove(timer) if timer in self.timers else None

    def go(self, seconds: float) -> None:
        """So much time passes."""
        until_s = self.now_s + seconds
        while due := [timer for timer in self.timers if timer[0] <= until_s]:
            first = min(due, key=lambda timer: timer[0])
            self.timers.remove(first)
            self.now_s = first[0]
            first[1]()
        self.now_s = until_s

    def reporter(self, messages: list[str]) -> Reporter:
        return Reporter(into(messages), "shop:app", clock=lambda: self.now_s, later=self.later)


@pytest.mark.parametrize("rule", ["close-raised", "header-hop-by-hop", "body-on-no-content"])
def test_a_response_that_stands_is_counted_and_told_of_in_one_line_a_minute_later(rule: str) -> None:
    messages: list[str] = []
    minutes = Minutes()
    report = minutes.reporter(messages)
    report(rule, FACTS)
    minutes.go(3600)
    for number in range(41):
        report(rule, {**FACTS, "path": f"/{number}"})
        minutes.go(1)
    assert len(messages) == 1
    minutes.go(60)
    assert messages[1:] == [
        f"contract: {rule} … 41 more like it in the last minute, such as GET /0 → shop:app, in hello"
        "  (shop/views.py:12)"
    ]
    minutes.go(3600)
    assert len(messages) == 2 and not minutes.timers


def test_whoever_asks_by_hand_sees_each_error_and_a_flood_of_them_is_counted() -> None:
    messages: list[str] = []
    minutes = Minutes()
    report = minutes.reporter(messages)
    for _ in range(1 + 10 + 37):
        report("body-not-bytes", FACTS)
    assert len(messages) == 1 + 10 and all("body-not-bytes again: GET" in message for message in messages[1:])
    minutes.go(60)
    assert messages[11:] == [
        "contract: body-not-bytes … 37 more like it in the last minute (the response is a 500), such as GET /hello →"
        " shop:app, in hello  (shop/views.py:12)"
    ]
    report("body-not-bytes", FACTS)
    assert messages[12].startswith("contract: body-not-bytes again: GET /hello")


def test_errors_at_many_places_at_once_are_told_at_a_bounded_rate_and_none_is_lost() -> None:
    messages: list[str] = []
    minutes = Minutes()
    report = minutes.reporter(messages)
    for _ in range(2):
        for line in range(100):
            report("body-not-bytes", {**FACTS, "where": ("shop/views.py", line, "hello")})
    assert len(messages) == 100 + 10
    minutes.go(60)
    assert len(messages) == 100 + 10 + 90 and all("… 1 more like it" in message for message in messages[110:])


def test_the_end_tells_what_was_counted_until_then() -> None:
    messages: list[str] = []
    minutes = Minutes()
    report = minutes.reporter(messages)
    for _ in range(3):
        report("close-raised", FACTS)
        minutes.go(4)
    report.close()
    assert "… 2 more like it in the last 8 s" in messages[1]
    assert not minutes.timers


def test_without_a_thread_for_the_timer_the_next_breach_tells_what_was_counted() -> None:
    messages: list[str] = []
    minutes = Minutes()
    report = Reporter(into(messages), clock=lambda: minutes.now_s, later=lambda seconds, function: lambda: None)
    for _ in range(5):
        report("close-raised", FACTS)
    minutes.go(600)
    report("body-not-bytes", FACTS)
    report("body-not-bytes", FACTS)
    assert "… 4 more like it in the last 10 minutes" in "".join(messages)


def test_counts_that_are_forgotten_are_not_kept_alive_by_their_timer() -> None:
    minutes = Minutes()
    report = minutes.reporter([])
    for _ in range(2):
        report("close-raised", FACTS)
    counts = weakref.ref(report.counts)
    del report
    gc.collect()
    assert counts() is None and minutes.timers
    minutes.go(60)


def test_breaches_at_more_places_than_are_told_apart_are_counted_by_rule() -> None:
    messages: list[str] = []
    minutes = Minutes()
    report = minutes.reporter(messages)
    for line in range(1000 + 50):
        report("close-raised", {**FACTS, "where": ("<string>", line, "f")})
    minutes.go(60)
    assert len(messages) == 1001 and "… 50 more like it in the last minute" in messages[-1]
    assert len(report.counts.windows) == 0


def test_a_message_has_fields_for_programs() -> None:
    found: list[Mapping[str, object]] = []
    minutes = Minutes()
    report = Reporter(lambda _, fields: found.append(fields), "shop:app", clock=lambda: minutes.now_s)
    for _ in range(3):
        report("close-raised", FACTS)
    report.close()
    expected = {
        "rule": "close-raised",
        "party": "application or middleware",
        "layer": "shop:app",
        "file": "shop/views.py",
        "line": 12,
        "function": "hello",
        "request": "GET /hello",
        "value": "'Hello'",
    }
    assert found == [expected, {**expected, "count": 2}]
    report("close-raised", {"party": "middleware"})
    assert found[2] == {"rule": "close-raised", "party": "middleware", "layer": "shop:app"}


class Framework:
    """An application object whose views are all entered by one method."""

    def __call__(self, environ: object, start_response: object) -> None: ...


def entered(application: object, path: str) -> Mapping[str, Any]:
    """Facts of a breach of which only the application's own definition is known."""
    code = type(application).__call__.__code__  # type: ignore[attr-defined]
    where = (code.co_filename, code.co_firstlineno, code.co_qualname if hasattr(code, "co_qualname") else code.co_name)
    return {**FACTS, "application": application, "path": path, "where": where}


def test_the_views_behind_one_application_object_are_told_apart_by_their_paths() -> None:
    messages: list[str] = []
    report = Reporter(into(messages))
    for path in ("/a", "/b", "/a?x", "/b"):
        report("body-not-bytes", entered(Framework(), path))
    assert [message.splitlines()[1].split(" → ")[0] for message in explained(messages)] == ["  GET /a", "  GET /b"]


def test_paths_that_clients_make_up_do_not_fill_the_memory_nor_silence_other_places() -> None:
    messages: list[str] = []
    report = Reporter(into(messages))
    for number in range(3000):
        report("body-not-bytes", entered(Framework(), f"/{number}{'x' * 1000}"))
    assert len(explained(messages)) == 100
    assert max(len(path) for paths in report.seen.values() for path in paths) <= 200
    report("body-not-bytes", FACTS)
    assert len(explained(messages)) == 101


def test_a_report_names_what_was_loaded_and_not_the_code_of_its_framework() -> None:
    import flask

    application = flask.Flask("shop")
    line = render("body-not-bytes", entered(application, "/"), "shop:app").splitlines()[1]
    assert line == "  GET / → shop:app  (instance of flask.app:Flask)"
    line = render("body-not-bytes", entered(application, "/")).splitlines()[1]
    assert line == "  GET / → flask.app:Flask"


def test_an_own_class_of_applications_is_named_with_its_place() -> None:
    line = render("body-not-bytes", entered(Framework(), "/"), "shop:app").splitlines()[1]
    assert re.fullmatch(r"  GET / → shop:app, in (Framework\.)?__call__  \(.*test_contract\.py:\d+\)", line)


def test_a_place_inside_of_a_framework_that_is_not_its_entry_is_shown() -> None:
    facts = {**entered(Framework(), "/"), "where": ("/lib/site-packages/flask/app.py", 9, "Flask.wsgi_app")}
    line = render("body-not-bytes", facts, "shop:app").splitlines()[1]
    assert line.endswith("shop:app, in Flask.wsgi_app  (/lib/site-packages/flask/app.py:9)")


@pytest.mark.parametrize(
    ("rule", "value", "fix"),
    [
        ("body-is-str", "'Hello'", "return [b'Hello'], or return ['Hello'.encode('utf-8')]"),
        ("body-is-str", "'Grüße'", "return ['Grüße'.encode('utf-8')]"),
        ("body-is-str", "'\\xa0'", "return ['\\xa0'.encode('utf-8')]"),
        ("body-not-bytes", "'\\u2028'", "give '\\u2028'.encode('utf-8')"),
        ("body-not-bytes", "'a\\n'", "give b'a\\n', or 'a\\n'.encode('utf-8')"),
    ],
)
def test_the_fix_holds_the_value_as_the_bytes_that_it_means(rule: str, value: str, fix: str) -> None:
    assert f"  Fix: {fix}\n" in render(rule, {**FACTS, "value": value})


def test_a_factory_that_is_served_itself_is_answered_with_its_call() -> None:
    def create_app(name: str = "x", n: int = 0) -> object:
        return hello

    facts = {**FACTS, "application": create_app, "got_type": "function", "value": "<function hello>"}
    message = render("body-not-iterable", facts, "misc:create_app")
    assert (
        "Fix: if misc:create_app makes the application, serve what it returns: dragoman 'misc:create_app()'" in message
    )
    for other in ({**facts, "got_type": "NoneType"}, {**facts, "application": hello}):
        assert "Fix: return a list of bytes" in render("body-not-iterable", other, "misc:create_app")


def test_a_text_or_a_number_is_named_as_it_is_written() -> None:
    assert (application_name("shop:app"), application_name(5)) == ("'shop:app'", "5")
    assert application_name(len) == "builtins:len"


def test_none_is_named_once() -> None:
    facts = {**FACTS, "value": "None", "got_type": "NoneType"}
    assert "  The application returned None, which cannot be iterated over.\n" in render("body-not-iterable", facts)
    assert "  The response iterable gave None where WSGI needs bytes (item 0).\n" in render("body-not-bytes", facts)


def test_an_empty_header_name_is_seen() -> None:
    assert "The header name '' is malformed." in render("header-name-malformed", {**FACTS, "name": ""})


def test_places_that_are_made_up_at_run_time_do_not_fill_the_memory() -> None:
    messages: list[str] = []
    report = Reporter(into(messages))
    for line in range(5000):
        report("body-not-bytes", {**FACTS, "where": ("<string>", line, "f")})
    assert len(explained(messages)) == len(report.seen) == 1000
    assert len(report.counts.windows) == 1


def test_threads_that_break_one_rule_together_are_explained_once() -> None:
    messages: list[str] = []
    report = Reporter(into(messages))
    threads = [threading.Thread(target=report, args=("body-not-bytes", FACTS)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(explained(messages)) == 1


def test_the_first_breaches_may_come_in_several_threads_at_once_and_each_place_is_told_once() -> None:
    # In a process of its own: what reports is loaded by the first of them.
    program = (
        "import sys, threading\n"
        "from dragoman.contract.late import LateReporter\n"
        "assert 'dragoman.contract.report' not in sys.modules\n"
        "told, barrier = [], threading.Barrier(8)\n"
        "report = LateReporter(lambda message, fields: told.append(message), 'shop:app')\n"
        "def breach(path):\n"
        "    barrier.wait()\n"
        "    report('close-raised', {'path': path, 'application': print})\n"
        "threads = [threading.Thread(target=breach, args=(f'/{n % 4}',)) for n in range(8)]\n"
        "for one in threads: one.start()\n"
        "for one in threads: one.join()\n"
        "print(len(told), sum('  Why: ' in one for one in told))\n"
        "report.close()\n"
        "print(len(told))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert (done.stdout, done.stderr) == ("4 4\n5\n", "")
