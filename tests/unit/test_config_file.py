"""dragoman.toml: what it may say, what counts when others say it too, and how what is wrong is told."""

import re
from pathlib import Path

import pytest

from dragoman.config_file import Invocation, read_document, texts_of, wanted
from dragoman.errors import OperatorError, UsageError
from dragoman.origins import Source
from dragoman.settings import Settings, rows
from dragoman.values import TcpAddress, UnixAddress


def settings(directory: Path, text: str = "", *, config: str = "", **given: str) -> Settings:
    if text:
        (directory / "dragoman.toml").write_text(text)
    return invocation(directory, config, **given).read()


def invocation(directory: Path, config: str = "", **given: str) -> Invocation:
    environment = {name: text for name, text in given.items() if name.isupper()}
    flags = {name: [text] for name, text in given.items() if not name.isupper()}
    return Invocation(flags, environment, config, str(directory))


def refusal(text: str, name: str = "dragoman.toml") -> str:
    with pytest.raises(UsageError) as caught:
        read_document(text, name)
    return str(caught.value)


def refused_value(directory: Path, text: str) -> str:
    with pytest.raises(UsageError) as caught:
        settings(directory, text)
    return str(caught.value)


def test_values_are_those_of_toml_or_the_texts_of_flags(tmp_path: Path) -> None:
    found = settings(
        tmp_path,
        '[server]\nthreads = 8\nkeep_alive = 0.5\nlimit_body = "10M"\npreload = true\numask = "027"\n'
        'bind = ["127.0.0.1:1", "unix:/a"]\npythonpath = ["a", "b"]\nmax_requests = "500"\napplication = "shop"\n',
    )
    assert (found.threads, found.keep_alive, found.limit_body, found.preload) == (8, 0.5, 10 << 20, True)
    assert (found.umask, found.pythonpath, found.max_requests) == (0o027, ("a", "b"), 500)
    assert found.bind == (TcpAddress("127.0.0.1", 1), UnixAddress("/a"))
    assert found.application == "shop"


@pytest.mark.parametrize("text", ['[server.env]\nA = "b"\nN = 1\n', '[server]\nenv = ["A=b", "N=1"]\n'])
def test_variables_are_a_table_or_a_list(tmp_path: Path, text: str) -> None:
    assert settings(tmp_path, text).env == (("A", "b"), ("N", "1"))


def test_one_address_needs_no_list(tmp_path: Path) -> None:
    assert settings(tmp_path, '[server]\nbind = "127.0.0.1:1"\n').bind == (TcpAddress("127.0.0.1", 1),)


def test_flag_variable_file_platform_and_default_count_in_this_order(tmp_path: Path) -> None:
    text = "[server]\nworkers = 3\n"
    found = settings(tmp_path, text, workers="5", DRAGOMAN_WORKERS="4", WEB_CONCURRENCY="2")
    assert (found.workers, str(found.origins["workers"])) == (5, "--workers")
    found = settings(tmp_path, text, DRAGOMAN_WORKERS="4", WEB_CONCURRENCY="2")
    assert (found.workers, str(found.origins["workers"])) == (4, "DRAGOMAN_WORKERS")
    found = settings(tmp_path, text, WEB_CONCURRENCY="2")
    assert (found.workers, str(found.origins["workers"])) == (3, "dragoman.toml:2")
    found = settings(tmp_path, "[server]\nthreads = 1\n", WEB_CONCURRENCY="2")
    assert (found.workers, str(found.origins["workers"])) == (2, "WEB_CONCURRENCY")
    assert found.origins["keep_alive"].source is Source.DEFAULT
    assert found.origins["threads"].is_given and not found.origins["workers"].is_given


def test_the_project_file_has_the_settings_further_down(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n[tool.dragoman.server]\nthreads = 2\n')
    found = settings(tmp_path)
    assert (found.threads, str(found.origins["threads"])) == (2, "pyproject.toml:4")
    assert settings(tmp_path, "[server]\nqueue = 9\n").threads == 64, "dragoman.toml takes its place"


def test_a_project_file_without_a_table_of_ours_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.ruff]\nline-length = 120\n[server]\nthreads = "x"\n')
    assert settings(tmp_path).threads == 64


def test_the_file_that_is_asked_for_is_the_only_one(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text("[server]\nqueue = 5\n")
    found = settings(tmp_path, "[server]\nthreads = 2\n", config="other.toml")
    assert (found.queue, found.threads) == (5, 64)


def test_a_missing_file_is_told_and_a_python_file_is_shown_the_way(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match=r"nowhere\.toml.*No such file"):
        settings(tmp_path, config="nowhere.toml")
    with pytest.raises(UsageError, match=r"want a TOML file; dragoman import-gunicorn gunicorn\.conf\.py"):
        settings(tmp_path, config="gunicorn.conf.py")


def test_a_directory_of_settings_starts_where_the_run_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop").mkdir()
    started = invocation(tmp_path, chdir="shop")
    assert started.read().chdir == str(tmp_path / "shop")
    monkeypatch.chdir(tmp_path / "shop")
    assert started.read().chdir == str(tmp_path / "shop"), "a reload reads it from the same place"
    assert Path.cwd() == tmp_path / "shop"


def test_a_file_is_read_anew_each_time(tmp_path: Path) -> None:
    started = invocation(tmp_path)
    (tmp_path / "dragoman.toml").write_text("[server]\nthreads = 2\n")
    assert started.read().threads == 2
    (tmp_path / "dragoman.toml").write_text("[server]\nthreads = 3\n")
    assert started.read().threads == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[server]\nthread = 2\n", "dragoman.toml:2: thread is no setting; did you mean threads?"),
        ("[server]\nkeep-alive = 2\n", "dragoman.toml:2: keep-alive is no setting; did you mean keep_alive?"),
        ("[server]\n\nkeepalive = 2\n", "dragoman.toml:3: keepalive is gunicorn's name; here it is keep_alive"),
        ("[server]\nzzz = 2\n", "dragoman.toml:2: zzz is no setting; dragoman --help lists all"),
        ("[server]\nname = 'x'\n", "dragoman.toml:2: name is no setting; did you mean proc_name?"),
        (
            "[server]\ntimeout = 30\n",
            "dragoman.toml:2: timeout is gunicorn's, and cannot act here, so leave it out: there is no deadline for the"
            " application yet, as with --timeout 0; a slow call holds up no other one as long as threads are left, and"
            " slow clients have deadlines of their own",
        ),
        (
            "[server]\nworker_class = 'gevent'\n",
            "dragoman.toml:2: worker_class is gunicorn's, and changes nothing here, so leave it out: there are no"
            " worker classes: threads start when calls are slow",
        ),
        ("[serve]\n", "dragoman.toml:1: [serve] is not known; did you mean [server]?"),
        ("threads = 2\n", "dragoman.toml:1: threads is a setting, and stands under [server]"),
        (
            "[server]\nqueue = 2\n\n[ servr.env ]\nA = 1\n",
            "dragoman.toml:4: [servr] is not known; did you mean [server]?",
        ),
        ('[server]\npid = """\n[servr]"""\n[servr]\n', "dragoman.toml:4: [servr] is not known; did you mean [server]?"),
        ("server = 2\n", "dragoman.toml: [server]: want a table"),
    ],
)
def test_an_unknown_name_is_refused_with_line_and_nearest_name(text: str, message: str) -> None:
    assert refusal(text) == message


def test_unknown_names_of_a_project_file_are_told_with_its_tables() -> None:
    assert refusal("[tool.dragoman.servr]\n", "pyproject.toml") == (
        "pyproject.toml:1: [tool.dragoman.servr] is not known; did you mean [tool.dragoman.server]?"
    )


@pytest.mark.parametrize(
    "text", ["[server", "a = \n", "\x00", "[server]\nthreads = 1\nthreads = 2\n", "[" * 5000, f"a = {'9' * 5000}"]
)
def test_what_is_no_toml_is_told_with_the_file(text: str) -> None:
    assert re.match(r"dragoman\.toml(:[0-9]+)?: not TOML: ", refusal(text))


def test_what_is_no_toml_is_told_with_the_line_as_all_else() -> None:
    assert refusal("[server]\nthreads = \n") == "dragoman.toml:2: not TOML: Invalid value (column 11)"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('threads = "4k"', 'threads "4k": want a whole number from 1 to 1024 (also --threads, DRAGOMAN_THREADS)'),
        ("threads = true", 'threads "true": want a whole number from 1 to 1024'),
        ("threads = 4.0", 'threads "4.0": want a whole number from 1 to 1024'),
        ("threads = 2026-01-01", 'threads "2026-01-01": want a whole number'),
        ("workers = true", 'workers "true": want a whole number from 0 to 1024, or auto'),
        ("env = {A = [1]}", """env "{"A": [1]}": want a text in quotes for A, such as "[1]\""""),
        ("threads = [1]", 'threads "[1]": want a whole number'),
        ('threads = ["1"]', "want a whole number"),
        ('pid = ["a", "b"]', "want a text"),
        ("keep_alive = inf", 'keep_alive "inf": want seconds from 0'),
        ("umask = 27", 'umask "27": want the octal digits in quotes, such as "027"'),
        ("bind = []", 'bind "[]": want a list that is not empty'),
        ("bind = [8000]", 'bind "8000": want HOST:PORT'),
        ("log_level = false", 'log_level "false": want one of debug'),
        ("pid = true", 'pid "true": want a text'),
        ('pythonpath = ["a,b"]', "want a list of texts without commas"),
        ("env = {A = true}", 'want a text in quotes for A, such as "true"'),
        ('env = {"1A" = "x"}', "want NAME=VALUE"),
        (f"threads = 0x{'f' * 5000}", 'threads "a number of 20000 bits": want a whole number'),
        (f"env = {{A = 0x{'f' * 5000}}}", "want a text in quotes for A"),
        ('workers = "some"', 'workers "some": want a whole number from 0 to 1024, or auto'),
    ],
)
def test_a_wrong_value_is_refused_with_line_and_wanted_form(tmp_path: Path, line: str, words: str) -> None:
    message = refused_value(tmp_path, f"# first\n[server]\n{line}\n")
    assert message.startswith("dragoman.toml:3: ") and words in message


def test_a_long_or_evil_value_is_shown_in_part_and_escaped(tmp_path: Path) -> None:
    message = refused_value(tmp_path, f"""[server]\nthreads = "\\u001b[2J{"x" * 9999}"\n""")
    assert "\x1b" not in message


def test_a_line_is_found_where_the_key_stands_and_not_where_a_text_looks_like_it(tmp_path: Path) -> None:
    text = (
        '[server]\nserver_header = """\nthreads = 1\n[server]\nthreads = 2\n"""\nbind = [\n  "127.0.0.1:1",\n]\n'
        '"threads" = 3\nqueue=7\n'
    )
    with pytest.raises(UsageError, match=r"^dragoman.toml:2: server_header"):
        settings(tmp_path, text)
    found = read_document(text, "f.toml")
    assert {name: one.place for name, one in found.items()} == {
        "server_header": "f.toml:2",
        "bind": "f.toml:7",
        "threads": "f.toml:10",
        "queue": "f.toml:11",
    }


def test_a_key_that_is_not_written_plainly_has_its_table_as_its_place() -> None:
    assert read_document("server.threads = 3\n", "f.toml")["threads"].place == "f.toml [server]"


def test_every_parser_says_what_it_wants() -> None:
    for row in rows():
        assert wanted(row) and wanted(row) != "a text in quotes", row.name


def test_every_default_can_be_written_in_a_file() -> None:
    for row in rows():
        if row.default:
            assert texts_of(row, row.default) == (row.default,)
