"""The command ``flask --app x dragoman``: serves what Flask's own command line finds, by the real server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from flask.cli import ScriptInfo, pass_script_info
from flask.helpers import get_debug_flag

from dragoman.errors import ApplicationError, DragomanError
from dragoman.flags import GroupedCommand, SettingOption
from dragoman.settings import rows

if TYPE_CHECKING:
    from dragoman.loader import Loaded

__all__ = ["command"]

# What `flask --app` says.
FLASKS = {"application", "chdir", "pythonpath"}


@click.command(
    "dragoman",
    cls=GroupedCommand,
    params=[SettingOption(row) for row in rows() if row.flags and row.name not in FLASKS],
    short_help="Serve the application by Dragoman.",
)
@pass_script_info
def command(info: ScriptInfo, /, **params: Any) -> None:
    """Serve the application by Dragoman: by --workers processes, or with --debug in this one.

    Every setting is also an environment variable, --keep-alive for example DRAGOMAN_KEEP_ALIVE. SIGTERM ends after the
    requests under way, Ctrl-C at once.
    """
    # Flask loads the commands of all plugins at each of its starts: the engine is for this one alone.
    from dragoman.embedded import checked, serve_loaded  # noqa: PLC0415

    def load() -> Loaded:
        try:
            application = info.load_app()
        except click.ClickException as error:
            # Flask's own words for what it does not find; of all else the traceback is shown.
            message, _, details = error.format_message().partition("\n")
            raise ApplicationError(message, details.strip("\n")) from None
        return checked(application, info.app_import_path or application.import_name)

    # A flag without a value is a bool.
    given = {name: str(value).lower() if isinstance(value, bool) else value for name, value in params.items()}
    given = {name: value for name, value in given.items() if value}
    if get_debug_flag():
        given.setdefault("workers", "0")
    try:
        status = serve_loaded(load, given)
    except DragomanError as error:
        click.echo(f"Error: {error}\n{error.details}".rstrip("\n"), err=True)
        status = error.exit_status
    click.get_current_context().exit(status)
