"""Does `dragoman.contract.Checked` cost less than a third of `wsgiref.validate`? ``python bench/checked.py --help``."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from harness import callgrind
from harness.paths import APPS, LAUNCH

SHARE_AT_MOST = 1 / 3
OURS, THEIRS = "dragoman.contract.Checked", "wsgiref.validate"
TIMEOUT_S = 600


def main() -> int:
    """0: it costs less. 1: it does not. 2: something is missing."""
    options = _parser().parse_args()
    if shutil.which("valgrind") is None:
        print("bench: valgrind is missing (Debian: apt-get install valgrind)", file=sys.stderr)
        return 2
    bare = _instructions("none", options)[0]
    added = {}
    for checker in (OURS, THEIRS):
        total, rows = _instructions(checker, options)
        added[checker] = total - bare
        print(f"{checker}: {added[checker]:,.0f} instructions for each request, beside {bare:,.0f} without a checker")
        for count, function, object_file in rows[: options.functions]:
            print(f"  {count:10,.1f}  {function[:90]}  [{Path(object_file).name}]")
    share = added[OURS] / added[THEIRS]
    print(f"{OURS} costs {share:.3f} of {THEIRS}; it is to be less than {SHARE_AT_MOST:.3f}")
    return 0 if share < SHARE_AT_MOST else 1


def _instructions(checker: str, options: argparse.Namespace) -> tuple[float, list[tuple[float, str, str]]]:
    """Instructions of one request, and by function: the difference of two runs, in which the start drops out."""
    low, high = (_profile(checker, count) for count in (options.low, options.high))
    requests = options.high - options.low
    return (high.total() - low.total()) / requests, callgrind.difference(high, low, requests)


def _profile(checker: str, count: int) -> callgrind.Profile:
    with tempfile.TemporaryDirectory(prefix="bench-checked-") as directory:
        out = Path(directory) / "out"
        program = [sys.executable, str(LAUNCH / "checked_calls.py"), checker, str(count)]
        command = ["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={out}", *program]
        environ = {**os.environ, "PYTHONHASHSEED": "0"}
        subprocess.run(command, cwd=APPS, env=environ, timeout=TIMEOUT_S, check=True)
        return callgrind.read([out])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench/checked.py", description=__doc__)
    parser.add_argument("--low", type=int, default=200, help="requests of the shorter run (default 200)")
    parser.add_argument("--high", type=int, default=1200, help="requests of the longer run (default 1200)")
    parser.add_argument("--functions", type=int, default=0, help="show this many functions of each (default 0)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
