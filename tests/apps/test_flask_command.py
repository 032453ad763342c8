"""`flask --app x dragoman`: Flask's own command line with Dragoman as its server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import CommandServer, run_to_end

SHOP = """
import os
from flask import Flask, request

def create_app(name="shop"):
    app = Flask(name)

    @app.get("/facts")
    def facts():
        return {"name": app.name, "pid": os.getpid(), "parent": os.getppid(), "debug": app.debug,
            "multiprocess": request.environ["wsgi.multiprocess"]}

    return app
"""

# As the entry point adds it, which only an installation has.
FLASK = """
import sys
from importlib import metadata
from flask import cli
from dragoman.contrib.flask import command
if not any(one.value == "dragoman.contrib.flask:command" for one in metadata.entry_points(group="flask.commands")):
    add = cli.FlaskGroup._load_plugin_commands
    def load(self):
        add(self)
        self.add_command(command, "dragoman")
    cli.FlaskGroup._load_plugin_commands = load
cli.main()
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "flask_cli.py").write_text(FLASK)
    return tmp_path


def flask(directory: Path, *arguments: str) -> CommandServer:
    return CommandServer("flask_cli.py", *arguments, cwd=directory)


def test_what_flask_finds_is_served_by_workers(directory: Path) -> None:
    with flask(directory, "--app", "shop", "dragoman", "--bind", "127.0.0.1:0", "--workers", "2") as server:
        response = server.request("GET", "/facts")
        assert response.value("Server") == "dragoman"
        facts = response.json()
        assert (facts["name"], facts["parent"], facts["multiprocess"]) == ("shop", server.pid, True)
        assert "serves shop (WSGI)" in server.log.text


def test_a_factory_and_debug_are_flasks_and_serve_in_this_process(directory: Path) -> None:
    arguments = ["--app", "shop:create_app('toys')", "--debug", "dragoman", "-b", "127.0.0.1:0"]
    with flask(directory, *arguments) as server:
        facts = server.request("GET", "/facts").json()
        assert (facts["name"], facts["pid"], facts["debug"]) == ("toys", server.pid, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--app", "shop", "dragoman", "--threads", "none"), '--threads "none": want a whole number'),
        (("--app", "shopp", "dragoman", "--workers", "0"), "Could not import 'shopp'"),
        (("--app", "shopp", "dragoman", "--workers", "2"), "Could not import 'shopp'"),
        (("--app", "shop:create_app(1, 2)", "dragoman", "--workers", "0"), "arguments"),
        (("--app", "shop", "dragoman", "--no-such-flag"), "No such option"),
        (("--app", "shop", "dragoman", "extra"), 'dragoman takes no argument "extra"'),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(directory: Path, arguments: tuple[str, ...], message: str) -> None:
    status, output = run_to_end("flask_cli.py", *arguments, cwd=directory)
    assert status in (2, 3) and message in output and "Traceback" not in output


def test_the_help_has_the_settings_under_their_headings(directory: Path) -> None:
    status, output = run_to_end("flask_cli.py", "dragoman", "--help", cwd=directory)
    assert status == 0
    assert "Listening:" in output and "--bind ADDRESS" in output and "--chdir" not in output
