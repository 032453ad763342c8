"""`AccessLog`: what a line says, when it is written, and that no client writes its own."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.middleware import AccessLog, ProxyHeaders, RequestId, access_log, stack  # type: ignore[attr-defined]
from dragoman.middleware.access_log import Record
from tests.middleware.kit import TEXT, Inner, ask, environ_of


def logged(inner: Any, *arguments: Any, format: Any = "json", **more: Any) -> Any:
    """The one line of one request."""
    lines: list[str] = []
    ask(AccessLog(inner, format=format, to=lines.append), *arguments, **more)
    [line] = lines
    return json.loads(line) if format == "json" else line


FIELDS = {"Referer": "https://a.example/?q", "User-Agent": 'a "quoted" \\ agent'}
LINE = r'192\.0\.2\.7 - - \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000\] "POST /a%20b\?x=1 HTTP/1\.1" 201 5'


def test_the_formats_of_old() -> None:
    inner = Inner(status="201 Created")
    assert re.fullmatch(LINE, logged(inner, "POST", "/a b?x=1", FIELDS, format="common"))
    line = logged(inner, "POST", "/a b?x=1", FIELDS, format="combined")
    assert re.fullmatch(LINE + r' "https://a\.example/\?q" "a \\x22quoted\\x22 \\x5c agent"', line)
    inner.settled()


def test_json_has_the_keys_of_dragomans_own_log() -> None:
    line = logged(Inner(), "GET", "/x?y=1", FIELDS)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line.pop("duration_us") >= 0
    assert line == {
        "peer": "192.0.2.7", "client": "192.0.2.7", "method": "GET", "target": "/x?y=1", "protocol": "HTTP/1.1",
        "status": 200, "bytes": 5, "referer": FIELDS["Referer"], "user_agent": FIELDS["User-Agent"],
    }  # fmt: skip


def test_the_months_are_english_whatever_the_locale() -> None:
    record = Record(0.0, "", "a", None, "GET", "/", "HTTP/1.1", 200, None, 1, None, None, None, None)
    assert access_log.common(record) == 'a - - [01/Jan/1970:00:00:00 +0000] "GET / HTTP/1.1" 200 -'


def test_a_function_may_make_the_line() -> None:
    line = logged(Inner(), "GET", "/x", format=lambda record: f"{record.status} {record.body_bytes} {record.error}")
    assert line == "200 5 None"


def test_proxy_and_request_id_are_known_where_they_stand_outside() -> None:
    lines: list[str] = []
    log = AccessLog(format="json", to=lines.append)
    app = stack(Inner(), ProxyHeaders(trusted=["10.0.0.1"]), RequestId(), log)
    answer = ask(app, headers={"X-Forwarded-For": "192.0.2.9"}, REMOTE_ADDR="10.0.0.1")
    line = json.loads(lines[0])
    assert (line["peer"], line["client"]) == ("10.0.0.1", "192.0.2.9")
    assert line["request_id"] == answer.value("X-Request-ID")


def streamed(environ: Any, start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", [TEXT])
    yield b"one"
    yield b""
    yield b"three"


def test_the_line_is_written_at_the_end_with_the_bytes_that_went_out() -> None:
    lines: list[str] = []
    app: Any = AccessLog(streamed, format="json", to=lines.append)
    result = app(environ_of(), lambda *arguments: print)
    assert [next(result), lines] == [b"one", []]
    # The client is gone: what was not asked for has not been sent.
    result.close()
    assert json.loads(lines[0])["bytes"] == 3
    assert logged(streamed)["bytes"] == 8


def test_written_blocks_count() -> None:
    def writing(environ: Any, start_response: Any) -> Any:
        write = start_response("200 OK", [TEXT])
        write(b"written")
        return [b"!"]

    assert logged(writing)["bytes"] == 8


@pytest.mark.parametrize(("status", "method"), [("200 OK", "HEAD"), ("304 Not Modified", "GET")])
def test_answers_without_a_body_have_no_bytes(status: str, method: str) -> None:
    inner = Inner(status=status, headers=[], blocks=())
    assert logged(inner, method)["bytes"] == 0


def test_a_body_that_no_client_gets_is_not_counted() -> None:
    lines: list[str] = []
    app: Any = AccessLog(streamed, format="json", to=lines.append)
    result = app(environ_of("HEAD"), lambda *arguments: print)
    next(result)
    result.close()
    assert json.loads(lines[0])["bytes"] == 0


def test_of_a_file_that_the_server_sends_its_declared_length_is_said() -> None:
    class Wrapper:
        def __iter__(self) -> Iterator[bytes]:
            yield b"file"

    def application(headers: list[tuple[str, str]]) -> Any:
        def call(environ: Any, start_response: Any) -> Any:
            start_response("200 OK", headers)
            return Wrapper()

        return call

    lines: list[str] = []
    for headers in ([TEXT, ("Content-Length", "4")], [TEXT]):
        app: Any = AccessLog(application(headers), format="json", to=lines.append)
        assert type(app(environ_of(**{"wsgi.file_wrapper": Wrapper}), lambda *arguments: print)) is Wrapper
    assert [json.loads(line)["bytes"] for line in lines] == [4, None]


def test_an_application_that_raises_is_logged_as_500_with_the_error() -> None:
    lines: list[str] = []
    app: Any = AccessLog(Inner(raises=RuntimeError("by plan")), format="json", to=lines.append)
    with pytest.raises(RuntimeError, match="by plan"):
        app(environ_of(), lambda *arguments: print)
    line = json.loads(lines[0])
    assert (line["status"], line["error"], line["bytes"]) == (500, "RuntimeError", 0)


def test_a_head_that_never_went_out_is_not_what_was_answered() -> None:
    def failing(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [TEXT])
        yield b""
        raise RuntimeError("by plan")

    lines: list[str] = []
    app: Any = AccessLog(failing, format="json", to=lines.append)
    with pytest.raises(RuntimeError):
        list(app(environ_of(), lambda *arguments: print))
    assert json.loads(lines[0])["status"] == 500


def test_one_that_raises_in_mid_body_keeps_the_status_that_was_sent() -> None:
    def failing(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [TEXT])
        yield b"one"
        raise RuntimeError("by plan")

    lines: list[str] = []
    app: Any = AccessLog(failing, format="json", to=lines.append)
    result = app(environ_of(), lambda *arguments: print)
    with pytest.raises(RuntimeError):
        list(result)
    result.close()
    assert [(json.loads(line)["status"], json.loads(line)["error"]) for line in lines] == [(200, "RuntimeError")]


def test_an_application_that_clears_its_environ_does_not_change_the_request() -> None:
    def clearing(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [TEXT])
        environ["REQUEST_METHOD"], environ["PATH_INFO"] = "PUT", "/other"
        return [b""]

    line = logged(clearing, "GET", "/x")
    assert (line["method"], line["target"]) == ("GET", "/x")


@given(st.text(alphabet=st.characters(max_codepoint=255)), st.sampled_from(["common", "combined", "json"]))
def test_whatever_a_client_sends_its_line_is_one_line_of_ascii(text: str, format: str) -> None:
    environ = environ_of(headers={"User-Agent": text, "Referer": text}, REMOTE_USER=text, PATH_INFO=f"/{text}")
    environ["QUERY_STRING"] = text
    lines: list[str] = []
    result: Any = AccessLog(lambda *_: [], format=format, to=lines.append)(environ, lambda *arguments: print)
    result.close()
    [line] = lines
    assert line.isascii() and line.isprintable()
    if format == "json":
        assert json.loads(line)["user_agent"] == text
    else:
        assert line.count('"') == {"common": 2, "combined": 6}[format]
        assert re.match(r"192\.0\.2\.7 - \S+ \[\d\d/", line)


def test_paths_may_be_left_out() -> None:
    lines: list[str] = []
    app = AccessLog(Inner(), to=lines.append, exempt=["/livez"])
    ask(app, "GET", "/livez")
    assert lines == []


def test_lines_go_to_standard_output_or_to_a_logger(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    ask(AccessLog(Inner()))
    assert capsys.readouterr().out.endswith('"GET / HTTP/1.1" 200 5 "-" "-"\n')
    with caplog.at_level(logging.INFO, "shop.access"):
        ask(AccessLog(Inner(), to=logging.getLogger("shop.access")))
    assert [record.name for record in caplog.records] == ["shop.access"]


def test_a_log_that_cannot_be_written_fails_no_request(caplog: pytest.LogCaptureFixture) -> None:
    def full(line: str) -> None:
        raise OSError("no space left")

    assert ask(AccessLog(Inner(), to=full)).text == "Hello"
    assert "AccessLog: the line of GET / could not be written" in caplog.text


def test_under_dragoman_it_does_nothing_and_says_so_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_log, "said", [])
    lines: list[str] = []
    for _ in range(2):
        ask(AccessLog(Inner(), to=lines.append), SERVER_SOFTWARE="dragoman")
    assert lines == []
    [record] = caplog.records
    assert record.getMessage().startswith("AccessLog does nothing: Dragoman writes the access log itself")
    ask(AccessLog(Inner(), to=lines.append, force=True), SERVER_SOFTWARE="dragoman")
    assert len(lines) == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "%h %l"}, "format: want combined, common, json or a function, got '%h %l'"),
        ({"to": "access.log"}, "to: want a function, a logger or None, got 'access.log'"),
        ({"to": sys.stdout}, "to: want a function, a logger or None"),
        ({"exempt": "/livez"}, "exempt: want a list of paths"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AccessLog(**options)


def test_a_block_that_is_none_is_the_servers_to_refuse() -> None:
    lines: list[str] = []

    def wrong(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"Hello", None]

    result: Any = AccessLog(wrong, to=lines.append)(environ_of(), lambda *head: lambda block: None)
    assert list(result) == [b"Hello", None]
    result.close()
    assert lines[0].endswith('200 5 "-" "-"')
