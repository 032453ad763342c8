"""Decides which of its sources gives a setting its value, and remembers which one it was."""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import NamedTuple

from dragoman.errors import UsageError
from dragoman.row import Row
from dragoman.values import printable

__all__ = ["Origin", "Source", "Written", "resolve"]


class Source(Enum):
    """Where a value can come from; an earlier one wins."""

    FLAG = "command line"
    VARIABLE = "environment"
    FILE = "file"
    PLATFORM = "platform"
    DEFAULT = "default"


class Origin(NamedTuple):
    """Where one value came from: its source, the name that it has there, and what the value was made of."""

    source: Source
    name: str
    detail: str = ""

    @property
    def is_given(self) -> bool:
        """Somebody asked for this value; neither a platform's variable nor the default did."""
        return self.source in (Source.FLAG, Source.VARIABLE, Source.FILE)

    def __str__(self) -> str:
        return f"{self.name}: {self.detail}" if self.detail else self.name


class Written(NamedTuple):
    """What a file says of one setting: its texts, as flags would take them, and the place: ``dragoman.toml:3``."""

    texts: tuple[str, ...]
    place: str


class Candidate(NamedTuple):
    """What one source says of a setting: the texts as they were given, and as they are read."""

    source: Source
    name: str
    shown: Sequence[str]
    texts: Sequence[str]
    want: str = ""


def resolve(
    row: Row, given: Sequence[str], environment: Mapping[str, str], written: Written | None
) -> tuple[object, Origin]:
    """The value of the setting of `row`, and its origin.

    given         texts of the command line, in their order
    environment   a variable that is empty counts as not set
    written       what the configuration file says of it
    Raises UsageError naming where the wrong text stands, and what is wanted.
    """
    found = next((one for one in candidates(row, given, environment, written) if one.texts), None)
    if found is None:
        return () if row.is_repeatable else row.empty, Origin(Source.DEFAULT, "default")
    read = [read_text(row, found, shown, text) for shown, text in zip(found.shown, found.texts, strict=True)]
    # The last one wins, as in every shell tool: a script's own flags can be overridden behind it.
    value, detail = read[-1]
    # The argument has no flag that could be told.
    name = found.name if row.flags or found.source is not Source.FLAG else found.source.value
    return tuple(one for one, _ in read) if row.is_repeatable else value, Origin(found.source, name, detail)


def candidates(
    row: Row, given: Sequence[str], environment: Mapping[str, str], written: Written | None
) -> Iterable[Candidate]:
    """What each source says, in the order of their rank."""
    yield Candidate(Source.FLAG, row.flag, given, given)
    content = environment.get(row.env, "")
    texts = (split(row, content) if row.is_repeatable else [content]) if content else []
    yield Candidate(Source.VARIABLE, row.env, texts, texts)
    if written is not None:
        yield Candidate(Source.FILE, written.place, written.texts, written.texts)
    if row.platform is not None:
        variable, template, want = row.platform
        shown = [content] if (content := environment.get(variable, "")) else []
        yield Candidate(Source.PLATFORM, variable, shown, [template.replace("{}", text) for text in shown], want)
    texts = [row.default] if row.default else []
    yield Candidate(Source.DEFAULT, "default", texts, texts)


def read_text(row: Row, found: Candidate, shown: str, text: str) -> tuple[object, str]:
    """The value that `text` stands for, and what it was measured by."""
    try:
        if row.measure is not None and text == "auto":
            measured = row.measure()
            return row.parse(str(measured.number)), str(measured)
        return row.parse(text), ""
    except ValueError as error:
        want = found.want or f"{error}{', or auto' if row.measure else ''}"
        place = f"{found.name}: {row.name}" if found.source is Source.FILE else found.name
        raise UsageError(f'{place} "{printable(shown)}": want {want} (also {other_names(row, found)})') from None


def other_names(row: Row, found: Candidate) -> str:
    names = {Source.FLAG: row.flag, Source.VARIABLE: row.env, Source.FILE: row.key}
    return ", ".join(name for source, name in names.items() if source is not found.source)


def split(row: Row, content: str) -> list[str]:
    """The texts of a variable, apart by blanks and quoted as in a shell."""
    try:
        return shlex.split(content)
    except ValueError:
        others = ", ".join((row.flag, row.key))
        raise UsageError(f'{row.env} "{printable(content)}": want quotes that end (also {others})') from None
