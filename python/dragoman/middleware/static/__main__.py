"""Compresses the files of a directory for `Static` to send: ``python -m dragoman.middleware.static DIRECTORY``."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence

from dragoman.middleware.codings import CODINGS, is_installed, refuse_missing
from dragoman.middleware.compress import TYPES
from dragoman.middleware.static.entry import SUFFIXES
from dragoman.middleware.static.naming import content_type, media_types
from dragoman.middleware.static.tree import Tree

__all__ = ["compress", "main"]

# Once for a file, not once for a request: the strongest that is not absurdly slow.
LEVELS = {"br": 11, "zstd": 19, "gzip": 9}
# A tenth less is what a second file, and the choice, are worth.
WORTH = 0.9


def compress(directory: str, codings: Sequence[str]) -> dict[str, int]:
    """Write ``NAME.br``, ``NAME.zst`` and ``NAME.gz`` beside each file that becomes smaller by it.

    Returns how many bytes each written file saves, by its path. Files have the time of their original, by which
    `Static` sees that they belong to it, and one that is there already with that time is left as it is.
    """
    types = media_types({})
    saved = {}
    for inner, path in Tree(directory, "inside", hidden=False).all():
        if content_type(inner.rpartition("/")[2], types, None) not in TYPES:
            continue
        with open(path, "rb") as file:
            content, status = file.read(), os.fstat(file.fileno())
        for coding in codings:
            target = path + SUFFIXES[coding]
            if os.path.exists(target) and os.stat(target).st_mtime_ns == status.st_mtime_ns:
                continue
            made = CODINGS[coding].whole(content, LEVELS[coding])
            if len(made) <= len(content) * WORTH:
                write(target, made, status)
                saved[target] = len(content) - len(made)
    return saved


def write(target: str, content: bytes, original: os.stat_result) -> None:
    """The file as a whole or not at all: somebody may be serving it."""
    descriptor, temporary = tempfile.mkstemp(dir=os.path.dirname(target), prefix=".")
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
        os.chmod(temporary, original.st_mode & 0o777)
        os.utime(temporary, ns=(original.st_atime_ns, original.st_mtime_ns))
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


def main(arguments: Sequence[str] | None = None) -> int:
    """0: done. 2: what was asked for cannot be."""
    parser = argparse.ArgumentParser(
        prog="python -m dragoman.middleware.static",
        description="Compress the files of a directory beside themselves: Static sends what each client takes.",
    )
    parser.add_argument("directory")
    parser.add_argument("--codings", default="", help="such as br,gzip (default: all whose packages are installed)")
    options = parser.parse_args(arguments)
    codings = options.codings.split(",") if options.codings else [name for name in CODINGS if is_installed(name)]
    for name in codings:
        if name not in CODINGS:
            parser.error(f"--codings: want some of {', '.join(CODINGS)}, got {name!r}")
        try:
            refuse_missing(name, "compressing")
        except ImportError as error:
            parser.error(f"--codings: {error}")
    if not os.path.isdir(options.directory):
        parser.error(f"there is no directory {options.directory!r}")
    saved = compress(options.directory, codings)
    print(f"{len(saved)} files written, {sum(saved.values()):,} bytes smaller than their originals")
    return 0


if __name__ == "__main__":
    sys.exit(main())
