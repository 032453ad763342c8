"""Writes the pages of this directory that come from tables in the code: settings.md and contract.md."""

import sys
from pathlib import Path

from dragoman.cli import default_text
from dragoman.contract.rule import Rule
from dragoman.contract.rules import RULES
from dragoman.settings import GROUPS, Row, rows

HERE = Path(__file__).parent


def pages() -> dict[str, str]:
    """File name to content."""
    return {"settings.md": settings_page(), "contract.md": contract_page()}


def settings_page() -> str:
    """Every setting by group: flag, variable, default, and what it does."""
    parts = [
        "# Settings\n\n<!-- Written by `make docs` from python/dragoman/settings.py. -->\n\n"
        "A setting is a flag of the command line or a variable of the environment; the flag wins. A flag that is given"
        " twice counts with its last value, those that say so collect all of them; in a variable several values stand"
        " apart by blanks, quoted as in a shell. A variable that is empty counts as not set.\n"
    ]
    for group in GROUPS:
        parts.append(f"\n## {group}\n\n| setting | variable | default | meaning |\n| --- | --- | --- | --- |\n")
        parts += [settings_line(row) for row in rows() if row.group == group]
    return "".join(parts)


def settings_line(row: Row) -> str:
    """One setting as a line of its group's table."""
    flags = ", ".join(f"`{flag} {row.metavar}`" for flag in row.flags) or f"`{row.metavar}`"
    doc = row.doc + (" Can be given several times." if row.is_repeatable else "")
    if row.gunicorn:
        doc += f" In gunicorn: `{row.gunicorn}`."
    cells = (flags, f"`{row.env}`", default_text(row), doc)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def contract_page() -> str:
    """Every rule: what is checked, what follows, why, and a wrong and a right example."""
    intro = (
        "# The rules of the WSGI contract\n\n<!-- Written by `make docs` from python/dragoman/contract/. -->\n\n"
        "What a message that begins with `contract:` means. Each breach is explained once for each place in the code;"
        " where the client gets an error for it, or too little, each further one is a line that says `again`.\n"
    )
    return intro + "".join(contract_section(rule) for rule in RULES.values())


def contract_section(rule: Rule) -> str:
    """One rule with its examples."""
    return (
        f"\n## {rule.id}\n\n{rule.said[-1]} {rule.why} ({rule.clause})\n\n"
        f"Owed by: {rule.party}. Then: {rule.effect.value}. Fix: {rule.fix[-1]}.\n\n"
        f"Wrong:\n\n```python\n{rule.wrong}\n```\n\nRight:\n\n```python\n{rule.right}\n```\n"
    )


if __name__ == "__main__":
    for name, content in pages().items():
        (HERE / name).write_text(content, encoding="utf-8")
        print(f"wrote docs/{name}", file=sys.stderr)
