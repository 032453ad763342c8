"""--check-path: a worker serves after it has answered a request well, and a reload to one that cannot fails."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from tests.faults.kit import eventually
from tests.process.test_reload import NO_BYTECODE
from tests.support.server import Server, run_command

SHOP = """
import os, sys, threading, time

def app(environ, start_response):
    asked = [environ[name] for name in ("PATH_INFO", "QUERY_STRING", "HTTP_HOST", "wsgi.url_scheme")]
    asked.append(environ.get("HTTP_USER_AGENT"))
    if environ["PATH_INFO"] == "/health":
        sys.stderr.write(f"asked {asked}\\n")
        @
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"@VERSION"]
"""


class Checked:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.control = str(directory / "control")
        self.release("1", "pass")

    def release(self, version: str, health: str) -> None:
        text = SHOP.replace("@VERSION", version).replace("@", health.replace("\n", "\n        "))
        draft = self.directory / "draft"
        draft.write_text(text)
        draft.replace(self.directory / "shop.py")

    def serve(self, *flags: str, path: str = "/health") -> Server:
        common = ("--chdir", str(self.directory), "--control-socket", self.control, "--drain-linger", "0")
        return Server("shop:app", "--workers", "1", *common, "--check-path", path, *flags, env=NO_BYTECODE)

    def reload(self) -> tuple[int, str]:
        return run_command("reload", "--wait", "--control-socket", self.control)


@pytest.fixture
def checked(tmp_path: Path) -> Checked:
    return Checked(tmp_path)


@pytest.mark.parametrize("flags", [(), ("--preload",), ("--threads", "1")])
def test_a_reload_to_an_application_that_cannot_answer_fails_with_the_cause(
    checked: Checked, flags: tuple[str, ...]
) -> None:
    with checked.serve(*flags, "--access-logfile", str(checked.directory / "access")) as server:
        checked.release("2", "raise ValueError('no table')")
        status, output = checked.reload()
        assert status == 1
        assert "--check-path: GET /health was answered 500 Internal Server Error" in output
        assert "ValueError: no table" in output and "shop.py" in output
        server.log.wait_for(
            r"not reloaded, what serves goes on: worker 1 \(pid \d+\) could not start: --check-path: GET"
        )
        assert server.request("GET", "/").body == b"1"
        checked.release("3", "pass")
        assert checked.reload() == (0, "reloaded\n")
        eventually(lambda: server.request("GET", "/").body == b"3", "the fix serves")
        assert "/health" not in (checked.directory / "access").read_text()
    assert server.log.text.count("ValueError: no table") == 1


@pytest.mark.parametrize(
    ("health", "cause"),
    [
        (
            "start_response('404 Not Found', [])\nreturn []",
            "was answered 404 Not Found; a worker serves after 2xx or 3xx",
        ),
        (
            "start_response('200 OK', [('Content-Length', '9')])\nreturn (1 / 0 if n else b'x' for n in (0, 1))",
            "was cut off in the middle of the answer\n  Traceback",
        ),
        ("os._exit(3)", "it ended with status 3 before it was ready"),
        ("time.sleep(60)", r"it was not ready within 1 s, and hangs at .*shop\.py:9;"),
    ],
)
def test_what_is_no_good_answer(checked: Checked, health: str, cause: str) -> None:
    with checked.serve("--start-timeout", "1") as server:
        checked.release("2", health)
        server.signal(signal.SIGHUP)
        server.log.wait_for(f"(?s)not reloaded, what serves goes on: worker 1 .*{cause}")
        assert server.request("GET", "/").body == b"1"


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/health?deep=1", "['/health', 'deep=1', 'localhost', 'http', 'dragoman-check']"),
        ("https://shop.example:444/health", "['/health', '', 'shop.example:444', 'https', 'dragoman-check']"),
    ],
)
def test_a_url_gives_the_request_a_host_and_a_scheme(checked: Checked, path: str, asked: str) -> None:
    with checked.serve(path=path) as server:
        server.log.wait_for(re.escape(f"asked {asked}"))


def test_a_redirect_is_an_answer(checked: Checked) -> None:
    checked.release("1", "start_response('302 Found', [('Location', '/')])\nreturn []")
    with checked.serve() as server:
        assert server.request("GET", "/").body == b"1"


def test_a_server_whose_first_workers_do_not_answer_well_ends_with_status_3(checked: Checked) -> None:
    checked.release("1", "raise ValueError('no table')")
    common = ("--workers", "1", "--bind", "127.0.0.1:0", "--chdir", str(checked.directory), "--control-socket", "none")
    status, output = run_command("shop:app", *common, "--check-path", "/health")
    assert status == 3 and output.count("ValueError: no table") == 1
