"""What differs by path: a table of prefixes, the longest that fits wins."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Generic, TypeVar

from dragoman.types import Environ

__all__ = ["PathTable", "path_of", "readings"]

Value = TypeVar("Value")
Other = TypeVar("Other")

# Segments that an application may take out of a path: empty ones, "." and "..".
ODD = re.compile(r"/(?=/)|/\.{1,2}(?=/|$)|\\")
SLASHES = re.compile("//+")


def path_of(environ: Environ) -> str:
    """The whole path of a request, as bytes in latin-1: ``SCRIPT_NAME`` and ``PATH_INFO``, "/" at least."""
    return str(environ.get("SCRIPT_NAME", "")) + str(environ.get("PATH_INFO", "")) or "/"


class PathTable(Generic[Value]):
    """Values by prefixes of the path, which fit whole segments: ``/api`` is for ``/api`` and ``/api/x``, not ``/apis``.

    rows   prefix → value; a prefix begins with "/"; "/" is for every path. Beyond ASCII it is meant as UTF-8.
    what   names the setting in messages

    Raises ValueError for a prefix of another shape.
    """

    def __init__(self, rows: Mapping[str, Value], what: str) -> None:
        for prefix in rows:
            if not isinstance(prefix, str) or not prefix.startswith("/"):
                raise ValueError(f'{what}: want paths that begin with "/", got {prefix!r}')
        # As paths come: their bytes as latin-1. The longest first.
        made = [(prefix.rstrip("/").encode().decode("latin-1"), value) for prefix, value in rows.items()]
        self.rows = sorted(made, key=lambda row: -len(row[0]))

    @classmethod
    def of(cls, prefixes: Iterable[str], what: str) -> PathTable[bool]:
        """The table of paths that something is true of."""
        if isinstance(prefixes, str):
            raise ValueError(f"{what}: want a list of paths, got the text {prefixes!r}")
        return PathTable(dict.fromkeys(prefixes, True), what)

    def __bool__(self) -> bool:
        return bool(self.rows)

    def find(self, path: str, default: Other) -> Value | Other:
        """The value for `path`, or `default`."""
        for prefix, value in self.rows:
            if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/"):
                return value
        return default

    def has(self, path: str) -> bool:
        """Whether there is a value for `path`, and for whatever else an application may read it as."""
        return bool(self.rows) and all(self.find(one, self) is not self for one in readings(path))


def readings(path: str) -> list[str]:
    """`path`, and then the others that it is to applications that clean paths, each in a way of its own.

    Some take a backslash for "/", some take out empty segments, some those of RFC 3986 section 5.2.4: "." and "..".
    A rule that lets something through has to hold for all of them.
    """
    if not (("//" in path or "/." in path or "\\" in path) and ODD.search(path)):
        return [path]
    found = [path]
    for cleaned in (with_slashes, without_empty_segments, without_dot_segments):
        found += [other for one in found if (other := cleaned(one)) not in found]
    return found


def with_slashes(path: str) -> str:
    return path.replace("\\", "/")


def without_empty_segments(path: str) -> str:
    return SLASHES.sub("/", path)


def without_dot_segments(path: str) -> str:
    kept: list[str] = []
    for segment in path.split("/")[1:]:
        if segment == "..":
            kept[-1:] = []
        elif segment != ".":
            kept.append(segment)
    return "/" + "/".join(kept)
