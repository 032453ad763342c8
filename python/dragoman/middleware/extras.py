"""Says which extra brings a library that a part needs and this environment lacks."""

from __future__ import annotations

__all__ = ["lacking"]


def lacking(part: str, library: str, extra: str) -> ImportError:
    """The error to raise: ``raise lacking("RedisStore", "redis", "redis") from error``."""
    return ImportError(f"{part} needs {library}; pip install 'dragoman[{extra}]' brings it", name=library)
