"""Runs one Python target over many inputs: ``python main.py environ|responses``, then libFuzzer's arguments.

Atheris steers by coverage where it is installed. Elsewhere, and with ``--random``, inputs are random, from a seed that
is printed.
"""

import argparse
import hashlib
import importlib
import os
import random
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

try:
    import atheris
except ImportError:
    atheris = None


def main() -> None:
    """Load the target, and give it inputs until the time is over. An exception is a finding."""
    name = sys.argv.pop(1)
    is_steered = atheris is not None and "--random" not in sys.argv
    # The server is native: what the targets themselves decide is what there is to steer by.
    watched = ["dragoman", "tests", "harness", name]
    loading: Any = atheris.instrument_imports(include=watched) if is_steered else nullcontext()
    with loading:
        target = importlib.import_module(name)
    if is_steered:
        # Inputs of every length from the start: there is little coverage that longer ones could wait for.
        atheris.Setup([*sys.argv, "-len_control=0"], target.one_input)
        atheris.Fuzz()
    else:
        run_randomly(target.one_input)


def run_randomly(one_input: Callable[[bytes], None]) -> None:
    """As libFuzzer does it, without its sight: the same arguments, the same words at the end."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name, default in (("max_total_time", 60), ("max_len", 400), ("seed", time.time_ns() % 2**32)):
        parser.add_argument(f"-{name}", type=int, default=default)
    parser.add_argument("--random", action="store_true")
    parser.add_argument("-artifact_prefix", default="./")
    parser.add_argument("paths", nargs="*", type=Path)
    given, _ = parser.parse_known_args()
    if files := [path for path in given.paths if path.is_file()]:
        for path in files:
            one_input(path.read_bytes())
        finish(0)
    why = "as asked for" if given.random else "for atheris is not installed"
    print(f"inputs are random, {why}: -seed={given.seed}", flush=True)
    source = random.Random(given.seed)
    until = time.monotonic() + given.max_total_time
    count = 0
    while time.monotonic() < until:
        data = source.randbytes(source.randrange(given.max_len))
        try:
            one_input(data)
        except BaseException:
            traceback.print_exc()
            place = Path(f"{given.artifact_prefix}crash-{hashlib.sha1(data).hexdigest()}")
            place.write_bytes(data)
            print(f"artifact written to {place}", flush=True)
            finish(77)
        count += 1
    print(f"stat::number_of_executed_units: {count}")
    finish(0)


def finish(status: int) -> None:
    """The server's threads are not waited for: this process is done."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
