"""Builds every fuzz target and runs it for a bounded time: a line each, and what to do with what it finds."""

import argparse
import functools
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT))

from tests.support.corpus import cases  # noqa: E402

ARTIFACTS = HERE / "artifacts"
COVERAGE = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
]
CARGO_BUILD = ["cargo", "build", "--quiet", "--locked", "--release"]
# The sanitizer's flag is unstable: RUSTC_BOOTSTRAP lets the stable compiler take it.
BUILD_ENVIRONMENT = {
    "RUSTC_BOOTSTRAP": "1",
    "RUSTFLAGS": " ".join(["-Zsanitizer=address", *COVERAGE, "-Cdebug-assertions", "--cfg", "fuzzing"]),
}


@dataclass(frozen=True)
class Target:
    """A program of `targets/`, with the longest input that is worth its time."""

    name: str
    max_len: int = 2048
    seeds: str = "messages"


TARGETS = [
    Target("head"),
    Target("chunked", seeds="bodies"),
    Target("connection"),
    Target("engine", max_len=1024),
    Target("response_head", max_len=1024, seeds="none"),
    Target("host_target", max_len=512, seeds="lines"),
]
PYTHON_TARGETS = ["environ", "responses"]


@dataclass
class Outcome:
    """What a run came to, as libFuzzer says it at its end."""

    executions: int = 0
    coverage: str = "-"
    status: int = 0
    inputs: list[Path] = field(default_factory=list)


def main() -> int:
    """Run the targets that are named, or all; 1 when one of them found something."""
    parser = argparse.ArgumentParser(description=__doc__)
    names = [target.name for target in TARGETS] + PYTHON_TARGETS
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"some of {', '.join(names)}; without: all")
    parser.add_argument("--seconds", type=int, default=60, help="time for each target (60)")
    arguments = parser.parse_args()
    if unknown := set(arguments.targets) - set(names):
        parser.error(f"there is no target {', '.join(sorted(unknown))}")
    wanted = arguments.targets or names
    write_seeds()
    native = [target for target in TARGETS if target.name in wanted]
    directory = build([target.name for target in native]) if native else HERE
    has_findings = False
    for target in native:
        has_findings |= report(target.name, run_native(directory / target.name, target, arguments.seconds))
    python = [name for name in PYTHON_TARGETS if name in wanted]
    sanitized = build_sanitized_package() if python else {}
    for name in python:
        has_findings |= report(f"python/{name}", run_python(name, arguments.seconds))
        if sanitized:
            has_findings |= report(f"python/{name} asan", run_python(name, arguments.seconds, sanitized))
    return int(has_findings)


def build(names: list[str]) -> Path:
    """The directory with the programs. An explicit target keeps the sanitizer out of build scripts."""
    command = [*CARGO_BUILD, "--target", host_triple()]
    command += [f"--bin={name}" for name in names]
    subprocess.run(command, cwd=HERE, env={**os.environ, **BUILD_ENVIRONMENT}, check=True)
    return built_in() / host_triple() / "release"


@functools.cache
def host_triple() -> str:
    """The compiler's own target, such as "x86_64-unknown-linux-gnu"."""
    compiler = subprocess.run(["rustc", "-vV"], cwd=HERE, capture_output=True, text=True, check=True).stdout
    return compiler.split("host: ")[1].split()[0]


def built_in() -> Path:
    """Cargo's target directory."""
    return Path(os.environ.get("CARGO_TARGET_DIR", HERE / "target"))


def build_sanitized_package() -> dict[str, str]:
    """The environment in which Python takes a native module with AddressSanitizer; empty where there is no runtime."""
    found = subprocess.run(["cc", "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
    runtime = Path(found.stdout.strip())
    if not runtime.is_absolute():
        print("fuzz: there is no libasan.so: the Python targets run without AddressSanitizer", file=sys.stderr)
        return {}
    directory = built_in() / "python"
    environment = {"RUSTC_BOOTSTRAP": "1", "RUSTFLAGS": "-Zsanitizer=address -Cdebug-assertions"}
    # Quick to build: it is built for this alone.
    profile = {"OPT_LEVEL": "1", "LTO": "off", "CODEGEN_UNITS": "16"}
    environment |= {f"CARGO_PROFILE_RELEASE_{key}": value for key, value in profile.items()}
    environment |= {"PYO3_PYTHON": sys.executable, "CARGO_TARGET_DIR": str(directory)}
    command = [*CARGO_BUILD, "--target", host_triple(), "--package", "dragoman-python"]
    subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, check=True)
    package = directory / "package" / "dragoman"
    shutil.rmtree(package, ignore_errors=True)
    shutil.copytree(ROOT / "python" / "dragoman", package, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    shutil.copy(directory / host_triple() / "release" / "lib_native.so", package / "_native.so")
    # The interpreter's own allocator would hide its objects from the sanitizer, and what it keeps for ever is no leak.
    preload = {"LD_PRELOAD": str(runtime), "PYTHONMALLOC": "malloc", "ASAN_OPTIONS": "detect_leaks=0"}
    return {**preload, "PYTHONPATH": str(package.parent)}


def write_seeds() -> None:
    """The corpus of the tests as inputs: whole messages, chunked bodies, hosts and targets."""
    seeds = HERE / "corpus-seed"
    shutil.rmtree(seeds, ignore_errors=True)
    for kind in ("messages", "bodies", "lines", "none"):
        (seeds / kind).mkdir(parents=True)
    messages = {case.name: case.message for kind in ("accept", "reject") for case in cases(kind)}
    follower = messages["simple-get"]
    for name, message in messages.items():
        write(seeds / "messages" / name, message)
        write(seeds / "messages" / f"{name}-followed", message + follower)
        head, _, body = message.partition(b"\r\n\r\n")
        if b"chunked" in head and body:
            write(seeds / "bodies" / name, body)
        for number, line in enumerate(re.findall(rb"(?:^\S+ |^Host: *)([^\r\n]*?)(?: HTTP/1\.\d)?\r\n", head, re.M)):
            write(seeds / "lines" / f"{name}-{number}", line)


def write(path: Path, data: bytes) -> None:
    """Keeps what is no longer than an input may be: the limits of the head have targets with small ones."""
    if len(data) <= Target.max_len:
        path.write_bytes(data)


def run_native(program: Path, target: Target, seconds: int) -> Outcome:
    """One target under libFuzzer. What it has learnt stays in `corpus/`, so that the next run begins there."""
    learnt = HERE / "corpus" / target.name
    command = [
        str(program),
        f"-max_total_time={seconds}",
        f"-max_len={target.max_len}",
        f"-dict={HERE / 'http1.dict'}",
        *limits_of(target.name),
        str(learnt),
        str(HERE / "corpus-seed" / target.seeds),
    ]
    learnt.mkdir(parents=True, exist_ok=True)
    return run(command, target.name)


def limits_of(name: str) -> list[str]:
    """What libFuzzer takes for a finding besides a crash, and where it leaves the input."""
    place = ARTIFACTS / name
    place.mkdir(parents=True, exist_ok=True)
    return ["-timeout=60", "-rss_limit_mb=2048", "-print_final_stats=1", f"-artifact_prefix={place}/"]


def run_python(name: str, seconds: int, sanitized: dict[str, str] | None = None) -> Outcome:
    """One target of `python/`, with the interpreter that runs this, in which the package is installed.

    sanitized   the environment for a native module with AddressSanitizer; Atheris sees nothing then, inputs are random
    """
    place = f"python-{name}"
    learnt = HERE / "corpus" / place
    learnt.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(HERE / "python" / "main.py"), name, f"-max_total_time={seconds}", "-max_len=2048"]
    if sanitized:
        return run([*command, "--random", *limits_of(f"{place}-asan")], f"{place}-asan", sanitized)
    return run([*command, *limits_of(place), str(learnt)], place)


def run(command: list[str], name: str, environment: dict[str, str] | None = None) -> Outcome:
    """Runs a fuzzer to its end; its log is kept beside the inputs that it found."""
    place = ARTIFACTS / name
    before = set(place.iterdir())
    log = place / "log.txt"
    variables = {**os.environ, **(environment or {})}
    with log.open("wb") as output:
        ended = subprocess.run(command, cwd=ROOT, env=variables, stdout=output, stderr=subprocess.STDOUT, check=False)
    text = log.read_text(errors="replace")
    executions = re.findall(r"stat::number_of_executed_units: (\d+)", text) or re.findall(r"^#(\d+)", text, re.M) or [0]
    coverage = re.findall(r"cov: (\d+) ft: (\d+)", text)
    inputs = sorted(set(place.iterdir()) - before - {log})
    return Outcome(int(executions[-1]), " / ".join(coverage[-1]) if coverage else "-", ended.returncode, inputs)


def report(name: str, outcome: Outcome) -> bool:
    """Prints the line of a target, and the way from a finding to a case of the corpus. Whether there is one."""
    is_finding = outcome.status != 0
    verdict = "FINDING" if is_finding else "no finding"
    edges = f"edges / features {outcome.coverage}"
    print(f"{name:22} {outcome.executions:>10} executions   {edges:32} {verdict}", flush=True)
    if is_finding:
        place = ARTIFACTS / name.replace("/", "-").replace(" ", "-")
        print(f"  what it says: {place / 'log.txt'}")
        for path in outcome.inputs:
            print(f"  the input:    {path}")
            print(f"    {path.read_bytes()[:200]!r}")
        print("  next: fuzz/README.md, “From a finding to a case of the corpus”")
    return is_finding


if __name__ == "__main__":
    sys.exit(main())
