"""The start-up block, where settings come from, and the one clear sentence for what cannot be started."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

import pytest

from tests.support.server import Server, run_command

APP = "tests.process.apps_process:app"


ANSWER = """
def answer(environ, start_response, body=b"shop"):
    start_response("200 OK", [])
    return [body]

"""
APPLICATIONS = {
    "shop as app": ANSWER + "app = answer",
    "shop as application": ANSWER + "application = answer",
    "shop as create_app": ANSWER + "def create_app():\n    return answer",
    "shop:made('sh',b='op')": ANSWER + "def made(a, b):\n    return lambda e, s: answer(e, s, (a + b).encode())",
    "shop:site.app": ANSWER + "class site:\n    app = staticmethod(answer)",
}
"""What is given on the command line (up to the blank), and a module that holds it."""


MANY_FIELDS = " ".join(f"%({{x-{number}}}i)s" for number in range(17))
"""One more than a format may name."""


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def module(directory: Path, name: str, source: str) -> None:
    """Writes a module for a server that is started with that directory on its path."""
    (directory / f"{name}.py").write_text(source)


class TestStartBlock:
    """What the start prints: address, interface, workers, how to stop."""

    def test_says_address_interface_workers_and_how_to_stop(self, serve: object, probe_listener: object) -> None:
        with Server(APP, "--workers", "1") as server:
            server.request("GET", "/hello")
            text = server.log.text
        assert server.url("").rstrip("/") in text
        for word in ("WSGI", "worker", APP):
            assert word in text
        assert re.search(r"(?i)ctrl-c|stop", text)
        assert len(text.splitlines()) <= 8

    def test_says_the_number_of_workers(self, probe_listener: object) -> None:
        with Server(APP, "--workers", "2") as server:
            server.log.wait_for("2 workers")

    @pytest.mark.parametrize("workers", ["0", "2"])
    def test_names_the_application_as_it_was_found(self, tmp_path: Path, workers: str) -> None:
        module(tmp_path, "shop", ANSWER + "def create_app():\n    return answer")
        with Server("shop", "--chdir", str(tmp_path), "--workers", workers) as server:
            server.log.wait_for(r"serves shop:create_app\(\) \(WSGI\)$")

    def test_what_needs_a_supervisor_is_told_to_have_no_effect_without_one(self, probe_listener: object) -> None:
        with Server(APP, "--workers", "0", "--max-requests", "5", "--control-socket", "none") as server:
            server.log.wait_for(r"\[WARNING\] max_requests \(--max-requests\) has no effect with workers = 0")
            server.stop()
            assert "control_socket" not in server.log.wait_for_end()

    def test_goes_to_standard_error_alone(self, probe_listener: object) -> None:
        with Server(APP) as server:
            server.stop()
            assert server.output.wait_for_end() == ""


class TestSettings:
    """Where settings come from: flags, variables, the platform's own variables."""

    def test_port_variable_is_the_default_bind(self, probe_listener: object) -> None:
        port = free_port()
        with Server(APP, binds=[], env={"PORT": str(port)}) as server:
            assert server.address[1] == str(port) or server.address[1] == port
            server.address = ("127.0.0.1", port)
            assert server.request("GET", "/hello").body == b"hello"

    def test_bind_flag_wins_over_the_port_variable(self, probe_listener: object) -> None:
        with Server(APP, env={"PORT": "1"}) as server:
            assert server.request("GET", "/hello").body == b"hello"

    def test_web_concurrency_is_the_default_of_workers(self, probe_listener: object) -> None:
        with Server(APP, env={"WEB_CONCURRENCY": "2"}) as server:
            assert server.request("GET", "/process").json()["multiprocess"] is True

    def test_workers_flag_wins_over_web_concurrency(self, probe_listener: object) -> None:
        with Server(APP, "--workers", "1", env={"WEB_CONCURRENCY": "2"}) as server:
            assert server.request("GET", "/process").json()["multiprocess"] is False

    def test_variable_with_the_servers_prefix_sets_any_setting(self, probe_listener: object) -> None:
        with Server(APP, env={"DRAGOMAN_THREADS": "1"}) as server:
            assert server.request("GET", "/process").json()["multithread"] is False

    def test_chdir_is_where_modules_are_found(self, tmp_path: Path) -> None:
        module(tmp_path, "shop", "def app(environ, start):\n    start('200 OK', [])\n    return [b'shop']\n")
        with Server("shop:app", "--chdir", str(tmp_path)) as server:
            assert server.request().body == b"shop"

    def test_pythonpath_is_where_modules_are_found(self, tmp_path: Path) -> None:
        module(tmp_path, "shop", "def app(environ, start):\n    start('200 OK', [])\n    return [b'shop']\n")
        with Server("shop:app", "--pythonpath", str(tmp_path)) as server:
            assert server.request().body == b"shop"

    @pytest.mark.parametrize("application", sorted(APPLICATIONS))
    def test_application_is_found(self, tmp_path: Path, application: str) -> None:
        module(tmp_path, "shop", APPLICATIONS[application])
        with Server(application.split(" ", 1)[0], "--chdir", str(tmp_path)) as server:
            assert server.request().body == b"shop"


class TestRefusals:
    """What cannot be started ends with status 2 (usage) or 3 (the application), and one clear sentence."""

    @pytest.mark.parametrize(
        ("flags", "words"),
        [
            (["--threads", "4k"], ["--threads", "4k", "1 to 1024", "DRAGOMAN_THREADS"]),
            (["--threads", "0"], ["--threads", "0"]),
            (["--workers", "-1"], ["--workers"]),
            (["--bind", "nonsense"], ["--bind", "nonsense"]),
            (["--no-such-flag"], ["--no-such-flag"]),
            (["--access-logformat", "%(nope)s"], ["nope"]),
            (["--access-logfile", "-", "--access-logformat", MANY_FIELDS], ["--access-logformat", "16 request fields"]),
            (["--env", "HTTP_X_FOO=env"], ["--env", "HTTP_X_FOO", "shell"]),
        ],
    )
    def test_wrong_usage_is_status_2(self, flags: list[str], words: list[str]) -> None:
        status, text = run_command(APP, *flags)
        assert status == 2, text
        assert all(word in text for word in words), text
        assert "Traceback" not in text

    @pytest.mark.parametrize(
        ("application", "words"),
        [
            ("no_such_module_at_all", ["no_such_module_at_all"]),
            ("tests.process.apps_proces:app", ["apps_proces", "apps_process"]),
            ("tests.process.apps_process:ap", ["ap", "app", "apps_process.py"]),
            ("tests.process.apps_process:os.sep", ["os.sep", "str"]),
        ],
    )
    def test_wrong_application_is_status_3_with_what_was_found_instead(
        self, application: str, words: list[str]
    ) -> None:
        status, text = run_command(application, "--bind", "127.0.0.1:0")
        assert status == 3, text
        assert all(word in text for word in words), text
        assert "Traceback" not in text

    def test_import_that_fails_inside_the_application_is_told_with_its_traceback(self, tmp_path: Path) -> None:
        module(tmp_path, "shop", "import shop_parts\n")
        module(tmp_path, "shop_parts", "def part():\n    return 1 / 0\n\n\npart()\n")
        status, text = run_command("shop", "--chdir", str(tmp_path), "--bind", "127.0.0.1:0")
        assert status == 3, text
        assert "ZeroDivisionError" in text and "shop_parts.py" in text
        assert f"dragoman{os.sep}loader.py" not in text

    def test_module_that_is_missing_inside_the_application_is_named_as_that(self, tmp_path: Path) -> None:
        module(tmp_path, "shop", "import no_such_dependency\n")
        status, text = run_command("shop", "--chdir", str(tmp_path), "--bind", "127.0.0.1:0")
        assert status == 3, text
        assert "no_such_dependency" in text

    @pytest.mark.parametrize("flags", [[], ["--preload", "--workers", "2"], ["--middleware", "request-id"]])
    def test_rules_that_cannot_be_had_are_told_at_the_start(self, flags: list[str], tmp_path: Path) -> None:
        module(
            tmp_path,
            "shop",
            "from dragoman.web import App\n\napp = App(__name__)\n\n\n"
            "@app.get('/<int:id>')\ndef show(nr):\n    return str(nr)\n",
        )
        status, text = run_command("shop", "--chdir", str(tmp_path), "--bind", "127.0.0.1:0", *flags)
        assert status == 3, text
        assert "shop:app cannot be had: " in text
        assert "the rule has the variable 'id', and the handler no parameter of that name" in text

    def test_worker_that_cannot_boot_ends_the_server_with_status_3_and_the_cause(self, tmp_path: Path) -> None:
        module(tmp_path, "shop", "raise RuntimeError('no database')\n")
        status, text = run_command("shop", "--chdir", str(tmp_path), "--bind", "127.0.0.1:0", "--workers", "2")
        assert status == 3, text
        assert "RuntimeError: no database" in text
        assert text.count("Traceback (most recent call last)") == 1

    def test_process_that_cannot_start_a_thread_says_so_and_ends_with_status_1(self, tmp_path: Path) -> None:
        source = "import threading\n\n\ndef start(self):\n    raise RuntimeError('no thread left')\n\n\n"
        module(tmp_path, "shop", source + "threading.Thread.start = start\n" + ANSWER + "app = answer\n")
        status, text = run_command("shop", "--chdir", str(tmp_path), "--bind", "127.0.0.1:0", "--workers", "0")
        assert status == 1, text
        assert "no thread can be started (no thread left)" in text and " serves " not in text

    def test_asgi_application_is_said(self, tmp_path: Path) -> None:
        module(tmp_path, "shop", "async def app(scope, receive, send):\n    pass\n")
        status, text = run_command("shop:app", "--chdir", str(tmp_path), "--bind", "127.0.0.1:0")
        assert status == 3, text
        assert "ASGI" in text

    def test_address_in_use_is_said_with_the_address(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            address = f"127.0.0.1:{listener.getsockname()[1]}"
            status, text = run_command(APP, "--bind", address)
        assert status == 1, text
        assert address in text and re.search("in use|another process", text) and "Traceback" not in text

    @pytest.mark.parametrize(
        ("package", "submodule", "marker", "call"),
        [
            ("gevent", "monkey", "saved", "gevent.monkey.patch_all"),
            ("eventlet", "patcher", "already_patched", "eventlet"),
        ],
    )
    def test_patched_process_is_refused_with_what_to_remove(
        self, tmp_path: Path, package: str, submodule: str, marker: str, call: str
    ) -> None:
        """A stand-in for the library leaves the trace that its patching leaves."""
        (tmp_path / package).mkdir()
        module(tmp_path / package, "__init__", "")
        module(tmp_path / package, submodule, f"{marker} = {{'socket': {{'socket': None}}, 'threading': {{}}}}\n")
        source = f"import {package}.{submodule}\n\n\ndef app(environ, start):\n    return []\n"
        module(tmp_path, "shop", source)
        status, text = run_command("shop:app", "--chdir", str(tmp_path), "--bind", "127.0.0.1:0")
        assert status == 3, text
        assert package in text and call in text and "remove" in text


def test_version_and_help_are_printed() -> None:
    status, text = run_command("--version")
    assert status == 0 and re.search(r"\d+\.\d+", text)
    status, text = run_command("--help")
    assert status == 0 and "--bind" in text and "--workers" in text


@pytest.mark.parametrize("rule", ["body-not-bytes", "header-injection"])
def test_rule_is_explained(rule: str) -> None:
    status, text = run_command("explain", rule)
    assert status == 0 and rule in text and "PEP 3333" in text
