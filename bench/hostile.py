"""The attacks of ``tests/hostile`` at several servers: how long a normal new client waits for its answer meanwhile."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from harness import peers as peer_table
from harness.paths import OUT, PEERS, ROOT, VENV
from harness.peers import HOST, Peer
from harness.process import Server, ServerFailed, end_by_exception, free_port

sys.path.insert(0, str(ROOT))  # the attacks are the tests' own

from tests.hostile.attacks import ATTACKS, Attack
from tests.hostile.yardstick import ANSWER_S, Onslaught, Prober

APP = "tests.hostile.apps_hostile:app"
SERVERS = ("dragoman", "bjoern", "granian", "gunicorn-gthread", "waitress")
PAGE = ROOT / "docs" / "hostile.md"
BEGIN, END = "<!-- Written by bench/hostile.py. -->", "<!-- End of what bench/hostile.py writes. -->"
STOP_S = 2.0
"""After TERM; what is under attack may have much to finish."""


@dataclass(frozen=True)
class Outcome:
    """What the normal client saw during one attack at one server."""

    worst_s: float | None
    answers: int
    failures: int
    in_place: float
    """Share of the attack's clients that got to do what it is about."""

    def cell(self) -> str:
        """For the table."""
        if self.failures or self.worst_s is None:
            return f"no answer to {self.failures} of {self.failures + self.answers}"
        return f"{self.worst_s * 1000:,.0f}"


def main() -> int:
    """0: the table is printed. 2: it could not be measured."""
    end_by_exception()
    options = _parser().parse_args()
    known = peer_table.load(Path(options.peers))
    names = options.servers.split(",")
    attacks = [ATTACKS[name] for name in options.attacks.split(",")] if options.attacks else list(ATTACKS.values())
    servers, missing = [], [f"{name} (not in {Path(options.peers).name})" for name in names if name not in known]
    for name in (name for name in names if name in known):
        peer = known[name].in_venv(name, Path(options.venv))
        version = peer.installed_version()
        if version:
            servers.append((peer, version))
        else:
            missing.append(f"{name} (not installed in {peer.venv.name})")
    for reason in missing:
        print(f"MISSING: {reason}", file=sys.stderr)
    if not servers:
        print("bench: no server is installed; run python3 bench/setup.py", file=sys.stderr)
        return 2
    print(f"about {len(servers) * len(attacks) * (options.seconds + 2) / 60:.0f} minutes", file=sys.stderr)
    outcomes = {}
    for attack in attacks:
        for peer, _ in servers:
            outcome = outcomes[attack.name, peer.name] = _measure(peer, attack, options.seconds)
            said = outcome if isinstance(outcome, str) else f"{outcome.cell()}  ({outcome.in_place:.0%} in place)"
            print(f"{attack.name:<22}{peer.name:<18}{said}", file=sys.stderr, flush=True)
    text = _report(servers, missing, attacks, outcomes, options.seconds)
    OUT.mkdir(parents=True, exist_ok=True)
    target = OUT / f"hostile-{time.strftime('%Y%m%d-%H%M%S')}.md"
    target.write_text(text)
    if options.write_docs:
        page = PAGE.read_text()
        before, _, rest = page.partition(BEGIN)
        written, _, after = rest.partition(END)
        shown = text if len(attacks) == len(ATTACKS) else _with_rows_of(text, written.strip() + "\n")
        PAGE.write_text(before + BEGIN + "\n\n" + shown + "\n" + END + after)
    print(text)
    print(f"written to {target}", file=sys.stderr)
    return 0


def _measure(peer: Peer, attack: Attack, seconds: float) -> Outcome | str:
    """A fresh server, and a normal client that gives up each answer long before the attack ends."""
    port = free_port()
    command = peer.arguments(APP, port, is_waiting=True)
    environ = {"PYTHONPATH": str(ROOT)}
    try:
        with (
            Server(f"hostile-{peer.name}", command, port, environ=environ, stop_timeout_s=STOP_S),
            Prober((HOST, port)) as prober,
            Onslaught((HOST, port), attack.name) as onslaught,
        ):
            time.sleep(seconds)
    except ServerFailed as error:
        return f"failed: {str(error).splitlines()[0]}"
    worst_s = max(prober.seconds) if prober.seconds else None
    account = onslaught.account
    return Outcome(worst_s, len(prober.seconds), len(prober.failures), account.in_place / account.wanted)


def _report(
    servers: list[tuple[Peer, str]],
    missing: list[str],
    attacks: list[Attack],
    outcomes: dict[tuple[str, str], Outcome | str],
    seconds: float,
) -> str:
    """Markdown."""
    lines = [
        "The longest time in ms that a normal new client waited for its answer, each attack at a fresh server for",
        f"{seconds:g} s. *No answer to n of m*: so many of its requests had no right answer within {ANSWER_S:g} s.",
        f"The server, the attack and other work shared {os.cpu_count()} processors, so tens of ms say nothing.",
        f"Linux {platform.release()}, Python {platform.python_version()}.",
        "",
        "| attack | " + " | ".join(peer.name for peer, _ in servers) + " |",
        "| --- |" + " ---: |" * len(servers),
    ]
    for attack in attacks:
        cells = [outcomes[attack.name, peer.name] for peer, _ in servers]
        shown = [cell if isinstance(cell, str) else cell.cell() for cell in cells]
        lines.append(f"| {attack.name} | {' | '.join(shown)} |")
    lines += ["", "| server | version | settings |", "| --- | --- | --- |"]
    for peer, version in servers:
        program, *words = peer.arguments(APP, 8000, is_waiting=True)
        command = " ".join([Path(program).name, *words]).replace(f"{ROOT}/", "")
        lines.append(f"| {peer.name} | {version} | `{command}` |")
    lines += [f"\nMissing: {', '.join(missing)}."] if missing else []
    return "\n".join(lines) + "\n"


def _with_rows_of(text: str, written: str) -> str:
    """What was written, with the rows of the attacks that were measured now. SystemExit: it has other servers."""
    head = _table_head(written)
    if _table_head(text) != head:
        raise SystemExit(f"bench: {PAGE.name} compares other servers ({head}): measure every attack, or give --servers")
    rows = _rows(written) | _rows(text)
    ordered = [rows[name] for name in ATTACKS if name in rows]
    kept = [line for line in written.splitlines() if line not in _rows(written).values()]
    at = kept.index(head) + 2  # behind the head and its line of dashes
    return "\n".join(kept[:at] + ordered + kept[at:]) + "\n"


def _table_head(text: str) -> str:
    return next((line for line in text.splitlines() if line.startswith("| attack |")), "")


def _rows(text: str) -> dict[str, str]:
    """The table's row of each attack."""
    cells = {line: line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")}
    return {name: line for line, name in cells.items() if name in ATTACKS}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench/hostile.py", description=__doc__)
    parser.add_argument("--servers", default=",".join(SERVERS), help=f"default: {','.join(SERVERS)}")
    parser.add_argument("--attacks", help="names from tests/hostile/attacks.py, separated by commas (default: all)")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each attack (default 5)")
    parser.add_argument(
        "--venv", default=str(VENV), help="the environment that the servers are in (default bench/.venv)"
    )
    parser.add_argument("--peers", default=str(PEERS), help="another table of servers")
    parser.add_argument(
        "--write-docs",
        action="store_true",
        help="also write the table into docs/hostile.md; with --attacks their rows alone",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
