"""Hooks: which functions of a file are called, with what, and what happens when they fail."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from dragoman.errors import OperatorError
from dragoman.hooks import HOOKS, HookLog, Hooks, ServerView, WorkerView, load_hooks
from dragoman.log import Log
from dragoman.settings import Settings, settings_from

GIVEN = {"application": ["shop"], "workers": ["3"], "keep_alive": ["5"], "bind": ["127.0.0.1:80", "unix:/a"]}


class Lines:
    """A log and what has been written to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        self.log = Log(self.fd, "debug")

    @property
    def text(self) -> str:
        return self.path.read_text()


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[Lines]:
    made = Lines(tmp_path / "log")
    yield made
    os.close(made.fd)


def settings() -> Settings:
    return settings_from(GIVEN, {})


def loaded(lines: Lines, source: str, name: str = "hooks.py") -> Hooks:
    path = lines.path.with_name(name)
    path.write_text(source)
    return load_hooks(str(path), lines.log)


def refusal(lines: Lines, source: str) -> OperatorError:
    with pytest.raises(OperatorError) as caught:
        loaded(lines, source)
    return caught.value


def views(lines: Lines) -> tuple[ServerView, WorkerView]:
    log = HookLog(lines.log)
    return ServerView(7, settings(), log, (("127.0.0.1", 80), "/a")), WorkerView(8, 1, 4, settings(), log)


def call_all(hooks: Hooks, lines: Lines) -> None:
    server, worker = views(lines)
    arguments = {"server": server, "worker": worker, "new_value": 3, "old_value": None}
    for name, hook in HOOKS.items():
        getattr(hooks, name)(*(arguments[one] for one in hook.arguments))


def test_every_hook_is_called_with_gunicorns_arguments(lines: Lines) -> None:
    source = "".join(
        f"def {name}({', '.join(hook.arguments)}):\n    {hook.arguments[0]}.log.info('called {name}')\n"
        for name, hook in HOOKS.items()
    )
    call_all(loaded(lines, source), lines)
    assert [name for name in HOOKS if f"called {name}" in lines.text] == list(HOOKS)


def test_without_a_file_no_hook_does_anything(lines: Lines) -> None:
    call_all(load_hooks("", lines.log), lines)
    assert lines.text == ""


def test_hooks_log_and_read_as_they_do_in_gunicorn(lines: Lines) -> None:
    source = (
        "def post_fork(server, worker):\n"
        "    server.log.info('Worker spawned (pid: %s), age %d', worker.pid, worker.age)\n"
        "    server.log.info('%s %s %s', server.cfg.workers, worker.cfg.keepalive, server.cfg.bind)\n"
        "    server.log.info('%s %s', server.address, server.cfg.address)\n"
        "    server.log.info('100% sure')\n"
        "    server.log.info('%d', 'no number')\n"
        "    server.log.info('%(a)s', {'a': 'mapped'})\n"
        "    try:\n        1 / 0\n"
        "    except ZeroDivisionError:\n        worker.log.exception('caught %d', 1, extra={})\n"
    )
    loaded(lines, source).post_fork(*views(lines))
    assert "Worker spawned (pid: 8), age 4" in lines.text
    assert "3 5.0 ['127.0.0.1:80', 'unix:/a']" in lines.text
    assert "(('127.0.0.1', 80), '/a') [('127.0.0.1', 80), '/a']" in lines.text
    assert "100% sure" in lines.text and "%d ('no number',)" in lines.text and "mapped" in lines.text
    assert "caught 1" in lines.text and "ZeroDivisionError" in lines.text


def test_settings_that_have_no_equal_say_so(lines: Lines) -> None:
    server, _ = views(lines)
    with pytest.raises(AttributeError, match="gunicorn's setting certfile has no equal here: TLS"):
        _ = server.cfg.certfile
    assert server.cfg.pidfile is None


@pytest.mark.parametrize("statement", ["1 / 0", "raise SystemExit(3)", "import no_such_module"])
def test_what_a_hook_raises_is_logged_with_its_name_and_place(lines: Lines, statement: str) -> None:
    hooks = loaded(lines, f"\n\ndef when_ready(server):\n    {statement}\n")
    hooks.when_ready(views(lines)[0])
    assert f"the hook when_ready ({lines.path.with_name('hooks.py')}:3) fails: " in lines.text
    assert "Traceback" in lines.text and 'hooks.py", line 4' in lines.text


def test_a_file_that_fails_is_told_with_its_traceback(lines: Lines) -> None:
    error = refusal(lines, "import os\n\nraise RuntimeError('no')\n")
    assert str(error).endswith('hooks.py" fails: RuntimeError')
    assert 'hooks.py", line 3' in error.details and "no" in error.details
    assert "SyntaxError" in str(refusal(lines, "def f(:\n"))


def test_a_missing_file_is_told(lines: Lines) -> None:
    with pytest.raises(OperatorError, match=r'--hooks ".*nowhere.py": cannot be read: No such file'):
        load_hooks(str(lines.path.with_name("nowhere.py")), lines.log)


def test_a_hook_with_other_parameters_is_refused_with_place_and_wanted_ones(lines: Lines) -> None:
    message = str(refusal(lines, "\ndef post_fork(worker):\n    pass\n"))
    assert "post_fork" in message and "hooks.py:2" in message and "2 arguments, (server, worker)" in message


def test_a_hook_may_take_any_arguments_or_be_an_object_that_is_called(lines: Lines) -> None:
    source = (
        "import functools\n"
        "def on_exit(*args):\n    args[0].log.info('any')\n"
        "when_ready = functools.partial(lambda text, server: server.log.info(text), 'bound')\n"
    )
    call_all(loaded(lines, source), lines)
    assert "any" in lines.text and "bound" in lines.text


def test_a_hook_may_be_the_name_of_a_function(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    lines.path.with_name("shop_hooks.py").write_text("def ready(server):\n    server.log.info('by name')\n")
    monkeypatch.syspath_prepend(str(lines.path.parent))
    loaded(lines, "when_ready = 'shop_hooks.ready'\n").when_ready(views(lines)[0])
    assert "by name" in lines.text
    assert "want MODULE.FUNCTION" in str(refusal(lines, "when_ready = 'shop_hooks.nothing'\n"))
    assert "no function, but int" in str(refusal(lines, "when_ready = 5\n"))


@pytest.mark.parametrize("name", ["pre_request", "post_request"])
def test_hooks_of_every_request_are_told_once_with_the_reason_and_the_others_act(lines: Lines, name: str) -> None:
    found = loaded(lines, f"def {name}(worker, req):\n    pass\ndef when_ready(server):\n    pass\n")
    assert list(found.functions) == ["when_ready"]
    assert lines.text.count(f"the hook {name} (") == 1 and "middleware" in lines.text


def test_a_hook_that_is_never_called_and_a_file_without_any_are_told(lines: Lines) -> None:
    loaded(lines, "def pre_exec(server):\n    pass\n")
    assert "pre_exec" in lines.text and "is not called" in lines.text and "defines no hook" in lines.text


def test_a_function_with_nearly_the_name_of_a_hook_is_told(lines: Lines) -> None:
    loaded(lines, "def on_startig(server):\n    pass\ndef helper():\n    pass\non_reloads = 5\n")
    assert "on_startig (" in lines.text and "did you mean on_starting?" in lines.text
    assert "helper" not in lines.text and "on_reloads" not in lines.text


def test_the_file_runs_as_gunicorns_does_and_leaves_nothing_beside_it(lines: Lines) -> None:
    source = (
        "import dataclasses\n\n@dataclasses.dataclass\nclass A:\n    x: 'int' = 1\n\n\ndef on_exit(server):\n    pass\n"
    )
    loaded(
        lines,
        f"{source}assert __name__ == '__config__' and __file__.endswith('gunicorn.conf.py')\n",
        "gunicorn.conf.py",
    )
    assert not lines.path.with_name("__pycache__").exists()
