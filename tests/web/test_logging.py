"""`app.logger`: its lines are those of the error log, where they are read, and once."""

from __future__ import annotations

import io
import json
import logging
import logging.config
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.web import App
from dragoman.web.logging import default_handler, has_level_handler
from tests.support.server import REPOSITORY, Server

LINE = rf"\[\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{{4}}\] \[{os.getpid()}\] "
NAME = "tests_of_logging"
APP = """
import logging
from dragoman.web import App

app = App(__name__)
{setup}
app.logger.warning("while it is loaded")


@app.get("/")
def index() -> str:
    for level in ("debug", "info", "warning"):
        getattr(app.logger, level)("%s\\n[2026] [1] [ERROR] forged", level)
    return "told"


@app.get("/fault")
def fault() -> str:
    raise ValueError("by plan")
"""


@pytest.fixture(autouse=True)
def bare_logging(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As in a program: without the handlers of pytest, and without a logger of the name."""
    monkeypatch.setattr(logging.root, "handlers", [])
    # Of a server that another test has had in this process.
    monkeypatch.setattr("dragoman.web.logging.OF_PROCESS", [])
    add = logging.root.addHandler
    # pytest adds its own once more, for the test itself.
    monkeypatch.setattr(logging.root, "addHandler", lambda one: type(one).__module__.startswith("_pytest") or add(one))
    yield
    logging.root.setLevel(logging.WARNING)
    logger = logging.Logger.manager.loggerDict.pop(NAME, None)
    assert logger is None or isinstance(logger, logging.Logger)


def app_of(**config: Any) -> App:
    app = App(NAME)
    app.config.update(config)

    @app.get("/")
    def index() -> str:
        app.logger.info("an %s", "info")
        app.logger.warning("a warning\n[of two lines]")
        return ""

    return app


def told_by(app: App) -> str:
    """What is in ``wsgi.errors`` after a request."""
    errors = io.StringIO()
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "SCRIPT_NAME": "", "QUERY_STRING": "", "wsgi.errors": errors}
    assert list(app(environ, lambda *head: lambda data: None)) == [b""]
    return errors.getvalue()


def test_a_warning_has_time_process_and_level_and_cannot_forge_a_line() -> None:
    assert re.fullmatch(LINE + r"\[WARNING\] a warning\n  \[of two lines\]\n", told_by(app_of()))


def test_in_debug_all_levels_are_told() -> None:
    app = app_of(DEBUG=True)
    assert re.fullmatch(LINE + r"\[INFO\] an info\n" + LINE + r"\[WARNING\] a warning\n.*\n", told_by(app))
    assert app.logger.level == logging.DEBUG


def test_under_dev_that_is_so_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_DEV", "1")
    assert "[INFO] an info\n" in told_by(app_of())


def test_a_level_that_was_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    logging.getLogger(NAME).setLevel(logging.ERROR)
    assert told_by(app_of(DEBUG=True)) == ""
    logging.getLogger(NAME).setLevel(logging.INFO)
    assert "[INFO] an info\n" in told_by(app_of())


def test_outside_of_requests_it_is_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    app = App(NAME)
    app.logger.error("no request")
    with app.app_context():
        app.logger.error("an application")
    told = capsys.readouterr().err.splitlines()
    assert [re.sub(LINE, "", line) for line in told] == ["[ERROR] no request", "[ERROR] an application"]


def test_loggers_below_it_and_levels_of_ones_own_have_their_place(capsys: pytest.CaptureFixture[str]) -> None:
    App(NAME).logger.setLevel(1)
    logging.getLogger(f"{NAME}.models").log(25, "between info and warning")
    logging.getLogger(f"{NAME}.models").log(5, "below all")
    try:
        raise ValueError("x")
    except ValueError:
        App(NAME).logger.exception("it failed")
    told = capsys.readouterr().err
    assert "[INFO] between info and warning\n" in told and "[DEBUG] below all\n" in told
    assert re.search(r"\[ERROR\] it failed\n  Traceback .*\n(    .*\n)+  ValueError: x\n", told)


@pytest.mark.parametrize("is_before", [True, False], ids=["before", "after"])
def test_with_basic_config_its_handler_alone_writes(is_before: bool, capsys: pytest.CaptureFixture[str]) -> None:
    app = app_of()
    if not is_before:
        assert app.logger.handlers == [default_handler]
    logging.basicConfig(level="INFO", format="mine: %(message)s")
    assert told_by(app) == ""
    assert capsys.readouterr().err == "mine: an info\nmine: a warning\n[of two lines]\n"


@pytest.mark.parametrize("place", ["root", "logger"])
def test_with_dict_config_its_handler_alone_writes(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    app = app_of()
    of_logger = {"handlers": ["own"], "level": "INFO"}
    logging.config.dictConfig(
        {
            "version": 1,
            # Those of other tests in this process.
            "disable_existing_loggers": False,
            "formatters": {"short": {"format": "%(levelname)s %(name)s"}},
            "handlers": {
                "own": {
                    "class": "logging.StreamHandler",
                    "formatter": "short",
                    "stream": "ext://dragoman.web.logging.wsgi_errors_stream",
                }
            },
            **({"root": of_logger} if place == "root" else {"loggers": {NAME: of_logger}}),
        }
    )
    assert told_by(app) == f"INFO {NAME}\nWARNING {NAME}\n"
    assert capsys.readouterr().err == ""


def test_a_handler_for_some_records_takes_nothing_away(capsys: pytest.CaptureFixture[str]) -> None:
    mails: list[str] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: mails.append(record.getMessage())  # type: ignore[method-assign]
    logging.root.addHandler(handler)
    App(NAME).logger.error("both")
    assert mails == ["both"] and "[ERROR] both\n" in capsys.readouterr().err


def test_a_logger_that_passes_nothing_on_is_judged_alone() -> None:
    logger = App(NAME).logger
    logging.root.addHandler(logging.NullHandler())
    assert has_level_handler(logger)
    logger.propagate = False
    assert not has_level_handler(logger)


def test_the_handler_is_there_once_and_can_be_taken_off(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = App(NAME), App(NAME)
    assert first.logger is second.logger and first.logger.handlers == [default_handler]
    first.logger.removeHandler(default_handler)
    first.logger.warning("as Python has it")
    assert capsys.readouterr().err == "as Python has it\n"


def test_a_stream_that_fails_takes_no_request_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    app = app_of()
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "SCRIPT_NAME": "", "QUERY_STRING": "", "wsgi.errors": None}
    assert list(app(environ, lambda *head: lambda data: None)) == [b""]
    assert "--- Logging error ---" in capsys.readouterr().err


# Under the server


def served(directory: Path, *flags: str, setup: str = "") -> Server:
    (directory / "site_of_log.py").write_text(APP.format(setup=setup))
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "python")}
    environment.pop("DRAGOMAN_DEV", None)
    # Its log may be elsewhere, so that the address is not read from there.
    address = str(directory / "socket")
    return Server("site_of_log:app", *flags, binds=[f"unix:{address}"], cwd=directory, env=environment, address=address)


def test_its_lines_stand_in_the_error_log_as_the_servers_own(tmp_path: Path) -> None:
    with served(tmp_path, "--workers", "1") as server:
        assert server.request().body == b"told"
        server.request(target="/fault")
        server.log.wait_for(r"ValueError: by plan")
        text = server.log.text
    stamp = r"^\[[-0-9]{10} [:0-9]{8} [+-]\d{4}\] \[\d+\] "
    assert len(re.findall(stamp + r"\[WARNING\] while it is loaded$", text, re.MULTILINE)) == 1
    assert len(re.findall(stamp + r"\[WARNING\] warning\n  \[2026\] \[1\] \[ERROR\] forged$", text, re.MULTILINE)) == 1
    fault = stamp + r"\[ERROR\] exception on '/fault' \[GET\].* fault \(.*site_of_log\.py:\d+\)\n"
    fault += r"  Traceback .*\n(    .*\n)+  ValueError: by plan$"
    assert re.search(fault, text, re.MULTILINE)
    assert "[INFO] info" not in text and "[DEBUG] debug" not in text


def test_under_dev_information_is_shown_and_the_contract_is_kept(tmp_path: Path) -> None:
    with served(tmp_path, "--dev", "--no-reload") as server:
        server.request()
        server.log.wait_for(r"\[WARNING\].* warning$")
        text = server.log.text
    assert text.count("] debug\n") == text.count("] info\n") == text.count("] warning\n") == 1
    assert "contract:" not in text


def test_in_the_form_for_programs_they_are_objects_too(tmp_path: Path) -> None:
    flags = ("--workers", "1", "--log-format", "json", "--log-level", "error")
    with served(tmp_path, *flags, setup="app.logger.setLevel('INFO')") as server:
        server.request()
        server.log.wait_for('"message": "warning')
        lines = server.log.text.splitlines()
    found = [one for one in map(json.loads, lines) if one.get("logger") == "site_of_log"]
    forged = "\n[2026] [1] [ERROR] forged"
    assert [(one["level"], one["message"]) for one in found] == [
        ("warning", "while it is loaded"),
        ("info", f"info{forged}"),
        ("warning", f"warning{forged}"),
    ]


def test_in_a_file_of_the_error_log_they_stand_from_the_first_line_on(tmp_path: Path) -> None:
    path = tmp_path / "error.log"
    with served(tmp_path, "--workers", "1", "--error-logfile", str(path)) as server:
        server.request()
    text = path.read_text()
    assert text.count("while it is loaded") == text.count("[WARNING] warning") == 1
    assert "while it is loaded" not in server.log.text


def test_a_configuration_of_the_application_is_the_only_one(tmp_path: Path) -> None:
    with served(tmp_path, setup="logging.basicConfig(level='INFO', format='mine: %(message)s')") as server:
        server.request()
        server.log.wait_for(r"^mine: warning$")
        text = server.log.text
    assert text.count("mine: info") == text.count("mine: warning") == 1
    assert "[WARNING]" not in text and "[INFO] info" not in text
