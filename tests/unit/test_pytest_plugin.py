"""The fixtures of the pytest plugin, by runs of pytest of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from textwrap import dedent

from tests.support.server import REPOSITORY

APP = """
    import pytest, urllib.request
    from dragoman.testing import LiveServer

    def application(environ, start_response):
        if environ["PATH_INFO"] == "/fails":
            raise LookupError("inside")
        start_response("200 OK", [])
        return [b"hello"]

    def get(server, path="/"):
        return urllib.request.urlopen(server.url + path, timeout=20).read()
"""


def run_pytest(directory: Path, code: str, *arguments: str) -> tuple[int, str]:
    """Exit status and output of pytest over a file with `code`, with the plugin and no other one."""
    (directory / "pytest.ini").write_text("[pytest]\n")
    (directory / "test_it.py").write_text(dedent(APP) + dedent(code))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "dragoman.pytest_plugin", "-rA", "--tb=short", *arguments, "test_it.py"],
        cwd=directory,
        # What else is installed would load, our own entry point a second time.
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": os.pathsep.join([*sys.path, "."])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_live_server_serves_the_fixture_app(tmp_path: Path) -> None:
    status, output = run_pytest(
        tmp_path,
        """
        @pytest.fixture
        def app():
            return application

        def test_hello(live_server):
            assert get(live_server) == b"hello"
        """,
    )
    assert status == 0, output


def test_the_factory_starts_several_and_ends_them_after_the_test(tmp_path: Path) -> None:
    status, output = run_pytest(
        tmp_path,
        """
        servers = []

        def test_two(live_server_factory):
            servers[:] = live_server_factory(application, threads=1), live_server_factory(application)
            assert [get(server) for server in servers] == [b"hello", b"hello"]
            assert isinstance(servers[0], LiveServer)

        def test_ended():
            for server in servers:
                with pytest.raises(OSError):
                    get(server)
        """,
    )
    assert status == 0, output


def test_a_failing_test_shows_what_the_server_has_logged(tmp_path: Path) -> None:
    status, output = run_pytest(
        tmp_path,
        """
        def test_fails(live_server_factory):
            get(live_server_factory(application), "/fails")
        """,
    )
    assert status == 1
    assert "exception in the application: GET /fails" in output and "LookupError: inside" in output


def test_exceptions_of_the_application_can_fail_the_test(tmp_path: Path) -> None:
    status, output = run_pytest(
        tmp_path,
        """
        def test_fails(live_server_factory):
            with pytest.raises(OSError):
                get(live_server_factory(application, raise_exceptions=True), "/fails")
        """,
    )
    assert status == 1
    assert re.search(r"ERROR at teardown of test_fails", output) and "LookupError: inside" in output


def test_a_live_server_of_another_plugin_stays_and_the_factory_is_there(tmp_path: Path) -> None:
    # As pytest-django does it, whose name among the plugins is "django".
    (tmp_path / "conftest.py").write_text("")
    (tmp_path / "other.py").write_text(
        "import pytest\n\n@pytest.fixture\ndef live_server():\n    return 'the other one'\n"
    )
    (tmp_path / "loader.py").write_text(
        "import other\ndef pytest_load_initial_conftests(early_config):\n"
        "    early_config.pluginmanager.register(other, 'django')\n"
    )
    status, output = run_pytest(
        tmp_path,
        """
        def test_it(live_server, live_server_factory):
            assert live_server == "the other one"
            assert get(live_server_factory(application)) == b"hello"
        """,
        "-p",
        "loader",
    )
    assert status == 0, output


def test_a_suites_own_live_server_comes_first(tmp_path: Path) -> None:
    status, output = run_pytest(
        tmp_path,
        """
        @pytest.fixture
        def live_server(live_server_factory):
            return live_server_factory(application, root_path="/own")

        def test_it(live_server):
            assert get(live_server, "/own/") == b"hello"
        """,
    )
    assert status == 0, output


def test_the_engine_is_loaded_by_the_first_test_that_serves(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_none.py").write_text(
        "import sys\ndef test_none():\n    assert not any(name.startswith('dragoman._') for name in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "dragoman.pytest_plugin", "test_none.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_dragoman_check_fails_a_test_with_the_message_and_lets_the_clean_pass(tmp_path: Path) -> None:
    status, output = run_pytest(
        tmp_path,
        """
        def typed(environ, start_response):
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b"hello"]

        def text(environ, start_response):
            start_response("200 OK", [("Content-Type", "text/plain")])
            return ["hello" if environ["PATH_INFO"] == "/text" else b"hello"]

        def test_clean(dragoman_check):
            assert dragoman_check(typed).is_clean

        def test_only_there(dragoman_check):
            assert dragoman_check(text, threads=1).is_clean

        def test_broken(dragoman_check):
            dragoman_check(text, requests=["GET /text"])

        def test_chosen(dragoman_check):
            dragoman_check(text, requests=["GET /text"], ignore=["body-not-bytes"])

        def test_error(dragoman_check):
            assert dragoman_check(application, requests=["/fails"], ignore=["content-type-missing"]).faults
            dragoman_check(application, requests=["/fails"], ignore=["content-type-missing"], fail_on="error")
        """,
    )
    assert status == 1
    assert "3 passed" in output and "2 failed" in output, output
    assert "contract: body-not-bytes" in output and "GET /text" in output
    assert "raised LookupError: inside" in output


def test_dragoman_check_stays_in_the_thread_of_the_test_where_it_is_asked_to(tmp_path: Path) -> None:
    status, output = run_pytest(
        tmp_path,
        """
        import threading

        def test_it(dragoman_check):
            threads = set()

            def app(environ, start_response):
                threads.add(threading.current_thread())
                assert not environ["wsgi.multithread"]
                start_response("200 OK", [("Content-Type", "text/plain")])
                return []

            dragoman_check(app, threads=1)
            assert threads == {threading.current_thread()}
        """,
    )
    assert status == 0, output


def test_the_entry_points_name_what_is_there() -> None:
    project = (REPOSITORY / "pyproject.toml").read_text()
    for group in ("pytest11", '"flask.commands"'):
        found = re.search(
            rf'^\[project\.entry-points\.{group}\]\ndragoman = "([\w.]+)(?::(\w+))?"$', project, re.MULTILINE
        )
        assert found is not None, group
        module = import_module(found[1])
        assert found[2] is None or hasattr(module, found[2])
