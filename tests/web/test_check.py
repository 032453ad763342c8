"""`dragoman check` finds the rules of an application of dragoman.web, and who breaks the contract behind them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import flask

from dragoman.check.layers import inner_applications, layers_checked
from dragoman.check.request import Request, Site, make_environ
from dragoman.check.routes import find_routes
from dragoman.contract import Finding
from dragoman.middleware import Mount, RequestId
from dragoman.web import App, Blueprint
from dragoman.web.converters import Converter


def broken(environ: Any, start_response: Any) -> Any:
    start_response("200 OK", [("Connection", "close"), ("Content-Type", "text/plain"), ("Content-Length", "0")])
    return []


class Odd(Converter):
    regex = "[0-9]{17}x"


def site() -> App:
    app = App("checked")
    app.converters["odd"] = Odd
    app.add_url_rule("/", "index", drop)
    app.add_url_rule("/user/<int:id>/{name}", "user", user, methods=["GET", "POST"])
    app.add_url_rule("/<uuid:id>/<any(a, b):letter>/<float:x>", "kinds", kinds)
    app.add_url_rule("/two/<string(length=2):code>", "code", code)
    app.add_url_rule("/odd/<odd:n>", "odd", odd)
    admin = Blueprint("admin", __name__, url_prefix="/admin")
    admin.add_url_rule("/drop", "drop", drop, methods=["DELETE"])
    admin.mount("/old", broken)
    app.register_blueprint(admin)
    return app


def user(id: int, name: str) -> str:
    return f"{id} {name}"


def kinds(id: Any, letter: str, x: float) -> str:
    return letter


def code(code: str) -> str:
    return code


def odd(n: str) -> str:
    return n


def drop() -> str:
    return ""


def test_each_rule_is_a_route_with_values_that_its_converters_take() -> None:
    routes = find_routes(site())
    found = {route.name: (route.path, sorted(route.methods)) for route in routes}
    assert found["/"] == ("/", ["GET", "HEAD"])
    assert found["/admin/drop"] == ("/admin/drop", ["DELETE"])
    path, methods = found["/user/<int:id>/{name}"]
    assert methods == ["GET", "HEAD", "POST"] and path.startswith("/user/1/zq")
    assert found["/<uuid:id>/<any(a, b):letter>/<float:x>"][0].endswith("/a/1.5")
    assert len(found["/two/<string(length=2):code>"][0]) == len("/two/xx")
    assert routes.unfilled == ["/odd/<odd:n>"]
    assert {"/admin/old/"} <= set(found)


def test_there_are_other_values_too() -> None:
    [route] = [route for route in find_routes(site()) if route.name == "/user/<int:id>/{name}"]
    assert route.other and route.other != route.path


def test_the_handler_of_a_route_is_found() -> None:
    routes = find_routes(site())
    place = routes.view_place("GET", "/user/5/x")
    assert place is not None and place[0] == __file__ and place[1] == user.__code__.co_firstlineno
    assert routes.view_place("GET", "/nowhere") is None
    assert routes.view_place("PUT", "/user/5/x") is None


def test_behind_middleware_and_below_a_prefix_they_are_found_with_it() -> None:
    app = RequestId(Mount(None, mounts={"/shop": site()}))
    assert "/shop/admin/drop" in {route.path for route in find_routes(app)}
    outer = App("outer")
    outer.mount("/deep", site())
    assert "/deep/admin/drop" in {route.path for route in find_routes(outer)}
    assert find_routes(outer).view_place("DELETE", "/deep/admin/drop") is not None


def test_what_is_mounted_is_found_whatever_it_is() -> None:
    app = App("outer")
    inner = flask.Flask("inner")
    inner.add_url_rule("/user/<int:id>", "user", code)
    app.mount("/flask", inner)
    app.mount("/broken", broken)
    assert {(one, prefix) for one, prefix in inner_applications(app) if prefix} >= {
        (inner, "/flask"),
        (broken, "/broken"),
    }
    assert "/flask/user/1" in {route.path for route in find_routes(app)}


def test_a_breach_in_what_is_mounted_is_told_of_it() -> None:
    app = site()
    findings: list[Finding] = []
    with layers_checked(app, "app:app", on_finding=findings.append) as checked:
        body = checked(make_environ(Request("x", path="/admin/old/x"), Site()), lambda *head: lambda block: None)
        list(body)
        getattr(body, "close", lambda: None)()
    assert {one.rule for one in findings} >= {"header-hop-by-hop"}
    assert {one.where[2] for one in findings if one.rule == "header-hop-by-hop" and one.where} == {"broken"}
    # And it is taken out again.
    assert [mounted.app for mounted in app.freeze().mounts] == [broken]


def test_an_application_that_cannot_be_frozen_has_no_routes() -> None:
    app = App("wrong")
    app.add_url_rule("/<int:id>", "id", drop)
    assert len(find_routes(app)) == 0


APPLICATION = """
from dragoman.web import App

app = App(__name__)

@app.get("/user/<int:id>")
def user(id: int) -> dict:
    return {"id": id}

@app.get("/wrong/<int:id>")
def wrong(id: int):
    def application(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain"), ("Keep-Alive", "1")])
        return [b"x"]
    return application if id else ""
"""


def test_the_command_asks_each_route(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APPLICATION)
    command = [sys.executable, "-m", "dragoman", "check", "app:app"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "header-hop-by-hop" in done.stdout and "/wrong/1" in done.stdout
    assert "of 2 routes" in done.stdout
