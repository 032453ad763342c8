"""What do the parts of `dragoman.middleware` cost? ``python bench/middleware.py --help``."""

from __future__ import annotations

import argparse
import os
import sys

from harness.paths import APPS, CLIENT

sys.path.insert(0, str(APPS))


def main() -> int:
    """0: every idle part costs less than its share of a request. 1: one costs more. 2: something is missing."""
    options = _parser().parse_args()
    failed = _layers(options) if not options.only_files else False
    if options.files or options.only_files:
        if not CLIENT.exists():
            print("bench: the load client is missing; python3 bench/setup.py builds it", file=sys.stderr)
            return 2
        _files(options)
    return 1 if failed else 0


def _layers(options: argparse.Namespace) -> bool:
    """Print the cost of each part; whether one that has nothing to do costs too much."""
    from harness import layers  # noqa: PLC0415 - it imports what only this half needs

    rows = tuple(row for row in layers.ROWS if not options.rows or row.name.split(",")[0] in options.rows)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    costs, flask_us = layers.measure(rows, options.rounds, options.calls)
    print(f"A request to Flask's hello takes {flask_us:.1f} µs.\n")
    print("| part | question | µs added | of Flask's hello | |\n| --- | --- | --- | --- | --- |")
    failed = False
    for row in rows:
        cost = costs[row.name]
        is_too_much = row.is_idle and cost.share > row.most
        failed = failed or is_too_much
        bound = f"at most {row.most:.0%}" if row.is_idle else ""
        verdict = f"too much, {bound}" if is_too_much else bound
        spread = f"{cost.added_us:.2f} [{cost.least_us:.2f}–{cost.most_us:.2f}]"
        print(f"| {row.name} | {row.question} | {spread} | {cost.share:.1%} | {verdict} |")
    return failed


def _files(options: argparse.Namespace) -> None:
    """Print what files cost by each way."""
    from harness import files  # noqa: PLC0415 - it imports what only this half needs

    files.prepare()
    print()
    print("\n".join(files.table(files.measure(options.file_rounds, options.seconds))))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench/middleware.py", description=__doc__)
    parser.add_argument("rows", nargs="*", help="parts to measure, such as Static (default: all)")
    parser.add_argument("--rounds", type=int, default=15, help="rounds of all rows (default 15)")
    parser.add_argument("--calls", type=int, default=2000, help="requests of a row in a round (default 2000)")
    parser.add_argument("--files", action="store_true", help="also compare Static, WhiteNoise and nginx under servers")
    parser.add_argument("--only-files", action="store_true", help="compare these alone")
    parser.add_argument("--file-rounds", type=int, default=5, help="rounds of that comparison (default 5)")
    parser.add_argument("--seconds", type=float, default=2.0, help="seconds of one measurement in it (default 2)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
