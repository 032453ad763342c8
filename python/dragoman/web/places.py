"""Where a handler or a hook stands, for errors: its name, file and line."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

__all__ = ["name_of", "place_of"]


def name_of(function: Callable[..., Any]) -> str:
    """The name of a function, or of the class of what is none."""
    return getattr(function, "__name__", type(function).__name__)


def place_of(function: Callable[..., Any]) -> str:
    """Where it stands: name, file and line of the innermost function; the name alone for what has no code of Python."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return name_of(function)
    return f"{name_of(function)} ({code.co_filename}:{code.co_firstlineno})"
