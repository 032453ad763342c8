"""What `dragoman config` prints: each setting's value, and where it came from."""

import json
import shlex

from dragoman.row import Row
from dragoman.settings import Settings, rows
from dragoman.values import environment_variable, printable, size_text

__all__ = ["as_json", "as_table", "value_text"]


def as_table(settings: Settings) -> str:
    """A line for each setting: name, value, origin."""
    cells = [
        (row.name, printable(value_text(row, getattr(settings, row.name))), printable(str(settings.origins[row.name])))
        for row in rows()
    ]
    # One long value, a log format say, need not push all origins off the screen.
    widths = [max(len(line[column]) for line in cells if len(line[column]) <= 40) for column in (0, 1)]
    return "".join(f"{name:{widths[0]}}  {value:{widths[1]}}  {origin}\n" for name, value, origin in cells)


def as_json(settings: Settings) -> str:
    """An object for each setting: ``value`` as a flag would take it, ``source``, ``origin`` in words."""
    found = {}
    for row in rows():
        value, origin = getattr(settings, row.name), settings.origins[row.name]
        content = [value_text(row, (one,)) for one in value] if row.is_repeatable else value_text(row, value)
        found[row.name] = {"value": content, "source": origin.source.value, "origin": str(origin)}
    return json.dumps(found, indent=2)


def value_text(row: Row, value: object) -> str:
    """`value` as a flag would take it; ``none`` where there is none."""
    if value in ("", ()):
        # The root path is the one empty value with a text of its own.
        return row.default if row.default and row.parse(row.default) == value else "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:03o}" if row.metavar == "OCTAL" else size_text(value) if row.unit else str(value)
    if isinstance(value, float):
        return f"{value:.9g}"
    if isinstance(value, tuple):
        texts = ["=".join(one) if row.parse is environment_variable else str(one) for one in value]
        return shlex.join(texts) if row.is_repeatable and len(texts) > 1 else ",".join(texts)
    return str(value)
