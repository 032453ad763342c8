"""Reads an application of `dragoman.web`, of which this room imports nothing."""

from __future__ import annotations

from typing import Any

from dragoman.loader import is_web

__all__ = ["tables_of"]


def tables_of(application: Any) -> Any:
    """What it answers by, decided now if it was not before; None of another application, and where it cannot be."""
    if not is_web(application):
        return None
    try:
        return application.freeze()
    except Exception:  # rules that contradict each other, say: each request then says which
        return None
