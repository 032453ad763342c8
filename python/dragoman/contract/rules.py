"""The rules of the contract as one table: a message about a breach is found here by its id."""

from collections.abc import Mapping

from dragoman.contract.rule import Rule
from dragoman.contract.rules_body import BODY_RULES
from dragoman.contract.rules_environ import ENVIRON_RULES
from dragoman.contract.rules_head import HEAD_RULES
from dragoman.contract.rules_layers import LAYER_RULES

__all__ = ["RULES", "Rule"]

RULES: Mapping[str, Rule] = {rule.id: rule for rule in (*HEAD_RULES, *BODY_RULES, *ENVIRON_RULES, *LAYER_RULES)}
