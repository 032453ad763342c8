"""What a rule of the contract means, with a wrong and a right example."""

import difflib
import textwrap

from dragoman.contract.rules import GROUPS, RULES
from dragoman.errors import UsageError
from dragoman.values import printable

__all__ = ["explain", "index"]

CHECKED = {
    "load": "when the application is loaded",
    "always": "on every request",
    "deep": "under --dev, by dragoman check, and by dragoman.contract.Checked",
    "check": "by dragoman check",
}
ON_REQUEST = ", where hints are asked for"


def explain(rule_id: str) -> str:
    """The page about one rule. Raises UsageError, with near names, when there is no such rule."""
    # As the message has it: "contract: body-not-bytes".
    rule_id = rule_id.removeprefix("contract:").strip()
    rule = RULES.get(rule_id)
    if rule is None:
        near = difflib.get_close_matches(rule_id, RULES, 3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "dragoman explain lists all rules"
        raise UsageError(f'explain "{printable(rule_id)}": there is no such rule; {hint}')
    return "\n".join(
        [
            rule.id,
            "",
            wrapped("Breach", without_facts(rule.said)),
            wrapped("Why", rule.why),
            wrapped("Clause", rule.clause),
            wrapped("Owed by", rule.party),
            wrapped("Checked", CHECKED[rule.cost] + (ON_REQUEST if rule.is_hint else "")),
            wrapped("Then", rule.effect.value),
            wrapped("Fix", without_facts(rule.fix)),
            "",
            *example("Wrong", rule.wrong),
            "",
            *example("Right", rule.right),
        ]
    )


def index() -> str:
    """All rules by group, one a line, with what each forbids."""
    width = max(map(len, RULES))
    groups = (
        "\n".join([f"{group}:", *(f"  {rule.id:<{width}}  {without_facts(rule.said)}" for rule in rules)])
        for group, rules in GROUPS.items()
    )
    return "\n\n".join(groups)


def without_facts(templates: tuple[str, ...]) -> str:
    return templates[-1]


def wrapped(label: str, text: str) -> str:
    return textwrap.fill(f"{label + ':':<9} {text}", 100, initial_indent="  ", subsequent_indent=" " * 12)


def example(label: str, code: str) -> list[str]:
    return [f"  {label}:", textwrap.indent(code, "      ")]
