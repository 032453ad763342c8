"""The functions of the file of --hooks, which are called on the way of a run, with gunicorn's names and arguments."""

import importlib
import inspect
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from dragoman.errors import OperatorError
from dragoman.gunicorn_options import BY_NAME, Fate
from dragoman.loader import traceback_of
from dragoman.log import Log
from dragoman.settings import Settings
from dragoman.types import LogLevel
from dragoman.values import TcpAddress, UnixAddress, nearest, printable

__all__ = [
    "HOOKS",
    "UNCALLED",
    "Configuration",
    "HookLog",
    "Hooks",
    "ServerView",
    "WorkerView",
    "load_hooks",
    "run_file",
]

# The name that gunicorn gives to the module of its configuration file; such files may ask for it.
MODULE_NAME = "__config__"


class Hook(NamedTuple):
    """What a hook is called with, by which process, and when."""

    arguments: tuple[str, ...]
    process: str
    when: str


HOOKS: Mapping[str, Hook] = {
    "on_starting": Hook(("server",), "supervisor", "before anything is forked"),
    "on_reload": Hook(("server",), "supervisor", "at a reload, before the new workers start"),
    "when_ready": Hook(("server",), "supervisor", "once requests are answered"),
    "pre_fork": Hook(("server", "worker"), "supervisor", "before a worker is forked"),
    "post_fork": Hook(("server", "worker"), "worker", "after the fork, before the application is loaded"),
    "post_worker_init": Hook(("worker",), "worker", "when the application is loaded"),
    "worker_int": Hook(("worker",), "worker", "at SIGINT or SIGQUIT"),
    "worker_abort": Hook(
        ("worker",), "worker", "before a worker that hangs is ended: at the graceful timeout, or at the start timeout"
    ),
    "child_exit": Hook(("server", "worker"), "supervisor", "after a worker has ended"),
    "worker_exit": Hook(("server", "worker"), "worker", "as the last thing of a worker that ends by itself"),
    "nworkers_changed": Hook(
        ("server", "new_value", "old_value"),
        "supervisor",
        "when there are to be more or fewer workers; old is None first",
    ),
    "on_exit": Hook(("server",), "supervisor", "as its last thing"),
}
# They take gunicorn's own Request and Response, which do not exist here; an imitation of both would be right for some.
MIDDLEWARE = "there are no request objects of gunicorn's to give it; wrap the application in a WSGI middleware instead"
DIRTY = BY_NAME["dirty_apps"].says
UNCALLED: Mapping[str, str] = {
    "pre_request": MIDDLEWARE,
    "post_request": MIDDLEWARE,
    "pre_exec": "an upgrade starts the new server without it",
    "ssl_context": BY_NAME["certfile"].says,
    "on_dirty_starting": DIRTY,
    "dirty_post_fork": DIRTY,
    "dirty_worker_init": DIRTY,
    "dirty_worker_exit": DIRTY,
}


class HookLog:
    """The error log as hooks use it: texts with ``%`` and arguments, as loggers of Python take them.

    Of their keywords `exc_info` counts, as a claim: the exception that is being handled follows. The others are for
    handlers, which there are none of.
    """

    def __init__(self, log: Log) -> None:
        self.log = log

    def write(self, level: LogLevel, message: object, *args: object, **options: object) -> None:
        """Append `message`; a text that does not fit its arguments is written with them behind it."""
        text = str(message)
        try:
            # logging does the same: a lone mapping is for %(name)s.
            text = text % (args[0] if len(args) == 1 and isinstance(args[0], Mapping) else args) if args else text
        except (TypeError, ValueError, KeyError):
            text = f"{text} {args!r}"
        details = f"\n{traceback.format_exc().rstrip()}" if options.get("exc_info") else ""
        self.log.write(level, text + details)

    def debug(self, message: object, *args: object, **options: object) -> None:
        """At level debug."""
        self.write("debug", message, *args, **options)

    def info(self, message: object, *args: object, **options: object) -> None:
        """At level info."""
        self.write("info", message, *args, **options)

    def warning(self, message: object, *args: object, **options: object) -> None:
        """At level warning."""
        self.write("warning", message, *args, **options)

    def error(self, message: object, *args: object, **options: object) -> None:
        """At level error."""
        self.write("error", message, *args, **options)

    def critical(self, message: object, *args: object, **options: object) -> None:
        """At level critical."""
        self.write("critical", message, *args, **options)

    def exception(self, message: object, *args: object, **options: object) -> None:
        """At level error, with the traceback of the exception that is being handled."""
        self.write("error", message, *args, **{"exc_info": True, **options})


class Configuration:
    """The settings by gunicorn's names, for hooks: ``server.cfg.workers``, ``worker.cfg.keepalive``."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __getattr__(self, name: str) -> object:
        option = BY_NAME.get(name)
        if option is None or option.fate is not Fate.ACTS or not hasattr(self._settings, option.says):
            reason = f": {option.says}" if option is not None and option.fate is not Fate.ACTS else ""
            raise AttributeError(f"gunicorn's setting {name} has no equal here{reason}")
        value: object = getattr(self._settings, option.says)
        if name == "bind":
            return [str(address) for address in self._settings.bind]
        if name == "raw_env":
            return [f"{variable}={content}" for variable, content in self._settings.env]
        # What is not set is None there.
        return None if value == "" else value

    @property
    def address(self) -> list[tuple[str, int] | str]:
        """The addresses of `bind` as gunicorn has them: (host, port), or the path of a socket."""
        return [
            (one.host, one.port)
            if isinstance(one, TcpAddress)
            else one.path
            if isinstance(one, UnixAddress)
            else str(one)
            for one in self._settings.bind
        ]

    @property
    def env(self) -> dict[str, str]:
        """The variables that `raw_env` sets."""
        return dict(self._settings.env)


class ServerView:
    """The server as hooks see it, in every process of the run.

    pid       of the supervisor
    address   what it listens on, as gunicorn has it: (host, port), or the path of a unix socket
    """

    __slots__ = ("address", "log", "pid", "settings")

    def __init__(
        self, pid: int, settings: Settings, log: HookLog, address: tuple[tuple[str, int] | str, ...] = ()
    ) -> None:
        self.pid = pid
        self.settings = settings
        self.log = log
        self.address = address

    @property
    def cfg(self) -> Configuration:
        """The settings by gunicorn's names."""
        return Configuration(self.settings)

    @property
    def num_workers(self) -> int:
        """How many workers the settings ask for."""
        return self.settings.workers


class WorkerView:
    """A worker as hooks see it.

    pid      0 before the fork
    number   its place, from 1 to the number of workers
    age      how many workers of this run, it included, have been started: gunicorn's name for that
    """

    __slots__ = ("age", "log", "number", "pid", "settings")

    def __init__(self, pid: int, number: int, age: int, settings: Settings, log: HookLog) -> None:
        self.pid = pid
        self.number = number
        self.age = age
        self.settings = settings
        self.log = log

    @property
    def cfg(self) -> Configuration:
        """The settings by gunicorn's names."""
        return Configuration(self.settings)


class Hooks:
    """One method for each hook: it does nothing without a function of its name.

    Whatever a function raises is logged with its place, and the run goes on.
    """

    def __init__(self, functions: Mapping[str, Callable[..., object]], log: Log) -> None:
        self.functions = functions
        self.log = log

    def on_starting(self, server: ServerView) -> None:
        """In the supervisor, before anything is forked."""
        self.call("on_starting", server)

    def on_reload(self, server: ServerView) -> None:
        """In the supervisor, at a reload, before the new workers start."""
        self.call("on_reload", server)

    def when_ready(self, server: ServerView) -> None:
        """In the supervisor, once requests are answered."""
        self.call("when_ready", server)

    def pre_fork(self, server: ServerView, worker: WorkerView) -> None:
        """In the supervisor, before a worker is forked."""
        self.call("pre_fork", server, worker)

    def post_fork(self, server: ServerView, worker: WorkerView) -> None:
        """In the worker, after the fork and before the application is loaded."""
        self.call("post_fork", server, worker)

    def post_worker_init(self, worker: WorkerView) -> None:
        """In the worker, when the application is loaded."""
        self.call("post_worker_init", worker)

    def worker_int(self, worker: WorkerView) -> None:
        """In the worker, at SIGINT or SIGQUIT."""
        self.call("worker_int", worker)

    def worker_abort(self, worker: WorkerView) -> None:
        """In a worker that hangs, before it is ended."""
        self.call("worker_abort", worker)

    def child_exit(self, server: ServerView, worker: WorkerView) -> None:
        """In the supervisor, after a worker has ended."""
        self.call("child_exit", server, worker)

    def worker_exit(self, server: ServerView, worker: WorkerView) -> None:
        """In the worker, as its last thing when it ends by itself."""
        self.call("worker_exit", server, worker)

    def nworkers_changed(self, server: ServerView, new_value: int, old_value: int | None) -> None:
        """In the supervisor, when there are to be more or fewer workers; `old_value` is None at the first time."""
        self.call("nworkers_changed", server, new_value, old_value)

    def on_exit(self, server: ServerView) -> None:
        """In the supervisor, as its last thing."""
        self.call("on_exit", server)

    def call(self, name: str, *arguments: object) -> None:
        """Call the function of that name; what it raises is logged."""
        function = self.functions.get(name)
        if function is None:
            return
        try:
            function(*arguments)
        # A wish to exit too: a process that ends in the middle of the supervisor's work leaves its workers alone.
        except (Exception, SystemExit) as error:
            self.log.error(
                f"the hook {name} ({place_of(function)}) fails: {type(error).__name__}\n{traceback_of(error)}"
            )


def load_hooks(path: str, log: Log) -> Hooks:
    """The hooks of the file at `path`; none for ``""``.

    One that is never called is told with the reason, and the others are called. Raises OperatorError with the place for
    a file that cannot be read or fails, and for functions that take other arguments.
    """
    if not path:
        return Hooks({}, log)
    names = run_file(path, "--hooks")
    functions = {}
    for name, value in names.items():
        if name in UNCALLED:
            log.warning(f"the hook {name} ({place_of(value)}) is not called: {UNCALLED[name]}")
        if name in HOOKS:
            functions[name] = function_of(name, value, path)
        elif inspect.isfunction(value) and (near := nearest(name, HOOKS, 1, cutoff=0.85)):
            log.warning(f"{name} ({place_of(value)}) is no hook, and is not called; did you mean {near[0]}?")
    if not functions:
        log.warning(f'--hooks "{printable(path)}" defines no hook; there are {", ".join(HOOKS)}')
    return Hooks(functions, log)


def function_of(name: str, value: object, path: str) -> Callable[..., object]:
    """The function that `value` is or names, when it takes what the hook is called with."""
    arguments = HOOKS[name].arguments
    if isinstance(value, str):
        value = imported(name, value, path)
    if not callable(value):
        raise OperatorError(f'--hooks "{printable(path)}": {name} is no function, but {type(value).__name__}')
    try:
        inspect.signature(value).bind(*arguments)
    except TypeError:
        raise OperatorError(
            f'--hooks "{printable(path)}": {name} ({place_of(value)}) is called with {len(arguments)}'
            f" argument{'s' if len(arguments) != 1 else ''}, ({', '.join(arguments)}), which it does not take"
        ) from None
    except ValueError:
        pass  # something native tells no signature; the call will show
    return value


def imported(name: str, text: str, path: str) -> object:
    """What ``"package.module.function"`` names; gunicorn takes hooks in this form too."""
    module, _, attribute = text.rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute)
    except Exception as error:
        raise OperatorError(
            f'--hooks "{printable(path)}": {name} = "{printable(text)}": want MODULE.FUNCTION that can be imported'
            f" ({type(error).__name__}: {error})"
        ) from None


def run_file(path: str, what: str) -> dict[str, object]:
    """The names that the Python file at `path` defines, run in a module of its own as gunicorn runs its file.

    what   how messages call the file: ``"--hooks"``
    Raises OperatorError, with the traceback of a file that fails.
    """
    module = ModuleType(MODULE_NAME)
    module.__file__ = path
    # Dataclasses and pickles of the file look for its module here.
    sys.modules[MODULE_NAME] = module
    try:
        # Compiled anew each time: nothing is written beside the file, and a reload sees what it holds now.
        exec(compile(Path(path).read_bytes(), path, "exec", dont_inherit=True), vars(module))
    except OSError as error:
        if error.filename == path:
            raise OperatorError(f'{what} "{printable(path)}": cannot be read: {error.strerror}') from None
        raise failed(what, path, error) from None
    except (Exception, SystemExit) as error:
        raise failed(what, path, error) from None
    return vars(module)


def failed(what: str, path: str, error: BaseException) -> OperatorError:
    return OperatorError(f'{what} "{printable(path)}" fails: {type(error).__name__}', traceback_of(error))


def place_of(value: object) -> str:
    """``gunicorn.conf.py:12``, as far as it can be told."""
    code = getattr(inspect.unwrap(value) if callable(value) else value, "__code__", None)
    return f"{printable(code.co_filename)}:{code.co_firstlineno}" if code is not None else type(value).__name__
