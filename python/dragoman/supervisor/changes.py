"""Which files an application consists of, which of them have changed, and how to hear of it soon."""

import functools
import importlib.util
import os
import site
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

__all__ = ["LIBRARY", "Stamp", "Watched", "changed", "changes", "files_elsewhere", "is_library", "look"]

# Directories that hold no code of the application; those whose names begin with a dot are left out, too.
LEFT_OUT = frozenset({"__pycache__", "node_modules", "site-packages", "dist-packages"})
# What makes a directory a virtual environment (PEP 405).
ENVIRONMENT_FILE = "pyvenv.cfg"
# More than any application has: a server that is started in / is not to walk through all of it again and again.
FILES_AT_MOST = 20_000
DIRECTORIES_AT_MOST = 5_000
# Files are looked at that often: without watchfiles, and with it, since events get lost (network file systems).
POLL_S = 1.0
WITH_EVENTS_POLL_S = 5.0
# Editors, formatters and version control write in bursts: nothing is told until it has been quiet for so long.
QUIET_S = 0.1
BURST_S = 2.0
LIBRARY = "watchfiles"

Stamp: TypeAlias = tuple[int, ...]
"""Time of the last change in nanoseconds, bytes, and the file's number: an editor may put another in its place."""


class Watched(NamedTuple):
    """What is watched, as absolute paths.

    root    a directory: each Python file in it
    extra   more files, and directories with everything in them
    files   those of modules that were loaded from elsewhere, as they were then
    """

    root: str
    extra: tuple[str, ...] = ()
    files: Mapping[str, Stamp] = MappingProxyType({})


def look(watched: Watched) -> dict[str, Stamp]:
    """Every file that counts, and what it looks like now; FILES_AT_MOST of them."""
    return stamps_of(islice(paths_of(watched), FILES_AT_MOST))


def stamps_of(paths: Iterable[str]) -> dict[str, Stamp]:
    found: dict[str, Stamp] = {}
    for path in paths:
        try:
            entry = os.stat(path)
        except OSError:
            continue
        found[path] = (entry.st_mtime_ns, entry.st_size, entry.st_ino)
    return found


def changed(before: Mapping[str, Stamp], after: Mapping[str, Stamp]) -> list[str]:
    """The files that have come, gone, or been written in between."""
    return sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))


def paths_of(watched: Watched) -> Iterator[str]:
    for directory, names in walk(watched.root):
        yield from (os.path.join(directory, name) for name in names if name.endswith(".py"))
    for path in watched.extra:
        if os.path.isdir(path):
            for directory, names in walk(path):
                yield from (os.path.join(directory, name) for name in names)
        else:
            yield path
    yield from watched.files


def directories_of(watched: Watched) -> list[str]:
    """The directories in which such files are, or may come; DIRECTORIES_AT_MOST of them."""
    found: dict[str, None] = {}
    for top in (watched.root, *(path for path in watched.extra if os.path.isdir(path))):
        for directory, _ in walk(top):
            found[directory] = None
            if len(found) >= DIRECTORIES_AT_MOST:
                return list(found)
    single = [*(path for path in watched.extra if not os.path.isdir(path)), *watched.files]
    found.update(dict.fromkeys(filter(os.path.isdir, map(os.path.dirname, single))))
    return list(found)


def walk(top: str) -> Iterator[tuple[str, list[str]]]:
    """Each directory under `top` that counts, with the names of its files."""
    for directory, subdirectories, names in os.walk(top):
        if ENVIRONMENT_FILE in names and directory != top:
            subdirectories.clear()
            continue
        subdirectories[:] = [name for name in subdirectories if not name.startswith(".") and name not in LEFT_OUT]
        yield directory, names


def changes(
    ask: Callable[[], Watched], before: Mapping[str, Stamp], *, quiet_s: float = QUIET_S
) -> Iterator[list[str]]:
    """The files of each burst of changes, for ever.

    ask      what is to be watched; asked again and again, since more is loaded as time goes by
    before   what the files looked like when they were loaded, or before that
    """
    known: set[str] = set()
    for _ in wakes(ask):
        watched = ask()
        # Once for each: one that goes is not to come again by this.
        before = {**{path: watched.files[path] for path in watched.files.keys() - known}, **before}
        known.update(watched.files)
        after = look(watched)
        if after == before:
            continue
        until = time.monotonic() + BURST_S
        while time.monotonic() < until:
            time.sleep(quiet_s)
            if after == (after := look(watched)):
                break
        if paths := changed(before, after):
            yield paths
        before = after


def wakes(ask: Callable[[], Watched]) -> Iterator[None]:
    """Returns control when it is time to look: soon after something has happened, or now and then."""
    if importlib.util.find_spec(LIBRARY) is None:
        while True:
            time.sleep(POLL_S)
            yield
    while True:
        directories = directories_of(ask())
        # At once: what has happened before there was anybody to hear it.
        look_at = float("-inf")
        for heard in events(directories):
            if not heard and time.monotonic() < look_at:
                continue
            yield
            look_at = time.monotonic() + WITH_EVENTS_POLL_S
            if directories_of(ask()) != directories:
                break


def events(directories: list[str]) -> Iterator[object]:
    """Something, when it has happened in one of `directories`; else nothing, again and again."""
    # Imported here, in a process of its own: it starts threads, which a supervisor that forks must not have.
    import watchfiles  # noqa: PLC0415

    try:
        yield from watchfiles.watch(
            *directories,
            watch_filter=None,
            debounce=200,
            step=50,
            rust_timeout=250,
            yield_on_timeout=True,
            raise_interrupt=False,
            # Each by itself: of what is left out the kernel need not tell.
            recursive=False,
        )
    except OSError:
        # No more watches (inotify(7), max_user_watches), or a directory has just gone.
        time.sleep(POLL_S)
        yield "an error"


def files_elsewhere(root: str) -> dict[str, Stamp]:
    """The files of the modules that this process has loaded, but those under `root` and those of libraries, and what
    they look like.
    """
    found = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    paths = {os.path.abspath(path) for path in found if isinstance(path, str) and path.endswith(".py")}
    return stamps_of(sorted(path for path in paths if not is_within(path, root) and not is_library(path)))


def is_library(path: str) -> bool:
    """Whether the file is the standard library's, an installed package's, or our own."""
    return not LEFT_OUT.isdisjoint(path.split(os.sep)) or any(is_within(path, one) for one in library_directories())


def is_within(path: str, directory: str) -> bool:
    return path.startswith(os.path.join(directory, ""))


@functools.cache
def library_directories() -> frozenset[str]:
    """Where what is installed lies."""
    import sysconfig  # noqa: PLC0415 - reads a file of how Python was built

    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    return frozenset([*(sysconfig.get_path(name) for name in ("stdlib", "platstdlib")), *site.getsitepackages(), own])
