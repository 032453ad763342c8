"""The instance folder: where an application has files that are no part of its code."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

__all__ = ["instance_folder_of"]


def instance_folder_of(import_name: str) -> Path:
    """The folder ``instance`` beside a module, or beside the outermost package that it is in.

    For a module that is installed it is ``var/NAME-instance`` below the prefix of this Python.
    """
    outermost = import_name.partition(".")[0]
    module = sys.modules.get(outermost)
    file: Any = getattr(module, "__file__", None)
    beside = Path(file).resolve().parent if file else Path.cwd()
    if hasattr(module, "__path__"):
        beside = beside.parent
    prefix = Path(sys.prefix).resolve()
    if "site-packages" in beside.parts and beside.is_relative_to(prefix):
        return prefix / "var" / f"{outermost}-instance"
    return beside / "instance"
