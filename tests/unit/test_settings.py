"""Settings: where each value comes from, what is refused, and in which words."""

import re

import pytest

from dragoman import cpus
from dragoman.cli import parse_arguments
from dragoman.errors import UsageError
from dragoman.settings import Settings, misspelt, rows, settings_from
from dragoman.values import InheritedAddress, TcpAddress, UnixAddress


def settings(*arguments: str, **environment: str) -> Settings:
    return parse_arguments(["app:app", *arguments], environment)


def refusal(*arguments: str, **environment: str) -> str:
    with pytest.raises(UsageError) as caught:
        settings(*arguments, **environment)
    return str(caught.value)


def test_defaults_are_those_of_the_table() -> None:
    found = settings()
    assert found.bind == (TcpAddress("127.0.0.1", 8000),)
    assert (found.workers, found.threads, found.keep_alive) == (cpus.available().number, 64, 75.0)
    assert found.graceful_timeout == 30.0
    assert (found.limit_body, found.body_buffer, found.limit_request_line) == (64 << 20, 64 << 10, 8192)
    assert (found.root_path, found.access_logfile, found.env, found.pythonpath) == ("", "auto", (), ())


def test_every_setting_has_the_type_that_its_field_declares() -> None:
    found = settings()
    for name, annotation in Settings.__annotations__.items():
        kind = getattr(annotation, "__origin__", annotation)
        assert isinstance(getattr(found, name), kind), name


def test_the_command_line_wins_over_the_environment_and_that_over_the_default() -> None:
    assert settings(DRAGOMAN_THREADS="8").threads == 8
    assert settings("--threads", "4", DRAGOMAN_THREADS="8").threads == 4


def test_the_last_of_a_flag_that_is_given_twice_wins() -> None:
    assert settings("--threads", "4", "--threads", "5").threads == 5


def test_bind_collects_every_address_that_is_given() -> None:
    found = settings("-b", "[::1]:80", "--bind", "unix:/run/shop.sock", "-b", "fd://3", "-b", ":0")
    assert found.bind == (
        TcpAddress("::1", 80),
        UnixAddress("/run/shop.sock"),
        InheritedAddress(3),
        TcpAddress("0.0.0.0", 0),
    )


def test_a_variable_holds_several_values_apart_by_blanks() -> None:
    found = settings(DRAGOMAN_BIND="127.0.0.1:1 unix:/a", DRAGOMAN_ENV="A=1 'B=two words'")
    assert found.bind == (TcpAddress("127.0.0.1", 1), UnixAddress("/a"))
    assert found.env == (("A", "1"), ("B", "two words"))


def test_port_binds_all_interfaces_and_web_concurrency_is_the_number_of_workers() -> None:
    found = settings(PORT="5000", WEB_CONCURRENCY="3")
    assert (found.bind, found.workers) == ((TcpAddress("0.0.0.0", 5000),), 3)


def test_our_own_variables_win_over_those_of_platforms() -> None:
    found = settings("-w", "2", PORT="5000", WEB_CONCURRENCY="3", DRAGOMAN_BIND="127.0.0.1:9")
    assert (found.bind, found.workers) == ((TcpAddress("127.0.0.1", 9),), 2)


def test_none_takes_back_what_a_variable_says() -> None:
    names = ("hooks", "user", "group", "proc_name", "pid", "spool_directory", "ready_path", "pythonpath")
    for row in (row for row in rows() if row.name in names):
        assert getattr(settings(row.flag, "none", **{row.env: "/x"}), row.name) in ("", ()), row.name
        assert getattr(settings(**{row.env: "/x"}), row.name) in ("/x", ("/x",)), row.name


def test_there_is_always_an_error_log() -> None:
    assert '--error-logfile "none": want a file, or - for standard error' in refusal("--error-logfile", "none")
    assert settings("--error-logfile", "./none").error_logfile == "./none"


def test_quotes_of_a_variable_have_to_end() -> None:
    with pytest.raises(
        UsageError, match=r"""DRAGOMAN_ENV "A=b 'c": want quotes that end \(also --env, \[server\] env"""
    ):
        settings(DRAGOMAN_ENV="A=b 'c")


def test_an_empty_variable_counts_as_not_set() -> None:
    found = settings(PORT="", WEB_CONCURRENCY="", DRAGOMAN_THREADS="")
    assert (found.bind, found.threads) == ((TcpAddress("127.0.0.1", 8000),), 64)
    assert found.workers == cpus.available().number


def test_the_application_may_come_from_the_environment() -> None:
    assert parse_arguments([], {"DRAGOMAN_APPLICATION": "shop.wsgi"}).application == "shop.wsgi"


def test_without_an_application_it_is_asked_for() -> None:
    with pytest.raises(UsageError, match=r"an application is needed: dragoman MODULE\[:ATTRIBUTE\]"):
        parse_arguments([], {})


def test_a_refusal_names_flag_value_wish_and_the_other_places() -> None:
    want = "want a whole number from 1 to 1024"
    assert refusal("--threads", "4k") == f'--threads "4k": {want} (also DRAGOMAN_THREADS, [server] threads)'


def test_a_refusal_of_a_variable_names_it_and_the_other_places() -> None:
    expected = 'DRAGOMAN_THREADS "4k": want a whole number from 1 to 1024 (also --threads, [server] threads)'
    assert refusal(DRAGOMAN_THREADS="4k") == expected
    expected = 'PORT "http": want a port from 0 to 65535 (also --bind, DRAGOMAN_BIND, [server] bind)'
    assert refusal(PORT="http") == expected
    assert refusal(WEB_CONCURRENCY="x").startswith('WEB_CONCURRENCY "x": want a whole number from 0 to 1024, or auto')


def test_workers_are_as_many_as_there_are_cpus_and_the_origin_says_of_what() -> None:
    found = settings()
    assert str(found.origins["workers"]) == f"default: {cpus.available()}"
    assert settings("-w", "auto", WEB_CONCURRENCY="9").workers == found.workers
    assert str(settings("-w", "auto").origins["workers"]) == f"--workers: {cpus.available()}"
    assert settings("-w", "0").workers == 0


def test_every_value_has_an_origin() -> None:
    found = settings("--threads", "4", DRAGOMAN_QUEUE="5", PORT="80")
    origins = {name: str(origin) for name, origin in found.origins.items()}
    assert (origins["threads"], origins["queue"], origins["bind"]) == ("--threads", "DRAGOMAN_QUEUE", "PORT")
    assert origins["keep_alive"] == "default" and set(origins) == {row.name for row in rows()}


def test_a_flag_can_be_taken_back() -> None:
    assert settings("--preload").preload is True
    assert settings("--no-preload", DRAGOMAN_PRELOAD="yes").preload is False
    assert settings(DRAGOMAN_PRELOAD="yes").preload is True
    assert settings().preload is False


def test_a_refused_value_cannot_forge_a_line_or_move_the_cursor() -> None:
    message = refusal("--threads", "1\n\x1b[2Jroot")
    assert "\n" not in message and "\x1b" not in message and r"1\n\x1b[2Jroot" in message


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--bind", "8000"),
        ("--bind", "localhost"),
        ("--bind", "::1:8000"),
        ("--bind", "127.0.0.1:65536"),
        ("--bind", "user@host:80"),
        ("--bind", "unix:"),
        ("--bind", f"unix:/{'x' * 107}"),
        ("--bind", "fd://x"),
        ("--workers", "-1"),
        ("--workers", "²"),
        ("--threads", "1025"),
        ("--threads", "-1"),
        ("--keep-alive", "1e3"),
        ("--keep-alive", "nan"),
        ("--limit-body", "1KB"),
        ("--limit-request-line", "1"),
        ("--root-path", "shop"),
        ("--root-path", "/shop//a"),
        ("--root-path", "/a b"),
        ("--root-path", "/a?b"),
        ("--env", "1A=2"),
        ("--env", "A"),
        ("--umask", "8"),
        ("--server-header", "a\r\nb"),
        ("--access-logformat", "%(z)s"),
        ("--access-logformat", "100%"),
        ("--log-level", "loud"),
        ("--chdir", "/there/is/no/such/directory"),
    ],
)
def test_what_cannot_be_meant_is_refused(flag: str, value: str) -> None:
    assert refusal(flag, value).startswith(flag)


@pytest.mark.parametrize(
    ("flag", "value", "name", "expected"),
    [
        ("--limit-body", "2m", "limit_body", 2 << 20),
        ("--limit-body", "0", "limit_body", 0),
        ("--keep-alive", "0.5", "keep_alive", 0.5),
        ("--root-path", "/shop/", "root_path", "/shop"),
        ("--root-path", "/", "root_path", ""),
        ("--pythonpath", "a, b", "pythonpath", ("a", "b")),
        ("--env", "A=b=c", "env", (("A", "b=c"),)),
        ("--umask", "027", "umask", 0o027),
        ("--server-header", "none", "server_header", ""),
        ("--access-logformat", "%(h)s %({x-id}i)s 100%%", "access_logformat", "%(h)s %({x-id}i)s 100%%"),
        ("--log-level", "WARNING", "log_level", "warning"),
        ("--limit-request-field_size", "8190", "limit_request_field_size", 8190),
        ("--limit-request-field-size", "8190", "limit_request_field_size", 8190),
        ("--log-file", "/tmp/e.log", "error_logfile", "/tmp/e.log"),
    ],
)
def test_values_are_read_once_into_what_they_mean(flag: str, value: str, name: str, expected: object) -> None:
    assert getattr(settings(flag, value), name) == expected


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("8000", ":8000"),
        ("localhost", "localhost:8000"),
        ("::1:80", "[::1]:80"),
        ("/run/a", "unix:/run/a"),
    ],
)
def test_what_is_no_address_is_answered_with_the_one_that_was_meant(value: str, meant: str) -> None:
    with pytest.raises(UsageError, match=re.escape(f"did you mean {meant}?")):
        settings("--bind", value)
    settings("--bind", meant)


def test_a_misspelt_variable_is_told_and_strange_ones_are_left_alone() -> None:
    environment = {"DRAGOMAN_THREAD": "4", "DRAGOMAN_PORT": "tcp://10.0.0.1:80", "DRAGOMAN_SERVICE_HOST": "10.0.0.1"}
    assert misspelt(environment) == ["DRAGOMAN_THREAD is no setting; did you mean DRAGOMAN_THREADS?"]


@pytest.mark.parametrize(
    ("variable", "told"),
    [
        ("DRAGOMAN_NAME", "DRAGOMAN_NAME is no setting; did you mean DRAGOMAN_PROC_NAME?"),
        ("DRAGOMAN_KEEPALIVE", "DRAGOMAN_KEEPALIVE is gunicorn's name; here it is DRAGOMAN_KEEP_ALIVE"),
        (
            "DRAGOMAN_TIMEOUT",
            "DRAGOMAN_TIMEOUT is gunicorn's, and cannot act here, so leave it out: there is no deadline",
        ),
    ],
)
def test_a_variable_of_a_flags_or_of_gunicorns_name_is_told(variable: str, told: str) -> None:
    (sentence,) = misspelt({variable: "1"})
    assert sentence.startswith(told)


def test_flags_and_variables_are_unique_and_defaults_are_read_by_their_own_parser() -> None:
    flags = [flag for row in rows() for flag in row.flags]
    assert len(flags) == len(set(flags))
    assert len({row.env for row in rows()}) == len(rows())
    for row in rows():
        if row.default and not (row.measure and row.default == "auto"):
            row.parse(row.default)


def test_settings_need_no_process_to_be_made() -> None:
    assert settings_from({"application": ["a"], "threads": ["2"]}, {}).threads == 2


@pytest.mark.parametrize(
    "name",
    [
        "HTTP_X_FOO",
        "HTTP_PROXY",
        "CONTENT_TYPE",
        "CONTENT_LENGTH",
        "REMOTE_ADDR",
        "REMOTE_USER",
        "REQUEST_METHOD",
        "REQUEST_URI",
        "RAW_URI",
        "PATH_INFO",
        "SCRIPT_NAME",
        "QUERY_STRING",
        "SERVER_PROTOCOL",
        "wsgi.input",
    ],
)
def test_what_a_request_says_cannot_be_said_by_a_setting(name: str) -> None:
    message = refusal("--env", f"{name}=x")
    assert message.startswith(f'--env "{name}=x": want ')
    assert "." in name or "set it in the shell" in message


@pytest.mark.parametrize("name", ["HTTPS", "MY_HTTP_PROXY", "CONTENT", "http_proxy", "DJANGO_SETTINGS_MODULE"])
def test_names_that_are_only_like_those_of_a_request_are_taken(name: str) -> None:
    assert settings("--env", f"{name}=x").env == ((name, "x"),)


def test_dev_has_defaults_of_its_own_that_everything_given_wins_over() -> None:
    found = settings("--dev")
    assert (found.workers, found.drain_linger, found.is_watching) == (1, 0, True)
    assert str(found.origins["workers"]) == "default: --dev"
    assert settings("--dev", "-w", "3").workers == settings("--dev", WEB_CONCURRENCY="3").workers == 3
    assert settings("--dev", DRAGOMAN_DRAIN_LINGER="7").drain_linger == 7
    assert settings("--dev", "--access-logformat", "common").access_logformat == "common"


def test_reload_is_a_part_of_dev_that_can_be_had_alone_or_left_out() -> None:
    assert not settings().is_watching
    assert settings("--reload").is_watching and not settings("--reload").dev
    assert not settings("--dev", "--no-reload").is_watching
    assert not settings("--dev", DRAGOMAN_RELOAD="false").is_watching
    assert settings("--reload-extra-file", "a", "--reload-extra-file", "b").reload_extra_files == ("a", "b")
