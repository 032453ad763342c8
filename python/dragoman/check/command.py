"""``dragoman check`` as a command: what its flags ask for, the report, and the exit status."""

from __future__ import annotations

import contextlib
import difflib
import os
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NoReturn, TextIO

import click

from dragoman.check.catalogue import CATALOGUE
from dragoman.check.outlive import in_child
from dragoman.check.report import Report, as_json, as_text
from dragoman.check.request import Client, Request, Site
from dragoman.check.run import GRACE_S, Options, asked_for, check
from dragoman.check.sarif import as_sarif
from dragoman.contract.rules import RULES
from dragoman.errors import UsageError
from dragoman.loader import Loaded
from dragoman.values import cause_of, printable, seconds

__all__ = ["catalogue_text", "check_loaded", "known_rules", "options_of"]

OUTPUT, ERRORS = 1, 2


def options_of(params: dict[str, Any], *, root_path: str, env: Mapping[str, str], threads: int) -> Options:
    """What the flags ask for, and those of the server's settings that the application would see. Raises UsageError."""
    if params["as_json"] and params["sarif"] == "-":
        raise UsageError("--json and --sarif - both want standard output; give --sarif a file")
    if params["url"]:
        Site.of(params["url"])
    try:
        time_s = seconds(0.1, 3600)(params["time_text"])
    except ValueError as error:
        raise UsageError(f'--time "{printable(params["time_text"])}": want {error}') from None
    return Options(
        asked=asked_for(params["requests"], params["openapi"]),
        url=params["url"],
        root_path=root_path,
        headers=tuple(map(field_of, params["headers"])),
        env=env,
        is_unsafe=params["unsafe"],
        rules=known_rules("--rule", params["rules"]),
        ignored=known_rules("--ignore", params["ignored"]),
        hints=params["hints"],
        threads=threads,
        time_s=time_s,
        is_quiet=not params["verbose"],
    )


def known_rules(flag: str, ids: Sequence[str]) -> list[str]:
    """The ids. Raises UsageError, with near names, for one that is no rule."""
    for one in ids:
        if one not in RULES:
            near = difflib.get_close_matches(one, RULES, 1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else "dragoman explain lists all rules"
            raise UsageError(f'{flag} "{printable(one)}": there is no such rule; {hint}')
    return list(ids)


def field_of(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip() or not (name + value).isprintable() or not (name + value).isascii():
        raise UsageError(f"--header \"{printable(text)}\": want 'NAME: VALUE'")
    return name.strip(), value.strip()


def check_loaded(load: Callable[[], Loaded], options: Options, params: dict[str, Any], version: str) -> int:
    """Check what `load` gives, and print the report.

    Returns the exit status. What the application prints goes to standard error: standard output is the report's.
    """
    directory = os.getcwd()
    journal = in_child()
    with contextlib.redirect_stdout(sys.stderr), output_to_errors(), journal.open():
        loaded = load()
        with journal.time_limit(options.time_s + GRACE_S):
            report = check(loaded.application, options, loaded.name, journal.under_way)
    # Files are named as they are seen from where the command was given.
    os.chdir(directory)
    if params["sarif"] == "-":
        click.echo(as_sarif(report, version))
    else:
        click.echo(as_json(report) if params["as_json"] else as_text(report))
    if params["sarif"] not in ("", "-"):
        write(params["sarif"], as_sarif(report, version))
    status = status_of(report, params["fail_on"])
    journal.close(status)
    if is_held_up():
        leave(status)
    return status


@contextlib.contextmanager
def output_to_errors() -> Iterator[None]:
    """While it lasts, what is written past `sys.stdout`, by libraries and by programs that the application starts, goes
    to standard error, too.
    """
    flush(sys.__stdout__)
    try:
        kept = os.dup(OUTPUT)
        os.dup2(ERRORS, OUTPUT)
    except OSError:  # one of them is closed
        yield
        return
    try:
        yield
    finally:
        flush(sys.__stdout__)
        os.dup2(kept, OUTPUT)
        os.close(kept)


def flush(stream: TextIO | None) -> None:
    if stream is not None:
        # It may be closed.
        with contextlib.suppress(OSError, ValueError):
            stream.flush()


def write(path: str, text: str) -> None:
    try:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text + "\n")
    except OSError as error:
        raise UsageError(f'--sarif "{printable(path)}": cannot be written: {cause_of(error, path)}') from None


def status_of(report: Report, fail_on: str) -> int:
    """1 for a breach, for errors where they count, and where nothing was learnt because nothing was answered.

    To end the process is more than an error, and so is a call that does not return: what follows it is not asked.
    """
    is_cut_short = any(fault.kind in ("end", "stuck") for _, fault in report.all_faults())
    is_error = is_cut_short or (report.faults and fail_on == "error")
    return 1 if report.breaches or is_error or not report.answered else 0


def is_held_up() -> bool:
    """Whether the application has threads for which the interpreter would wait."""
    return any(one is not threading.main_thread() and not one.daemon for one in threading.enumerate())


def leave(status: int) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def catalogue_text() -> str:
    """The catalogue, a paragraph for each request."""
    lines = []
    for request in CATALOGUE:
        target = str(request) if len(str(request)) <= 60 else f"{str(request)[:59]}…"
        lines.append(f"{request.name:<24} {target}{client_of(request)}")
        lines.append(textwrap.indent(request.why, " " * 25))
    return "\n".join(lines)


def client_of(request: Request) -> str:
    """What the client does that is out of the ordinary."""
    if request.client is not Client.WHOLE:
        return f"; the client {request.client.value}"
    if request.blocks is not None:
        return f"; the client leaves after {request.blocks} blocks"
    return f"; {len(request.body)} bytes of body" if request.body else ""
