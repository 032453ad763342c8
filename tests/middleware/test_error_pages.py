"""`ErrorPages`: what becomes of exceptions and of empty answers, in which form, and what is never shown."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.middleware import ErrorPages, RequestId, stack
from dragoman.middleware.error_pages import Failure
from tests.middleware.kit import TEXT, Answered, Inner, ask, environ_of

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
SECRET = "password=hunter2"


def failing(environ: Any, start_response: Any) -> Any:
    raise RuntimeError(SECRET)


def failing_in_body(*blocks: bytes, error: Exception | None = None) -> Any:
    def application(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [TEXT, ("Content-Length", "1000"), ("Set-Cookie", "a=b")])
        yield from blocks
        raise error or RuntimeError(SECRET)

    return application


def kind(answer: Answered) -> str:
    return (answer.value("Content-Type") or "").partition(";")[0]


def test_an_exception_becomes_a_page_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    answer = ask(stack(failing, RequestId(), ErrorPages()), "GET", "/pay", BROWSER)
    assert (answer.status, answer.reason) == (500, "Internal Server Error")
    assert answer.value("Content-Type") == "text/html; charset=utf-8"
    assert (answer.value("Cache-Control"), answer.value("Vary")) == ("no-store", "Accept")
    assert answer.value("Content-Length") == str(len(answer.body))
    assert "<h1>500 Internal Server Error</h1>" in answer.text
    request_id = answer.environ["dragoman.request_id"]
    assert f"<p>Request {request_id}</p>" in answer.text
    assert SECRET not in answer.text
    [record] = caplog.records
    assert record.getMessage() == f"'GET' '/pay' (request {request_id}) has failed"
    assert record.exc_info is not None and str(record.exc_info[1]) == SECRET


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        (None, "text/html"),
        ("*/*", "text/html"),
        (BROWSER["Accept"], "text/html"),
        ("application/json", "application/problem+json"),
        ("application/problem+json", "application/problem+json"),
        ("application/json, text/html;q=0.9", "application/problem+json"),
        ("text/plain", "text/plain"),
        ("text/html;q=0, text/*", "text/plain"),
        # Nothing that there is: told all the same.
        ("image/png", "text/html"),
        ("nonsense", "text/html"),
    ],
)
def test_the_form_is_the_one_that_the_client_likes_best(accept: str | None, form: str) -> None:
    answer = ask(ErrorPages(failing), headers={} if accept is None else {"Accept": accept})
    assert kind(answer) == form


@pytest.mark.parametrize(
    ("first", "form"), [("html", "text/html"), ("json", "application/problem+json"), ("text", "text/plain")]
)
def test_who_takes_all_alike_gets_the_first(first: str, form: str) -> None:
    assert kind(ask(ErrorPages(failing, first=first), headers={"Accept": "*/*"})) == form
    assert kind(ask(ErrorPages(failing, first=first), headers={"Accept": "text/plain"})) == "text/plain"


def test_json_is_a_problem_of_rfc_9457() -> None:
    answer = ask(stack(failing, RequestId(), ErrorPages()), headers={"Accept": "application/json"})
    assert json.loads(answer.text) == {
        "type": "about:blank",
        "title": "Internal Server Error",
        "status": 500,
        "request_id": answer.environ["dragoman.request_id"],
    }


def test_text_is_a_line() -> None:
    assert ask(ErrorPages(failing), headers={"Accept": "text/plain"}).text == "500 Internal Server Error\n"


@pytest.mark.parametrize("accept", ["text/html", "application/json", "text/plain"])
def test_details_are_shown_only_to_who_develops(accept: str) -> None:
    shown = ask(ErrorPages(failing, debug=True), headers={"Accept": accept}).text
    assert SECRET in shown and "in failing" in shown
    hidden = ask(ErrorPages(failing), headers={"Accept": accept}).text
    assert SECRET not in hidden and "failing" not in hidden and "RuntimeError" not in hidden


@pytest.mark.parametrize(("variable", "debug", "is_shown"), [("1", None, True), ("", None, False), ("1", False, False)])
def test_under_dev_details_are_shown_unless_it_says_otherwise(
    variable: str, debug: bool | None, is_shown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAGOMAN_DEV", variable)
    assert (SECRET in ask(ErrorPages(failing, debug=debug)).text) is is_shown


@given(st.text(max_size=60))
def test_whatever_an_exception_says_it_is_no_markup(text: str) -> None:
    def application(environ: Any, start_response: Any) -> Any:
        raise ValueError(f"<script>{text}</script>")

    logging.disable(logging.CRITICAL)
    try:
        html = ask(ErrorPages(application, debug=True), headers={"Accept": "text/html"}).body
        problem = ask(ErrorPages(application, debug=True), headers={"Accept": "application/json"}).body
    finally:
        logging.disable(logging.NOTSET)
    assert b"<script>" not in html and b"</script>" not in html
    json.loads(problem)


def test_exceptions_may_stand_for_other_statuses_and_the_nearest_type_counts(caplog: pytest.LogCaptureFixture) -> None:
    class Missing(LookupError):
        pass

    app = ErrorPages(statuses={LookupError: 400, Missing: 404, OSError: 503})
    with caplog.at_level(logging.INFO, "dragoman.middleware"):
        for error, status in ((Missing("x"), 404), (KeyError("x"), 400), (TimeoutError(), 503), (RuntimeError(), 500)):
            assert ask(app.around(Inner(raises=error))).status == status
    # What stands for a fault of the client is a line, not a traceback.
    assert [(record.levelname, bool(record.exc_info)) for record in caplog.records] == [
        ("INFO", False), ("INFO", False), ("ERROR", True), ("ERROR", True),
    ]  # fmt: skip


def test_an_exception_before_the_first_block_replaces_the_head_and_leaves_nothing_of_it() -> None:
    for blocks in ((), (b"", b"")):
        answer = ask(ErrorPages(failing_in_body(*blocks)))
        assert (answer.status, kind(answer), answer.values("Set-Cookie")) == (500, "text/html", [])
        assert answer.value("Content-Length") == str(len(answer.body))


def test_what_an_exception_says_begins_no_line_of_its_own_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    # What a client has sent is often part of it.
    app = ErrorPages(
        Inner(raises=ValueError("no such user: x\r\nERROR all is lost\x1b[2J")), statuses={ValueError: 400}
    )
    with caplog.at_level(logging.INFO, "dragoman.middleware"):
        assert ask(app).status == 400
    [record] = caplog.records
    assert record.getMessage().endswith(r"by ValueError: 'no such user: x\r\nERROR all is lost\x1b[2J'")


def test_an_exception_behind_the_first_block_is_logged_and_passed_on(caplog: pytest.LogCaptureFixture) -> None:
    app: Any = ErrorPages(failing_in_body(b"one"))
    result = app(environ_of(), lambda *arguments: print)
    assert next(result) == b"one"
    with pytest.raises(RuntimeError, match=SECRET):
        next(result)
    result.close()
    assert len(caplog.records) == 1
    assert list(result) == []


def test_an_exception_behind_written_data_is_passed_on() -> None:
    def application(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [TEXT])(b"one")
        raise RuntimeError(SECRET)

    app: Any = ErrorPages(application)
    with pytest.raises(RuntimeError, match=SECRET):
        app(environ_of(), lambda *arguments: lambda block: None)


@pytest.mark.parametrize("reraise", [True, [RuntimeError], (LookupError, Exception)])
def test_exceptions_may_be_the_servers(reraise: Any, caplog: pytest.LogCaptureFixture) -> None:
    for application in (failing, failing_in_body()):
        app: Any = ErrorPages(application, reraise=reraise)
        with pytest.raises(RuntimeError, match=SECRET):
            list(app(environ_of(), lambda *arguments: print))
    assert caplog.records == []


def test_a_client_that_has_gone_away_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    class ClientDisconnected(OSError):
        pass

    app: Any = ErrorPages(Inner(raises=ClientDisconnected()))
    with pytest.raises(ClientDisconnected):
        app(environ_of(), lambda *arguments: print)
    assert caplog.records == []


def test_what_ends_a_process_is_not_caught() -> None:
    for error in (KeyboardInterrupt(), SystemExit(3), GeneratorExit()):
        app: Any = ErrorPages(Inner(raises=error))
        with pytest.raises(type(error)):
            app(environ_of(), lambda *arguments: print)


def generated(status: str, headers: list[tuple[str, str]], *blocks: bytes) -> Any:
    def application(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response(status, headers)
        yield from blocks

    return application


def given_at_once(status: str, headers: list[tuple[str, str]], blocks: Any) -> Any:
    def application(environ: Any, start_response: Any) -> Any:
        start_response(status, headers)
        return blocks

    return application


EMPTY = [("WWW-Authenticate", "Basic"), ("Set-Cookie", "a=b"), ("Vary", "Cookie"), ("ETag", '"x"')]


@pytest.mark.parametrize(
    "application",
    [
        Inner("401 Unauthorized", EMPTY, ()),
        generated("401 Unauthorized", EMPTY),
        generated("401 Unauthorized", [*EMPTY, ("Content-Length", "0")], b""),
        given_at_once("401 Unauthorized", EMPTY, []),
        given_at_once("401 Unauthorized", EMPTY, (b"", b"")),
    ],
    ids=["object", "generator", "declared", "list", "tuple"],
)
def test_an_empty_error_gets_a_page_and_keeps_its_other_fields(application: Any) -> None:
    answer = ask(ErrorPages(application), headers=BROWSER)
    assert (answer.status, answer.reason, kind(answer)) == (401, "Unauthorized", "text/html")
    assert (answer.value("WWW-Authenticate"), answer.value("Set-Cookie")) == ("Basic", "a=b")
    assert (answer.value("Vary"), answer.values("ETag")) == ("Cookie, Accept", [])
    assert answer.value("Content-Length") == str(len(answer.body))
    assert "<h1>401 Unauthorized</h1>" in answer.text
    if isinstance(application, Inner):
        application.settled()


@pytest.mark.parametrize(
    ("status", "blocks"),
    [("404 Not Found", (b"own",)), ("404 Not Found", (b"", b"own")), ("200 OK", ()), ("302 Found", ())],
)
def test_answers_with_a_body_and_those_that_are_no_errors_stay(status: str, blocks: tuple[bytes, ...]) -> None:
    inner = Inner(status, [TEXT], blocks)
    for application in (inner, generated(status, [TEXT], *blocks)):
        answer = ask(ErrorPages(application))
        assert (answer.status, answer.headers, tuple(answer.blocks)) == (int(status[:3]), [TEXT], blocks)
    inner.settled()


def test_an_error_that_is_written_stays() -> None:
    def application(environ: Any, start_response: Any) -> Any:
        write = start_response("404 Not Found", [TEXT])
        write(b"my ")
        write(b"own")
        return []

    assert ask(ErrorPages(application)).text == "my own"


def test_a_status_without_a_phrase_gets_one_in_its_page_alone() -> None:
    answer = ask(ErrorPages(Inner("404 ", [], ())))
    assert (answer.status, answer.reason) == (404, "")
    assert "<h1>404 Not Found</h1>" in answer.text


def test_a_status_that_is_none_is_the_servers_to_refuse() -> None:
    heads: list[Any] = []

    def start_response(*arguments: Any) -> Any:
        heads.append(arguments)
        return print

    wrong: list[Any] = ["4xx Odd", "404Not Found", b"404 Not Found"]
    for status in wrong:
        app: Any = ErrorPages(given_at_once(status, [], []))
        app(environ_of(), start_response)
    assert heads == [(status, []) for status in wrong]


def test_head_has_no_page_and_nothing_of_its_head_is_changed() -> None:
    headers = [TEXT, ("Content-Length", "7")]
    answer = ask(ErrorPages(Inner("404 Not Found", headers, ())), "HEAD")
    assert (answer.headers, answer.body) == (headers, b"")
    failed = ask(ErrorPages(failing), "HEAD")
    assert (failed.status, failed.body) == (500, b"")
    assert failed.value("Content-Length") == ask(ErrorPages(failing)).value("Content-Length")


def test_empty_errors_may_stay_empty() -> None:
    answer = ask(ErrorPages(Inner("404 Not Found", [], ()), empty=False))
    assert (answer.headers, answer.blocks) == ([], [])


def test_a_head_that_is_replaced_while_it_is_held_is_the_last_one() -> None:
    def application(environ: Any, start_response: Any) -> Any:
        import sys

        start_response("404 Not Found", [("X-First", "yes")])
        try:
            raise LookupError
        except LookupError:
            start_response("503 Service Unavailable", [("Retry-After", "5")], sys.exc_info())
        return []

    answer = ask(ErrorPages(application))
    assert (answer.status, answer.value("Retry-After"), answer.values("X-First")) == (503, "5", [])


def test_a_second_head_without_a_reason_is_refused_by_the_server() -> None:
    heads: list[str] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        assert not heads, "twice"
        heads.append(status)
        return print

    def application(environ: Any, start_response: Any) -> Any:
        start_response("404 Not Found", [])
        start_response("404 Not Found", [])
        return []

    app: Any = ErrorPages(application, reraise=[AssertionError])
    with pytest.raises(AssertionError, match="twice"):
        app(environ_of(), start_response)


def test_blocks_are_passed_one_for_one_and_none_is_held_back() -> None:
    inner = Inner(blocks=(b"a", b"", b"b"))
    app: Any = ErrorPages(inner)
    result = app(environ_of(), lambda *arguments: print)
    for count, block in enumerate((b"a", b"", b"b"), 1):
        assert (next(result), inner.given) == (block, count)
    result.close()
    inner.settled()


def test_an_operator_may_make_the_html() -> None:
    def html(failure: Failure) -> str:
        return f"<p>{failure.status} {failure.reason} {failure.path} {type(failure.error).__name__} é"

    answer = ask(ErrorPages(failing, html=html), "GET", "/x", BROWSER)
    assert answer.text == "<p>500 Internal Server Error /x RuntimeError é"
    assert kind(ask(ErrorPages(failing, html=html), headers={"Accept": "text/plain"})) == "text/plain"


def test_a_page_function_that_fails_is_logged_and_the_own_page_given(caplog: pytest.LogCaptureFixture) -> None:
    answer = ask(ErrorPages(failing, html=lambda failure: failure.nothing), headers=BROWSER)  # type: ignore[attr-defined, no-any-return]
    assert "<h1>500 Internal Server Error</h1>" in answer.text
    assert "ErrorPages: the function for HTML pages has failed" in caplog.text


def test_a_file_of_the_server_goes_out_as_it_is() -> None:
    class Wrapper:
        def __iter__(self) -> Iterator[bytes]:
            yield b"file"

    wrapped = Wrapper()

    def application(environ: Any, start_response: Any) -> Any:
        start_response("404 Not Found", [TEXT])
        return wrapped

    app: Any = ErrorPages(application)
    assert app(environ_of(**{"wsgi.file_wrapper": Wrapper}), lambda *arguments: print) is wrapped


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"html": "error.html"}, ValueError, "html: want a function that takes a Failure, got 'error.html'"),
        ({"first": "xml"}, ValueError, "first: want one of html, json, text, got 'xml'"),
        ({"statuses": {KeyError: 200}}, ValueError, "statuses: KeyError: want a status from 400 to 599, got 200"),
        ({"statuses": {404: 404}}, TypeError, "statuses: want types of exceptions, got 404"),
        ({"reraise": ["RuntimeError"]}, TypeError, "reraise: want types of exceptions, got 'RuntimeError'"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ErrorPages(**options)


@pytest.mark.parametrize("by_write", [True, False])
def test_an_error_behind_sent_blocks_is_raised_where_the_application_tells_it(by_write: bool) -> None:
    raised: list[BaseException] = []

    def inner(environ: Any, start_response: Any) -> Iterator[bytes]:
        write = start_response("200 OK", [TEXT])
        if by_write:
            write(b"sent")
        else:
            yield b"sent"
        try:
            raise LookupError("by plan")
        except LookupError:
            try:
                start_response("500 Internal Server Error", [TEXT], sys.exc_info())
            except LookupError as error:
                raised.append(error)
                raise
        yield b"nobody reads this"

    with pytest.raises(LookupError):
        ask(ErrorPages(inner))
    assert len(raised) == 1
