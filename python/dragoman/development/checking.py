"""The loaded application under all rules of the contract, each breach reported once."""

import os
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

from dragoman import contract
from dragoman.contract import RULES, Checked, Finding
from dragoman.loader import Loaded

__all__ = ["Checking"]

# Not those about loading, which are judged already, nor those that need the same request twice.
OF_A_REQUEST = frozenset(rule.id for rule in RULES.values() if rule.cost in ("always", "deep"))
CHECKER = os.path.dirname(os.path.abspath(contract.__file__)) + os.sep


class Checking:
    """`application` is what `loaded` has, checked; `report` takes what the engine reports beside that.

    The engine checks the rules that are always on, too, but sees only the checker's functions where the application's
    are meant: what the checker has told of a request is left out of its reports.
    """

    def __init__(self, loaded: Loaded, write: Callable[[str, Mapping[str, Any]], object]) -> None:
        self.loaded = loaded
        self.write = write
        # A request runs in a context of its own.
        self.told: ContextVar[frozenset[str]] = ContextVar("dragoman.told", default=frozenset())
        self.application = Checked(loaded.application, self.found, only=OF_A_REQUEST, name=loaded.name)

    def found(self, finding: Finding) -> None:
        """The checker has found a breach."""
        self.told.set(self.told.get() | {finding.rule})
        self.write(finding.rule, finding.facts)

    def report(self, rule_id: str, facts: Mapping[str, Any], /) -> None:
        """The engine has found a breach."""
        if rule_id in self.told.get():
            return
        where = facts.get("where")
        is_checkers = where is not None and str(where[0]).startswith(CHECKER)
        self.write(rule_id, {**facts, "application": self.loaded.application, "where": None if is_checkers else where})
