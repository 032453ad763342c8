"""`dragoman check`: the command's report in its forms, its exit statuses, and what it asks for."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from random import Random
from textwrap import dedent
from typing import Any

import pytest

from dragoman.check.catalogue import CATALOGUE
from dragoman.check.openapi import read_openapi
from dragoman.check.request import Origin
from dragoman.check.run import Options, asked_for, check
from dragoman.errors import UsageError

CLEAN = """
    def app(environ, start_response):
        start_response('200 OK', [('Content-Type', 'text/plain')])
        return [environ['PATH_INFO'].encode('latin-1')]
"""
BROKEN = """
    import sys

    print("loaded")

    def app(environ, start_response):
        print("called")
        start_response('200 OK', [('Content-Type', 'text/plain')])
        return ['text']
"""
FAILS_FOR_POST = """
    def app(environ, start_response):
        if environ['REQUEST_METHOD'] == 'POST':
            raise LookupError('inside')
        start_response('200 OK', [('Content-Type', 'text/plain')])
        return [b'text']
"""
FAILS = """
    def app(environ, start_response):
        raise LookupError('inside')
"""


def run(directory: Path, code: str, *arguments: str) -> tuple[int, str, str]:
    (directory / "shop.py").write_text(dedent(code))
    done = subprocess.run(
        [sys.executable, "-m", "dragoman", "check", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=directory,
    )
    return done.returncode, done.stdout, done.stderr


def test_a_clean_application_is_one_line_and_status_0(tmp_path: Path) -> None:
    status, output, errors = run(tmp_path, CLEAN, "shop:app")
    assert (status, errors) == (0, "")
    assert output.startswith("shop:app: ") and output.endswith(": no breach\n") and output.count("\n") == 1


def test_a_breach_is_explained_at_its_place_and_status_1(tmp_path: Path) -> None:
    status, output, _ = run(tmp_path, BROKEN, "shop:app")
    assert status == 1
    assert output.startswith("application: shop.py:6, in app\n\n  contract: body-not-bytes\n")
    assert "    GET / → shop:app  (shop.py:6)\n" in output
    assert "    Fix: give b'text', or 'text'.encode('utf-8')\n" in output
    assert "first in GET / (catalogue: get)\n" in output
    assert output.rstrip().endswith(": 1 breach in 1 place")


def test_what_the_application_prints_is_not_in_the_report(tmp_path: Path) -> None:
    _, output, errors = run(tmp_path, BROKEN, "shop:app", "--json")
    report = json.loads(output)
    assert "loaded" in errors and "called" in errors
    breach = report["breaches"][0]
    assert (breach["rule"], breach["file"], breach["line"], breach["party"]) == (
        "body-not-bytes",
        "shop.py",
        6,
        "application",
    )
    assert breach["request"] == "GET /" and breach["message"].startswith("contract: body-not-bytes\n")


SPEAKS_PAST_PYTHON = """
    import os, subprocess, sys

    os.write(1, b"loaded\\n")

    def app(environ, start_response):
        os.write(1, b"written\\n")
        sys.__stdout__.write("kept\\n")
        subprocess.run(["echo", "started"])
        start_response('200 OK', [('Content-Type', 'text/plain')])
        return [b'text']
"""


def test_nor_is_what_it_writes_past_python_and_what_its_programs_print(tmp_path: Path) -> None:
    status, output, errors = run(tmp_path, SPEAKS_PAST_PYTHON, "shop:app", "--json")
    assert status == 0 and json.loads(output)["breaches"] == []
    assert {"loaded", "written", "kept", "started"} <= set(errors.split())


def test_an_exception_is_an_error_and_fails_only_when_asked_to(tmp_path: Path) -> None:
    code = FAILS_FOR_POST
    status, output, _ = run(tmp_path, code, "shop:app")
    assert status == 0 and "raised LookupError: inside  (shop.py:4, in app)" in output
    assert run(tmp_path, code, "shop:app", "--fail-on", "error")[0] == 1


def test_an_application_that_answers_nothing_has_not_passed(tmp_path: Path) -> None:
    status, output, _ = run(tmp_path, FAILS, "shop:app")
    assert status == 1 and "raised LookupError: inside  (shop.py:3, in app)" in output


def test_rules_are_chosen_and_left_out(tmp_path: Path) -> None:
    assert run(tmp_path, BROKEN, "shop:app", "--ignore", "body-not-bytes")[0] == 0
    assert run(tmp_path, BROKEN, "shop:app", "--rule", "header-injection")[0] == 0
    assert run(tmp_path, BROKEN, "shop:app", "--rule", "body-not-bytes")[0] == 1


def test_hints_are_shown_to_who_asks_and_are_no_breach(tmp_path: Path) -> None:
    code = """
        def app(environ, start_response):
            start_response('200 OK', [('Content-Type', 'text/plain')])(b'text')
            return []
    """
    status, output, _ = run(tmp_path, code, "shop:app", "--hints")
    assert status == 0 and "hint, application: shop.py:3, in app" in output and "contract: write-used" in output
    assert "write-used" not in run(tmp_path, code, "shop:app")[1]


@pytest.mark.parametrize(
    ("code", "arguments", "want"),
    [
        ("import nothing_of_that_name", ["shop"], (3, "importing shop fails")),
        ("app = 1", ["shop"], (3, "contract: app-not-callable")),
        (CLEAN, [], (2, "an application is needed")),
        (CLEAN, ["shop", "--rule", "body-not-byte"], (2, "did you mean body-not-bytes?")),
        (CLEAN, ["shop", "--ignore", "x"], (2, "dragoman explain lists all rules")),
        (CLEAN, ["shop", "--time", "long"], (2, '--time "long": want')),
        (CLEAN, ["shop", "--request", "path"], (2, "want 'METHOD /path'")),
        (CLEAN, ["shop", "--header", "x"], (2, "want 'NAME: VALUE'")),
        (CLEAN, ["shop", "--openapi", "none.json"], (2, '--openapi "none.json"')),
        (CLEAN, ["shop", "--json", "--sarif", "-"], (2, "both want standard output")),
        (CLEAN, ["shop", "--sarif", "none/x.sarif"], (2, "cannot be written")),
    ],
)
def test_what_cannot_be_done_is_said_with_its_own_status(
    tmp_path: Path, code: str, arguments: list[str], want: tuple[int, str]
) -> None:
    status, output, errors = run(tmp_path, code, *arguments)
    assert status == want[0] and want[1] in errors, (status, output, errors)


def test_a_call_that_does_not_return_is_named_with_its_line(tmp_path: Path) -> None:
    code = """
        import threading

        def app(environ, start_response):
            threading.Event().wait()
    """
    status, output, _ = run(tmp_path, code, "shop:app", "--time", "0.5")
    assert status == 1
    assert "did not return: GET / was under way when the time was over  (shop.py:5, in app)" in output


def test_what_was_not_asked_after_a_call_that_does_not_return_is_told(tmp_path: Path) -> None:
    code = """
        import threading

        def app(environ, start_response):
            if environ['REQUEST_METHOD'] == 'HEAD':
                threading.Event().wait()
            start_response('200 OK', [('Content-Type', 'text/plain')])
            return [b'text']
    """
    status, output, _ = run(tmp_path, code, "shop:app", "--time", "0.5")
    assert status == 1
    assert f"\n  {len(CATALOGUE) - 2} requests not made: the call before them did not return\n" in output


def test_threads_of_the_application_do_not_hold_up_the_end(tmp_path: Path) -> None:
    waits = "import threading\nthreading.Thread(target=threading.Event().wait).start()\n"
    assert run(tmp_path, waits + dedent(CLEAN), "shop:app")[0] == 0


def test_the_catalogue_is_listed(tmp_path: Path) -> None:
    status, output, _ = run(tmp_path, "", "--list")
    assert status == 0 and "gone-in-upload" in output


# SARIF.


def sarif_of(directory: Path, code: str, *arguments: str) -> Any:
    status, output, errors = run(directory, code, "shop:app", "--sarif", "-", *arguments)
    assert status in (0, 1), errors
    return json.loads(output)


def test_sarif_has_each_breach_with_its_rule_and_a_path_from_the_working_directory(tmp_path: Path) -> None:
    log = sarif_of(tmp_path, BROKEN)
    assert log["version"] == "2.1.0" and log["$schema"].endswith("sarif-2.1.0.json")
    (one,) = log["runs"]
    driver = one["tool"]["driver"]
    (rule,) = driver["rules"]
    assert driver["name"] == "dragoman" and rule["id"] == "body-not-bytes"
    assert rule["help"]["text"] and rule["fullDescription"]["text"] and rule["shortDescription"]["text"]
    (result,) = one["results"]
    assert (result["ruleId"], result["level"]) == ("body-not-bytes", "error")
    assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    place = result["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "shop.py", "uriBaseId": "%SRCROOT%"}, "region": {"startLine": 6}}
    assert one["originalUriBaseIds"]["%SRCROOT%"]["uri"] == f"{tmp_path.as_uri()}/"
    assert result["message"]["text"].startswith("contract: body-not-bytes\n")


def test_sarif_of_a_clean_application_has_no_results_and_errors_are_warnings(tmp_path: Path) -> None:
    assert sarif_of(tmp_path, CLEAN)["runs"][0]["results"] == []
    (result,) = sarif_of(tmp_path, FAILS)["runs"][0]["results"]
    assert (result["ruleId"], result["level"]) == ("application-error", "warning")


def test_a_sarif_file_comes_beside_the_text_and_its_fingerprint_outlives_a_move(tmp_path: Path) -> None:
    def fingerprint(code: str) -> str:
        status, output, _ = run(tmp_path, code, "shop:app", "--sarif", "found.sarif")
        assert status == 1 and output.startswith("application: shop.py")
        result = json.loads((tmp_path / "found.sarif").read_text())["runs"][0]["results"][0]
        return str(result["partialFingerprints"]["dragoman/v1"])

    assert fingerprint(BROKEN) == fingerprint(f"# A line more.\n{dedent(BROKEN)}")


# What one request leaves to another, in this process.


def state_of(application: Any, *requests: str, **options: Any) -> list[Any]:
    report = check(application, Options(asked=asked_for(requests), rules=["app-shared-state"], **options))
    return [seen.what for seen in report.breaches]


def answering(give: Any) -> Any:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [str(give(environ)).encode("utf-8", "replace")]

    return app


def test_what_is_added_to_for_good_is_no_finding() -> None:
    log: list[str] = []
    book: list[str] = []

    def visitors(environ: dict[str, Any]) -> str:
        log.append(environ["HTTP_USER_AGENT"])
        return ",".join(log)

    def strokes(environ: dict[str, Any]) -> str:
        log.append("x")
        return "".join(log)

    def guestbook(environ: dict[str, Any]) -> str:
        if environ["REQUEST_METHOD"] == "POST":
            book.append(environ["HTTP_USER_AGENT"])
        return ",".join(book)

    for give in (visitors, strokes, guestbook):
        log.clear()
        assert state_of(answering(give), "GET /one", "GET /two", "POST /two") == []


def test_a_word_of_another_request_that_goes_again_is_found() -> None:
    last: list[str] = []

    def give(environ: dict[str, Any]) -> str:
        last.append(environ["HTTP_USER_AGENT"])
        return ",".join(last[-3:])

    found = state_of(answering(give), "GET /one", "GET /two", threads=1)
    assert found and "which another request has sent as part of its User-Agent" in found[0].value


def test_what_the_request_before_has_left_is_found() -> None:
    last = {"path": ""}

    def give(environ: dict[str, Any]) -> str:
        before, last["path"] = last["path"], environ["PATH_INFO"]
        return before

    found = state_of(answering(give), "GET /one", "GET /two", threads=1)
    assert found and found[0].value.startswith("after GET ")


def test_requests_that_get_into_each_others_way_are_found() -> None:
    class Current:
        path = ""

    def give(environ: dict[str, Any]) -> str:
        Current.path = environ["PATH_INFO"]
        for _ in range(20_000):
            pass
        return Current.path

    found = state_of(answering(give), "GET /one", "GET /two")
    assert found and found[0].value.startswith("while other requests ran its body had")
    assert state_of(answering(give), "GET /one", "GET /two", threads=1) == []


def test_what_chance_gives_now_and_then_is_no_finding_though_it_came_while_others_ran() -> None:
    for seed in range(12):
        chance = Random(seed)
        assert state_of(answering(lambda environ: chance.random() < 0.05), "GET /one", "GET /two") == []  # noqa: B023


@pytest.mark.parametrize("status", ["503 Service Unavailable", "429 Too Many Requests"])
def test_who_says_that_it_is_too_much_at_once_keeps_no_state(status: str) -> None:
    room = threading.Semaphore(2)

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        is_free = room.acquire(blocking=False)
        for _ in range(2_000):
            pass
        start_response("200 OK" if is_free else status, [("Content-Type", "text/plain")])
        if is_free:
            room.release()
        return [b"text"]

    assert state_of(app, "GET /one", "GET /two") == []


def test_times_tokens_counters_and_pages_that_change_for_good_are_no_findings() -> None:
    import itertools
    import secrets
    import time

    counter = itertools.count()
    done: set[str] = set()

    def changes_for_good(environ: dict[str, Any]) -> str:
        done.add(environ["PATH_INFO"])
        return "both" if {"/one", "/two"} <= done else "not yet"

    for give in (
        lambda environ: time.time(),
        lambda environ: time.strftime("%H:%M:%S"),
        lambda environ: secrets.token_hex(8),
        lambda environ: next(counter),
        changes_for_good,
    ):
        assert state_of(answering(give), "GET /one", "GET /two") == []


# OpenAPI.

DESCRIPTION: dict[str, Any] = {
    "openapi": "3.1.0",
    "servers": [{"url": "https://shop.example/api/"}],
    "paths": {
        "/items/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}],
            "get": {
                "parameters": [
                    {"name": "q", "in": "query", "example": "a b"},
                    {"name": "left-out", "in": "query", "schema": {"type": "string"}},
                    {"name": "X-Key", "in": "header", "required": True, "schema": {"type": "string", "format": "uuid"}},
                    {"name": "tags", "in": "query", "required": True, "schema": {"$ref": "#/components/schemas/Tags"}},
                ]
            },
            "put": {"requestBody": {"$ref": "#/components/requestBodies/Item"}},
        },
        "/login": {
            "post": {
                "requestBody": {
                    "content": {
                        "application/x-www-form-urlencoded": {
                            "schema": {"type": "object", "properties": {"user": {"type": "string", "minLength": 8}}}
                        }
                    }
                }
            }
        },
    },
    "components": {
        "schemas": {
            "Tags": {"type": "array", "items": {"type": "string", "enum": ["red", "blue"]}},
            "Item": {
                "allOf": [{"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}}],
                "type": "object",
                "required": ["name", "parent"],
                "properties": {
                    "name": {"type": "string"},
                    "unneeded": {"type": "string"},
                    "parent": {"$ref": "#/components/schemas/Item"},
                },
            },
        },
        "requestBodies": {"Item": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Item"}}}}},
    },
}


def written(directory: Path, description: object) -> str:
    file = directory / "api.json"
    file.write_text(description if isinstance(description, str) else json.dumps(description))
    return str(file)


def test_each_operation_of_a_description_is_a_request(tmp_path: Path) -> None:
    get, put, login = read_openapi(written(tmp_path, DESCRIPTION))
    assert (get.method, get.path, get.query, get.origin) == ("GET", "/api/items/1", "q=a+b&tags=red", Origin.OPENAPI)
    assert dict(get.headers)["X-Key"].count("-") == 4
    assert (put.method, dict(put.headers)["Content-Type"]) == ("PUT", "application/json")
    item = json.loads(put.body)
    assert (item["id"], item["name"], "unneeded" in item) == (1, "sample", False)
    assert item["parent"]["name"] == "sample"
    assert (login.path, login.body) == ("/api/login", b"user=samplexx")


def test_a_parameter_without_a_description_is_filled_in(tmp_path: Path) -> None:
    (request,) = read_openapi(written(tmp_path, {"openapi": "3.0.0", "paths": {"/a/{id}/b": {"get": {}}}}))
    assert request.path == "/a/1/b"


def test_swagger_2_has_its_own_places(tmp_path: Path) -> None:
    description = {
        "swagger": "2.0",
        "basePath": "/v1",
        "paths": {
            "/a": {"get": {"parameters": [{"name": "n", "in": "query", "required": True, "type": "integer"}]}},
            "/b": {"post": {"parameters": [{"name": "f", "in": "formData", "required": True, "type": "string"}]}},
        },
    }
    first, second = read_openapi(written(tmp_path, description))
    assert (first.path, first.query, second.path, second.body) == ("/v1/a", "n=1", "/v1/b", b"f=sample")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "is not JSON"),
        ("[]", "want an object"),
        ("{}", "want an OpenAPI description"),
        ("openapi: 3.0.0", "PyYAML"),
    ],
)
def test_what_is_no_description_is_refused(
    tmp_path: Path, text: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(UsageError, match=why):
        read_openapi(written(tmp_path, text))


def test_operations_that_change_something_are_held_back(tmp_path: Path) -> None:
    seen: list[str] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}")
        start_response("200 OK", [("Content-Type", "text/plain")])
        return []

    asked = asked_for((), written(tmp_path, DESCRIPTION))
    report = check(app, Options(asked=asked, rules=["body-not-bytes"]))
    assert "GET /api/items/1" in seen and "PUT /api/items/1" not in seen and report.held_back == 2
    check(app, Options(asked=asked, rules=["body-not-bytes"], is_unsafe=True))
    assert "PUT /api/items/1" in seen and "POST /api/login" in seen
