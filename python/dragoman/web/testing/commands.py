"""`CliRunner`: runs an application's commands in the process of a test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
import click.testing

from dragoman.web.commands import AppCommands

if TYPE_CHECKING:
    from dragoman.web.app import App

__all__ = ["CliRunner"]


class CliRunner(click.testing.CliRunner):
    """click's own runner; ``app.test_cli_runner()`` makes one.

    >>> app.test_cli_runner().invoke(args=["init-db"]).exit_code  # doctest: +SKIP
    0
    """

    def __init__(self, app: App, **options: Any) -> None:
        super().__init__(**options)
        self.app = app

    def invoke(  # type: ignore[override]
        self, cli: click.Command | None = None, args: str | Sequence[str] | None = None, **options: Any
    ) -> click.testing.Result:
        """Run a command, by default that of ``app.cli`` which `args` names; output and exit code are in the result."""
        if cli is None or isinstance(cli, AppCommands):
            return super().invoke(cli or self.app.cli, args, **options)
        with self.app.app_context():
            return super().invoke(cli, args, **options)
