"""The command line, built from the table of settings: `dragoman MODULE[:ATTRIBUTE]` and `dragoman explain`."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from dragoman import __version__
from dragoman.contract.explain import explain, index
from dragoman.errors import DragomanError, OperatorError, UsageError
from dragoman.settings import GROUPS, Row, Settings, misspelt, rows, settings_from
from dragoman.values import printable

__all__ = ["main", "parse_arguments"]

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and exit: 0 after a clean end, 1 no socket or file, 2 usage, 3 the application cannot be served.

    arguments   without the program's name; by default those of the process
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    # A first word that is a command's name is that command; `dragoman -- explain` serves a module of that name.
    name, rest = (given[0], given[1:]) if given and given[0] in COMMANDS else ("", given)
    command = COMMANDS.get(name, serve)
    try:
        status = command.main(rest, prog_name=f"dragoman {name}".strip(), standalone_mode=False)
    except click.ClickException as error:
        fail(UsageError(error.format_message().rstrip(".")))
    except DragomanError as error:
        fail(error)
    except click.exceptions.Abort:
        status = 130
    sys.exit(status if isinstance(status, int) else 0)


def fail(error: DragomanError) -> NoReturn:
    details = f"\n{printable(error.details, keep=chr(10) + chr(9))}" if error.details else ""
    # click's own sentences begin with a capital letter, ours with what is at fault.
    text = str(error)
    if text[:3] == "No " or text.startswith(("Option", "Got", "Missing")):
        text = text[0].lower() + text[1:]
    print(f"dragoman: {printable(text)}{details}", file=sys.stderr)
    sys.exit(error.exit_status)


class GroupedCommand(click.Command):
    """A command whose help shows the settings under the headings of their groups."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section for each group, then the rest."""
        for group in (*GROUPS, ""):
            records = [
                record
                for parameter in self.get_params(ctx)
                if isinstance(parameter, click.Option)
                and getattr(parameter, "group", "") == group
                and (record := parameter.get_help_record(ctx))
            ]
            if records:
                with formatter.section(group or "Other"):
                    formatter.write_dl(records)


class SettingOption(click.Option):
    """The flag of one setting. It is taken as text; the table of settings reads it."""

    def __init__(self, row: Row) -> None:
        shape: dict[str, Any] = {"is_flag": True, "flag_value": "true"} if row.is_flag else {"multiple": True}
        if row.metavar:
            shape["metavar"] = row.metavar
        super().__init__([*row.flags, row.name], default=None, help=f"{row.doc} [{default_text(row)}]", **shape)
        self.group = row.group


def default_text(row: Row) -> str:
    default = row.default or "none"
    if row.platform:
        variable, template, _ = row.platform
        default = f"{template.format('$' + variable)}, else {default}"
    return default


def parse_arguments(arguments: Sequence[str], environment: dict[str, str]) -> Settings:
    """The settings that a command line makes, for tests and tools. Raises UsageError."""
    try:
        context = serve.make_context("dragoman", list(arguments))
    except click.ClickException as error:
        raise UsageError(error.format_message()) from None
    return settings_of(context.params, environment)


def settings_of(params: dict[str, Any], environment: dict[str, str]) -> Settings:
    given = {name: value if isinstance(value, tuple) else (value,) for name, value in params.items() if value}
    settings = settings_from(given, environment)
    if not settings.application:
        raise UsageError(f"an application is needed: dragoman MODULE[:ATTRIBUTE]{likely_applications(settings.chdir)}")
    return settings


def likely_applications(directory: str) -> str:
    found = [name for name in ("app", "application", "main", "wsgi") if Path(directory, f"{name}.py").is_file()]
    found += sorted(f"{path.parent.name}.wsgi" for path in Path(directory).glob("*/wsgi.py"))
    return f"; such as {' or '.join(f'dragoman {name}' for name in found[:4])}" if found else ""


def run_serve(**params: Any) -> int:
    environment = dict(os.environ)
    settings = settings_of(params, environment)
    try:
        # Imported late: help and explanations need no engine.
        from dragoman.run import run  # noqa: PLC0415
    except ImportError as error:
        raise OperatorError(f"the installation is incomplete ({error}); pip install . builds the engine") from None

    return run(settings, misspelt(environment), reread=lambda: settings_of(params, environment))


def run_explain(rule: str | None) -> int:
    click.echo(explain(rule) if rule else index())
    return 0


def command(function: Callable[..., int], params: list[click.Parameter], help_text: str) -> GroupedCommand:
    version = click.version_option(__version__, message="dragoman %(version)s")
    made = GroupedCommand(None, callback=function, params=params, help=help_text, context_settings=dict(CONTEXT))
    return version(made)


serve = command(
    run_serve,
    [
        click.Argument(["application"], metavar="MODULE[:ATTRIBUTE]", required=False),
        *(SettingOption(row) for row in rows() if row.flags),
    ],
    "Serve a WSGI application over HTTP.\n\n"
    "Every setting is also an environment variable, --keep-alive for example DRAGOMAN_KEEP_ALIVE. SIGTERM ends after"
    " the requests under way, Ctrl-C at once.\n\n"
    "dragoman explain [RULE] explains what a message that begins with `contract:` means.",
)

COMMANDS = {
    "explain": command(
        run_explain,
        [click.Argument(["rule"], required=False)],
        "Explain a rule of the WSGI contract; without a name, list all of them.",
    ),
}
