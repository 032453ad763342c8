"""Reads the settings of a run from dragoman.toml, or from the table [tool.dragoman] of pyproject.toml."""

import json
import math
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dragoman import values
from dragoman.errors import OperatorError, UsageError
from dragoman.origins import Written
from dragoman.row import TABLE, Row
from dragoman.settings import Settings, rows, settings_from, unknown_name
from dragoman.values import cause_of, nearest, printable

__all__ = ["FILE_NAME", "Invocation", "read_document"]

FILE_NAME = "dragoman.toml"
PROJECT_FILE_NAME = "pyproject.toml"
PROJECT_TABLE = ("tool", "dragoman")
# The tables of middleware, each with what it is called with.
LAYERS = "middleware"
# Everything that may stand at the top of the file.
TABLES = (TABLE, LAYERS)
SHOWN_CHARACTERS = 60


class Invocation(NamedTuple):
    """What a run was started with; `read` makes its settings, and makes them anew at a reload.

    given         what the command line said, by setting name
    environment   a copy from before the run set variables of its own
    config        the file that was asked for, or ``""``: those of the directory are looked for
    directory     where the run was started, absolute: the run itself changes its directory
    """

    given: Mapping[str, Sequence[str]]
    environment: Mapping[str, str]
    config: str
    directory: str

    def read(self) -> Settings:
        """The settings as of now. Raises UsageError for what is wrong in them, OperatorError for a missing file."""
        # By descriptor: a deployment may have removed the directory that the process is in.
        before = os.open(".", os.O_RDONLY | os.O_CLOEXEC)
        try:
            # Relative paths of settings were meant from here; the process may have gone on to --chdir.
            os.chdir(self.directory)
            return settings_from(self.given, self.environment, self.written())
        except OSError as error:
            raise OperatorError(
                f'the directory of the start, "{printable(self.directory)}", cannot be entered: {error.strerror}'
            ) from None
        finally:
            os.fchdir(before)
            os.close(before)

    def written(self) -> Mapping[str, Written]:
        """What the configuration file says, by setting name; nothing without a file."""
        directory = Path(self.directory)
        if self.config:
            refuse_python(self.config)
            return read_document(text_of(directory / self.config), self.config)
        if (directory / FILE_NAME).exists():
            return read_document(text_of(directory / FILE_NAME), FILE_NAME)
        if (directory / PROJECT_FILE_NAME).is_file():
            return read_document(text_of(directory / PROJECT_FILE_NAME), PROJECT_FILE_NAME)
        return {}


def read_document(text: str, name: str) -> dict[str, Written]:
    """What a configuration file says of each setting that it names.

    text   of the whole file
    name   how messages call the file; ``pyproject.toml`` has the settings further down
    Raises UsageError with the place, the nearest name and the wanted form.
    """
    try:
        document = parsed(text)
    # Not TOMLDecodeError alone: a number of thousands of digits is another ValueError.
    except (ValueError, RecursionError) as error:
        raise UsageError(not_toml(printable(name), str(error))) from None
    above = PROJECT_TABLE if Path(name).name == PROJECT_FILE_NAME else ()
    for part in above:
        document = table_in(document, part, f"{printable(name)}: [{'.'.join(above)}]")
    for part in document:
        if part not in TABLES:
            raise UsageError(f"{Place(text, printable(name), above).line_of(part)}: {unknown_table(part, above)}")
    path = (*above, TABLE)
    layers = document.get(LAYERS)
    document = table_in(document, TABLE, f"{printable(name)}: [{'.'.join(path)}]")
    found = {key: written(key, value, Place(text, printable(name), path)) for key, value in document.items()}
    if layers is not None:
        heading = f"[[{'.'.join((*above, LAYERS))}]]"
        if LAYERS in found:
            raise UsageError(f"{found[LAYERS].place}: {LAYERS} stands here and as {heading}; want one of them")
        where = Place(text, printable(name), above).line_of(LAYERS)
        found[LAYERS] = Written(layer_texts(layers, where, heading), where)
    return found


def layer_texts(layers: object, where: str, heading: str) -> tuple[str, ...]:
    """The tables of middleware as the flag takes them. Raises UsageError."""
    if not isinstance(layers, list) or not all(isinstance(one, dict) for one in layers):
        raise UsageError(f'{where}: want {heading} with use = "request-id", once for each')
    return tuple(layer_text(one, f"{where}: {heading} {number}") for number, one in enumerate(layers, 1))


def layer_text(table: Mapping[str, Any], where: str) -> str:
    """``static(directory='public/')`` of ``use = "static"`` and ``directory = "public/"``. Raises UsageError."""
    use = table.get("use")
    if not isinstance(use, str) or not use or "(" in use:
        raise UsageError(f'{where}: want use = "request-id" or use = "MODULE:NAME", arguments as keys beside it')
    arguments = {key: value for key, value in table.items() if key != "use"}
    for key, value in arguments.items():
        if not key.isidentifier():
            raise UsageError(f"{where}: {printable(key)} is no name of an argument; want letters, digits and _")
        if not is_literal(value):
            raise UsageError(f"{where}: {printable(key)}: want a text, a number, true, false, a list or a table")
    call = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
    return f"{use}({call})" if call else use


def is_literal(value: object) -> bool:
    """Whether Python's literals have it, as TOML's dates and times are not."""
    if isinstance(value, list):
        return all(is_literal(one) for one in value)
    if isinstance(value, dict):
        return all(is_literal(one) for one in value.values())
    return isinstance(value, (str, int)) or (isinstance(value, float) and math.isfinite(value))


def parsed(text: str) -> dict[str, Any]:
    """The document that `text` is. Raises ValueError, also where it is one in form, RecursionError."""
    # Imported late: only a start with a file needs it.
    if sys.version_info >= (3, 11):
        import tomllib  # noqa: PLC0415
    else:
        import tomli as tomllib  # noqa: PLC0415

    return tomllib.loads(text)


class Place(NamedTuple):
    """Finds the line of a key in the text of a file, for messages."""

    text: str
    name: str
    path: tuple[str, ...]

    def of(self, key: str, *, is_table: bool) -> str:
        """``dragoman.toml:3``; without the line, but with the table, where the key is not written plainly."""
        lines = self.text.split("\n")
        for number, line in enumerate(lines):
            if re.match(rf"""\s*(["']?){re.escape(key)}\1\s*=""", line) and self.holds("\n".join(lines[:number])):
                return f"{self.name}:{number + 1}"
        return f"{self.name} [{'.'.join((*self.path, key) if is_table else self.path)}]"

    def line_of(self, key: str) -> str:
        """As `of`, for a key or a table that stands here; the name alone where neither is found."""
        names = r"\s*[.]\s*".join(re.escape(name) for name in (*self.path, key))
        head = rf"\s*\[\[?\s*{names}\s*[].]"
        lines = self.text.split("\n")
        for number, line in enumerate(lines):
            if re.match(head, line) and is_whole("\n".join(lines[:number])):
                return f"{self.name}:{number + 1}"
        return self.of(key, is_table=False).partition(" [")[0]

    def holds(self, before: str) -> bool:
        """True when a key behind the text `before` would be one of the table: no string goes on there, say."""
        probe = "a key that nobody writes"
        try:
            document: Any = parsed(f'{before}\n"{probe}" = 0\n')
            for part in self.path:
                document = document[part]
        except (ValueError, RecursionError, LookupError, TypeError):
            return False
        return probe in document


def is_whole(text: str) -> bool:
    """True for a text after which a table can begin: no string goes on there."""
    try:
        parsed(text)
    except (ValueError, RecursionError):
        return False
    return True


def not_toml(name: str, error: str) -> str:
    """What tomllib says, with the line where messages have it."""
    if place := re.search(r" \(at line ([0-9]+), column ([0-9]+)\)$", error):
        return f"{name}:{place[1]}: not TOML: {printable(error[: place.start()])} (column {place[2]})"
    return f"{name}: not TOML: {printable(error)}"


def written(key: str, value: object, place: Place) -> Written:
    """The texts that the value of `key` stands for."""
    row = next((row for row in rows() if row.name == key), None)
    where = place.of(key, is_table=isinstance(value, dict))
    if row is None:
        raise UsageError(f"{where}: {unknown_name(key)}")
    try:
        return Written(texts_of(row, value), where)
    except ValueError as error:
        raise UsageError(f'{where}: {key} "{shown(value)}": want {error} (also {row.flag}, {row.env})') from None


def texts_of(row: Row, value: object) -> tuple[str, ...]:
    """The texts of a TOML value, as the flag would take them. Raises ValueError saying what is wanted."""
    if row.is_repeatable and isinstance(value, list):
        if not value:
            raise ValueError("a list that is not empty")
        return tuple(scalar(row, one) for one in value)
    if row.parse is values.environment_variable and isinstance(value, dict):
        return tuple(f"{name}={content_of(name, content)}" for name, content in value.items())
    if isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        joined = ",".join(value)
        # Settings of several values that the flag takes in one text, apart by commas.
        if isinstance(row.parse(joined), tuple):
            if any("," in one for one in value):
                raise ValueError("a list of texts without commas")
            return (joined,)
    return (scalar(row, value),)


def scalar(row: Row, value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        if row.is_flag:
            return str(value).lower()
    elif isinstance(value, int):
        # 27 would mean the bits 033: nobody can tell whether that was meant.
        if row.metavar == "OCTAL":
            raise ValueError('the octal digits in quotes, such as "027"')
        if value.bit_length() <= 64:
            return str(value)
    elif isinstance(value, float):
        return repr(value)
    raise ValueError(wanted(row))


def shown(value: object) -> str:
    try:
        # As a file has it, not as Python does: true, ["a"].
        text = json.dumps(value, default=str) if isinstance(value, (bool, list, dict)) else str(value)
        return printable(text[:SHOWN_CHARACTERS])
    except ValueError:
        # A hexadecimal number may have more digits than Python writes as decimal ones.
        return f"a number of {value.bit_length()} bits" if isinstance(value, int) else type(value).__name__


def content_of(name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= 64:
        return str(value)
    raise ValueError(f'a text in quotes for {printable(name)}, such as "{shown(value).lower()}"')


def wanted(row: Row) -> str:
    """What the parser of `row` wants, in its own words."""
    try:
        # No value of any setting holds this character.
        row.parse("\0")
    except ValueError as error:
        return f"{error}{', or auto' if row.measure else ''}"
    return "a text in quotes"


def table_in(document: Mapping[str, Any], name: str, place: str) -> dict[str, Any]:
    found = document.get(name, {})
    if not isinstance(found, dict):
        raise UsageError(f"{place}: want a table")
    return found


def unknown_table(name: str, above: Sequence[str]) -> str:
    whole = ".".join((*above, name))
    if any(row.name == name for row in rows()):
        return f"{printable(name)} is a setting, and stands under [{'.'.join((*above, TABLE))}]"
    near = nearest(name, TABLES, 1) or TABLES[:1]
    return f"[{printable(whole)}] is not known; did you mean [{'.'.join((*above, near[0]))}]?"


def refuse_python(config: str) -> None:
    if config.endswith(".py") or config.startswith(("python:", "file:")):
        source = config.removeprefix("file:")
        raise UsageError(
            f'--config "{printable(config)}": want a TOML file; dragoman import-gunicorn {printable(source)} makes'
            f" {FILE_NAME} of it"
        )


def text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        why = cause_of(error, str(path))
        raise OperatorError(f'configuration file "{printable(str(path))}": cannot be read: {why}') from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{printable(str(path))}: not UTF-8: {error.reason} at byte {error.start}") from None
