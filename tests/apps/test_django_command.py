"""`manage.py rundragoman` in a real project: addresses, settings, static files, reloading, workers."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.faults.kit import eventually
from tests.support.commands import CommandServer, run_to_end
from tests.support.server import run_command
from tests.support.wire import DEADLINE_S, ConnectionEnded, Wire

# How long a change has to be served before the file is written anew.
WRITTEN_AGAIN_S = 4.0

MANAGE = """
import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""

SETTINGS = """
import os
DEBUG = os.environ.get("PROJECT_DEBUG") == "1"
ALLOWED_HOSTS = os.environ.get("PROJECT_HOSTS", "*").split()
INSTALLED_APPS = ["django.contrib.staticfiles", "dragoman.contrib.django"]
ROOT_URLCONF = "project.urls"
WSGI_APPLICATION = "project.wsgi.application"
SECRET_KEY = "only for tests"
STATIC_URL = "/static/"
STATICFILES_DIRS = [os.path.join(os.path.dirname(__file__), "static")]
USE_TZ = True
"""

URLS = """
import os
from django.http import JsonResponse
from django.urls import path
from project.view import TEXT

def facts(request):
    return JsonResponse({"pid": os.getpid(), "parent": os.getppid(), "text": TEXT, "wsgi": request.META["project"],
        "multiprocess": request.META["wsgi.multiprocess"]})

urlpatterns = [path("facts", facts)]
"""

WSGI = """
import os
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
from django.core.wsgi import get_wsgi_application
inner = get_wsgi_application()

def application(environ, start_response):
    environ["project"] = "project.wsgi"
    return inner(environ, start_response)
"""

# Whatever the environment of the tests says.
ENV = {"DJANGO_SETTINGS_MODULE": "project.settings"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "manage.py").write_text(MANAGE)
    package = tmp_path / "project"
    (package / "static").mkdir(parents=True)
    (package / "static" / "style.css").write_text("body { color: teal }\n")
    for name, text in {
        "__init__": "",
        "settings": SETTINGS,
        "urls": URLS,
        "wsgi": WSGI,
        "view": "TEXT = 'one'\n",
    }.items():
        (package / f"{name}.py").write_text(text)
    return tmp_path


def rundragoman(project: Path, *arguments: str, debug: bool = True, hosts: str = "*") -> CommandServer:
    env = ENV | {"PROJECT_DEBUG": str(int(debug)), "PROJECT_HOSTS": hosts}
    return CommandServer("manage.py", "rundragoman", *arguments, cwd=project, env=env)


def test_the_projects_own_application_is_served_with_its_static_files(project: Path) -> None:
    with rundragoman(project, "127.0.0.1:0", "--noreload") as server:
        facts = server.request("GET", "/facts").json()
        assert facts["pid"] == server.pid and facts["wsgi"] == "project.wsgi"
        assert server.request("GET", "/static/style.css").body == b"body { color: teal }\n"
        assert "serves project.wsgi:application (WSGI)" in server.log.text
        assert "System check identified no issues" in server.output.text


def test_static_files_can_be_left_to_others(project: Path) -> None:
    with rundragoman(project, "127.0.0.1:0", "--noreload", "--nostatic") as server:
        assert server.request("GET", "/static/style.css").status == 404


def test_the_settings_are_options(project: Path) -> None:
    flags = ["--bind", "127.0.0.1:0", "--server-header", "by-option", "--limit-request-line", "100"]
    with rundragoman(project, "--noreload", *flags) as server:
        assert server.request("GET", "/facts").value("Server") == "by-option"
        assert server.request("GET", "/" + "x" * 100).status == 414


def test_without_debug_workers_serve_and_static_files_do_not(project: Path) -> None:
    with rundragoman(project, "127.0.0.1:0", "--workers", "2", debug=False) as server:
        facts = server.request("GET", "/facts").json()
        assert facts["parent"] == server.pid and facts["multiprocess"] is True
        assert server.request("GET", "/static/style.css").status == 404


@pytest.mark.parametrize("debug", [False, True])
def test_a_reload_brings_the_code_that_is_there_by_then(project: Path, debug: bool) -> None:
    control = str(project / "control")
    flags = ("127.0.0.1:0", "--noreload", "--workers", "2", "--control-socket", control, "--drain-linger", "0")
    with rundragoman(project, *flags, debug=debug) as server:
        assert server.request("GET", "/facts").json()["text"] == "one"
        (project / "project" / "view.py").write_text("TEXT = 'another'\n")
        assert run_command("reload", "--wait", "--control-socket", control) == (0, "reloaded\n")
        eventually(lambda: server.request("GET", "/facts").json()["text"] == "another", "the new code answers")
        assert (server.request("GET", "/static/style.css").status == 200) is debug
        (project / "project" / "wsgi.py").write_text("def application(:\n")
        status, output = run_command("reload", "--wait", "--control-socket", control)
        assert status == 1 and "SyntaxError" in output
        assert server.request("GET", "/facts").json()["text"] == "another"


def test_a_project_that_is_found_by_its_manage_py_alone_is_found_by_the_workers(project: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    manage = str(project / "manage.py")
    with CommandServer(
        manage, "rundragoman", "127.0.0.1:0", "--workers", "1", cwd=elsewhere, env=ENV | {"PROJECT_HOSTS": "*"}
    ) as server:
        assert server.request("GET", "/facts").json()["parent"] == server.pid


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("127.0.0.1:0", "--bind", "127.0.0.1:0"), "the address is given twice"),
        (("--workers", "2"), "--workers goes with --noreload"),
        (("--noreload", "--threads", "0"), '--threads "0": want a whole number'),
        (("--noreload", "127.0.0.1:nonsense"), "want HOST:PORT"),
        (("127.0.0.1:nonsense",), "want HOST:PORT"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(project: Path, arguments: tuple[str, ...], message: str) -> None:
    status, output = run_to_end("manage.py", "rundragoman", *arguments, cwd=project, env=ENV | {"PROJECT_DEBUG": "1"})
    assert status in (1, 2) and message in output and "Traceback" not in output


def test_without_debug_the_hosts_have_to_be_named(project: Path) -> None:
    status, output = run_to_end("manage.py", "rundragoman", cwd=project, env=ENV | {"PROJECT_HOSTS": ""})
    assert status == 1 and "settings.ALLOWED_HOSTS has to name" in output


def test_an_application_that_cannot_be_loaded_is_told_with_its_own_traceback(project: Path) -> None:
    (project / "project" / "wsgi.py").write_text("application = undefined\n")
    status, output = run_to_end(
        "manage.py", "rundragoman", "127.0.0.1:0", "--noreload", cwd=project, env=ENV | {"PROJECT_DEBUG": "1"}
    )
    assert status == 3
    assert "CommandError: loading the application fails: NameError: name 'undefined' is not defined" in output
    assert 'wsgi.py", line 1' in output and "rundragoman.py" not in output


def test_a_changed_file_restarts_the_server(project: Path) -> None:
    # The port has to stay the same: one that is free now, and that nobody takes in between.
    with rundragoman(project, "127.0.0.1:0", "--noreload") as server:
        assert not isinstance(server.address, str)
        port = server.address[1]
    with rundragoman(project, str(port)) as server:
        before = server.request("GET", "/facts").json()
        assert before["text"] == "one" and before["parent"] == server.pid
        assert server.request("GET", "/static/style.css").status == 200
        until = time.monotonic() + DEADLINE_S
        text, number, written_at = "one", 0, -WRITTEN_AGAIN_S
        while text == "one" and time.monotonic() < until:
            # Again only when a restart has had its time: each change begins another one.
            if time.monotonic() - written_at > WRITTEN_AGAIN_S:
                written_at = time.monotonic()
                # Later than any time of modification that the reloader may have seen first.
                number += 1
                (project / "project" / "view.py").write_text("TEXT = 'two'\n")
                os.utime(project / "project" / "view.py", (time.time() + number, time.time() + number))
            time.sleep(0.2)
            try:
                with Wire(server.address) as wire:
                    text = wire.request("GET", "/facts").json()["text"]
            except (OSError, ConnectionEnded):
                continue  # between two servers
        assert text == "two", server.log.text
        # The reloader's own process ends at the signal that a terminal sends to all of its group.
        os.killpg(server.pid, signal.SIGINT)
        assert server.wait() in (0, -signal.SIGINT)
        assert "Fatal" not in server.log.text
