"""The command: help, version, explanations, exit statuses, and its refusals."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import dragoman
from dragoman.cli import COMMANDS
from dragoman.settings import rows, settings_from


def run(*arguments: str, cwd: Path | None = None) -> tuple[int, str, str]:
    # What other tests of the session have set for their servers is none of these commands' business.
    env = {name: value for name, value in os.environ.items() if not name.startswith("DRAGOMAN_TEST_")}
    command = [sys.executable, "-m", "dragoman", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, cwd=cwd, env=env)
    return done.returncode, done.stdout, done.stderr


def test_help_shows_every_flag_under_the_heading_of_its_group() -> None:
    status, output, _ = run("--help")
    assert status == 0
    for row in rows():
        assert f"{row.group}:" in output
        assert all(flag in output for flag in row.flags)
    assert run("-h")[1] == output


@pytest.mark.parametrize("name", [*COMMANDS, "--help"])
def test_help_is_text_that_fits_a_terminal(name: str) -> None:
    status, output, errors = run(name, "--help")
    assert (status, errors) == (0, "") and "{" not in output
    assert max(map(len, output.splitlines())) <= 80


def test_the_version_is_that_of_the_package() -> None:
    assert run("--version") == (0, f"dragoman {dragoman.__version__}\n", "")


@pytest.mark.parametrize(
    ("flag", "hint"),
    [
        ("--bnd", "did you mean --bind?"),
        ("--workes", "did you mean --workers?"),
        ("--keepalive", "did you mean --keep-alive?"),
        ("--certfil", "did you mean --certfile?"),
        ("-x", "dragoman --help shows all"),
    ],
)
def test_an_unknown_flag_is_refused_with_the_nearest_one_and_status_2(flag: str, hint: str) -> None:
    assert run("app:app", flag, "x") == (2, "", f"dragoman: no such option {flag}; {hint}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("status", "--workers", "3"), "no such option --workers; dragoman status --help shows all"),
        (("reload", "now"), 'dragoman reload takes no argument "now"; dragoman reload --help shows all'),
        (("stop", "now"), 'dragoman stop takes no argument "now"; did you mean --now?'),
        (
            ("run", "shop"),
            'want one application, these are several: "run", "shop"; there is no command run, write dragoman shop',
        ),
        (("relaod", "x"), 'want one application, these are several: "relaod", "x"; did you mean dragoman reload?'),
        (("a", "b"), 'want one application, these are several: "a", "b"'),
        (("relaod",), "there is neither a command nor a module relaod; did you mean dragoman reload?"),
        (("serve",), "there is neither a command nor a module serve; did you mean dragoman MODULE[:ATTRIBUTE]?"),
        (("help",), "there is neither a command nor a module help; did you mean dragoman --help?"),
        (("scale", "many"), 'scale "many": want a whole number from 1 to 1024'),
        (("scale", "-1"), 'scale "-1": want a whole number from 1 to 1024'),
        (("scale", "0"), 'scale "0": want a whole number from 1 to 1024'),
        (("scale",), "missing argument 'N'"),
        ((), "an application is needed: dragoman MODULE[:ATTRIBUTE]; dragoman --help shows all"),
    ],
)
def test_what_is_no_command_line_is_told_with_what_would_be_one(
    arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    assert run(*arguments, cwd=tmp_path) == (2, "", f"dragoman: {message}\n")


def test_a_module_with_nearly_the_name_of_a_command_is_served(tmp_path: Path) -> None:
    (tmp_path / "statue.py").write_text("def app(environ, start_response):\n    return []\n")
    assert run("statue", "--check-config", cwd=tmp_path) == (0, "", "")


def test_an_application_string_is_no_misspelt_command(tmp_path: Path) -> None:
    (tmp_path / "status.py").write_text("def app(environ, start_response):\n    return []\n")
    assert run("status:app", "--check-config", cwd=tmp_path) == (0, "", "")


def test_a_start_loads_nothing_that_only_mistakes_and_other_starts_need(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(
        "import atexit, os, sys\n"
        "atexit.register(lambda: print(*sys.modules))\n"
        "def app(environ, start_response):\n    return []\n"
        "os.kill(os.getpid(), 15)\n"
    )
    status, output, errors = run("shop:app", "--workers", "0", "--bind", "127.0.0.1:0", cwd=tmp_path)
    assert (status, errors) == (0, "") and "dragoman.run" in output.split()
    needless = {"difflib", "locale", "random", "sysconfig", "tempfile", "tomllib", "encodings.idna"}
    assert not {*needless, "dragoman.contract.report", "dragoman.config_report"} & set(output.split())


@pytest.mark.parametrize("name", ["reload", "stop", "scale", "reopen", "status"])
def test_the_help_of_a_command_for_a_running_server_says_how_it_is_found(name: str) -> None:
    output = run(name, "--help")[1]
    assert "Which server:" in output and "The server's --bind" in output and "127.0.0.1:8000]" in output
    assert "Where to listen" not in output and "Work:" not in output


def test_help_says_which_flags_may_be_given_several_times_and_a_single_group_is_called_options() -> None:
    assert " ".join(run("--help")[1].split()).count("Can be given several times.") == 4
    assert "\nOptions:\n" in run("explain", "--help")[1]


def test_a_wrong_value_is_one_line_and_status_2() -> None:
    status, _, errors = run("app:app", "--threads", "4k")
    assert status == 2
    assert (
        errors
        == 'dragoman: --threads "4k": want a whole number from 1 to 1024 (also DRAGOMAN_THREADS, [server] threads)\n'
    )


def test_without_an_application_those_of_the_directory_are_named(tmp_path: Path) -> None:
    (tmp_path / "app.py").touch()
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "wsgi.py").touch()
    status, _, errors = run(cwd=tmp_path)
    assert status == 2
    assert "such as dragoman app or dragoman shop.wsgi" in errors


def test_explain_shows_rule_reason_clause_and_both_examples() -> None:
    status, output, _ = run("explain", "body-not-bytes")
    assert status == 0
    for part in ("body-not-bytes", "Why:", "PEP 3333", "Fix:", "Wrong:", "return ['Hello']", "Right:", "[b'Hello']"):
        assert part in output


def test_explain_takes_a_rule_as_the_message_has_it() -> None:
    assert run("explain", "contract: body-not-bytes") == run("explain", "body-not-bytes")


def test_explain_takes_several_words() -> None:
    status, output, _ = run("explain", "not", "bytes")
    assert status == 0 and "body-not-bytes" in output and "write-not-bytes" in output


def test_explain_alone_lists_all_rules_and_an_unknown_one_names_near_ones() -> None:
    status, output, _ = run("explain")
    assert status == 0
    assert "header-injection" in output
    status, _, errors = run("explain", "body-not-byte")
    assert status == 2
    assert "did you mean body-not-bytes" in errors


def test_help_lists_the_other_commands_and_hides_flags_that_do_nothing() -> None:
    output = run("--help")[1]
    for name in ("dragoman config", "dragoman import-gunicorn", "dragoman explain", "--config FILE", "--check-config"):
        assert name in output
    assert "--certfile" not in output and "--worker-class" not in output


def test_config_shows_each_value_and_its_origin(tmp_path: Path) -> None:
    (tmp_path / "dragoman.toml").write_text(
        '[server]\nkeep_alive = 65.5\nlimit_body = "10M"\n[server.env]\nA = "b c"\n'
    )
    status, output, errors = run("config", "--threads", "8", "-b", ":1", "-b", "unix:/a", cwd=tmp_path)
    assert (status, errors) == (0, "")
    cells = {line.split()[0]: re.split(r"  +", line) for line in output.splitlines()}
    assert set(cells) == {row.name for row in rows()}
    assert cells["threads"] == ["threads", "8", "--threads"]
    assert cells["keep_alive"] == ["keep_alive", "65.5", "dragoman.toml:2"]
    assert cells["limit_body"] == ["limit_body", "10M", "dragoman.toml:3"]
    assert cells["env"] == ["env", "A=b c", "dragoman.toml [server.env]"]
    assert cells["bind"] == ["bind", "0.0.0.0:1 unix:/a", "--bind"]
    assert cells["queue"] == ["queue", "1024", "default"]
    assert cells["application"] == ["application", "none", "default"]
    assert re.fullmatch(r"default: \d+ CPUs? of .+", cells["workers"][2])


def test_config_is_printed_as_json_for_tools(tmp_path: Path) -> None:
    status, output, _ = run("config", "--json", "shop", "-b", ":1", "--keep-alive", "5", cwd=tmp_path)
    found = json.loads(output)
    assert status == 0 and list(found) == [row.name for row in rows()]
    assert found["bind"] == {"value": ["0.0.0.0:1"], "source": "command line", "origin": "--bind"}
    assert found["keep_alive"]["value"] == "5"
    assert found["application"] == {"value": "shop", "source": "command line", "origin": "command line"}
    assert found["queue"] == {"value": "1024", "source": "default", "origin": "default"}


def test_every_value_that_is_shown_is_read_back_as_the_same(tmp_path: Path) -> None:
    given = ["-b", "[::1]:0", "-m", "027", "--limit-body", "1500", "--rate-grace", "0.25", "--pythonpath", "a,b"]
    shown = json.loads(run("config", "--json", *given, cwd=tmp_path)[1])
    first = settings_from({}, {})
    for row in rows():
        value = shown[row.name]["value"]
        texts = value if isinstance(value, list) else [value]
        if texts not in (["none"], []):
            settings_from({row.name: texts}, {})
    assert (shown["umask"]["value"], shown["limit_body"]["value"], shown["rate_grace"]["value"]) == (
        "027",
        "1500",
        "0.25",
    )
    assert shown["keep_alive"]["value"] == f"{first.keep_alive:g}"


def test_check_config_loads_the_application_and_says_nothing_when_all_is_well(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("def app(environ, start_response):\n    return []\n")
    assert run("shop", "--check-config", cwd=tmp_path) == (0, "", "")
    status, output, errors = run("shop", "--print-config", "--threads", "3", cwd=tmp_path)
    assert (status, errors) == (0, "") and re.search(r"^threads +3 +--threads$", output, re.MULTILINE)
    (tmp_path / "shop.py").write_text("raise RuntimeError('no database')\n")
    status, _, errors = run("shop", "--check-config", cwd=tmp_path)
    assert status == 3 and "no database" in errors


def test_check_config_finds_what_only_the_engine_or_the_hooks_know(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("def app(environ, start_response):\n    return []\n")
    fields = " ".join(f"%({{x-{number}}}i)s" for number in range(17))
    status, _, errors = run("shop", "--check-config", "--access-logformat", fields, cwd=tmp_path)
    assert status == 2 and "--access-logformat" in errors
    status, _, errors = run("shop", "--check-config", "--hooks", "nowhere.py", cwd=tmp_path)
    assert status == 1 and "nowhere.py" in errors


def test_the_file_may_name_the_application(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text("def app(environ, start_response):\n    return []\n")
    (tmp_path / "other.toml").write_text('[server]\napplication = "shop:app"\n')
    assert run("-c", "other.toml", "--check-config", cwd=tmp_path) == (0, "", "")


def test_an_application_that_is_none_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "dragoman.toml").write_text("[server]\napplication = 5\n")
    want = 'application "5": want MODULE[:ATTRIBUTE], such as app:app or shop.wsgi:create_app()'
    assert run(cwd=tmp_path) == (2, "", f"dragoman: dragoman.toml:2: {want}\n")
    assert run("5", cwd=tmp_path) == (2, "", f"dragoman: {want}\n")


def test_what_is_wrong_in_the_file_is_one_line_and_status_2(tmp_path: Path) -> None:
    (tmp_path / "dragoman.toml").write_text("[server]\nthread = 4\n")
    assert run("shop", cwd=tmp_path)[0::2] == (
        2,
        "dragoman: dragoman.toml:2: thread is no setting; did you mean threads?\n",
    )


def test_import_writes_a_file_tells_the_rest_and_writes_over_nothing(tmp_path: Path) -> None:
    (tmp_path / "gunicorn.conf.py").write_text("workers = 2\ntimeout = 60\nworker = 1\n")
    status, output, errors = run("import-gunicorn", cwd=tmp_path)
    assert (status, output) == (0, "")
    assert "wrote dragoman.toml" in errors and "without an equivalent: timeout = 60" in errors
    assert "of no effect: worker is no setting" in errors
    written = (tmp_path / "dragoman.toml").read_text()
    assert "\nworkers = 2\n" in written
    status, _, errors = run("import-gunicorn", cwd=tmp_path)
    assert status == 1 and "--force" in errors
    assert run("import-gunicorn", "--force", cwd=tmp_path)[0] == 0
    assert run("import-gunicorn", "-o", "-", cwd=tmp_path)[1] == written


def test_import_without_anything_to_read_says_what_it_wants(tmp_path: Path) -> None:
    status, _, errors = run("import-gunicorn", cwd=tmp_path)
    assert status == 2 and "there is no gunicorn.conf.py here" in errors and "import-gunicorn FILE" in errors
