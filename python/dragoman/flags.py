"""How settings look on the command line: an option for each, in groups, and an answer to each flag of gunicorn's."""

from collections.abc import Iterable, Sequence
from typing import Any

import click

from dragoman.config_file import FILE_NAME
from dragoman.errors import UsageError
from dragoman.gunicorn_options import OPTIONS, Fate, Option, worker_class_notice
from dragoman.settings import CONFIG_VARIABLE, GROUPS, Row, rows
from dragoman.values import nearest, printable

__all__ = [
    "GroupedCommand",
    "SettingOption",
    "answers_to_gunicorn",
    "default_text",
    "finding_parameters",
    "meaning",
    "settings_parameters",
    "unknown_flag",
]

# Before the names of gunicorn's settings among the parameters.
GUNICORN = "gunicorn_"


# The heading of the flags by which a server that runs is found, and what they mean there.
FINDING = "Which server"
FINDING_TEXTS = {
    "config": "The server's --config, if it has one.",
    "bind": "The server's --bind, or the first of several.",
    "control_socket": "The server's --control-socket, if it has one.",
}


class GroupedCommand(click.Command):
    """A command whose help shows the options under the headings of their groups."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one section for each group, the command's own ones first, then the rest."""
        shared = (*GROUPS, FINDING, "")
        own = [group for one in self.params if (group := getattr(one, "group", "")) not in shared]
        sections: dict[str, list[tuple[str, str]]] = {group: [] for group in (*own, *shared)}
        for parameter in self.get_params(ctx):
            if isinstance(parameter, click.Option) and (record := parameter.get_help_record(ctx)):
                sections[getattr(parameter, "group", "")].append(record)
        rest = "Other" if any(sections[group] for group in sections if group) else "Options"
        for group, records in sections.items():
            if records:
                with formatter.section(group or rest):
                    formatter.write_dl(records)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments. Raises click.UsageError, in our words where there are too many."""
        ctx.allow_extra_args = True
        super().parse_args(ctx, args)
        if ctx.args:
            ctx.fail(self.too_many(ctx, ctx.args))
        return ctx.args

    def too_many(self, ctx: click.Context, extra: Sequence[str]) -> str:
        """Says that nothing takes the arguments `extra`, and what was meant."""
        flags = [flag for parameter in self.params for flag in parameter.opts]
        meant = f"--{extra[0]}"
        hint = f"did you mean {meant}?" if meant in flags else f"{ctx.command_path} --help shows all"
        return f'{ctx.command_path} takes no argument "{printable(extra[0])}"; {hint}'


def finding_parameters() -> list[click.Parameter]:
    """The flags by which a server that runs is found: the same as it was started with."""
    found = [one for one in settings_parameters("") if one.name in FINDING_TEXTS]
    for one in found:
        if isinstance(one, click.Option):
            # The default stays: it is the server's, too. It begins behind a full stop: other brackets do not.
            _, bracket, default = (one.help or "").rpartition(". [")
            one.help = f"{FINDING_TEXTS[str(one.name)].rstrip('.')}{bracket}{default}"
            one.group = FINDING  # type: ignore[attr-defined]
    return found


def settings_parameters(application: str) -> list[click.Parameter]:
    """The argument, shown as `application`, the flags of the table, and those of gunicorn's that are only answered."""
    config = click.Option(
        ["-c", "--config"],
        metavar="FILE",
        help=f"Read settings from this TOML file. [${CONFIG_VARIABLE}, else {FILE_NAME} or the table [tool.dragoman] of"
        " pyproject.toml in the directory of the start]",
    )
    options = [SettingOption(row) for row in rows() if row.flags]
    own = {"--check-config", "--print-config", *(flag for option in options for flag in option.opts)}
    own |= {flag for option in options for flag in option.secondary_opts}
    foreign = [(option, [flag for flag in option.flags if flag not in own]) for option in OPTIONS]
    return [
        click.Argument(["application"], metavar=application, required=False),
        config,
        *options,
        *(GunicornOption(option, flags) for option, flags in foreign if flags and option.fate is not Fate.ACTS),
    ]


def answers_to_gunicorn(params: dict[str, Any]) -> list[str]:
    """A notice for each of gunicorn's flags that is accepted. Raises UsageError for one that cannot act."""
    notices = []
    for option in OPTIONS:
        value = params.get(GUNICORN + option.name)
        if option.is_flag and option.name == "sendfile" and value:
            value = False  # given as --no-sendfile
        if not option.asks_for_something(value):
            continue
        flag = option.flags[-1]
        if option.fate is Fate.REFUSED:
            raise UsageError(f"{flag} is gunicorn's, and cannot act here, so leave it out: {option.says}")
        says = worker_class_notice(value) if option.name == "worker_class" else option.says
        notices.append(f"{flag}{'' if option.is_flag else f' {value}'} changes nothing: {says}")
    return notices


def unknown_flag(name: str, command: click.Command, called: str) -> str:
    """Says that `name` is no flag of the command that is `called` so, and which one is nearest, gunicorn's included."""
    flags = [flag for parameter in command.params for flag in (*parameter.opts, *parameter.secondary_opts)]
    near = nearest(name, [flag for flag in flags if flag.startswith("-")], 1)
    return f"no such option {name}; {f'did you mean {near[0]}?' if near else f'{called} --help shows all'}"


def meaning(row: Row) -> str:
    """What the setting of `row` does, as help and documentation show it."""
    return row.doc + (" Can be given several times." if row.is_repeatable else "")


def default_text(row: Row) -> str:
    """The default of `row` as help and documentation show it."""
    default = row.default or "none"
    if row.platform:
        variable, template, _ = row.platform
        default = f"{template.format('$' + variable)}, else {default}"
    return default


class SettingOption(click.Option):
    """The flag of one setting. It is taken as text; the table of settings reads it."""

    def __init__(self, row: Row) -> None:
        shape: dict[str, Any] = {"metavar": row.metavar, "multiple": True}
        flags = list(row.flags)
        if row.is_flag:
            # The second half takes back what a file or a variable says.
            shape = {"is_flag": True}
            flags = [f"{flag}/--no-{flag.removeprefix('--')}" if flag == row.flag else flag for flag in flags]
        super().__init__([*flags, row.name], default=None, help=f"{meaning(row)} [{default_text(row)}]", **shape)
        self.group = row.group


class GunicornOption(click.Option):
    """A flag of gunicorn's that does nothing here: it is understood, so that it can be answered."""

    def __init__(self, option: Option, flags: Iterable[str]) -> None:
        shape: dict[str, Any] = {"is_flag": True} if option.is_flag else {}
        if option.name == "proxy_protocol":
            shape = {"is_flag": False, "flag_value": "auto"}
        super().__init__([*flags, GUNICORN + option.name], default=None, hidden=True, **shape)
