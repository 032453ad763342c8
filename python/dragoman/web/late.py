"""Modules that are loaded when something of them is first asked for."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["Late"]


class Late:
    """Stands for a module: ``pages = Late("dragoman.web.pages")``. Names keep what they were when first asked for.

    An import statement in a function takes a microsecond each time that it is come to; this takes none. For type
    checkers the module is imported beside it, under TYPE_CHECKING.
    """

    def __init__(self, module: str) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        value = getattr(importlib.import_module(self._module), name)
        setattr(self, name, value)
        return value
