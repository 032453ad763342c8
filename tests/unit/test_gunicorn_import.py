"""import-gunicorn: what each setting of a gunicorn.conf.py becomes, and what is told of the rest."""

from pathlib import Path

import pytest

from dragoman.config_file import read_document
from dragoman.errors import OperatorError, UsageError
from dragoman.gunicorn_file import asked_by, names_of
from dragoman.gunicorn_import import Imported, import_settings, toml_of
from dragoman.settings import Settings, settings_from


def imported(source: str = "", arguments: str = "", directory: Path | None = None, **environment: str) -> Imported:
    names: dict[str, object] = {}
    path = "gunicorn.conf.py"
    if directory is not None:
        path = str(directory / path)
        Path(path).write_text(source)
        names = names_of(path)
    elif source:
        exec(source, names)
    return import_settings(names, arguments, path, environment, asked_by(source))


def settings(source: str = "", arguments: str = "", **environment: str) -> Settings:
    text = toml_of(imported(source, arguments, **environment), "gunicorn.conf.py")
    return settings_from({}, environment, read_document(text, "dragoman.toml"))


def comment_above(text: str, line: str) -> str:
    lines = text.splitlines()
    return lines[lines.index(line) - 1]


def test_settings_get_our_names_and_their_values() -> None:
    found = settings(
        "bind = ['127.0.0.1:80', 'unix:/a']\nworkers = 3\nkeepalive = 5\npidfile = '/run/p'\naccesslog = '-'\n"
        "errorlog = '/var/log/e'\nloglevel = 'INFO'\npreload_app = True\nraw_env = ['A=b c', 'C=d']\nchdir = '/'\n"
        "pythonpath = 'a,b'\nlimit_request_field_size = 4096\nmax_requests = '7'\nwsgi_app = 'shop:app'\n"
    )
    assert [str(one) for one in found.bind] == ["127.0.0.1:80", "unix:/a"]
    assert (found.workers, found.keep_alive, found.pid, found.access_logfile) == (3, 5.0, "/run/p", "-")
    assert (found.error_logfile, found.log_level, found.preload) == ("/var/log/e", "info", True)
    assert (found.env, found.chdir, found.pythonpath) == ((("A", "b c"), ("C", "d")), "/", ("a", "b"))
    assert (found.limit_request_field_size, found.max_requests, found.application) == (4096, 7, "shop:app")


@pytest.mark.parametrize(
    ("value", "expected"), [("0o007", 7), ("'007'", 7), ("'0o27'", 0o27), ("18", 18), ("'18'", 18)]
)
def test_a_mask_has_the_same_bits(value: str, expected: int) -> None:
    assert settings(f"umask = {value}").umask == expected


@pytest.mark.parametrize(
    ("value", "expected"), [("'0.0.0.0'", "0.0.0.0:8000"), ("':9000'", "0.0.0.0:9000"), ("'[::1]'", "[::1]:8000")]
)
def test_an_address_gets_the_port_that_gunicorn_takes(value: str, expected: str) -> None:
    assert str(settings(f"bind = {value}").bind[0]) == expected


@pytest.mark.parametrize("source", ["", "worker_class = 'sync'", "threads = 1", "worker_class = None\nthreads = '1'"])
def test_a_sync_configuration_has_one_thread_with_the_reason(source: str) -> None:
    text = toml_of(imported(source), "gunicorn.conf.py")
    assert "one call at a time" in text and "\nthreads = 1\n" in text
    found = settings(source)
    assert (found.threads, found.limit_body) == (1, 0)
    assert "64 MiB" in comment_above(text, "limit_body = 0")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("threads = 4", 4),
        ("worker_class = 'gthread'\nthreads = 8", 8),
        ("worker_class = 'gthread'", 1),
        ("worker_class = 'gevent'", 64),
        ("worker_class = 'gevent'\nthreads = 2", 64),
    ],
)
def test_other_classes_bring_their_threads(source: str, expected: int) -> None:
    assert settings(source).threads == expected


CLASSES = """
class Worker: pass
class SyncWorker(Worker): pass
class ThreadWorker(Worker): pass
class MySync(SyncWorker): pass
class MyThreads(ThreadWorker): pass
class Own(Worker): pass
"""


@pytest.mark.parametrize(
    ("source", "expected", "told"),
    [
        ("worker_class = MySync", 1, "MySync"),
        ("worker_class = MySync\nthreads = '2'", 1, "whatever threads = '2' says"),
        ("worker_class = Own\nthreads = 3", 1, "Own"),
        ("worker_class = MyThreads\nthreads = 3", 3, "MyThreads"),
        ("worker_class = 'shop_workers.MySync'\nthreads = 4", 1, "MySync"),
        ("worker_class = 'shop_workers.MyThreads'\nthreads = 4", 4, "MyThreads"),
        ("worker_class = 'shop_workers.Nothing'\nthreads = 4", 1, "to be looked at"),
        ("worker_class = 'no_such_shop.Worker'", 1, "to be looked at"),
        ("worker_class = 'mine'", 1, "to be looked at"),
        ("worker_class = 'egg:gunicorn#sync'", 1, ""),
        ("worker_class = 'egg:gunicorn#gthread'\nthreads = 4", 4, "gthread"),
    ],
)
def test_a_class_of_ones_own_has_the_threads_of_what_it_derives_from(
    source: str, expected: int, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop_workers.py").write_text(CLASSES)
    monkeypatch.syspath_prepend(str(tmp_path))
    source = f"from shop_workers import *\n{source}"
    made = imported(source)
    assert settings(source).threads == expected
    assert told in "\n".join([*made.omitted, *made.notices])
    assert ("to be looked at" in told) == any("worker_class" in sentence for sentence in made.omitted)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("limit_request_line", 1 << 20), ("limit_request_field_size", 1 << 20), ("limit_request_fields", 10_000)],
)
def test_no_limit_becomes_the_greatest_one_with_the_reason(name: str, expected: int) -> None:
    made = imported(f"{name} = 0")
    assert getattr(settings(f"{name} = 0"), name) == expected
    assert "0 is no limit in gunicorn" in toml_of(made, "gunicorn.conf.py") and not made.omitted


def test_a_flag_in_the_place_of_a_name_is_told() -> None:
    told = "\n".join(imported("preload = True\nlog_level = 'debug'\n").notices)
    assert "preload is no setting of gunicorn's, which ignores it; was preload_app meant?" in told
    assert "was loglevel meant?" in told


def test_gunicorns_default_of_workers_is_written_unless_the_platform_sets_it() -> None:
    assert settings().workers == 1
    assert settings(WEB_CONCURRENCY="5").workers == 5
    assert settings("workers = 2", WEB_CONCURRENCY="5").workers == 2


def test_what_asks_for_nothing_is_left_out_without_a_word() -> None:
    made = imported(
        "timeout = 0\ndaemon = False\nreload = False\nstatsd_host = None\nuser = None\ncertfile = None\n"
        "sendfile = True\n"
        "worker_tmp_dir = None\nlogconfig_dict = {}\nraw_env = []\naccesslog = None\nproxy_protocol = False\n"
    )
    assert [line.name for line in made.lines] == ["workers", "threads", "limit_body"]
    assert (made.omitted, made.notices) == ([], [])


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("timeout = 120", "timeout = 120: there is no deadline for the application yet"),
        ("certfile = '/c'", "certfile = '/c': TLS"),
        ("sendfile = False", "sendfile = False: how a file is sent"),
        ("daemon = True", "daemon = True: the server stays in the foreground"),
        ("chdir = '/there/is/no/such'", "want a directory that exists"),
        ("raw_env = ['HTTP_X=1', 'A=1']", "raw_env: 'HTTP_X=1': want a name that is not the request's own"),
        ("worker_class = 'uvicorn.workers.UvicornWorker'", "only WSGI"),
        ("def pre_request(worker, req):\n    pass", "pre_request: there are no request objects"),
        ("def ssl_context(conf, factory):\n    pass", "ssl_context: TLS"),
    ],
)
def test_what_has_no_equivalent_is_listed_with_the_reason_and_written_as_a_comment(source: str, words: str) -> None:
    made = imported(source)
    assert any(words in sentence for sentence in made.omitted), made.omitted
    text = toml_of(made, "gunicorn.conf.py")
    assert "# Without an equivalent:" in text
    read_document(text, "dragoman.toml")


def test_names_that_gunicorn_ignores_are_told() -> None:
    made = imported("import os\nworker = 4\nBIND = 'x:1'\nhost = 'y'\n_private = 1\ndef post_forks(a, b):\n    pass\n")
    told = "\n".join(made.notices)
    assert "worker is no setting of gunicorn's, which ignores it; was workers meant?" in told
    assert "BIND is no setting of gunicorn's, which ignores it; was bind meant?" in told
    assert "ignored by it too: host" in told and "_private" not in told and "os" not in told.split()


def test_hooks_of_the_file_are_called_from_the_file() -> None:
    found = settings("def post_fork(server, worker):\n    pass\n")
    assert found.hooks == "gunicorn.conf.py"
    assert Path(settings("chdir = '/'\ndef on_exit(server):\n    pass\n").hooks).is_absolute()


def test_hooks_beside_one_that_is_not_called_are_called() -> None:
    source = "def post_fork(server, worker):\n    pass\ndef pre_request(worker, req):\n    pass\n"
    made = imported(source)
    assert [sentence.partition(":")[0] for sentence in made.omitted] == ["pre_request"]
    assert settings(source).hooks == "gunicorn.conf.py"


def test_arguments_win_over_the_file_and_are_abbreviated_as_gunicorn_allows() -> None:
    found = settings("workers = 2\nthreads = 3", "--workers 5 --bind :1 -b unix:/a --log-lev debug --preload shop:app")
    assert (found.workers, found.threads, found.log_level, found.preload) == (5, 3, "debug", True)
    assert [str(one) for one in found.bind] == ["0.0.0.0:1", "unix:/a"]
    assert found.application == "shop:app"
    assert any(sentence.startswith("sendfile = False") for sentence in imported("", "--no-sendfile").omitted)


@pytest.mark.parametrize("arguments", ["--no-such-flag", "--workers", "'open"])
def test_arguments_that_gunicorn_refuses_are_refused(arguments: str) -> None:
    with pytest.raises(UsageError, match="GUNICORN_CMD_ARGS: "):
        imported("", arguments)


def test_texts_with_quotes_and_controls_come_through() -> None:
    value = 'A="b\\c"\x7f\té'
    assert settings(f"raw_env = [{value!r}]").env == (("A", '"b\\c"\x7f\té'),)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import os\nworkers = int(os.getenv('N', '2'))", {"getenv"}),
        ("from os import environ as e\nworkers = int(e.get('N', 2))", {"environ"}),
        ("import multiprocessing\ncount = multiprocessing.cpu_count()\nworkers = count * 2 + 1", {"cpu_count"}),
        ("from multiprocessing import cpu_count as n\ndef f():\n    return n()\nworkers = f()", {"cpu_count"}),
        ("import os\nworkers = 2\nif os.environ.get('N'):\n    workers = 3", {"environ"}),
        ("import os\nworkers = 2\ndef post_fork(server, worker):\n    workers = os.environ['N']", set()),
        ("import os\nbind = os.environ.get('B', ':1')\nworkers = 2", set()),
    ],
)
def test_what_a_value_asks_of_the_machine_is_found(source: str, expected: set[str]) -> None:
    assert asked_by(source)["workers"] == expected


def test_a_value_that_was_computed_on_this_machine_says_so() -> None:
    source = "import multiprocessing\nworkers = multiprocessing.cpu_count() * 2 + 1\nkeepalive = 5\n"
    made = imported(source)
    text = toml_of(made, "gunicorn.conf.py")
    assert "# Computed from cpu_count on the machine where this was written. Without this line there is a" in text
    assert "keep_alive = 5" in text and text.count("Computed") == 1
    assert [sentence for sentence in made.computed if "Computed from cpu_count" in sentence]
    assert "Computed" not in toml_of(imported(source, "--workers 3"), "GUNICORN_CMD_ARGS")


def test_a_module_is_imported_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shop_gunicorn.py").write_text("workers = 7\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert names_of("python:shop_gunicorn")["workers"] == 7
    with pytest.raises(OperatorError, match="no_such_shop"):
        names_of("python:no_such_shop")


def test_a_file_that_fails_is_told_with_its_traceback(tmp_path: Path) -> None:
    with pytest.raises(OperatorError) as caught:
        imported("import no_such_module_at_all\n", directory=tmp_path)
    assert "gunicorn.conf.py" in str(caught.value) and "no_such_module_at_all" in caught.value.details
