"""Colours for messages of the error log that a person reads at a terminal."""

import os
import re
from collections.abc import Mapping

from dragoman.development.failure import MARK

__all__ = ["paint", "takes_colours"]

BOLD, DIM, RED, YELLOW = "1", "2", "1;31", "33"
# Lines of `failure_text` and of reports, and how they look; what is not among them stays as it is.
LOOKS = (
    (re.compile(rf"  {MARK} +\d+  .*"), BOLD),
    (re.compile(r"    +\d+  .*|  … .* …"), DIM),
    (re.compile(r"[A-Za-z_][\w.]*(Error|Exception|Exit|Interrupt|Warning)(: .*)?"), RED),
    (re.compile(r"contract: .*"), YELLOW),
    (re.compile(r"exception in the application: .*"), BOLD),
)


def takes_colours(fd: int, environment: Mapping[str, str]) -> bool:
    """Whether what is written to `fd` may have colours: a terminal that knows them, and nobody has objected.

    Source: https://no-color.org, for NO_COLOR.
    """
    if environment.get("NO_COLOR") or environment.get("TERM") == "dumb":
        return False
    try:
        return os.isatty(fd)
    except OSError:
        return False


def paint(message: str) -> str:
    """`message`, which holds no controls but line ends, with colours (ECMA-48, SGR)."""
    return "\n".join(painted(line) for line in message.split("\n"))


def painted(line: str) -> str:
    look = next((look for pattern, look in LOOKS if pattern.fullmatch(line)), "")
    return f"\x1b[{look}m{line}\x1b[m" if look else line
