"""What a checker has found: one breach, with all that is known of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dragoman.contract.places import Place
from dragoman.contract.report import first_complete, render, without_secrets, words_of
from dragoman.contract.rules import RULES

__all__ = ["ContractBreach", "Finding", "finding"]


@dataclass(frozen=True)
class Finding:
    """One breach of the contract; ``str()`` is the message that explains it.

    rule      id of the rule, as ``dragoman explain`` takes it
    party     ``"application"``, ``"middleware"`` or ``"server"``: who has broken it
    layer     what the checker that found it is wrapped around, ``"module:qualname"``; of a middleware that has called
              that wrongly, the middleware
    where     (file, line, qualified name), the nearest place that can honestly be named; None where there is none
    value     the offending value, shortened, credentials masked; None where there is none
    why, fix  sentences
    request   ``"GET /path"``
    hint      legal, but worth a word
    """

    rule: str
    party: str
    layer: str
    where: Place | None
    value: str | None
    why: str
    fix: str
    request: str
    hint: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __str__(self) -> str:
        return render(self.rule, self.facts, self.layer)


class ContractBreach(AssertionError):
    """A breach of a rule that `Checked` was asked to raise for; `finding` has it."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(str(finding))
        self.finding = finding


def finding(rule_id: str, party: str, layer: str, facts: Mapping[str, Any]) -> Finding:
    """The finding that these facts are.

    facts   as `report.render` takes them: method, path, application, where, value, …
    """
    rule = RULES[rule_id]
    facts = without_secrets(rule_id, facts)
    words = words_of(facts, layer)
    request = " ".join(str(facts[key]) for key in ("method", "path") if facts.get(key))
    return Finding(
        rule_id,
        party,
        layer,
        facts.get("where"),
        facts.get("value"),
        rule.why,
        first_complete(rule.fix, words),
        request,
        rule.is_hint,
        {**facts, "party": party},
    )
