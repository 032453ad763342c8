"""Whom a breach is laid to where several have their part in it, and what is said of that."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from typing import Any

import pytest

from dragoman.contract import Checked, Finding
from tests.contract.driver import Outcome, Server
from tests.contract.programs import GET, Request

TYPE = ("Content-Type", "text/plain")


def answering(*fields: tuple[str, str]) -> Callable[..., Any]:
    def inner(environ: object, start_response: Callable[..., Any]) -> list[bytes]:
        start_response("200 OK", [TYPE, *fields])
        return [b"Hello"]

    return inner


class Adding:
    """A middleware that adds a field."""

    def __init__(self, app: Any, *fields: tuple[str, str]) -> None:
        self.app = app
        self.fields = fields

    def __call__(self, environ: Any, start_response: Callable[..., Any]) -> Any:
        def start(status: str, headers: list[Any], exc_info: Any = None) -> Any:
            return start_response(status, [*headers, *self.fields])

        return self.app(environ, start)


def findings_of(stack: Callable[[Callable[[Any], Checked]], Any], request: Request = GET) -> list[Finding]:
    """What the checkers of a stack find; it is made of what makes one."""
    found: list[Finding] = []
    Server(request, Outcome()).run(stack(lambda app: Checked(app, found.append)))
    gc.collect()
    return found


def told(findings: list[Finding]) -> list[tuple[str, str, str | None]]:
    return [(one.rule, one.party, one.value) for one in findings]


def test_two_fields_that_break_a_rule_in_one_call_are_told_both() -> None:
    fields = ("X-One", "a\r\nb"), ("X-Two", "c\r\nd")
    found = findings_of(lambda checked: checked(answering(*fields)))
    assert told(found) == [("header-injection", "application", repr(value)) for _, value in fields]


def test_what_the_middleware_adds_is_not_hidden_by_what_the_application_has_broken() -> None:
    inner, outer = ("Connection", "close"), ("Keep-Alive", "timeout=5")
    found = findings_of(lambda checked: checked(Adding(checked(answering(inner)), outer)))
    assert told(found) == [
        ("header-hop-by-hop", "application", "'close'"),
        ("header-hop-by-hop", "middleware", "'timeout=5'"),
    ]


def test_what_a_middleware_puts_into_the_environ_is_not_hidden_by_what_the_server_has_broken() -> None:
    def middleware(app: Any) -> Any:
        return lambda environ, start_response: app({**environ, "REMOTE_USER": 7}, start_response)

    request = Request(environ={"SERVER_PORT": 80})
    found = findings_of(lambda checked: checked(middleware(checked(answering()))), request)
    assert told(found) == [("environ-value-type", "server", "80"), ("environ-value-type", "middleware", "7")]


def hands_on_without_write(app: Any) -> Any:
    def forgets(environ: Any, start_response: Callable[..., Any]) -> Any:
        def start(status: str, headers: list[Any], exc_info: Any = None) -> None:
            start_response(status, headers)

        return app(environ, start)

    return forgets


def test_the_first_line_names_the_middleware_that_has_broken_the_rule(caplog: pytest.LogCaptureFixture) -> None:
    (found,) = findings_of(lambda checked: checked(hands_on_without_write(checked(answering()))))
    assert found.layer == f"{__name__}:hands_on_without_write.<locals>.forgets"
    headline = str(found).splitlines()[1]
    assert "forgets" in headline and "inner" not in headline
    with caplog.at_level(logging.ERROR, "dragoman.contract"):
        Server(Request(), Outcome()).run(Checked(hands_on_without_write(Checked(answering()))))
    (record,) = caplog.records
    assert record.getMessage().splitlines()[1] == headline
    assert record.__dict__["contract"]["layer"] == found.layer


def test_a_checker_that_is_out_of_sight_is_known_from_the_first_request_on() -> None:
    class Hiding:
        """It makes its application anew for each request."""

        def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
            if environ["PATH_INFO"] == "/":
                return Checked(answering(), found.append)(environ, start_response)
            start_response("404 Not Found", [TYPE])
            return ["not found"]

    found: list[Finding] = []
    stack = Checked(Hiding(), found.append)
    for path in ("/", "/missing"):
        Server(Request(path=path), Outcome()).run(stack)
    assert told(found) == [("body-not-bytes", "middleware", "'not found'")]


def test_an_application_is_no_middleware_because_of_what_stands_beside_it() -> None:
    namespace: dict[str, Any] = {}
    exec(
        "def page():\n    return application\n"
        "def app(environ, start_response):\n"
        "    page()\n    start_response('200 OK', [('Content-Type', 'text/plain')])\n    return ['Hello']\n",
        namespace,
    )
    found: list[Finding] = []
    namespace["application"] = Checked(namespace["app"])
    Server(Request(), Outcome()).run(Checked(namespace["app"], found.append))
    assert told(found) == [("body-not-bytes", "application", "'Hello'")]


def test_a_test_client_closes_a_response_where_the_test_does() -> None:
    werkzeug = pytest.importorskip("werkzeug.test")

    class Body:
        def __iter__(self) -> Any:
            return iter([b"Hello"])

        def close(self) -> None:
            pass

    def app(environ: object, start_response: Callable[..., Any]) -> Any:
        start_response("200 OK", [TYPE])
        return Body()

    found: list[Finding] = []
    client = werkzeug.Client(Checked(app, found.append))
    assert client.get("/").data == b"Hello"
    assert client.get("/").status_code == 200
    gc.collect()
    assert told(found) == []

    def forgets(environ: Any, start_response: Any) -> Any:
        return list(Checked(app, found.append)(environ, start_response))

    werkzeug.Client(Checked(forgets, found.append)).get("/")
    gc.collect()
    assert told(found) == [("close-missing", "middleware", None)]
