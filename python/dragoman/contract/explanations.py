"""What a rule of the contract means, with a wrong and a right example."""

import difflib
import re
import textwrap
from collections.abc import Iterable

from dragoman.contract.rule import Rule
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
HINT = "a hint, by dragoman check --hints and dragoman.contract.Checked(app, hints=True)"


# The words of what is asked for, and those that say nothing.
WORD = re.compile(r"\w+(?:\.\w+)*")
FILLERS = frozenset(["contract", "rule", "clause", "section", "sections"])


def explain(asked: str) -> str:
    """The page about a rule, by its id in any spelling; of several that have the words in their ids or clauses, a list.

    asked   ``body-is-str``, ``BODY_IS_STR``, ``not-bytes``, ``RFC 9110 section 5.5``
    Raises UsageError, with near names, when there is no such rule.
    """
    words = [word for word in WORD.findall(asked.lower().replace("_", "-")) if word not in FILLERS]
    rule_id = "-".join(words)
    rule = RULES.get(rule_id)
    if rule is not None:
        return page(rule)
    found = [rule for rule in RULES.values() if words and words_of(rule).issuperset(words)]
    if found:
        return page(found[0]) if len(found) == 1 else listed(found)
    near = difflib.get_close_matches(rule_id, RULES, 3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "dragoman explain lists all rules"
    raise UsageError(f'explain "{printable(asked)}": there is no such rule; {hint}')


def words_of(rule: Rule) -> frozenset[str]:
    """The words of its id and of its clause."""
    return frozenset(WORD.findall(f"{rule.id} {rule.clause}".lower()))


def page(rule: Rule) -> str:
    """What the rule means."""
    return "\n".join(
        [
            rule.id,
            "",
            wrapped("Breach", without_facts(rule.said)),
            wrapped("Why", rule.why),
            wrapped("Clause", rule.clause),
            wrapped("Owed by", rule.party),
            wrapped("Checked", when_checked(rule)),
            wrapped("Dragoman", rule.effect.value),
            wrapped("Fix", without_facts(rule.fix)),
            "",
            *example("Wrong", rule.wrong),
            "",
            *example("Right", rule.right),
        ]
    )


def when_checked(rule: Rule) -> str:
    """By what, and when."""
    return HINT if rule.is_hint else CHECKED[rule.cost]


def index() -> str:
    """All rules by group, one a line, with what each forbids."""
    return "\n\n".join(f"{group}:\n{listed(rules)}" for group, rules in GROUPS.items())


def listed(rules: Iterable[Rule]) -> str:
    width = max(map(len, RULES))
    return "\n".join(
        f"  {rule.id:<{width}}  {without_facts(rule.said)}{' (a hint)' if rule.is_hint else ''}" for rule in rules
    )


def without_facts(templates: tuple[str, ...]) -> str:
    return templates[-1]


def wrapped(label: str, text: str) -> str:
    return textwrap.fill(f"{label + ':':<9} {text}", 100, initial_indent="  ", subsequent_indent=" " * 12)


def example(label: str, code: str) -> list[str]:
    return [f"  {label}:", textwrap.indent(code, "      ")]
