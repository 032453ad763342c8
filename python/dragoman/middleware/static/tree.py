"""The files of a directory that may be served: all of them, or the one of a path, and never one outside of it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import Literal, TypeAlias

__all__ = ["READING", "Symlinks", "Tree"]

Symlinks: TypeAlias = Literal["inside", "all", "none"]

WELL_KNOWN = ".well-known"
# What is opened may be a pipe, and wait for a writer.
READING = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
NO_LINK = getattr(os, "O_NOFOLLOW", 0)
DIRECTORY = READING | NO_LINK | getattr(os, "O_DIRECTORY", 0)


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

    def open(self, target: str) -> int:
        """A descriptor of the file at a path that `all` or `find` has given. Raises OSError.

        A link that has come into the place of a name since it was looked at is not followed: whoever may write into the
        directory could swap it at the right moment.
        """
        if self.symlinks == "all" or os.open not in os.supports_dir_fd:
            return os.open(target, READING)
        *above, name = target[len(self.root) :].strip(os.sep).split(os.sep)
        directory = os.open(self.root, DIRECTORY & ~NO_LINK)
        try:
            for one in above:
                inner = os.open(one, DIRECTORY, dir_fd=directory)
                os.close(directory)
                directory = inner
            return os.open(name, READING | NO_LINK, dir_fd=directory)
        finally:
            os.close(directory)

    def resolve(self, path: str) -> str | None:
        target = self.root
        for segment in path.split("/") if path else ():
            try:
                name = os.fsdecode(segment.encode("latin-1"))
                # A listing may be long: it is for what seems to be there.
                os.lstat(os.path.join(target, name))
                is_there = name in os.listdir(target)
            except (OSError, ValueError):
                # Nothing there, no directory, or no bytes: UnicodeEncodeError is a ValueError.
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
        try:
            real = os.path.realpath(target)
        except OSError:
            # It is no link any more.
            return None
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
