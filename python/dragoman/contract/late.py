"""The reporter of a server: rules and messages are loaded at the first breach, since most servers never see one."""

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dragoman.contract.report import Reporter

__all__ = ["LateReporter"]


class LateReporter:
    """Takes what a `Reporter` takes, `write` and `name` as well as breaches, and makes one when there is a breach."""

    def __init__(self, write: Callable[[str, Mapping[str, object]], object], name: str) -> None:
        self.write = write
        self.name = name
        self.reporter: Reporter | None = None
        # Serving threads report at any time: what one has told of, none is to tell again.
        self.lock = threading.Lock()

    def __call__(self, rule_id: str, facts: Mapping[str, Any], /) -> None:
        """Report one breach."""
        with self.lock:
            if self.reporter is None:
                from dragoman.contract.report import Reporter  # noqa: PLC0415

                self.reporter = Reporter(self.write, self.name)
        self.reporter(rule_id, facts)

    def close(self) -> None:
        """Tell of what was counted: nothing more will come."""
        if self.reporter is not None:
            self.reporter.close()
