"""What one setting says of itself in the table of settings: flags, default, how its text is read, what it does."""

from collections.abc import Callable
from dataclasses import field
from typing import Any, NamedTuple

from dragoman.cpus import Cpus

__all__ = ["ENVIRONMENT_PREFIX", "TABLE", "Row", "setting"]

ENVIRONMENT_PREFIX = "DRAGOMAN_"
# The table of a configuration file that holds the settings.
TABLE = "server"


class Row(NamedTuple):
    """One setting as it is declared; `name`, `env` and `key` follow from the name of its field."""

    group: str
    flags: tuple[str, ...]
    metavar: str
    default: str
    parse: Callable[[str], object]
    doc: str
    unit: str = ""
    gunicorn: str = ""
    is_repeatable: bool = False
    # Given without a value on the command line.
    is_flag: bool = False
    # For limits: what happens past it, and the counter that tells how often.
    then: str = ""
    counter: str = ""
    # A variable that platforms set, the value that is made of it, and what it has to be; it comes before the default.
    platform: tuple[str, str, str] | None = None
    # What the text "auto" stands for on this machine; asked only where it counts.
    measure: Callable[[], Cpus] | None = None
    # The value without a default and without a text.
    empty: object = ""
    name: str = ""

    @property
    def env(self) -> str:
        """The environment variable of the setting."""
        return ENVIRONMENT_PREFIX + self.name.upper()

    @property
    def flag(self) -> str:
        """The long flag, or the name of the argument."""
        return next((flag for flag in self.flags if flag.startswith("--")), self.metavar)

    @property
    def key(self) -> str:
        """How a configuration file names it: ``"[server] threads"``."""
        return f"[{TABLE}] {self.name}"


def setting(group: str, flags: str, metavar: str, default: str, parse: Callable[[str], object], **more: Any) -> Any:
    """A dataclass field that carries its row; `flags` stand apart by blanks."""
    row = Row(group, tuple(flags.split()), metavar, default, parse, **more)
    return field(metadata={"row": row})
