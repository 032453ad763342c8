"""The flags of ``dragoman routes``, ``command`` and ``shell``, and their help."""

from collections.abc import Iterable, Sequence

import click

from dragoman.flags import GroupedCommand

__all__ = [
    "COMMAND_HELP",
    "ROUTES_HELP",
    "SHELL_HELP",
    "OpenCommand",
    "loading_parameters",
    "parted",
    "words_parameter",
]

# The server's own flags that say what is loaded and how; the others are of no meaning here.
SETTINGS = frozenset({"application", "config", "chdir", "pythonpath", "env"})

ROUTES_HELP = """\
List the routes of an application: methods, rule, endpoint, and the handler with file and line.

It finds applications of dragoman.web, Flask and Django, also within middleware and below mounts.
"""

COMMAND_HELP = """\
Run a command of the application's own, such as init-db; without a name, list them.

They are those of app.cli, in dragoman.web and in Flask, and run with the application in hand. All that follows the name
is the command's. Where a file or DRAGOMAN_APPLICATION names the application it may be left out here, and then given
only with its colon.
"""

SHELL_HELP = """\
Start Python with the application loaded as app, and a request of it in hand.

app.shell_context_processor adds names. What comes from a pipe is run as a whole.
"""


class OpenCommand(GroupedCommand):
    """A command whose flags end where its arguments begin: what follows is somebody else's."""

    allow_interspersed_args = False


def loading_parameters(of_server: Iterable[click.Parameter]) -> list[click.Parameter]:
    """Those of the server's parameters that say what is loaded."""
    chosen = [one for one in of_server if one.name in SETTINGS]
    for one in chosen:
        if isinstance(one, click.Option):
            one.group = "Application"  # type: ignore[attr-defined]
    return chosen


def words_parameter() -> click.Parameter:
    """The name of the command, and all that is its own."""
    return click.Argument(["words"], metavar="[NAME [ARGUMENTS]…]", nargs=-1, type=click.UNPROCESSED)


def parted(application: str | None, words: Sequence[str], elsewhere: str) -> tuple[str | None, tuple[str, ...]]:
    """The application, None for that which is named elsewhere, and the words of the command.

    application   the first word that was given
    elsewhere     what a file or the environment names

    >>> parted("init-db", ("--force",), "shop:app")
    (None, ('init-db', '--force'))
    """
    if application is not None and elsewhere and ":" not in application:
        return None, (application, *words)
    return application, tuple(words)
