"""Each configuration of gunicorn is imported, checked, and run until it answers a request."""

import re
from pathlib import Path

import pytest

from tests.support.server import REPOSITORY, Server, run_command

HERE = Path(__file__).parent
CONFIGS = sorted(path.name.removesuffix(".conf.py") for path in HERE.glob("*.conf.py"))
APP = "tests.gunicorn_configs.apps:app"
# What the import says of each: settings without an equivalent, then what has no effect.
OMITTED = {
    "cpu_formula": {"timeout", "capture_output"},
    "hooks_and_logs": {"pre_exec"},
    "tls_and_statsd": {
        "certfile",
        "keyfile",
        "statsd_host",
        "statsd_prefix",
        "syslog",
        "logconfig_dict",
        "secure_scheme_headers",
        "pre_request",
    },
}
LINES = {
    "minimal": ["workers = 2", "threads = 1", "limit_body = 0"],
    "cpu_formula": ["keep_alive = 5", 'access_logfile = "-"', "threads = 1"],
    "environment": ['env = ["SHOP_MODE=production", "SHOP_GREETING=two words"]', "graceful_timeout = 20"],
    "threads": ["threads = 4", "max_requests = 1000", 'forwarded_allow_ips = "*"'],
    "prometheus": ["preload = true", "threads = 1", "hooks = "],
    "hooks_and_logs": ['log_level = "debug"', "hooks = "],
    "gevent": ["worker_connections = 500", 'umask = "007"', "limit_request_fields = 200"],
    "typed": ['application = "tests.gunicorn_configs.apps:app"', 'log_level = "warning"'],
    "tls_and_statsd": ["threads = 2", "hooks = "],
    "django": ["workers = 2", 'umask = "007"', 'proc_name = "shop"'],
}


def imported(name: str, directory: Path) -> tuple[str, str]:
    """Path of the written file, and what was told."""
    output = str(directory / "dragoman.toml")
    source = str((HERE / f"{name}.conf.py").relative_to(REPOSITORY))
    status, told = run_command("import-gunicorn", source, "-o", output, env={"SHOP_RUN_DIRECTORY": str(directory)})
    assert status == 0, told
    return output, told


def test_there_are_ten_and_each_is_known_here() -> None:
    assert len(CONFIGS) == 10
    assert sorted(LINES) == CONFIGS and set(OMITTED) <= set(CONFIGS)


@pytest.mark.parametrize("name", CONFIGS)
def test_the_file_has_the_equivalent_lines_and_the_rest_is_told(name: str, tmp_path: Path) -> None:
    output, told = imported(name, tmp_path)
    text = Path(output).read_text()
    for line in LINES[name]:
        assert f"\n{line}" in text, text
    omitted = set(re.findall(r"^without an equivalent: (\w+)", told, re.MULTILINE))
    assert omitted == OMITTED.get(name, set()), told


@pytest.mark.parametrize("name", CONFIGS)
def test_the_written_file_is_accepted_and_every_value_comes_from_it(name: str, tmp_path: Path) -> None:
    output, _ = imported(name, tmp_path)
    status, text = run_command(APP, "-c", output, "--check-config")
    assert (status, re.sub(r"(?m)^.*\[WARNING\] the hook (pre_exec|pre_request) .*\n", "", text)) == (0, "")
    status, text = run_command("config", "-c", output)
    assert status == 0
    assert f"{output}:" in next(line for line in text.splitlines() if line.startswith("limit_body "))


@pytest.mark.parametrize("name", CONFIGS)
def test_the_server_that_is_started_with_it_answers(name: str, tmp_path: Path) -> None:
    output, _ = imported(name, tmp_path)
    # The address is read from the log, which one of the files makes silent.
    with Server(APP, "-c", output, "--drain-linger", "0", "--log-level", "info", binds=()) as server:
        answer = server.request("GET", "/").json()
    assert answer["multithread"] is not ("\nthreads = 1\n" in Path(output).read_text())
    if name == "environment":
        assert answer["variables"]["SHOP_GREETING"] == "two words"
