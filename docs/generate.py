"""Writes the pages of this directory that come from tables in the code: settings.md, limits.md and others."""

import sys
from pathlib import Path

from dragoman.cli import default_text
from dragoman.contract.rule import Rule
from dragoman.contract.rules import RULES
from dragoman.settings import GROUPS, Row, rows
from dragoman.supervisor.plan import SIGNALS

HERE = Path(__file__).parent


def pages() -> dict[str, str]:
    """File name to content."""
    return {
        "settings.md": settings_page(),
        "limits.md": limits_page(),
        "contract.md": contract_page(),
        "signals.md": signals_page(),
    }


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


def signals_page() -> str:
    """Every signal, and what it does to whom."""
    intro = (
        "# Signals\n\n<!-- Written by `make docs` from python/dragoman/supervisor/plan.py. -->\n\n"
        "To the process that was started, which with `--workers 1` and more is the supervisor. `dragoman reload`,"
        " `stop`, `scale` and `reopen` ask for the same over the control socket, and say whether it worked.\n\n"
        "| signal | supervisor | worker | `--workers 0` |\n| --- | --- | --- | --- |\n"
    )
    lines = (f"| {row.name[3:]} | {row.supervisor} | {row.worker} | {row.alone} |\n" for row in SIGNALS)
    return intro + "".join(lines)


def settings_line(row: Row) -> str:
    """One setting as a line of its group's table."""
    flags = ", ".join(f"`{flag} {row.metavar}`" for flag in row.flags) or f"`{row.metavar}`"
    doc = row.doc + (" Can be given several times." if row.is_repeatable else "")
    if row.gunicorn:
        doc += f" In gunicorn: `{row.gunicorn}`."
    cells = (flags, f"`{row.env}`", default_text(row), doc)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def limits_page() -> str:
    """Every limit with what happens past it, and the counter that tells how often."""
    intro = (
        "# Limits\n\n<!-- Written by `make docs` from python/dragoman/settings.py and docs/generate.py. -->\n\n"
        "What a client may use of time and memory, and what happens then. Each refusal is a short answer whose first"
        " word names the reason ([refusals.md](refusals.md)), followed by a lingering close, so that the answer is not"
        " lost to a reset. The log has one line for each reason and minute, with a sample client; the counters of a"
        " worker stand in its last line at `--log-level debug`.\n\n"
        "| limit | default | then | counter |\n| --- | --- | --- | --- |\n"
    )
    limits = (row for row in rows() if row.then)
    lines = (f"| `{row.flag}` | {default_text(row)} {row.unit} | {row.then} | {row.counter} |\n" for row in limits)
    fixed = (f"| {what} | {value} | {then} | {counter} |\n" for what, value, then, counter in FIXED)
    return (
        intro
        + "".join(line.replace("  |", " |") for line in lines)
        + "\n## Without a setting\n\n| limit | value | then | counter |\n| --- | --- | --- | --- |\n"
        + "".join(line.replace("  |", " |") for line in fixed)
        + RATES
    )


FIXED = (
    ("method", "32 bytes", "501", "refused"),
    ("extensions of one chunk, of all chunks of a body", "256 bytes, 16 KiB", "400", "refused"),
    ("framing bytes of a chunked body", "16 KiB + 8 × its data", "400", "refused"),
    ("read ahead of a connection", "64 KiB behind the request in the application", "the socket is not read on", ""),
    ("pipelined requests answered in one go", "16, or 64 KiB of answers", "other connections have their turn", ""),
    ("threads that wait for slow clients", "256 beside --threads", "the next one that would wait is cut", "aborted"),
    (
        "accepting without descriptors or memory",
        "a pause of 0.1 s, doubling to 1 s",
        "the backlog waits",
        "accept_pauses",
    ),
    ("connections that make room at once", "16, or a 32nd part of those that wait", "close", "evictions"),
    ("output that the kernel holds unsent", "1 MiB (TCP_NOTSENT_LOWAT)", "the rest waits in the process", ""),
    ("unacknowledged output of a vanished client", "60 s (TCP_USER_TIMEOUT)", "the connection ends", "aborted"),
    ("silence before the kernel probes a client", "60 s (TCP_KEEPIDLE)", "a vanished client is noticed", ""),
)

RATES = (
    "\n## How the rates count\n\n"
    "There is no absolute deadline for a body or an answer: a large one over a slow line takes the time that it needs."
    " A client begins with the grace; every byte earns time at the least rate, and time is spent only while the server"
    " has room, or data, and waits for the client. What can be earned ahead is bounded by the idle time. Of an answer"
    " those bytes count that the client has acknowledged, not those that the kernel has taken.\n"
)


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
