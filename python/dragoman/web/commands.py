"""`App.cli`: the commands that an application and its blueprints have of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from dragoman.web.app import App
    from dragoman.web.blueprint import Nested

__all__ = ["AppCommands"]


class AppCommands(click.Group):
    """The commands of an application; each runs with the application in hand, so that `current_app` is there.

        @app.cli.command("init-db")
        def init_db() -> None: ...

    ``dragoman command app:app init-db`` runs it. Those of a blueprint are a group of its name. (Flask: only what is
    decorated with with_appcontext has the context, and what is added with add_command not. Here everything has it.)
    """

    def __init__(self, app: App) -> None:
        super().__init__(name=app.name, help=f"Commands of {app.name}.")
        self.app = app

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in their order."""
        return sorted({*self.commands, *(name for name, _ in of_blueprints(self.app))})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        return super().get_command(ctx, cmd_name) or dict(of_blueprints(self.app)).get(cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        """Run what was asked for."""
        with self.app.app_context():
            return super().invoke(ctx)


def of_blueprints(app: App) -> Iterator[tuple[str, click.Command]]:
    """Names and commands of the blueprints that have some."""
    yield from within(app.blueprints_given, "")


def within(nested: Iterable[Nested], above: str) -> Iterator[tuple[str, click.Command]]:
    for one in nested:
        name = above + one.name
        # A blueprint that nobody has asked for its commands has none.
        group: click.Group | None = vars(one.blueprint).get("cli")
        if group is not None and group.commands:
            if one.cli_group is None:
                yield from group.commands.items()
            else:
                yield one.cli_group or name, group
        yield from within(one.blueprint.nested, f"{name}.")
