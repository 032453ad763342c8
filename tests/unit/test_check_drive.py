"""The server side of the check: requests as environs, answers, and what an application does that is no breach."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from dragoman.check.catalogue import CATALOGUE, NOWHERE
from dragoman.check.compare import difference
from dragoman.check.drive import Answer, Driver, logged_exceptions
from dragoman.check.repeat import words_of
from dragoman.check.request import (
    SAFE,
    Client,
    ClientDisconnected,
    Origin,
    Request,
    Site,
    make_environ,
    named,
)
from dragoman.check.samples import fitting, marker
from dragoman.contract import Checked, Finding
from dragoman.contract.judge import judge_environ
from dragoman.errors import UsageError

Start = Callable[..., Any]


def hello(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"Hello, ", b"world"]


def call(application: Any, request: Request) -> Answer:
    return Driver(Site(), lambda finding, request: None).call(application, request)


# The catalogue.


@pytest.mark.parametrize("request_", CATALOGUE, ids=lambda one: one.name)
def test_every_request_of_the_catalogue_makes_an_environ_that_keeps_the_contract(request_: Request) -> None:
    assert list(judge_environ(make_environ(request_, Site()))) == []
    assert request_.why and request_.origin is Origin.CATALOGUE


def test_the_names_of_the_catalogue_are_unique() -> None:
    assert len({one.name for one in CATALOGUE}) == len(CATALOGUE) >= 80


def test_the_catalogue_uses_methods_that_change_something_only_where_no_route_is() -> None:
    assert {one.path for one in CATALOGUE if one.method not in SAFE} == {NOWHERE}


@pytest.mark.parametrize("request_", CATALOGUE, ids=lambda one: one.name)
def test_an_application_that_reads_and_answers_everything_is_clean(request_: Request) -> None:
    def reads(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        size = int(environ.get("CONTENT_LENGTH") or 0)
        try:
            environ["wsgi.input"].read(size)
        except OSError:
            size = 0
        return hello(environ, start_response)

    found: list[Finding] = []
    driver = Driver(Site(), lambda finding, request: found.append(finding))
    answer = driver.call(Checked(reads, driver.found), request_)
    assert (found, answer.fault, answer.status) == ([], None, "200 OK")


# Requests.


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("/a", ("GET", "/a", "", b"", "")),
        ("GET /a?b=c", ("GET", "/a", "b=c", b"", "")),
        ("DELETE /gr%C3%BC", ("DELETE", "/gr\xc3\xbc", "", b"", "")),
        ('POST /x {"a": 1}', ("POST", "/x", "", b'{"a": 1}', "application/json")),
        ("PUT /x a=1&b=2", ("PUT", "/x", "", b"a=1&b=2", "application/x-www-form-urlencoded")),
        ("/x some text", ("POST", "/x", "", b"some text", "text/plain; charset=utf-8")),
        ("GET /?q=ü", ("GET", "/", "q=%C3%BC", b"", "")),
    ],
)
def test_a_request_is_named_by_method_path_and_body(text: str, want: tuple[str, str, str, bytes, str]) -> None:
    made = named(text)
    assert (made.method, made.path, made.query, made.body, dict(made.headers).get("Content-Type", "")) == want
    assert made.origin is Origin.NAMED


@pytest.mark.parametrize("text", ["", "GET", "GET path", "G@T /", "path"])
def test_what_is_no_request_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="want 'METHOD /path'"):
        named(text)


@pytest.mark.parametrize(
    ("url", "want"),
    [
        ("http://shop.example", ("http", "shop.example", "80", "", "shop.example")),
        ("https://shop.example:8443/mount/", ("https", "shop.example", "8443", "/mount", "shop.example:8443")),
        ("http://[::1]:80", ("http", "::1", "80", "", "[::1]")),
    ],
)
def test_a_url_says_where_the_requests_go(url: str, want: tuple[str, ...]) -> None:
    site = Site.of(url)
    assert (site.scheme, site.host, site.port, site.root_path, site.authority) == want


@pytest.mark.parametrize("url", ["shop.example", "ftp://a", "http://", "http://a:b", "http://a/?b"])
def test_what_is_no_url_of_a_site_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="--url"):
        Site.of(url)


def test_fields_become_variables_and_a_request_wins_over_the_site() -> None:
    site = Site(headers=(("Authorization", "x"), ("Accept", "text/html")), env={"MODE": "test"})
    request = Request("a", headers=(("accept", "text/plain"), ("Cookie", "a=1"), ("Cookie", "b=2"), ("X-A", "1")))
    environ = make_environ(request, site)
    assert (environ["HTTP_AUTHORIZATION"], environ["HTTP_ACCEPT"], environ["MODE"]) == ("x", "text/plain", "test")
    assert (environ["HTTP_COOKIE"], environ["HTTP_X_A"]) == ("a=1; b=2", "1")


def test_a_client_that_is_gone_is_an_oserror_behind_what_it_has_sent() -> None:
    request = Request("a", "POST", body=b"0123456789", client=Client.GONE)
    stream = make_environ(request, Site())["wsgi.input"]
    assert stream.read(3) == b"012"
    assert stream.read(100) == b"34"
    with pytest.raises(ClientDisconnected):
        stream.read(1)
    for ask in (lambda s: s.read(), lambda s: s.readlines(), list):
        with pytest.raises(OSError):
            ask(make_environ(request, Site())["wsgi.input"])


# Answers.


def test_the_answer_is_what_the_client_has_read() -> None:
    whole = call(hello, Request("a"))
    assert (whole.status, whole.body, whole.size, whole.is_comparable) == ("200 OK", b"Hello, world", 12, True)
    assert call(hello, Request("a", blocks=1)).body == b"Hello, "
    assert call(hello, Request("a", blocks=0)).body == b""
    assert not call(hello, Request("a", method="HEAD")).is_whole


def test_close_is_called_once_however_the_client_leaves() -> None:
    class Body:
        closed = 0

        def __iter__(self) -> Any:
            return iter([b"a", b"b"])

        def close(self) -> None:
            self.closed += 1

    for request in (Request("a"), Request("a", blocks=0), Request("a", blocks=1), Request("a", method="HEAD")):
        body = Body()

        def app(environ: dict[str, Any], start_response: Start, body: Body = body) -> Body:
            start_response("200 OK", [])
            return body

        call(app, request)
        assert body.closed == 1


def test_an_exception_before_the_head_is_a_fault_with_its_line() -> None:
    def app(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        raise LookupError("inside")

    fault = call(app, Request("a")).fault
    assert fault is not None and fault.where is not None
    assert (fault.kind, fault.text, fault.where[0]) == ("exception", "LookupError: inside", __file__)
    assert fault.where[1] == app.__code__.co_firstlineno + 1


@pytest.mark.parametrize("how", ["raises", "raises another", "breaks the contract"])
def test_what_a_client_or_a_breach_has_caused_is_no_fault(how: str) -> None:
    def app(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        if how == "breaks the contract":
            start_response("200 OK", [("Content-Type", "text/plain")])
            start_response("200 OK", [("Content-Type", "text/plain")])
        try:
            environ["wsgi.input"].read()
        except OSError as error:
            if how == "raises":
                raise
            raise RuntimeError("another") from error
        return []

    driver = Driver(Site(), lambda finding, request: None)
    body = Request("a", "POST", body=b"0123", client=Client.GONE)
    request = Request("a") if how == "breaks the contract" else body
    assert driver.call(Checked(app, driver.found), request).fault is None


def test_a_breach_that_comes_after_a_fault_does_not_excuse_it() -> None:
    """A middleware that never closes would hide each page of the application that fails."""

    def fails(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        try:
            raise LookupError("inside")
        except LookupError:
            logging.getLogger("shop").exception("a page has failed")
            start_response("500 Oops", [("Content-Type", "text/plain")], sys.exc_info())
        return (block for block in [b"Sorry"])

    def forgets(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        yield from map(bytes, inner(environ, start_response))

    found: list[str] = []
    driver = Driver(Site(), lambda finding, request: found.append(finding.rule))
    inner = Checked(fails, driver.found)
    with logged_exceptions(is_quiet=True):
        answer = driver.call(Checked(forgets, driver.found), Request("get"))
    assert found == ["close-missing"]
    assert answer.fault is not None and answer.fault.text == "LookupError: inside"


def test_a_response_without_an_end_is_left() -> None:
    def endless(environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        while True:
            yield b"data: x\n\n"

    answer = call(endless, Request("a"))
    assert not answer.is_whole and answer.fault is None


# Comparing.


def answer(body: bytes = b"", status: str = "200 OK", **headers: str) -> Answer:
    fields = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Answer(status, fields, body, body.hex(), len(body), True)


def test_dates_cookies_and_ids_may_differ() -> None:
    one = answer(b"a", Date="1", Set_Cookie="a=1", X_Request_Id="1")
    assert difference(one, answer(b"a", date="2", set_cookie="a=2")) == ""


@pytest.mark.parametrize(
    ("other", "want"),
    [
        (answer(b"user a", "500 Oops"), "its status was '500 Oops' and is otherwise '200 OK'"),
        (answer(b"user a", X_User="b"), "its x-user was ['b'] and is otherwise None"),
        (answer(b"user b"), "its body had 'user b' where it has otherwise 'user a'"),
        (answer(b"user"), "its body had 'user' where it has otherwise 'user a'"),
    ],
)
def test_what_differs_is_said(other: Answer, want: str) -> None:
    assert difference(answer(b"user a"), other) == want


def test_markers_are_told_from_each_other_and_found_where_they_are_sent() -> None:
    assert len({marker(number) for number in range(5000)}) == 5000
    request = Request("a", path=f"/{marker(1)}/x", query=f"q={marker(2)}", marker=marker(3))
    assert words_of(request) == {marker(1), marker(2), marker(3)}


def test_values_fit_a_parameter_and_the_word_comes_first_where_it_does() -> None:
    assert next(fitting("[^/]+", str, "word")) == ("word", "word")
    assert next(fitting("[0-9]+", int, "word")) == ("1", 1)
    assert next(fitting("(?:red|blue)", str, "word", ("red", "blue")))[0] == "red"
    assert [text for text, _ in fitting("(?:json|xml)", str, "word")] == ["json", "xml"]
    assert list(fitting("[?]", str, "word")) == []
