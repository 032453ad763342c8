"""Layers that settings name: around the application, read anew by a reload, and refused with a sentence."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from tests.support.server import Server, run_command
from tests.support.wire import DEADLINE_S

APP = """
def app(environ, start_response):
    keys = sorted(key for key in environ if key.startswith("dragoman.") and key != "dragoman.contract")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [" ".join(keys).encode()]
"""
UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")

SEVERAL = """
[server]
application = "shop:app"

[[middleware]]
use = "request-id"
header = "X-Number"

[[middleware]]
use = "metrics"
storage = "memory://"
allow = []
token = { env = "METRICS_TOKEN" }

[[middleware]]
use = "security-headers"
frame = "DENY"

[[middleware]]
use = "sessions"
secret = [{ file = "secret" }, { env = "OLD_SECRET" }]
"""
SECRETS = {"METRICS_TOKEN": "of the scraper", "OLD_SECRET": "thirty-two letters of last year"}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(APP)
    (tmp_path / "secret").write_text("thirty-two letters of this year\n")
    return tmp_path


def serve(directory: Path, *flags: str, application: str = "shop:app", **env: str) -> Server:
    common = ("--workers", "1", "--control-socket", "none", *flags)
    return Server(application, *common, cwd=directory, env={"PYTHONPATH": python_path(), **env})


def python_path() -> str:
    import dragoman

    return str(Path(dragoman.__file__).parents[1])


def reload(server: Server) -> str:
    """What the server says of it."""
    since = len(server.log.text)
    server.signal(signal.SIGHUP)
    return server.log.wait_for(r"(?:not )?reloaded[,:].*", since, DEADLINE_S)[0]


def test_a_flag_puts_a_layer_around_the_application(directory: Path) -> None:
    with serve(directory, "--middleware", "request-id") as server:
        response = server.request()
        assert UUID7.fullmatch(response.value("X-Request-ID") or "")
        assert "dragoman.request_id" in response.text


def test_a_flag_may_have_arguments_and_the_first_is_the_outermost(directory: Path) -> None:
    flags = ("--middleware", "request-id(header='X-Number', trusted='*')", "--middleware", "security-headers")
    with serve(directory, *flags) as server:
        response = server.request("GET", "/", [("X-Number", "seven")])
        assert response.value("X-Number") == "seven"
        assert response.value("X-Content-Type-Options") == "nosniff"


def test_a_file_names_several_and_a_reload_takes_what_it_says_then(directory: Path) -> None:
    config = directory / "dragoman.toml"
    config.write_text(SEVERAL)
    with serve(directory, **SECRETS) as server:
        response = server.request()
        assert UUID7.fullmatch(response.value("X-Number") or "")
        assert response.value("X-Frame-Options") == "DENY"
        assert {"dragoman.request_id", "dragoman.session"} <= set(response.text.split())
        assert server.request("GET", "/metrics").status == 403
        counts = server.request("GET", "/metrics", [("Authorization", f"Bearer {SECRETS['METRICS_TOKEN']}")])
        assert 'http_server_requests_total{method="GET",route="other",status="200"} 1.0' in counts.text

        without_metrics = SEVERAL[: SEVERAL.index('[[middleware]]\nuse = "metrics"')]
        config.write_text(f'{without_metrics}[[middleware]]\nuse = "security-headers"\n')
        assert reload(server).startswith("reloaded")
        response = server.request("GET", "/metrics")
        assert (response.status, response.value("X-Frame-Options")) == (200, "SAMEORIGIN")
        assert "dragoman.request_id" in response.text and "dragoman.session" not in response.text

        config.write_text(f'{without_metrics}[[middleware]]\nuse = "proxy-headers"\nhops = 1\n')
        said = reload(server)
        assert said.startswith("not reloaded, what serves goes on") and "wrong order" in said
        assert server.request().value("X-Frame-Options") == "SAMEORIGIN"


def refused(directory: Path, workers: int, *texts: str) -> tuple[int, str]:
    """How a start with these layers ends, and what it says."""
    flags = [word for text in texts for word in ("--middleware", text)]
    common = ("--bind", "127.0.0.1:0", "--workers", str(workers), "--control-socket", "none")
    return run_command("shop:app", *common, *flags, cwd=directory, env={"PYTHONPATH": python_path()})


@pytest.mark.parametrize(
    ("text", "status", "said"),
    [
        ("sessions(secret={'env': 'NOWHERE'})", 1, "secret: the variable NOWHERE is not set"),
        ("sessions(secret=[{'file': 'nowhere'}])", 1, 'secret: the file "nowhere" cannot be read'),
        ("request-ids", 2, "did you mean request-id?"),
        ("request-id(header='a b')", 3, "header: want the name of a field"),
    ],
)
def test_a_layer_that_cannot_be_made_ends_the_start_with_a_sentence(
    directory: Path, text: str, status: int, said: str
) -> None:
    ended, output = refused(directory, 0, text)
    assert (ended, said in output) == (status, True), output
    # Of workers it is the application that cannot be served.
    ended, output = refused(directory, 1, text)
    assert (ended, said in output) == (3, True), output


def test_a_wrong_order_ends_the_start_with_the_right_one(directory: Path) -> None:
    ended, output = refused(directory, 0, "access-log", "request-id")
    assert ended == 2
    assert "RequestId belongs outside of AccessLog: the log would have no id" in output
    assert "Right: RequestId, AccessLog" in output
