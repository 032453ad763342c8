"""Runs the frameworks' own tests and examples between checkers: a false alarm is a fault here.

It downloads, and takes about a quarter of an hour; nothing of it is part of `make test`.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dragoman.values import counted
from tests.foreign.clients import foreign_apps
from tests.foreign.suites import EXTRAS, KNOWN, SUITES, Suite
from tests.support.server import REPOSITORY, Server
from tests.support.wire import ConnectionEnded, Wire, chunked_request_bytes, request_bytes

CLIENTS = Path(__file__).resolve().parent / "clients"
SUITE_S = 1800
# Of an example with thousands of routes the first requests are enough.
REQUESTS_AT_MOST = 1500


@dataclass
class Result:
    """What came of one framework's tests, or of its examples."""

    tests: int = 0
    requests: int = 0
    of_client: int = 0
    known: Counter[str] = field(default_factory=Counter)
    alarms: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.foreign", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="FRAMEWORK", help="only these")
    parser.add_argument("--directory", type=Path, help="where to keep what was downloaded; by default nowhere")
    parser.add_argument(
        "--source", action="append", default=[], metavar="NAME=DIRECTORY", help="sources that are there"
    )
    options = parser.parse_args()
    if wrong := set(options.names) - {suite.name for suite in SUITES}:
        parser.error(f"{', '.join(sorted(wrong))}: want some of {', '.join(dict.fromkeys(one.name for one in SUITES))}")
    with contextlib.ExitStack() as stack:
        directory = options.directory or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dragoman-")))
        given = dict(text.split("=", 1) for text in options.source)
        workshop = Workshop(directory.resolve(), {name: Path(path).resolve() for name, path in given.items()})
        names = options.names or list(dict.fromkeys(suite.name for suite in SUITES))
        workshop.install()
        results = {}
        for name in names:
            workshop.unpack(next(suite for suite in SUITES if suite.name == name))
            results[name, "tests"] = workshop.run_tests([suite for suite in SUITES if suite.name == name])
            results[name, "examples"] = workshop.run_examples(name)
    print(table(results))
    sys.exit(any(result.alarms for result in results.values()))


@dataclass
class Workshop:
    """A directory with the installed frameworks, and their sources."""

    directory: Path
    given: dict[str, Path]

    def __post_init__(self) -> None:
        self.site = self.directory / "site"
        self.sources = self.directory / "sources"
        self.sources.mkdir(parents=True, exist_ok=True)

    def install(self) -> None:
        """Everything that is imported, in these versions."""
        if not self.site.exists():
            pinned = sorted({f"{suite.name}=={suite.version}" for suite in SUITES})
            pip("install", "--quiet", "--target", str(self.site), *pinned, *EXTRAS)

    def unpack(self, suite: Suite) -> None:
        """The sources of a framework, with its tests."""
        place = self.sources / suite.name
        if place.exists():
            return
        if suite.name in self.given:
            shutil.copytree(self.given[suite.name], place)
        elif suite.repository:
            command = [
                "git",
                "clone",
                "--quiet",
                "--depth",
                "1",
                "--branch",
                suite.version,
                suite.repository,
                str(place),
            ]
            subprocess.run(command, check=True, timeout=300)
        else:
            with tempfile.TemporaryDirectory() as scratch:
                wanted = ["--no-deps", "--no-binary", ":all:", "--dest", scratch, f"{suite.name}=={suite.version}"]
                pip("download", "--quiet", *wanted)
                (archive,) = Path(scratch).glob("*.tar.gz")
                with tarfile.open(archive) as file:
                    file.extractall(scratch, filter="data")
                (inner,) = (one for one in Path(scratch).iterdir() if one.is_dir())
                shutil.move(inner, place)

    def environment(self, *more: str) -> dict[str, str]:
        paths = [*more, str(self.site), str(REPOSITORY / "python"), str(CLIENTS)]
        return {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(paths),
            "PYTHONDONTWRITEBYTECODE": "1",
            foreign_apps.SOURCES: str(self.sources),
        }

    def run_tests(self, suites: list[Suite]) -> Result:
        result = Result()
        for suite in suites:
            own = dict(suite.environment)
            paths = [str(self.sources / suite.name / suite.directory)] * ("PYTHONPATH" in own)
            with recorded() as file:
                environment = {
                    **self.environment(*paths),
                    "DRAGOMAN_TEST_CLIENTS": suite.clients,
                    "DRAGOMAN_TEST_FINDINGS": str(file),
                    **{name: value for name, value in own.items() if name != "PYTHONPATH"},
                }
                done = subprocess.run(
                    [sys.executable, *suite.command],
                    cwd=self.sources / suite.name / suite.directory,
                    env=environment,
                    capture_output=True,
                    text=True,
                    timeout=SUITE_S,
                    check=False,
                )
                last = [
                    line for line in (done.stdout + done.stderr).splitlines() if " passed" in line or "FAILED (" in line
                ]
                print(f"{suite.name} {suite.directory}: {' '.join(last[-1:])}", flush=True)
                if not last and done.returncode:
                    print((done.stdout + done.stderr)[-3000:], flush=True)
                collect(result, suite.name, file, suite.of_server)
        return result

    def run_examples(self, name: str) -> Result:
        """Each example, by `dragoman check` in one process, and served by Dragoman."""
        result = Result()
        for make in foreign_apps.EXAMPLES.get(name, ()):
            example = make.__name__
            result.tests += 1
            self.check(result, name, example)
            self.serve(result, name, example)
            print(
                f"{name} {example}: {result.requests} requests by now, {counted(len(result.alarms), 'alarm')}",
                flush=True,
            )
        return result

    def check(self, result: Result, name: str, example: str) -> None:
        target = f"foreign_apps:{example}()"
        command = [sys.executable, "-W", "ignore", "-m", "dragoman", "check", target, "--unsafe", "--json"]
        done = subprocess.run(
            command,
            env=self.environment(),
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        try:
            report = json.loads(done.stdout)
        except ValueError:
            result.alarms.append({"rule": "no report", "test": example, "text": done.stderr[-2000:]})
            return
        result.requests += report["calls"]
        result.notes.append(f"{example}: {report['calls']} calls, {len(report['errors'])} errors of its own")
        for one in report["breaches"]:
            judge(result, name, {**one, "test": example, "text": one["message"]}, "")

    def serve(self, result: Result, name: str, example: str) -> None:
        with recorded() as file, recorded() as plan:
            environment = {
                **self.environment(),
                "DRAGOMAN_TEST_FINDINGS": str(file),
                "DRAGOMAN_TEST_PLAN": str(plan),
            }
            with Server(f"foreign_served:make('{example}')", env=environment, cwd=self.directory) as server:
                lines = plan.read_text(encoding="utf-8").splitlines()[:REQUESTS_AT_MOST]
                for line in lines:
                    ask(server, json.loads(line))
            result.requests += len(lines)
            collect(result, name, file, "", example)


def pip(*arguments: str) -> None:
    # Nothing is built that only has to be read.
    environment = {**os.environ, "FALCON_DISABLE_CYTHON": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    subprocess.run([sys.executable, "-m", "pip", *arguments], check=True, timeout=1800, env=environment)


@contextlib.contextmanager
def recorded() -> Iterator[Path]:
    """An empty file."""
    with tempfile.TemporaryDirectory(prefix="dragoman-") as directory:
        file = Path(directory, "lines")
        file.touch()
        yield file


def collect(result: Result, name: str, file: Path, of_server: str, example: str = "") -> None:
    """Count what a run has written."""
    for line in file.read_text(encoding="utf-8").splitlines():
        one = json.loads(line)
        if "rule" in one:
            judge(result, name, {**one, "test": one["test"] or example}, of_server)
        else:
            result.tests += one["tests"]
            result.requests += one["requests"]


def judge(result: Result, name: str, one: dict[str, Any], of_server: str) -> None:
    """One finding: the test client's, a breach that is known, or an alarm."""
    if one["party"] == "server" and of_server:
        result.of_client += 1
        return
    known = next((known for known in KNOWN if known.covers(name, one["test"], one["rule"])), None)
    if known is None:
        result.alarms.append(one)
    else:
        result.known[known.reason] += 1


def ask(server: Server, request: dict[str, Any]) -> None:
    """One request of the plan on a connection of its own; how it is answered is the application's affair."""
    fields = [(name, value) for name, value in request["fields"] if name.lower() != "content-length"]
    fields.append(("Connection", "close"))
    body = base64.b64decode(request["body"])
    if request["is_chunked"]:
        data = chunked_request_bytes(request["target"], [body] if body else [], fields)
    else:
        data = request_bytes(request["method"], request["target"], fields, body or None)
    with Wire(server.address) as wire, contextlib.suppress(ConnectionEnded, OSError):
        wire.send(data[: len(data) - len(body) // 2] if request["is_gone"] else data)
        if request["is_gone"]:
            wire.half_close()
        if request["is_left"]:
            wire.read_exactly(20)
            wire.reset()
        else:
            wire.expect_end()


def table(results: dict[tuple[str, str], Result]) -> str:
    """For the terminal, and for docs/assurance.md."""
    lines = ["", "| framework | | requests | breaches of theirs | alarms |", "| --- | --- | --- | --- | --- |"]
    for (name, what), result in results.items():
        kind = counted(result.tests, what.removesuffix("s"))
        if result.tests:
            lines.append(
                f"| {name} | {kind} | {result.requests} | {sum(result.known.values())} | {len(result.alarms)} |"
            )
    for (name, what), result in results.items():
        lines += [f"{name}: {count} × {reason}" for reason, count in sorted(result.known.items())]
        lines += [f"{name}: {count} × on the test client's side" for count in [result.of_client] if count]
        lines += [f"{name} {what}: {note}" for note in result.notes]
        for one in result.alarms:
            lines += ["", f"ALARM {name}, {one['test']}: {one['text']}"]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
