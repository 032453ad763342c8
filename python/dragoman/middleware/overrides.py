"""Options that differ by path: a part's own arguments again, for a prefix, each checked as the part checks its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from dragoman.middleware.paths import PathTable, path_of
from dragoman.types import Environ

__all__ = ["ByPath"]

Made = TypeVar("Made")


class ByPath(Generic[Made]):
    """What `make` makes of `options`, and of them with those of a prefix in their place; None where nothing is done.

    Raises ValueError that names the prefix.
    """

    def __init__(
        self, options: Mapping[str, Any], make: Callable[..., Made], rows: Mapping[str, Mapping[str, Any] | None] | None
    ) -> None:
        self.default: Made | None = make(**options)
        made: dict[str, Made | None] = {}
        for prefix, changes in (rows or {}).items():
            if changes is None:
                made[prefix] = None
                continue
            refuse_unknown(prefix, changes, options)
            try:
                made[prefix] = make(**{**options, **changes})
            except (TypeError, ValueError) as error:
                raise ValueError(f"by_path: {prefix}: {error}") from None
        self.table = PathTable(made, "by_path")

    def of(self, environ: Environ) -> Made | None:
        """What holds for the path of a request."""
        if not self.table:
            return self.default
        found: Made | None = self.table.find(path_of(environ), self.default)
        return found


def refuse_unknown(prefix: str, changes: object, options: Mapping[str, Any]) -> None:
    wanted = ", ".join(options)
    if not isinstance(changes, Mapping):
        raise ValueError(f"by_path: {prefix}: want options by name, of {wanted}; got {changes!r}")
    if unknown := set(changes) - set(options):
        raise ValueError(
            f"by_path: {prefix}: want options by name, of {wanted}; got {', '.join(sorted(map(str, unknown)))}"
        )
