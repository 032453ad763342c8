"""``dragoman routes``, ``command`` and ``shell`` for applications of each framework."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.needs import need

OURS = """
import click
from dragoman.middleware import Compress, Mount
from dragoman.web import App, Blueprint, current_app

app = App(__name__, static_folder=None)
admin = Blueprint("admin", __name__, url_prefix="/admin")

@app.get("/user/<int:id>")
def user(id: int) -> dict:
    return {"id": id}

@app.route("/", methods=["POST", "GET"])
def index() -> str:
    return ""

@admin.delete("/user/{id}")
def remove(id: int) -> str:
    return ""

@app.cli.command("init-db")
@click.option("--force", is_flag=True)
@click.argument("names", nargs=-1)
def init_db(force: bool, names: tuple) -> None:
    "Make the tables."
    click.echo(f"{current_app.name} {force} {names}")

@app.cli.command()
def leave() -> None:
    raise SystemExit(7)

@app.shell_context_processor
def names() -> dict:
    return {"answer": 42}

app.register_blueprint(admin)

def plain(environ, start_response):
    start_response("204 No Content", [])
    return []

app.mount("/plain", plain)
other = App("other", static_folder=None)
other.add_url_rule("/deep", "deep", lambda: "")
app.mount("/other", other)

site = Compress(Mount(plain, mounts={"/shop": app}))

def create_app(name: str = "made") -> App:
    return App(name, static_folder=None)
"""

FLASK = """
import click
from flask import Flask, current_app
from flask.views import MethodView

app = Flask(__name__)

@app.get("/user/<int:id>")
def user(id):
    return ""

class Items(MethodView):
    def post(self):
        return ""

app.add_url_rule("/items", view_func=Items.as_view("items"))

@app.cli.command("init-db")
def init_db():
    click.echo(current_app.name)
"""

DJANGO = """
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import include, path, re_path
from django.views import View

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"])

def year(request, year):
    return HttpResponse("")

class Items(View):
    def post(self, request):
        return HttpResponse("")

part = ([path("items/", Items.as_view(), name="items")], "part")
urlpatterns = [
    path("year/<int:year>/", year, name="year"),
    re_path(r"^x(?P<n>[0-9]+)$", year),
    path("p/", include(part)),
]
app = get_wsgi_application()
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name, source in (("ours", OURS), ("flasks", FLASK), ("djangos", DJANGO)):
        (tmp_path / f"{name}.py").write_text(source)
    (tmp_path / "bare.py").write_text("def app(environ, start_response):\n    return []\n")
    return tmp_path


def run(place: Path, *arguments: str, given: str = "", **environment: str) -> tuple[int, str, str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("DRAGOMAN_", "PYTHONSTARTUP"))}
    done = subprocess.run(
        [sys.executable, "-m", "dragoman", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=place,
        env={**env, **environment},
        input=given,
    )
    return done.returncode, done.stdout, done.stderr


def listed(place: Path, application: str) -> dict[str, tuple[str, str]]:
    """Rule to methods and handler, as the table has them."""
    status, output, errors = run(place, "routes", application)
    assert (status, errors) == (0, "")
    rows = [line.split("  ") for line in output.splitlines()]
    table = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert table[0] == ["METHODS", "RULE", "ENDPOINT", "HANDLER"]
    rules = [row[1] for row in table[1:]]
    assert rules == sorted(rules)
    return {row[1]: (row[0], " ".join(row[2:])) for row in table[1:]}


def line_of(source: str, text: str) -> int:
    return next(number for number, line in enumerate(source.splitlines(), 1) if text in line)


def test_the_routes_of_our_applications_are_listed_with_blueprints_and_mounts(place: Path) -> None:
    routes = listed(place, "ours:app")
    decorator = line_of(OURS, '"/user/<int:id>"')
    assert routes == {
        "/": ("GET, POST", f"index index (ours.py:{line_of(OURS, 'route(')})"),
        "/admin/user/{id}": ("DELETE", f"admin.remove remove (ours.py:{line_of(OURS, 'admin.delete')})"),
        "/other/deep": ("GET", f"deep <lambda> (ours.py:{line_of(OURS, 'lambda')})"),
        "/plain/*": ("any", f"plain (ours.py:{line_of(OURS, 'def plain')})"),
        "/user/<int:id>": ("GET", f"user user (ours.py:{decorator})"),
    }


def test_routes_within_middleware_have_the_prefix_of_their_mount(place: Path) -> None:
    assert {"/shop/", "/shop/user/<int:id>", "/shop/plain/*", "/shop/other/deep"} <= listed(place, "ours:site").keys()


def test_routes_are_json_for_programs(place: Path) -> None:
    status, output, _ = run(place, "routes", "ours", "--json")
    assert status == 0
    found = next(one for one in json.loads(output) if one["endpoint"] == "user")
    assert found == {
        "rule": "/user/<int:id>",
        "methods": ["GET"],
        "endpoint": "user",
        "handler": "user",
        "file": str(place / "ours.py"),
        "line": line_of(OURS, '"/user/<int:id>"'),
    }


def test_files_are_named_as_seen_from_where_the_command_was_given(place: Path) -> None:
    (place / "below").mkdir()
    (place / "below" / "deep.py").write_text(FLASK)
    need("flask")
    assert "below/deep.py:8" in run(place, "routes", "--chdir", "below", "deep")[1]


def test_the_routes_of_flask_are_listed(place: Path) -> None:
    need("flask")
    routes = listed(place, "flasks")
    assert routes["/user/<int:id>"] == ("GET", f"user user (flasks.py:{line_of(FLASK, 'app.get')})")
    assert routes["/items"] == ("POST", f"items Items.post (flasks.py:{line_of(FLASK, 'def post')})")
    assert routes["/static/<path:filename>"][0] == "GET"


def test_the_routes_of_django_are_listed(place: Path) -> None:
    need("django")
    routes = listed(place, "djangos")
    of_year = f"year (djangos.py:{line_of(DJANGO, 'def year')})"
    assert routes["/year/<int:year>/"] == ("any", f"year {of_year}")
    assert routes["/^x(?P<n>[0-9]+)$"] == ("any", of_year)
    assert routes["/p/items/"] == ("POST", f"part:items Items.post (djangos.py:{line_of(DJANGO, 'def post')})")


def test_an_application_that_cannot_be_had_is_told_in_a_sentence(place: Path) -> None:
    (place / "wrong.py").write_text(
        "from dragoman.web import App\napp = App(__name__)\n@app.get('/<int:id>')\ndef user(x): return x\n"
    )
    status, _, errors = run(place, "routes", "wrong")
    assert status == 3 and errors.count("\n") == 1
    assert (
        errors.startswith("dragoman: the application cannot be had: user (") and "wrong.py:3): the rule has" in errors
    )


def test_an_application_without_rules_has_no_routes_yet(place: Path) -> None:
    (place / "empty.py").write_text("from dragoman.web import App\napp = App(__name__, static_folder=None)\n")
    status, _, errors = run(place, "routes", "empty")
    assert (status, errors) == (3, "dragoman: empty:app has no routes yet\n")


def test_what_has_no_routes_and_no_commands_is_told(place: Path) -> None:
    status, _, errors = run(place, "routes", "bare")
    assert status == 3 and "the routes of bare:app cannot be listed: it is no application of" in errors
    status, _, errors = run(place, "command", "bare", "x")
    assert status == 3 and 'with @app.cli.command("NAME")' in errors


def test_a_command_gets_all_that_follows_its_name_and_its_status_is_the_commands(place: Path) -> None:
    assert run(place, "command", "ours", "init-db", "--force", "a", "-x")[0] == 2
    assert run(place, "command", "ours", "init-db", "--force", "a", "b") == (0, "ours True ('a', 'b')\n", "")
    assert run(place, "command", "--env", "X=1", "ours:site", "init-db") == (0, "ours False ()\n", "")
    assert run(place, "command", "ours", "leave")[0] == 7
    status, _, errors = run(place, "command", "ours", "int-db")
    assert status == 2 and "dragoman command ours:app" in errors and "int-db" in errors


def test_without_a_name_the_commands_are_listed(place: Path) -> None:
    status, output, _ = run(place, "command", "ours")
    assert status == 0 and "init-db  Make the tables." in output


def test_the_application_may_be_named_elsewhere(place: Path) -> None:
    assert run(place, "command", "init-db", "a", DRAGOMAN_APPLICATION="ours:app")[1] == "ours False ('a',)\n"
    (place / "dragoman.toml").write_text('[server]\napplication = "ours:app"\n')
    assert run(place, "command", "init-db", "--force")[1] == "ours True ()\n"
    assert run(place, "command", "ours:site", "init-db")[1] == "ours False ()\n"


def test_a_factory_makes_the_application(place: Path) -> None:
    assert run(place, "shell", "ours:create_app('shop')", given="print(app.name)")[1] == "shop\n"


def test_the_commands_of_flask_run_with_its_own_context(place: Path) -> None:
    need("flask")
    assert run(place, "command", "flasks", "init-db") == (0, "flasks\n", "")


def test_what_comes_from_a_pipe_is_run_as_a_whole_with_a_request_in_hand(place: Path) -> None:
    given = "for name in ('a', 'b'):\n    print(name, answer, request.path, app.name)\ng.x = 1\nprint(g.x)\n"
    assert run(place, "shell", "ours", given=given) == (0, "a 42 / ours\nb 42 / ours\n1\n", "")
    status, _, errors = run(place, "shell", "ours", given="1 / 0")
    assert status == 1 and 'File "<stdin>", line 1' in errors and "tools/shell.py" not in errors


def test_the_shell_of_other_applications_has_what_they_have(place: Path) -> None:
    need("flask")
    given = "from flask import request\nprint(app.name, request.path, g)"
    assert run(place, "shell", "flasks", given=given)[1].startswith("flasks / <flask.g")
    assert run(place, "shell", "bare", given="print(app.__name__)")[1] == "app\n"


def until(terminal: int, wanted: bytes) -> bytes:
    """What a terminal shows, up to `wanted`."""
    output = b""
    while wanted not in output:
        assert select.select([terminal], [], [], 60)[0], output
        output += os.read(terminal, 4096)
    return output


def test_on_a_terminal_it_is_a_dialogue_and_pythonstartup_is_run(place: Path) -> None:
    (place / "startup.py").write_text("started = 'yes'\n")
    ours, theirs = pty.openpty()
    env = {**os.environ, "PYTHONSTARTUP": str(place / "startup.py"), "TERM": "dumb"}
    command = [sys.executable, "-m", "dragoman", "shell", "ours"]
    process = subprocess.Popen(command, cwd=place, env=env, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    try:
        output = until(ours, b">>> ")
        os.write(ours, b"started, answer * 2, request.path\n")
        output += until(ours, b">>> ")
        os.write(ours, b"\x04")
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    text = output.decode()
    assert "with ours:app: answer, app, g, request, session" in text
    assert "('yes', 84, '/')" in text
