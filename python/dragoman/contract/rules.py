"""The rules of the contract as one table: a message about a breach is found here by its id."""

from collections.abc import Mapping

from dragoman.contract.rule import Rule
from dragoman.contract.rules_body import BODY_RULES
from dragoman.contract.rules_environ import ENVIRON_RULES
from dragoman.contract.rules_headers import HEADER_RULES
from dragoman.contract.rules_layers import LAYER_RULES
from dragoman.contract.rules_start import START_RULES

__all__ = ["GROUPS", "RULES", "Rule"]

GROUPS: Mapping[str, tuple[Rule, ...]] = {
    "Status and headers": (*START_RULES, *HEADER_RULES),
    "Application and body": BODY_RULES,
    "Environ and streams": ENVIRON_RULES,
    "Layers": LAYER_RULES,
}
RULES: Mapping[str, Rule] = {rule.id: rule for rules in GROUPS.values() for rule in rules}
