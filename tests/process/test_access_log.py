"""The access log: its formats, and that nothing a client or an application sends can forge a line."""

from __future__ import annotations

import json
import re
import signal
import time
from pathlib import Path

import pytest

from tests.support.server import Server, ServerDidNotStart
from tests.support.wire import DEADLINE_S, Response, request_bytes

APP = "tests.process.apps_process:app"
TIME = r"\[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]"


def logged(tmp_path: Path, *messages: bytes, format: str | None = None, application: str = APP) -> list[str]:
    """Lines of the access log after these requests, each on a connection of its own, and the end of the server."""
    path = tmp_path / "access.log"
    flags = ["--access-logfile", str(path), *(["--access-logformat", format] if format else [])]
    with Server(application, *flags) as server:
        for message in messages:
            with server.connect() as wire:
                wire.send(message)
                answer(wire.read_response(message.split(b" ", 1)[0].decode("latin-1")))
        assert server.stop() == 0
    return path.read_bytes().decode("utf-8").splitlines()


def answer(response: Response) -> None:
    """Every request here is answered in some way."""
    assert 200 <= response.status < 600


HELLO = request_bytes("GET", "/hello?a=b", [("User-Agent", "tester/1"), ("Referer", "http://ref.example/")])


def test_common_format(tmp_path: Path) -> None:
    (line,) = logged(tmp_path, HELLO, format="common")
    assert re.fullmatch(rf'127\.0\.0\.1 - - {TIME} "GET /hello\?a=b HTTP/1\.1" 200 5', line), line


@pytest.mark.parametrize("format", ["combined", None])
def test_combined_format_is_the_default(tmp_path: Path, format: str | None) -> None:
    (line,) = logged(tmp_path, HELLO, format=format)
    request = r'"GET /hello\?a=b HTTP/1\.1" 200 5'
    assert re.fullmatch(rf'127\.0\.0\.1 - - {TIME} {request} "http://ref\.example/" "tester/1"', line), line


def test_json_format(tmp_path: Path) -> None:
    (line,) = logged(tmp_path, HELLO, format="json")
    record = json.loads(line)
    assert record["method"] == "GET" and record["target"] == "/hello?a=b"
    assert record["status"] == 200 and record["peer"] == "127.0.0.1"


def test_atoms_of_gunicorn(tmp_path: Path) -> None:
    format = "%(h)s|%(m)s|%(U)s|%(q)s|%(H)s|%(s)s|%(B)s|%(b)s|%(f)s|%(a)s|%({x-trace}i)s|%({x-answer}o)s|%(p)s|%%"
    message = request_bytes("GET", "/cleared?q=1", [("X-Trace", "t1")])
    (line,) = logged(tmp_path, message, format=format)
    fields = line.split("|")
    assert fields[:12] == [
        "127.0.0.1",
        "GET",
        "/cleared",
        "q=1",
        "HTTP/1.1",
        "200",
        "7",
        "7",
        "-",
        "-",
        "t1",
        "forty two",
    ]
    assert re.fullmatch(r"<\d+>", fields[12]) and fields[13] == "%"


def test_environ_variables_have_the_values_of_the_environ(tmp_path: Path) -> None:
    expected = {
        "REQUEST_METHOD": "GET",
        "QUERY_STRING": "a=b",
        "RAW_URI": "/hello?a=b",
        "REQUEST_URI": "/hello?a=b",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_X_TRACE": "t1",
        "CONTENT_TYPE": "-",
    }
    message = request_bytes("GET", "/hello?a=b", [("X-Trace", "t1")])
    (line,) = logged(tmp_path, message, format=" ".join(f"%({{{name}}}e)s" for name in [*expected, "REMOTE_PORT"]))
    *values, port = line.split(" ")
    assert dict(zip(expected, values, strict=True)) == expected
    assert port.isdecimal() and int(port) > 0


@pytest.mark.parametrize("name", ["PATH_INFO", "SERVER_PORT", "wsgi.url_scheme", "HTTPS", "HTTP_PROXY"])
def test_environ_variable_that_the_log_does_not_know_is_refused_at_start(probe_listener: object, name: str) -> None:
    flags = ["--access-logfile", "-", "--access-logformat", f"%({{{name}}}e)s"]
    with pytest.raises(ServerDidNotStart) as refused, Server(APP, *flags):
        pass
    assert "REQUEST_METHOD" in str(refused.value) and "HTTP_NAME" in str(refused.value)


@pytest.mark.parametrize(
    ("atom", "pattern"), [("D", r"\d+"), ("T", r"\d+"), ("M", r"\d+"), ("L", r"\d+\.\d{6}"), ("t", TIME)]
)
def test_atoms_of_time(tmp_path: Path, atom: str, pattern: str) -> None:
    (line,) = logged(tmp_path, HELLO, format=f"%({atom})s")
    assert re.fullmatch(pattern, line), line


def test_head_is_logged_without_body_bytes(tmp_path: Path) -> None:
    (line,) = logged(tmp_path, request_bytes("HEAD", "/hello"), format="%(m)s %(s)s %(B)s")
    assert line == "HEAD 200 0"


def test_application_cannot_falsify_its_line(tmp_path: Path) -> None:
    (line,) = logged(tmp_path, request_bytes("GET", "/cleared"), format="%(h)s %(m)s %(U)s")
    assert line == "127.0.0.1 GET /cleared"


def test_500_of_an_exception_is_logged(tmp_path: Path) -> None:
    (line,) = logged(
        tmp_path, request_bytes("GET", "/raises"), format="%(s)s %(U)s", application="tests.wsgi.apps_call:app"
    )
    assert line == "500 /raises"


INJECTIONS = [
    request_bytes("GET", "/hello?%0d%0a127.0.0.1%20forged"),
    request_bytes("GET", '/hello?"forged"'),
    request_bytes("GET", "/hello", [("User-Agent", 'x" 200 5 "forged')]),
    request_bytes("GET", "/hello", [("User-Agent", "back\\slash\ttab")]),
    request_bytes("GET", "/hello", [("User-Agent", "\x85\xa0\xff")]),
    request_bytes("GET", "/hello", [("Referer", "\x9b31mred")]),
]


@pytest.mark.parametrize("format", ["common", "combined", "json"])
def test_no_request_makes_more_than_one_line_or_a_field_of_its_own(tmp_path: Path, format: str) -> None:
    lines = logged(tmp_path, *INJECTIONS, format=format)
    assert len(lines) == len(INJECTIONS)
    for line in lines:
        assert line.isprintable(), repr(line)
        if format == "json":
            assert json.loads(line)["status"] == 200
        elif format == "combined":
            quoted = r'"(?:[^"\\]|\\.)*"'
            assert re.fullmatch(rf"127\.0\.0\.1 - - {TIME} {quoted} 200 5 {quoted} {quoted}", line), line


def test_user_of_basic_authentication_cannot_forge_a_line(tmp_path: Path) -> None:
    # "a\r\nforged x:secret" in base64
    message = request_bytes("GET", "/hello", [("Authorization", "Basic YQ0KZm9yZ2VkIHg6c2VjcmV0")])
    (line,) = logged(tmp_path, message, format="common")
    assert "secret" not in line and line.endswith("200 5")


def test_standard_output_takes_the_access_log(probe_listener: object) -> None:
    with Server(APP, "--access-logfile", "-", "--access-logformat", "common") as server:
        assert server.request("GET", "/hello").body == b"hello"
        server.output.wait_for(r'"GET /hello HTTP/1\.1" 200 5')


def test_access_log_is_off_without_a_terminal(probe_listener: object) -> None:
    with Server(APP) as server:
        assert server.request("GET", "/hello").body == b"hello"
        assert server.stop() == 0
        assert server.output.wait_for_end() == ""
        assert "/hello" not in server.log.wait_for_end()


def test_all_requests_of_a_pipeline_are_logged_in_order(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    with Server(APP, "--access-logfile", str(path), "--access-logformat", "%(q)s") as server:
        with server.connect() as wire:
            wire.send(b"".join(request_bytes("GET", f"/hello?{number}") for number in range(100)))
            for _ in range(100):
                assert wire.read_response().body == b"hello"
        assert server.stop() == 0
    assert path.read_text().split() == [str(number) for number in range(100)]


def test_usr1_lets_the_log_go_on_in_a_new_file(tmp_path: Path) -> None:
    path, rotated = tmp_path / "access.log", tmp_path / "access.log.1"
    with Server(APP, "--access-logfile", str(path), "--access-logformat", "%(U)s") as server:
        server.request("GET", "/hello")
        wait_for_lines(path, 1)
        path.rename(rotated)
        server.signal(signal.SIGUSR1)
        until = time.monotonic() + DEADLINE_S
        while not path.exists():
            assert time.monotonic() < until, "no new file"
        # The file is there before the engine writes to it: the first lines may still go to the old one.
        while not path.read_text():
            assert time.monotonic() < until, "nothing comes in the new file"
            server.request("GET", "/hello")
    assert set((rotated.read_text() + path.read_text()).split()) == {"/hello"}


def wait_for_lines(path: Path, count: int) -> None:
    until = time.monotonic() + DEADLINE_S
    while path.read_text().count("\n") < count:
        assert time.monotonic() < until, f"only {path.read_text()!r}"
