"""The files of a directory that may be served: all of them, or the one of a path, and never one outside of it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import Literal, TypeAlias

__all__ = ["Symlinks", "Tree"]

Symlinks: TypeAlias = Literal["inside", "all", "none"]

WELL_KNOWN = ".well-known"


class Tree:
    """A directory.

    symlinks   which links are followed: those that lead to somewhere inside of the directory, all, or none
    hidden     whether names that begin with a dot count; ``.well-known`` does in any case (RFC 8615)

    Paths below it are as URLs have them: bytes as latin-1, with "/" between names.
    """

    def __init__(self, directory: str, symlinks: Symlinks, hidden: bool) -> None:
        # Links on the way to the directory are the operator's: followed now, so that a release is one release.
        self.root = os.path.realpath(directory)
        self.symlinks = symlinks
        self.hidden = hidden

    def all(self) -> Iterator[tuple[str, str]]:
        """(path below the directory, path of the file) of all regular files."""
        if os.path.isdir(self.root):
            yield from self.below(self.root, "", frozenset({self.root}))

    def below(self, directory: str, path: str, above: frozenset[str]) -> Iterator[tuple[str, str]]:
        with os.scandir(directory) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            target = self.allowed(directory, entry.name)
            if target is None:
                continue
            inner = f"{path}{url_name(entry.name)}"
            mode = mode_of(target)
            if stat.S_ISREG(mode):
                yield inner, target
            elif stat.S_ISDIR(mode) and target not in above:
                # A link to a directory above it would go round for ever.
                yield from self.below(target, f"{inner}/", above | {target})

    def find(self, path: str) -> str | None:
        """The path of the regular file at `path`; None without one.

        Each name is looked for in the listing of its directory. So what is found is what `all` gives, and nothing that
        a file system understands beyond that: "..", other cases of letters, short names, streams, devices.
        """
        target = self.resolve(path)
        return target if target is not None and stat.S_ISREG(mode_of(target)) else None

    def is_directory(self, path: str) -> bool:
        """Whether there is a directory at `path`."""
        target = self.resolve(path)
        return target is not None and stat.S_ISDIR(mode_of(target))

    def resolve(self, path: str) -> str | None:
        target = self.root
        for segment in path.split("/") if path else ():
            try:
                name = os.fsdecode(segment.encode("latin-1"))
                is_there = name in os.listdir(target)
            except (OSError, ValueError):
                # No directory, or no bytes: UnicodeEncodeError is a ValueError.
                return None
            allowed = self.allowed(target, name) if is_there else None
            if allowed is None:
                return None
            target = allowed
        return target

    def allowed(self, directory: str, name: str) -> str | None:
        """Where `name` in `directory` leads to; None when nobody is to be led there."""
        if "\\" in name or (name.startswith(".") and not self.hidden and name != WELL_KNOWN):
            return None
        target = os.path.join(directory, name)
        if not os.path.islink(target):
            return target
        if self.symlinks == "none":
            return None
        real = os.path.realpath(target)
        return real if self.symlinks == "all" or self.is_inside(real) else None

    def is_inside(self, real: str) -> bool:
        return real.startswith(self.root.rstrip(os.sep) + os.sep)


def url_name(name: str) -> str:
    return os.fsencode(name).decode("latin-1")


def mode_of(path: str) -> int:
    """0 where there is nothing that can be looked at."""
    try:
        return os.stat(path).st_mode
    except OSError:
        return 0
