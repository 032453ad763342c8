"""What is said of a part of the library, so that one suite can serve it around every kind of application."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from dragoman.middleware import Layer
from tests.middleware import parts
from tests.support.wire import Response


@dataclass(frozen=True)
class Probe:
    """One request through the part, and what has to be true of its answer (an assertion inside).

    target   path and query, below where the application is mounted: see `served.py` for what it answers
    """

    target: str
    holds: Callable[[Response], object]
    method: str = "GET"
    fields: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass(frozen=True)
class Part:
    """A configured layer with its probes. It serves Flask, Django and a plain application alike.

    streams   whether the block of a streamed answer has to come before the next is made: all but those whose work is to
              wait for the whole, and those must say why in `because`
    """

    name: str
    make: Callable[[], Layer]
    probes: tuple[Probe, ...]
    streams: bool = True
    because: str = ""


def all_parts() -> list[Part]:
    """Those of every module in `tests/middleware/parts`, each of which has a list `PARTS`."""
    modules = sorted(module.name for module in pkgutil.iter_modules(parts.__path__))
    found = [one for name in modules for one in importlib.import_module(f"{parts.__name__}.{name}").PARTS]
    names = [one.name for one in found]
    assert len(set(names)) == len(names), names
    return found
