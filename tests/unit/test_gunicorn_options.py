"""gunicorn's flags on our command line: acting, accepted with a notice, or refused with what to do instead."""

from pathlib import Path

import pytest

from dragoman.cli import serve
from dragoman.flags import settings_parameters
from dragoman.gunicorn_options import BY_NAME, OPTIONS, Fate, Option
from dragoman.settings import rows
from tests.support.server import run_command

APP = "tests.gunicorn_configs.apps:app"
REFUSED = [option for option in OPTIONS if option.fate is Fate.REFUSED and option.flags]


def example(option: Option) -> list[str]:
    """The flag with a value, if it takes one, that asks for something."""
    return [option.flags[-1]] if option.is_flag else [option.flags[-1], "17"]


def config(*arguments: str, cwd: Path) -> tuple[int, str]:
    return run_command("config", *arguments, cwd=cwd)


def test_names_and_flags_are_unique() -> None:
    flags = [flag for option in OPTIONS for flag in option.flags]
    assert len(flags) == len(set(flags)) and len(BY_NAME) == len(OPTIONS)


def test_every_setting_that_names_gunicorns_acts_with_all_of_its_flags() -> None:
    for row in rows():
        if row.gunicorn:
            option = BY_NAME[row.gunicorn]
            assert (option.fate, option.says) == (Fate.ACTS, row.name)
            assert set(option.flags) <= set(row.flags), row.name
            assert option.is_flag == row.is_flag, row.name


def test_every_one_that_acts_is_a_setting_with_its_flags() -> None:
    flags = {row.name: row.flags for row in rows()}
    assert {option.says for option in OPTIONS if option.fate is Fate.ACTS} <= set(flags)
    for option in OPTIONS:
        if option.fate is Fate.ACTS:
            assert set(option.flags) <= set(flags[option.says]), option.name


def test_every_flag_of_gunicorns_is_understood_by_the_command_line() -> None:
    ours = {flag for parameter in settings_parameters("") for flag in (*parameter.opts, *parameter.secondary_opts)}
    ours |= {flag for parameter in serve.params for flag in parameter.opts}
    for option in OPTIONS:
        assert set(option.flags) <= ours, option.name


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_a_refusal_says_what_is_so_and_holds_no_line_end(option: Option) -> None:
    assert option.says and "\n" not in option.says and not option.says.endswith(".")


@pytest.mark.parametrize("option", REFUSED, ids=lambda option: option.name)
def test_a_flag_that_cannot_act_is_refused_with_the_reason(option: Option, capsys: pytest.CaptureFixture[str]) -> None:
    from dragoman.cli import main

    with pytest.raises(SystemExit) as caught:
        main([APP, *example(option)])
    assert caught.value.code == 2
    errors = capsys.readouterr().err
    assert (
        errors == f"dragoman: {option.flags[-1]} is gunicorn's, and cannot act here, so leave it out: {option.says}\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [["--timeout", "0"], ["-t0"], ["--header-map", "drop"], ["--proxy-protocol", "off"], ["--http-protocols", "h1"]],
)
def test_a_value_that_asks_for_nothing_is_taken_without_a_word(arguments: list[str], tmp_path: Path) -> None:
    status, text = config(*arguments, cwd=tmp_path)
    assert status == 0 and "gunicorn" not in text and "changes nothing" not in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["-k", "gthread"],
            "--worker-class gthread changes nothing: threads start when calls are slow, up to --threads",
        ),
        (["-k", "sync"], "needs --threads 1"),
        (["-k", "gevent"], "must not be monkey-patched"),
        (["-k", "uvicorn.workers.UvicornWorker"], "only WSGI applications"),
        (["--worker-tmp-dir", "/dev/shm"], "--worker-tmp-dir /dev/shm changes nothing: workers write no heartbeat"),
        (["-R"], "--enable-stdio-inheritance changes nothing"),
    ],
)
def test_what_is_so_anyway_is_accepted_with_a_notice(arguments: list[str], words: str, tmp_path: Path) -> None:
    status, text = config(*arguments, cwd=tmp_path)
    assert status == 0 and words in text


def test_what_only_gunicorn_reads_is_told(tmp_path: Path) -> None:
    (tmp_path / "gunicorn.conf.py").touch()
    status, text = run_command("config", env={"GUNICORN_CMD_ARGS": "--threads 4"}, cwd=tmp_path)
    assert status == 0
    assert "GUNICORN_CMD_ARGS is not read; dragoman import-gunicorn" in text
    assert "gunicorn.conf.py is not read" in text
    (tmp_path / "dragoman.toml").touch()
    assert "gunicorn.conf.py is not read" not in config(cwd=tmp_path)[1]
