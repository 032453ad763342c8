"""What --dev adds: failures as a person reads them, one report for each breach, colours, and warnings."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from dragoman.cli import parse_arguments
from dragoman.contract import Checked
from dragoman.contract.masking import MASK
from dragoman.development import notices, start_line
from dragoman.development.checking import Checking
from dragoman.development.failure import failure_text, request_text
from dragoman.development.paint import paint, takes_colours
from dragoman.loader import Loaded
from dragoman.log import Log
from dragoman.settings import Settings

ENVIRON: Mapping[str, Any] = {
    "REQUEST_METHOD": "GET",
    "SCRIPT_NAME": "/shop",
    "PATH_INFO": "/caf\xc3\xa9 x",
    "QUERY_STRING": "",
    "REMOTE_ADDR": "192.0.2.7",
    "REMOTE_PORT": "5",
}


def test_a_request_is_shown_with_its_client_and_its_fields() -> None:
    environ = {**ENVIRON, "QUERY_STRING": "a=1", "HTTP_X_COLOUR": "red", "CONTENT_TYPE": "text/plain", "HTTP_EMPTY": ""}
    assert request_text(environ).splitlines() == [
        "GET /shop/caf%C3%A9%20x?a=1",
        "  from 192.0.2.7 port 5",
        "  X-Colour: red",
        "  Content-Type: text/plain",
    ]


@pytest.mark.parametrize(
    "name",
    [
        *("Authorization", "Proxy-Authorization", "Cookie", "X-Api-Key", "X-Auth", "X-Auth-Token", "X-Csrf-Token"),
        *("X-Session-Id", "X-Amz-Security-Token", "X-Hub-Signature", "X-Password", "X-Key"),
    ],
)
def test_fields_that_let_others_in_are_masked(name: str) -> None:
    key = f"HTTP_{name.upper().replace('-', '_')}"
    assert request_text({**ENVIRON, key: "hush"}).endswith(f"  {name}: {MASK}")


def test_fields_that_only_sound_like_it_are_shown() -> None:
    assert request_text({**ENVIRON, "HTTP_X_AUTHOR": "me", "HTTP_X_MONKEY": "yes"}).count(MASK) == 0


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("token=abc&a=b", f"token={MASK}&a=b"),
        ("a=b&API%5Fkey=abc", f"a=b&API%5Fkey={MASK}"),
        ("password", "password"),
        ("&&=&%ff=x", "&&=&%ff=x"),
    ],
)
def test_parameters_that_let_others_in_are_masked(query: str, shown: str) -> None:
    assert request_text({**ENVIRON, "QUERY_STRING": query}).splitlines()[0].partition("?")[2] == shown


def test_a_request_forges_no_lines_and_has_bounds() -> None:
    environ = {**ENVIRON, **{f"HTTP_X_{n}": "x" * 9000 for n in range(1000)}, "HTTP_X_0": "a\nb\x1b[2J"}
    text = request_text(environ)
    assert "X-0: a\\nb\\x1b[2J" in text and len(text) < 30_000


def failing(directory: Path, source: str) -> BaseException:
    """What the function `f` of that source raises."""
    path = directory / "shop.py"
    path.write_text(textwrap.dedent(source))
    names: dict[str, Any] = {}
    exec(compile(path.read_text(), str(path), "exec"), names)
    with pytest.raises(BaseException) as caught:
        names["f"]()
    error = caught.value
    assert error.__traceback__ is not None
    return error.with_traceback(error.__traceback__.tb_next)


def test_a_failure_shows_the_lines_around_the_applications_and_one_for_libraries(tmp_path: Path) -> None:
    source = """\
    import json

    def f():
        text = "{"

        return json.loads(text)


    x = 1
    """
    shown = failure_text(failing(tmp_path, source)).splitlines()
    assert shown[:5] == [
        f"  {tmp_path}/shop.py:6, in f",
        '    4      text = "{"',
        "    5",
        "  → 6      return json.loads(text)",
        "  … json …",
    ]
    assert shown[5].endswith(", in raw_decode") and "json/decoder.py:" in shown[5]
    assert shown[-1].startswith("json.decoder.JSONDecodeError: ")


def test_a_failure_shows_what_led_to_it(tmp_path: Path) -> None:
    source = """\
    def f():
        try:
            {}["a"]
        except KeyError as error:
            try:
                raise ValueError("b") from error
            except ValueError:
                1 / 0
    """
    shown = failure_text(failing(tmp_path, source))
    order = [
        "KeyError: 'a'",
        "The above was the direct cause of:",
        "ValueError: b",
        "While that was handled, there was:",
    ]
    assert [shown.index(one) for one in order] == sorted(shown.index(one) for one in order)
    assert shown.endswith("ZeroDivisionError: division by zero")


def test_a_recursion_without_end_is_shown_by_its_ends(tmp_path: Path) -> None:
    shown = failure_text(failing(tmp_path, "def f(n=0):\n    return f(n + 1)\n"))
    assert len(shown.splitlines()) < 150 and " more frames …" in shown and "RecursionError" in shown


@pytest.mark.skipif(sys.version_info < (3, 11), reason="groups are there from Python 3.11 on")
def test_a_group_of_exceptions_is_shown_with_its_members(tmp_path: Path) -> None:
    shown = failure_text(
        failing(tmp_path, "def f():\n    raise ExceptionGroup('all', [KeyError('a'), OSError('b')])\n")
    )
    assert "  1 of 2:\n    KeyError: 'a'\n  2 of 2:\n    OSError: b" in shown


def test_an_exception_without_frames_or_source_is_shown(tmp_path: Path) -> None:
    assert failure_text(KeyError("x")) == "KeyError: 'x'"
    names: dict[str, Any] = {}
    exec("def f():\n    raise ValueError", names)
    with pytest.raises(ValueError) as caught:
        names["f"]()
    assert "  <string>:2, in f\nValueError" in failure_text(caught.value)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start_response("200", [("Content-Type", "text/plain")])
    return [b""]


def environ_of_a_request() -> dict[str, Any]:
    from tests.contract.driver import make_environ
    from tests.contract.programs import Request

    return dict(make_environ(Request()))


def test_what_the_checker_has_told_of_a_request_is_left_out_of_the_engines_reports() -> None:
    found: list[tuple[str, Mapping[str, Any]]] = []
    checking = Checking(Loaded(application, "shop:app"), lambda rule, facts: found.append((rule, facts)))
    assert isinstance(checking.application, Checked)
    list(checking.application(environ_of_a_request(), lambda status, headers, exc_info=None: print))
    assert [rule for rule, _ in found] == ["status-malformed"]
    where = (Checked.__call__.__code__.co_filename, 1, "Checked.__call__")
    checking.report("status-malformed", {"where": where})
    assert len(found) == 1
    checking.report("close-raised", {"where": where, "application": checking.application})
    assert found[1] == ("close-raised", {"where": None, "application": application})


def test_what_a_rule_raises_is_shown_by_its_report_alone() -> None:
    shown: list[str] = []

    class Kept(Log):
        def error(self, message: str, *_: Any, **__: Any) -> None:
            shown.append(message)

    checking = Checking(Loaded(application, "shop:app"), lambda rule, facts: None)
    list(checking.application(environ_of_a_request(), lambda status, headers, exc_info=None: print))
    log = Kept.__new__(Kept)
    checking.failed(log, ENVIRON, AssertionError("contract: status-malformed: the status must be otherwise"))
    assert shown == []
    for other in (
        "contract: header-injection: another rule",
        "a total is negative",
        "not the contract: status-malformed",
    ):
        checking.failed(log, ENVIRON, AssertionError(other))
        assert other in shown.pop()
    checking.report("exception-after-start", {"where": None})


def test_an_error_page_that_comes_too_late_is_no_breach_while_its_exception_is_handled() -> None:
    """The checker judges that: the engine cannot know."""
    found: list[str] = []
    checking = Checking(Loaded(application, "shop:app"), lambda rule, facts: found.append(rule))
    checking.report("start-response-late", {"exception": ValueError()})
    checking.report("exception-after-start", {"exception": ValueError()})
    assert found == ["exception-after-start"]


@pytest.mark.parametrize(
    ("line", "look"),
    [
        ("  → 12      return x", "1"),
        ("    11  x = 1", "2"),
        ("  … flask, werkzeug …", "2"),
        ("shop.errors.PriceError: none", "1;31"),
        ("contract: body-is-str", "33"),
        ("all is well", ""),
    ],
)
def test_lines_have_their_colours(line: str, look: str) -> None:
    assert paint(line) == (f"\x1b[{look}m{line}\x1b[m" if look else line)


def test_colours_are_for_terminals_that_take_them() -> None:
    own, theirs = os.openpty()
    reader, writer = os.pipe()
    try:
        assert takes_colours(theirs, {}) and takes_colours(theirs, {"NO_COLOR": ""})
        assert not takes_colours(theirs, {"NO_COLOR": "1"}) and not takes_colours(theirs, {"TERM": "dumb"})
        assert not takes_colours(writer, {}) and not takes_colours(-1, {})
    finally:
        for fd in (own, theirs, reader, writer):
            os.close(fd)


def settings(*arguments: str) -> Settings:
    return parse_arguments(["shop:app", *arguments], {})


@pytest.mark.parametrize("address", ["127.0.0.1:80", "[::1]:80", "localhost:80", "unix:/tmp/x", "127.9.9.9:1"])
def test_an_address_of_this_machine_is_not_warned_of(address: str) -> None:
    assert not any("other machines" in one for one in notices(settings("--dev", "-b", address), is_given=False))


@pytest.mark.parametrize("address", [":80", "192.0.2.1:80", "[::]:80", "shop.example:80"])
def test_an_address_for_others_is_warned_of_under_dev_alone(address: str) -> None:
    assert any("other machines" in one for one in notices(settings("--dev", "-b", address), is_given=False))
    assert list(notices(settings("-b", address), is_given=False)) == []


def test_files_that_cannot_be_watched_are_told_of() -> None:
    assert "workers = 0 has no supervisor" in "".join(notices(settings("--dev", "-w", "0"), is_given=False))
    assert "the program which serves" in "".join(notices(settings("--dev"), is_given=True))


def test_the_start_says_what_is_different() -> None:
    assert start_line(settings()) == ""
    assert start_line(settings("--dev", "-w", "0")) == "all rules of the contract are checked"
    assert start_line(settings("--reload")).startswith("a change in ")
