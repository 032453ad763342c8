"""The loaded application under all rules of the contract, each breach told once."""

import os
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

from dragoman import contract
from dragoman.contract import RULES, Checked, Finding
from dragoman.contract.rule import Effect
from dragoman.development.failure import tell_failure
from dragoman.loader import Loaded
from dragoman.log import Log

__all__ = ["Checking"]

# Not those about loading, which are judged already, nor those that need the same request twice.
OF_A_REQUEST = frozenset(rule.id for rule in RULES.values() if rule.cost in ("always", "deep"))
# What start_response or write raises by these is no breach of another rule as it leaves the application.
RAISING = frozenset(rule.id for rule in RULES.values() if rule.effect in (Effect.RAISE, Effect.RERAISE))
# The engine cannot see whether an exception is being handled: then it is no breach, and the exception leaves again.
JUDGED_BETTER = frozenset({"start-response-late"})
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
        if rule_id in JUDGED_BETTER:
            return
        told = self.told.get()
        if rule_id in told or (rule_id == "exception-after-start" and not RAISING.isdisjoint(told)):
            return
        where = facts.get("where")
        is_checkers = where is not None and str(where[0]).startswith(CHECKER)
        self.write(rule_id, {**facts, "application": self.loaded.application, "where": None if is_checkers else where})

    def failed(self, log: Log, environ: Mapping[str, Any], error: BaseException) -> None:
        """An exception has left the application: it is shown, unless a rule that was told of has raised it."""
        if type(error) is not AssertionError or rule_of(error) not in self.told.get():
            tell_failure(log, environ, error)


def rule_of(error: AssertionError) -> str:
    """The rule that the engine has raised this for; "" where it has not."""
    before, _, text = str(error).partition("contract: ")
    return "" if before else text.partition(":")[0]
