"""``dragoman command``: runs a command that an application has of its own, in `App.cli`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from dragoman.check.layers import inner_applications
from dragoman.errors import ApplicationError
from dragoman.loader import Loaded

__all__ = ["run"]


def run(loaded: Loaded, words: Sequence[str]) -> NoReturn:
    """Run the command that `words` name, and exit with its status; without any, list the commands.

    Raises ApplicationError for an application that has no commands.
    """
    holder = holder_of(loaded.application)
    if holder is None:
        raise ApplicationError(
            f"{loaded.name} has no commands of its own: want an application of dragoman.web or of Flask, with"
            f' @app.cli.command("NAME"){of_django()}'
        )
    # From here on it is click that speaks to the person, as the application wants it.
    holder.cli.main(list(words) or ["--help"], prog_name=f"dragoman command {loaded.name}", obj=info_of(holder))
    sys.exit(0)


def holder_of(application: Any) -> Any:
    """The outermost application with a group of commands, in what is loaded; None where there is none."""
    for one, _ in inner_applications(application):
        holder = getattr(one, "__self__", one)
        if isinstance(getattr(holder, "cli", None), click.Group):
            return holder
    return None


def info_of(holder: Any) -> Any:
    """What Flask's own commands look for the application in; None for any other."""
    flask_cli: Any = sys.modules.get("flask.cli")
    flask: Any = sys.modules.get("flask")
    if flask_cli is None or not isinstance(holder, flask.Flask):
        return None
    return flask_cli.ScriptInfo(create_app=lambda: holder)


def of_django() -> str:
    return "; Django's commands are those of manage.py" if "django.core.handlers.wsgi" in sys.modules else ""
