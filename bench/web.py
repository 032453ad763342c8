"""What does `dragoman.web` cost beside bare WSGI, Falcon, Bottle, Flask and Django? ``python bench/web.py --help``."""

from __future__ import annotations

import argparse
import os
import sys

from harness.paths import APPS

sys.path.insert(0, str(APPS))


def main() -> int:
    """0: measured, and each claim holds. 1: one does not. 2: something is missing."""
    options = _parser().parse_args()
    from harness import frameworks  # noqa: PLC0415 - it imports all of them

    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    if options.instructions:
        table, failed = _instructions()
    elif options.server:
        table, failed = frameworks.under_dragoman(options.rounds, options.seconds)
    else:
        table, failed = frameworks.in_process(options.rounds, options.calls)
    print("\n".join(table))
    for claim in failed:
        print(f"FAILED: {claim}")
    return 1 if failed else 0


def _instructions() -> tuple[list[str], list[str]]:
    """Instructions of a request under Dragoman: a table, and the claims that do not hold."""
    import instructions  # noqa: PLC0415 - the script beside this one
    from harness import frameworks, peers  # noqa: PLC0415

    peer = peers.load()[peers.OURS]
    costs = {
        (question.name, framework): instructions.counted(peer, frameworks.workload_of(framework, question), 1000, 6000)
        for question in frameworks.QUESTIONS
        for framework in question.frameworks
    }
    return frameworks.judged(costs, "instructions under Dragoman", 0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench/web.py", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="interleaved rounds (default 15)")
    parser.add_argument("--calls", type=int, default=2000, help="requests of one framework in a round (default 2000)")
    parser.add_argument("--seconds", type=float, default=0.5, help="length of one measurement under Dragoman")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--server", action="store_true", help="CPU time of all of it under Dragoman instead")
    which.add_argument("--instructions", action="store_true", help="instructions by callgrind under Dragoman instead")
    return parser


if __name__ == "__main__":
    sys.exit(main())
