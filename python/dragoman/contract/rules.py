"""The rules of the contract as one table: a message about a breach is found here by its id."""

from collections.abc import Mapping

from dragoman.contract.rule import Rule
from dragoman.contract.rules_body import BODY_RULES
from dragoman.contract.rules_environ import ENVIRON_RULES
from dragoman.contract.rules_head import HEAD_RULES
from dragoman.contract.rules_layers import LAYER_RULES

__all__ = ["GROUPS", "RULES", "Rule"]

GROUPS: Mapping[str, tuple[Rule, ...]] = {
    "Status and headers": HEAD_RULES,
    "Application and body": BODY_RULES,
    "Environ and streams": ENVIRON_RULES,
    "Layers": LAYER_RULES,
}
RULES: Mapping[str, Rule] = {rule.id: rule for rules in GROUPS.values() for rule in rules}
