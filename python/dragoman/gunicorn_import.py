"""Writes the dragoman.toml that is equivalent to a gunicorn.conf.py, and says what of it has no equivalent."""

import argparse
import importlib
import inspect
import json
import os
import re
import shlex
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import NoReturn

from dragoman import hooks
from dragoman.errors import UsageError
from dragoman.gunicorn_options import ARGUMENTS_VARIABLE, BY_NAME, OPTIONS, Fate, Option, worker_class_notice
from dragoman.row import TABLE, Row
from dragoman.settings import rows
from dragoman.values import nearest, octal_mask, printable

__all__ = [
    "Imported",
    "Line",
    "file_of_arguments",
    "import_settings",
    "toml_of",
]

SHOWN_CHARACTERS = 60
# Classes of gunicorn's and others', by what is known of them without importing anything.
SYNC, THREADED = "sync", "gthread"
KNOWN = {"SyncWorker": SYNC, "ThreadWorker": THREADED, "GeventWorker": "gevent", "EventletWorker": "eventlet"}
SHORT = (SYNC, THREADED, "gevent", "gevent_wsgi", "gevent_pywsgi", "eventlet", "tornado", "asgi")
UNKNOWN_CLASS = (
    "the class cannot be found from here, and may call the application in one thread, which is taken for granted;"
    " to be looked at"
)
OWN_CLASS = "a class of its own, which calls the application in one thread"

ONE_THREAD = (
    "gunicorn's sync worker runs one call at a time, and the application may rely on it. One that is thread-safe is"
    " served better without this line."
)
ONE_WORKER = "gunicorn's default. Without this line there is a worker for each CPU."
NO_LIMIT = "0 is no limit in gunicorn; this is the greatest value, and limit_head bounds the whole head."
# The greatest values of the settings that have no limit at 0 in gunicorn.
MOST = {"limit_request_line": '"1M"', "limit_request_field_size": '"1M"', "limit_request_fields": "10000"}
NO_BODY_LIMIT = "gunicorn has no limit; without this line it is 64 MiB."


@dataclass(frozen=True)
class Line:
    """One setting of the file that is written; its value is TOML."""

    name: str
    value: str
    comment: str = ""
    # Computed by the file from what it found on the machine where it was imported.
    is_of_machine: bool = False


@dataclass
class Imported:
    """What became of a configuration: the lines to write, and a sentence for each part that is not among them."""

    lines: list[Line] = field(default_factory=list)
    # Settings without an equivalent: the operator has to look at each.
    omitted: list[str] = field(default_factory=list)
    # Values that the file has computed from what it found on this machine.
    computed: list[str] = field(default_factory=list)
    # What is so anyway, and names that gunicorn ignores, too.
    notices: list[str] = field(default_factory=list)


def import_settings(
    names: Mapping[str, object],
    arguments: str,
    path: str,
    environment: Mapping[str, str],
    asked: Mapping[str, frozenset[str]] | None = None,
) -> Imported:
    """The equivalent of a configuration.

    names         what the file defines
    arguments     content of GUNICORN_CMD_ARGS; what it sets wins over the file, as in gunicorn
    path          the file, for `hooks` and messages
    environment   only WEB_CONCURRENCY counts: gunicorn's default of workers
    asked         what each name of the file asks of the machine that it runs on, such as ``cpu_count``
    Raises UsageError for arguments that gunicorn would refuse.
    """
    made = Imported()
    of_arguments = parsed_arguments(arguments)
    found = {name: value for name, value in names.items() if name in BY_NAME} | of_arguments
    for option in OPTIONS:
        if option.name in found and option.name not in ("threads", "worker_class"):
            take(made, option, found[option.name])
    take_concurrency(made, found, environment)
    of_file = BY_NAME.keys() & (asked or {}).keys() - of_arguments.keys()
    of_machine = {BY_NAME[name].says: (asked or {})[name] for name in of_file}
    made.lines = [with_source(line, of_machine.get(line.name, frozenset())) for line in made.lines]
    made.computed += [f"{line.name} = {line.value}: {line.comment}" for line in made.lines if line.is_of_machine]
    take_hooks(made, names, path)
    made.notices += strangers(names)
    return made


def take(made: Imported, option: Option, value: object) -> None:
    """Write down what becomes of one setting."""
    if option.fate is Fate.ACTS:
        if value is None or value in ("", [], ()) or (option.is_flag and not value):
            return
        row = next(row for row in rows() if row.name == option.says)
        if option.name in MOST and str(value) == "0":
            made.lines.append(Line(row.name, MOST[option.name], NO_LIMIT))
            return
        try:
            made.lines.append(Line(row.name, toml(row, option.name, value, made)))
        except ValueError as error:
            made.omitted.append(f"{option.name} = {shown(value)}: want {error}")
    elif option.asks_for_something(value):
        told = made.omitted if option.fate is Fate.REFUSED else made.notices
        told.append(f"{option.name} = {shown(value)}: {option.says}")


def with_source(line: Line, asked: frozenset[str]) -> Line:
    """`line` with a comment, when its value was computed from what the machine of the import said."""
    if not asked or line.comment:
        return line
    comment = f"Computed from {' and '.join(sorted(asked))} on the machine where this was written."
    if line.name == "workers":
        comment += " Without this line there is a worker for each CPU that the container's quota allows."
    return replace(line, comment=comment, is_of_machine=True)


def toml(row: Row, name: str, value: object, made: Imported) -> str:
    """The value of gunicorn's setting `name` as TOML for `row`. Raises ValueError saying what is wanted."""
    if row.is_repeatable:
        texts = []
        for one in value if isinstance(value, list | tuple) else [value]:
            text = with_port(str(one).strip()) if name == "bind" else str(one).strip()
            try:
                row.parse(text)
                texts.append(text)
            except ValueError as error:
                made.omitted.append(f"{name}: {shown(one)}: want {error}")
        if not texts:
            raise ValueError("at least one that can be taken")
        return f"[{', '.join(quoted(text) for text in texts)}]"
    if row.metavar == "OCTAL":
        text = f"{mask_of(value):03o}"
        octal_mask(text)
        return quoted(text)
    if row.is_flag:
        return "true" if value in (True, "true", "True") else "false"
    text = str(value).strip()
    parsed = row.parse(text)
    # A number stands without quotes where the setting is one; its text otherwise: "64K", a name.
    is_number = isinstance(parsed, int | float) and re.fullmatch(r"[1-9][0-9]*|0|[0-9]+\.[0-9]+", text)
    return text if is_number else quoted(text)


def with_port(address: str) -> str:
    """`address` with gunicorn's default port, where it names none."""
    return f"{address}:8000" if re.fullmatch(r"[\w.-]+|\[[^\]]*\]", address) else address


def mask_of(value: object) -> int:
    """Permission bits as gunicorn reads them: a number, or a text whose leading 0 makes it octal."""
    if isinstance(value, int):
        return int(value)
    try:
        return int(str(value), 8 if re.fullmatch(r"0[0-7]+", str(value)) else 0)
    except ValueError:
        raise ValueError("permission bits") from None


def take_concurrency(made: Imported, found: Mapping[str, object], environment: Mapping[str, str]) -> None:
    """Workers and threads are read together: gunicorn's classes decide how many calls run at once."""
    if not any(line.name == "workers" for line in made.lines) and not environment.get("WEB_CONCURRENCY"):
        made.lines.append(Line("workers", "1", ONE_WORKER))
    worker_class = found.get("worker_class") or SYNC
    name = worker_class if isinstance(worker_class, str) else getattr(worker_class, "__name__", str(worker_class))
    threads = found.get("threads") or 1
    kind = kind_of(worker_class)
    if kind == SYNC and str(threads) != "1" and (name == SYNC or name.endswith("SyncWorker")) and name == worker_class:
        kind = THREADED  # gunicorn does the same, for the text alone
    if kind in (SYNC, ""):
        made.lines.append(Line("threads", "1", ONE_THREAD))
    elif kind == THREADED:
        take(made, BY_NAME["threads"], threads)
    elif "threads" in found:
        made.notices.append(f"threads = {shown(threads)}: the {name} worker does not use it; it stays at its default")
    if not kind:
        made.omitted.append(f"worker_class = {shown(name)}: {UNKNOWN_CLASS}")
    elif kind == SYNC and name not in (SYNC, "SyncWorker", "gunicorn.workers.sync.SyncWorker"):
        not_used = f"; it has one thread whatever threads = {shown(threads)} says" if str(threads) != "1" else ""
        made.notices.append(f"worker_class = {shown(name)}: {OWN_CLASS}{not_used}")
    elif "worker_class" in found and kind != SYNC:
        told = made.omitted if "uvicorn" in name.lower() or name == "asgi" else made.notices
        told.append(f"worker_class = {shown(name)}: {worker_class_notice(name)}")
    made.lines.append(Line("limit_body", "0", NO_BODY_LIMIT))


def kind_of(worker_class: object) -> str:
    """How a worker class calls the application: `SYNC` in one thread, `THREADED`, or its name; "" if nobody knows.

    A class that is none of the known ones, and derives from none of them, has the one thread of gunicorn's base class.
    """
    if isinstance(worker_class, str):
        name = worker_class.rpartition("#")[2]  # egg:gunicorn#sync
        if name in SHORT or "uvicorn" in name.lower():
            return name
        module, _, attribute = name.rpartition(".")
        if module.startswith("gunicorn.workers.") and attribute in KNOWN:
            return KNOWN[attribute]
        if not module:
            return KNOWN.get(name, "")
        try:
            worker_class = getattr(importlib.import_module(module), attribute)
        except (Exception, SystemExit):
            return ""
    if not isinstance(worker_class, type):
        return ""
    if any("uvicorn" in base.__module__ for base in worker_class.__mro__):
        return worker_class.__name__
    return next((KNOWN[base.__name__] for base in worker_class.__mro__ if base.__name__ in KNOWN), SYNC)


def take_hooks(made: Imported, names: Mapping[str, object], path: str) -> None:
    """Let the file itself be the file of hooks, when it defines any."""
    defined = [name for name in hooks.HOOKS if name in names]
    made.omitted += [f"{name}: {reason}" for name, reason in hooks.UNCALLED.items() if name in names]
    if not defined:
        return
    if any(line.name == "chdir" for line in made.lines):
        path = os.path.abspath(path)
    made.lines.append(Line("hooks", quoted(path), f"{', '.join(defined)}: called with gunicorn's arguments."))


def strangers(names: Mapping[str, object]) -> Iterator[str]:
    """A sentence for each name that gunicorn ignores without a word, and that may have been meant as a setting."""
    known = [*BY_NAME, *hooks.HOOKS, *hooks.UNCALLED]
    # gunicorn's file has other names than its command line: --preload is preload_app.
    by_flag = {flag.strip("-").replace("-", "_"): option.name for option in OPTIONS for flag in option.flags}
    ignored = []
    for name, value in names.items():
        if name in known or name.startswith("_") or isinstance(value, ModuleType) or inspect.isclass(value):
            continue
        is_own = not callable(value) or getattr(value, "__module__", "") == hooks.MODULE_NAME
        of_flag = by_flag.get(name.lower())
        near = [of_flag] if of_flag else nearest(name.lower(), known, 1, cutoff=0.85)
        if near and is_own:
            yield f"{printable(name)} is no setting of gunicorn's, which ignores it; was {near[0]} meant?"
        elif isinstance(value, str | int | float | list | tuple | dict):
            ignored.append(printable(name))
    if ignored:
        yield f"no settings of gunicorn's, and ignored by it too: {', '.join(ignored)}"


class ArgumentParser(argparse.ArgumentParser):
    """gunicorn reads its arguments with argparse, too: the same abbreviations are understood."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError instead of ending the process."""
        raise UsageError(f"{ARGUMENTS_VARIABLE}: {message}")


def parsed_arguments(arguments: str) -> dict[str, object]:
    """The settings in the text of GUNICORN_CMD_ARGS, by gunicorn's names; its file is ``config``."""
    parser = ArgumentParser(prog="gunicorn", add_help=False)
    parser.add_argument("args", nargs="*")
    parser.add_argument("-c", "--config")
    for option in OPTIONS:
        if not option.flags:
            continue
        if option.is_flag:
            parser.add_argument(*option.flags, dest=option.name, action="store_const", const=option.name != "sendfile")
        elif option.name == "proxy_protocol":
            parser.add_argument(*option.flags, dest=option.name, nargs="?", const="auto")
        elif option.name in ("bind", "raw_env", "reload_extra_files", "raw_paste_global_conf", "dirty_apps"):
            parser.add_argument(*option.flags, dest=option.name, action="append")
        else:
            parser.add_argument(*option.flags, dest=option.name)
    try:
        texts = shlex.split(arguments)
    except ValueError as error:
        raise UsageError(f"{ARGUMENTS_VARIABLE}: {error}") from None
    found = {name: value for name, value in vars(parser.parse_args(texts)).items() if value is not None}
    application = found.pop("args")
    return found | ({"wsgi_app": application[0]} if application else {})


def file_of_arguments(arguments: str) -> str:
    """The file that GUNICORN_CMD_ARGS names, or ``""``."""
    return str(parsed_arguments(arguments).get("config", ""))


def toml_of(made: Imported, source: str) -> str:
    """The text of the file: the settings in the order of our table, then what was left out as comments."""
    order = [row.name for row in rows()]
    parts = [f"# Written by dragoman import-gunicorn from {printable(source)}.\n\n[{TABLE}]\n"]
    for line in sorted(made.lines, key=lambda line: order.index(line.name)):
        if line.comment:
            parts.append(wrapped(line.comment))
        parts.append(f"{line.name} = {line.value}\n")
    if made.omitted:
        parts.append("\n# Without an equivalent:\n")
        parts += [wrapped(f"- {printable(sentence)}", indent="  ") for sentence in made.omitted]
    return "".join(parts)


def wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(text, 100, initial_indent="# ", subsequent_indent=f"# {indent}") + "\n"


def quoted(text: str) -> str:
    """`text` as a TOML basic string."""
    # TOML's escapes are JSON's, but for DEL, which has to be escaped as well, and pairs of surrogates.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def shown(value: object) -> str:
    try:
        text = repr(value) if isinstance(value, str | int | float | list | tuple | dict) else str(value)
    except Exception:
        text = type(value).__name__
    return printable(text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…")
