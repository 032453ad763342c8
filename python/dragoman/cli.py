"""The command line, built from the table of settings: `dragoman MODULE[:ATTRIBUTE]` and the commands beside it."""

import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from dragoman import __version__, remote
from dragoman.check.flags import HELP, check_parameters, loading_parameters
from dragoman.config_file import FILE_NAME, Invocation
from dragoman.errors import DragomanError, OperatorError, UsageError
from dragoman.flags import GroupedCommand, answers_to_gunicorn, finding_parameters, settings_parameters, unknown_flag
from dragoman.gunicorn_options import ARGUMENTS_VARIABLE, DEFAULT_FILE
from dragoman.origins import Source
from dragoman.settings import CONFIG_VARIABLE, Settings, misspelt, rows
from dragoman.supervisor.commands import MOST_WORKERS
from dragoman.tools import flags as tools
from dragoman.values import cause_of, nearest, printable, whole, working_directory

if TYPE_CHECKING:
    from dragoman.loader import Loaded

__all__ = ["main", "parse_arguments"]

# What other servers call the command that has no name here.
STARTING = ("run", "serve", "start", "runserver")
# How near to a command's name an application's has to be to have meant it (difflib).
NEAR_COMMAND = 0.75
WORKERS = whole(1, MOST_WORKERS)
CONTEXT = {"max_content_width": 100}


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command and exit: 0 after a clean end, 1 no socket or file, 2 usage, 3 the application cannot be served.

    arguments   without the program's name; by default those of the process
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    # A first word that is a command's name is that command; `dragoman -- explain` serves a module of that name.
    name, rest = (given[0], given[1:]) if given and given[0] in COMMANDS else ("", given)
    command = COMMANDS[name] if name else serve
    try:
        status = command.main(rest, prog_name=f"dragoman {name}".strip(), standalone_mode=False)
    except click.NoSuchOption as error:
        if name == "scale" and re.fullmatch(r"-[0-9]", error.option_name):
            fail(wrong_count(next(word for word in rest if word.startswith(error.option_name))))
        fail(UsageError(unknown_flag(error.option_name, command, f"dragoman {name}".strip())))
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
    if text[:3] == "No " or text.startswith(("Option", "Missing")):
        text = text[0].lower() + text[1:]
    print(f"dragoman: {printable(text)}{details}", file=sys.stderr)
    sys.exit(error.exit_status)


class ServeCommand(GroupedCommand):
    """The command without a name; its help shows the others, too."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the other commands before the options."""
        with formatter.section("Other commands"):
            formatter.write_dl([(f"dragoman {name}", one.get_short_help_str(200)) for name, one in COMMANDS.items()])
        super().format_options(ctx, formatter)

    def too_many(self, ctx: click.Context, extra: Sequence[str]) -> str:
        """Says that one application is served, and what was meant by its name and `extra`."""
        first = str(ctx.params["application"])
        if first in STARTING:
            hint = f"; there is no command {first}, write dragoman {printable(extra[0])}"
        else:
            near = nearest(first, COMMANDS, 1, cutoff=NEAR_COMMAND)
            hint = f"; did you mean dragoman {near[0]}?" if near else ""
        return f'want one application, these are several: "{printable(first)}", "{printable(extra[0])}"{hint}'


def parse_arguments(arguments: Sequence[str], environment: dict[str, str]) -> Settings:
    """The settings that a command line makes, for tests and tools. Raises UsageError."""
    try:
        context = serve.make_context("dragoman", list(arguments))
    except click.ClickException as error:
        raise UsageError(error.format_message()) from None
    return with_application(invocation_of(context.params, environment).read())


def invocation_of(params: dict[str, Any], environment: dict[str, str]) -> Invocation:
    """What was asked for, from the parameters that click has found."""
    given: dict[str, Sequence[str]] = {}
    for row in rows():
        match params.get(row.name):
            case None | ():
                pass
            case bool() as is_on:
                given[row.name] = ["true" if is_on else "false"]
            case tuple() as texts:
                given[row.name] = texts
            case text:
                given[row.name] = [str(text)]
    try:
        directory = working_directory()
    except OSError as error:
        raise OperatorError(f"the working directory is not there any more: {error.strerror}") from None
    return Invocation(given, environment, params.get("config") or environment.get(CONFIG_VARIABLE, ""), directory)


def with_application(settings: Settings) -> Settings:
    """`settings`, when they name an application. Raises UsageError with those that lie there."""
    if not settings.application:
        likely = likely_applications(settings.chdir) or "; dragoman --help shows all"
        raise UsageError(f"an application is needed: dragoman MODULE[:ATTRIBUTE]{likely}")
    # Imported late, as everything that help and explanations do not need.
    from dragoman.loader import parse  # noqa: PLC0415

    origin = settings.origins["application"]
    try:
        parse(settings.application)
    except UsageError as error:
        raise UsageError(f"{'' if origin.source is Source.FLAG else f'{origin}: '}{error}") from None
    if origin.source is Source.FLAG:
        refuse_misspelt_command(settings)
    return settings


def refuse_misspelt_command(settings: Settings) -> None:
    """Raise UsageError for an application that is no module, but nearly the name of a command."""
    word = settings.application
    places = [settings.chdir, *settings.pythonpath, *sys.path]
    # As modules are found later, without importing anything.
    if not word.isidentifier() or PathFinder.find_spec(word, places) is not None:
        return
    near = nearest(word, COMMANDS, 1, cutoff=NEAR_COMMAND)
    meant = near[0] if near else ""
    if word in ("help", "version"):
        meant = f"--{word}"
    elif word in STARTING:
        meant = "MODULE[:ATTRIBUTE]"
    if meant:
        raise UsageError(f"there is neither a command nor a module {printable(word)}; did you mean dragoman {meant}?")


def likely_applications(directory: str) -> str:
    found = [name for name in ("app", "application", "main", "wsgi") if Path(directory, f"{name}.py").is_file()]
    found += sorted(f"{path.parent.name}.wsgi" for path in Path(directory).glob("*/wsgi.py"))
    return f"; such as {' or '.join(f'dragoman {name}' for name in found[:4])}" if found else ""


def notices_of(params: dict[str, Any], environment: dict[str, str], directory: str) -> list[str]:
    """Everything that is to be told of how the server was started."""
    notices = [*answers_to_gunicorn(params), *misspelt(environment)]
    takes_over = f"dragoman import-gunicorn writes a {FILE_NAME} that is equivalent"
    if environment.get(ARGUMENTS_VARIABLE):
        notices.append(f"{ARGUMENTS_VARIABLE} is not read; {takes_over}")
    has_file = params.get("config") or environment.get(CONFIG_VARIABLE) or Path(directory, FILE_NAME).exists()
    if not has_file and Path(directory, DEFAULT_FILE).is_file():
        notices.append(f"{DEFAULT_FILE} is not read; {takes_over}")
    return notices


def run_serve(check_config: bool = False, print_config: bool = False, **params: Any) -> int:
    environment = dict(os.environ)
    invocation = invocation_of(params, environment)
    notices = notices_of(params, environment, invocation.directory)
    settings = with_application(invocation.read())
    if print_config:
        from dragoman import config_report  # noqa: PLC0415

        click.echo(config_report.as_table(settings), nl=False)
    if print_config or check_config:
        try_start(settings, notices)
        return 0
    try:
        # Imported late: help and explanations need no engine.
        from dragoman.run import run  # noqa: PLC0415
    except ImportError as error:
        raise no_engine(error) from None

    return run(settings, notices, reread=lambda: with_application(invocation.read()), is_last=True)


def try_start(settings: Settings, notices: Iterable[str]) -> None:
    """Do what can be done of a start without serving: the engine's own checks, the hooks, the application."""
    try:
        from dragoman.hooks import load_hooks  # noqa: PLC0415
        from dragoman.layers import wrapped  # noqa: PLC0415
        from dragoman.loader import decided, load  # noqa: PLC0415
        from dragoman.log import Log  # noqa: PLC0415
        from dragoman.worker import check_options  # noqa: PLC0415
    except ImportError as error:
        raise no_engine(error) from None
    log = Log(2, settings.log_level, is_json=settings.log_format == "json")
    for sentence in notices:
        log.warning(sentence)
    enter(settings)
    # Any descriptor does: a format is only looked at where there is a log.
    check_options(settings, -1 if settings.access_logfile == "none" else 2)
    load_hooks(settings.hooks, log)
    wrapped(decided(load(settings.application)), settings.middleware)


def enter(settings: Settings) -> None:
    """Make the process the one that the application expects: directory, variables, ``sys.path``."""
    from dragoman.loader import add_paths  # noqa: PLC0415

    os.chdir(settings.chdir)
    os.environ.update(settings.env)
    add_paths(settings.chdir, settings.pythonpath)


def no_engine(error: ImportError) -> OperatorError:
    return OperatorError(f"the installation is incomplete ({error}); pip install . builds the engine")


def run_check(is_list: bool = False, **params: Any) -> int:
    # Imported late, as everything that a start does not need.
    from dragoman.check import command as checking  # noqa: PLC0415

    if is_list:
        click.echo(checking.catalogue_text())
        return 0
    settings = with_application(invocation_of(params, dict(os.environ)).read())
    options = checking.options_of(
        params, root_path=settings.root_path, env=dict(settings.env), threads=settings.threads
    )

    def load() -> "Loaded":
        from dragoman.layers import wrapped  # noqa: PLC0415
        from dragoman.loader import load  # noqa: PLC0415

        enter(settings)
        return wrapped(load(settings.application), settings.middleware)

    return checking.check_loaded(load, options, params, __version__)


def loaded(params: dict[str, Any]) -> "Loaded":
    """The application that the parameters name, in the process as it expects it."""
    # Imported late, as everything that a start does not need.
    from dragoman.loader import load  # noqa: PLC0415

    settings = with_application(invocation_of(params, dict(os.environ)).read())
    enter(settings)
    return load(settings.application)


def run_routes(as_json: bool = False, **params: Any) -> int:
    from dragoman.tools import routes  # noqa: PLC0415

    directory = os.getcwd()
    found = routes.routes_of(loaded(params))
    # Files are named as they are seen from where the command was given.
    os.chdir(directory)
    click.echo(routes.as_json(found) if as_json else routes.as_text(found))
    return 0


def run_command(words: tuple[str, ...], **params: Any) -> int:
    from dragoman.tools import commands  # noqa: PLC0415

    elsewhere = invocation_of({**params, "application": None}, dict(os.environ)).read().application
    params["application"], words = tools.parted(params["application"], words, elsewhere)
    commands.run(loaded(params), words)


def run_shell(**params: Any) -> int:
    from dragoman.tools import shell  # noqa: PLC0415

    return shell.run(loaded(params))


def run_config(as_json: bool = False, **params: Any) -> int:
    # Imported late, as everything that a start does not need.
    from dragoman import config_report  # noqa: PLC0415

    environment = dict(os.environ)
    invocation = invocation_of(params, environment)
    notices = notices_of(params, environment, invocation.directory)
    settings = invocation.read()
    click.echo(config_report.as_json(settings) if as_json else config_report.as_table(settings), nl=as_json)
    for sentence in notices:
        click.echo(f"dragoman: {printable(sentence)}", err=True)
    return 0


def run_import(file: str | None, output: str, force: bool) -> int:
    # Imported late, as everything that a start does not need.
    from dragoman import gunicorn_file, gunicorn_import  # noqa: PLC0415

    arguments = os.environ.get(ARGUMENTS_VARIABLE, "")
    path = (file or gunicorn_import.file_of_arguments(arguments)).removeprefix("file:")
    if not path and Path(DEFAULT_FILE).is_file():
        path = DEFAULT_FILE
    if not path and not arguments:
        raise UsageError(
            f"nothing to import: there is no {DEFAULT_FILE} here, and {ARGUMENTS_VARIABLE} is not set;"
            " give the file: dragoman import-gunicorn FILE"
        )
    names = gunicorn_file.names_of(path) if path else {}
    # A module's own file stands for it: the hooks are in there.
    path = str(names.get("__file__", path))
    asked = gunicorn_file.asked_by(Path(path).read_bytes()) if path else {}
    made = gunicorn_import.import_settings(names, arguments, path, os.environ, asked)
    source = " and ".join(filter(None, [path, ARGUMENTS_VARIABLE if arguments else ""]))
    text = gunicorn_import.toml_of(made, source)
    if output == "-":
        click.echo(text, nl=False)
    else:
        write_new(Path(output), text, is_forced=force)
        click.echo(f"wrote {printable(output)}; dragoman config -c {printable(output)} shows what it says", err=True)
    for heading, sentences in (
        ("without an equivalent", made.omitted),
        ("to be looked at", made.computed),
        ("of no effect", made.notices),
    ):
        for sentence in sentences:
            click.echo(f"{heading}: {printable(sentence)}", err=True)
    return 0


def write_new(path: Path, text: str, *, is_forced: bool) -> None:
    try:
        with path.open("w" if is_forced else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise OperatorError(f'--output "{printable(str(path))}" is there already; --force writes over it') from None
    except OSError as error:
        why = cause_of(error, str(path))
        raise OperatorError(f'--output "{printable(str(path))}": cannot be written: {why}') from None


def run_explain(rule: tuple[str, ...]) -> int:
    # Imported late, as everything that a start does not need.
    from dragoman.contract.explanations import explain, index  # noqa: PLC0415

    click.echo(explain(" ".join(rule)) if rule else index())
    return 0


def remote_command(name: str, *parameters: click.Parameter) -> "GroupedCommand":
    """A command for a server that runs."""

    def run_remote(count: str = "", as_json: bool = False, **params: Any) -> int:
        if name == "scale":
            count = checked_count(count)
        settings = invocation_of(params, dict(os.environ)).read()
        flags = [flag for flag in ("wait", "now") if params.get(flag)]
        asked = [name, *([count] if count else []), *(f"--{flag}" for flag in flags)]
        answer = remote.ask(settings.control_socket, settings.bind, asked)
        if as_json:
            click.echo(json.dumps(answer))
        elif not answer["ok"]:
            sentence, _, details = answer["text"].partition("\n")
            raise OperatorError(f"{name}: {sentence}", details)
        else:
            click.echo(remote.status_text(answer) if name == "status" else answer["text"])
        return 0

    return command(run_remote, [*parameters, *finding_parameters()], remote.COMMANDS[name])


def checked_count(text: str) -> str:
    try:
        return str(WORKERS(text))
    except ValueError:
        raise wrong_count(text) from None


def wrong_count(text: str) -> UsageError:
    return UsageError(f'scale "{printable(text)}": want a whole number from 1 to {MOST_WORKERS}')


def command(
    function: Callable[..., int],
    params: list[click.Parameter],
    help_text: str,
    kind: type[GroupedCommand] = GroupedCommand,
) -> GroupedCommand:
    # click's own two look for a translation of their texts, at every start.
    shape: dict[str, Any] = {"is_flag": True, "expose_value": False, "is_eager": True}
    common = [
        click.Option(["--version"], callback=show_version, help="Show the version and exit.", **shape),
        click.Option(["-h", "--help"], callback=show_help, help="Show this message and exit.", **shape),
    ]
    return kind(
        None,
        callback=function,
        params=[*params, *common],
        help=help_text,
        add_help_option=False,
        context_settings=dict(CONTEXT),
    )


def show_version(ctx: click.Context, parameter: click.Parameter, is_given: bool) -> None:
    if is_given:
        click.echo(f"dragoman {__version__}")
        ctx.exit()


def show_help(ctx: click.Context, parameter: click.Parameter, is_given: bool) -> None:
    if is_given:
        click.echo(ctx.get_help())
        ctx.exit()


serve = command(
    run_serve,
    [
        *settings_parameters("MODULE[:ATTRIBUTE]"),
        click.Option(["--check-config"], is_flag=True, help="Check the settings, load the application, and end."),
        click.Option(
            ["--print-config"],
            is_flag=True,
            help="Print each setting and where it came from, then do as --check-config.",
        ),
    ],
    "Serve a WSGI application over HTTP.\n\n"
    "A setting comes from the command line, else from a variable (--keep-alive is DRAGOMAN_KEEP_ALIVE), else from"
    f" {FILE_NAME} (keep_alive under [server]), else it has the default that stands here in brackets. SIGTERM ends"
    " after the requests under way, Ctrl-C at once. Exit status: 0 after either, 1 where this machine does not allow a"
    " start, 2 for wrong settings, 3 for an application that cannot be served.",
    ServeCommand,
)


class Commands(Mapping[str, GroupedCommand]):
    """The other commands by their names, each made when it is asked for: a start pays for none of them."""

    def __init__(self, makers: Mapping[str, Callable[[], GroupedCommand]]) -> None:
        self.makers = {name: cache(make) for name, make in makers.items()}

    def __getitem__(self, name: str) -> GroupedCommand:
        return self.makers[name]()

    def __contains__(self, name: object) -> bool:
        return name in self.makers

    def __iter__(self) -> Iterator[str]:
        return iter(self.makers)

    def __len__(self) -> int:
        return len(self.makers)


COMMANDS = Commands(
    {
        "config": lambda: command(
            run_config,
            [
                *settings_parameters("[MODULE[:ATTRIBUTE]]"),
                click.Option(["--json", "as_json"], is_flag=True, help="Print a JSON object instead of a table."),
            ],
            "Show each setting's value and where it came from; takes the flags of a start.",
        ),
        "import-gunicorn": lambda: command(
            run_import,
            [
                click.Argument(["file"], metavar="[FILE]", required=False),
                click.Option(
                    ["-o", "--output"],
                    metavar="FILE",
                    default=FILE_NAME,
                    help=f"File to write, or - for standard output. [{FILE_NAME}]",
                ),
                click.Option(["--force"], is_flag=True, help="Write over a file that is there."),
            ],
            f"Write the {FILE_NAME} that is equivalent to gunicorn's configuration, and tell what has no equivalent."
            f"\n\nFILE is {DEFAULT_FILE} of this directory unless it is given. It is run, as gunicorn runs it;"
            f" {ARGUMENTS_VARIABLE} wins over it.",
        ),
        "reload": lambda: remote_command(
            "reload",
            click.Option(["--wait"], is_flag=True, help="Wait until it is done; a failure is said with its cause."),
        ),
        "stop": lambda: remote_command("stop", click.Option(["--now"], is_flag=True, help="Cut what is under way.")),
        "scale": lambda: remote_command("scale", click.Argument(["count"], metavar="N")),
        "reopen": lambda: remote_command("reopen"),
        "status": lambda: remote_command(
            "status", click.Option(["--json", "as_json"], is_flag=True, help="Print a JSON object.")
        ),
        "check": lambda: command(
            run_check,
            [*check_parameters(), *loading_parameters(settings_parameters("MODULE[:ATTRIBUTE]"))],
            HELP,
        ),
        "routes": lambda: command(
            run_routes,
            [
                click.Option(
                    ["--json", "as_json"], is_flag=True, help="Print a list of JSON objects instead of a table."
                ),
                *tools.loading_parameters(settings_parameters("MODULE[:ATTRIBUTE]")),
            ],
            tools.ROUTES_HELP,
        ),
        "command": lambda: command(
            run_command,
            [*tools.loading_parameters(settings_parameters("MODULE[:ATTRIBUTE]")), tools.words_parameter()],
            tools.COMMAND_HELP,
            tools.OpenCommand,
        ),
        "shell": lambda: command(
            run_shell, tools.loading_parameters(settings_parameters("MODULE[:ATTRIBUTE]")), tools.SHELL_HELP
        ),
        "explain": lambda: command(
            run_explain,
            [click.Argument(["rule"], nargs=-1)],
            "Explain a rule of the WSGI contract (a message that begins with `contract:`), or list those whose names or"
            " clauses have the words; without any, list all.",
        ),
    }
)
