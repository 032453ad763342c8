"""What `import dragoman.web` loads is what each application needs; the rest comes when it is used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dragoman import web
from tests.support.server import REPOSITORY, Server
from tests.web.site import Site

# Libraries that cost milliseconds, and parts that many applications never use.
LATE = {
    *("asyncio", "click", "concurrent.futures", "difflib", "hashlib", "html", "jinja2", "json", "logging", "mimetypes"),
    *("itsdangerous", "multipart", "random", "secrets", "shutil", "socket", "subprocess", "tempfile", "tomllib"),
    *("traceback", "unittest", "wsgiref"),
}
LATE_OF_OURS = {
    *("dragoman._native", "dragoman.cli", "dragoman.contract", "dragoman.development", "dragoman.embedded"),
    *("dragoman.http.cache_control", "dragoman.http.conditionals", "dragoman.http.problems", "dragoman.http.ranges"),
    *("dragoman.log", "dragoman.middleware.layer", "dragoman.middleware.sessions", "dragoman.settings"),
    *("dragoman.testing", "dragoman.tools", "dragoman.worker"),
    *("dragoman.web.checking", "dragoman.web.commands", "dragoman.web.describing", "dragoman.web.events"),
    *("dragoman.web.files", "dragoman.web.jinja", "dragoman.web.logging", "dragoman.web.misfits"),
    *("dragoman.web.openapi", "dragoman.web.openapi_page", "dragoman.web.pages", "dragoman.web.schemas"),
    *("dragoman.web.sessioning", "dragoman.web.testing", "dragoman.web.validation", "dragoman.web.views"),
}
HELLO = "from dragoman.web import App\napp = App(__name__)\napp.add_url_rule('/<int:n>', 'hello', lambda n: {'n': n})\n"
FREEZE = HELLO + "app.freeze()\n"
# The least of a server: nothing of WSGI that comes for a request may load more.
ASK = FREEZE + (
    "environ = {'REQUEST_METHOD': 'GET', 'PATH_INFO': '/7', 'SCRIPT_NAME': '', 'QUERY_STRING': ''}\n"
    "assert list(app(environ, lambda *head: None)) == [b'{\"n\":7}']\n"
)


def modules_after(code: str) -> set[str]:
    """Which modules a new interpreter has after `code`, beside those that it begins with."""
    program = f"import sys\nbefore = set(sys.modules)\n{code}\nprint(*sys.modules.keys() - before)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60, env=environment()
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(REPOSITORY / "python"), **more}


@pytest.mark.parametrize("code", ["import dragoman.web", HELLO, FREEZE, ASK], ids=["import", "hello", "freeze", "ask"])
def test_what_most_applications_do_not_need_is_not_loaded(code: str) -> None:
    loaded = modules_after(code)
    assert "dragoman.web.app" in loaded
    assert loaded & (LATE | LATE_OF_OURS) == set()


def test_those_that_come_late_are_modules() -> None:
    # A name that was misspelt, or went, would hold nothing.
    code = "import importlib.util as util\nfor name in {}:\n    assert util.find_spec(name), name"
    modules_after(code.format(sorted(LATE_OF_OURS)))


@pytest.mark.parametrize("name", sorted(vars(web)["MODULE_OF"]))
def test_each_name_that_comes_late_can_be_the_first(name: str) -> None:
    # In an interpreter of its own: what others load may hide what it lacks.
    modules_after(f"from dragoman.web import {name}\nimport dragoman.web as web\nassert web.{name} is {name}")


def test_no_public_name_becomes_the_module_that_is_called_so() -> None:
    code = "import dragoman.web.testing, dragoman.web.openapi, types\nfrom dragoman import web\n"
    modules_after(code + "assert not [n for n in web.__all__ if isinstance(getattr(web, n), types.ModuleType)]")


def test_a_name_that_there_is_not_is_told_as_by_any_module() -> None:
    with pytest.raises(AttributeError, match=r"module 'dragoman\.web' has no attribute 'nothing'"):
        _ = web.nothing  # type: ignore[attr-defined]
    with pytest.raises(ImportError, match=r"cannot import name 'Flask' from 'dragoman\.web'"):
        exec("from dragoman.web import Flask")


def test_without_the_extra_the_import_says_how_it_is_had() -> None:
    code = "import sys\nsys.modules['msgspec'] = None\nimport dragoman.web"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60, env=environment()
    )
    assert done.returncode == 1
    assert "ImportError: dragoman.web needs msgspec; pip install 'dragoman[web]' brings it" in done.stderr


def test_the_server_of_another_application_has_nothing_of_this(tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text(
        "import sys\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
        "    return [' '.join(sys.modules).encode()]\n"
    )
    with Server("plain:app", cwd=tmp_path, env=environment()) as server:
        loaded = set(Site(server.url("")).get("/").text.split())
    assert "dragoman.worker" in loaded
    assert {name for name in loaded if name.startswith(("dragoman.web", "dragoman.middleware", "msgspec"))} == set()
