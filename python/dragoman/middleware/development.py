"""Whether this process is one for work on the application: ``dragoman --dev``."""

from __future__ import annotations

import os

__all__ = ["VARIABLE", "is_development"]

VARIABLE = "DRAGOMAN_DEV"
"""The environment variable of the setting; the server sets it also where the setting came by ``--dev`` or a file."""


def is_development() -> bool:
    """True under ``dragoman --dev``, and wherever DRAGOMAN_DEV says so."""
    return os.environ.get(VARIABLE, "").strip().lower() in ("1", "true", "yes", "on")
