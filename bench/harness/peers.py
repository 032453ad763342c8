"""The servers to compare, read once from ``peers.toml`` into values that cannot be wrong."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.paths import LAUNCH, PEERS, STATIC, UNPACKED, VENV

OURS = "dragoman"
HOST = "127.0.0.1"
KEYS = {"package", "version", "install", "needs", "debian", "command", "waiting", "cannot", "only", "settings"}


@dataclass(frozen=True)
class Peer:
    """One server: how to install, start and describe it."""

    name: str
    package: str
    command: tuple[str, ...]
    settings: str
    version: str | None = None
    install: str | None = None
    needs: str | None = None
    debian: str | None = None
    """The program, on the PATH or unpacked, where ``package`` is a Debian package and no distribution."""
    waiting: tuple[str, ...] | None = None
    cannot: Mapping[str, str] = field(default_factory=dict)
    only: tuple[str, ...] = ()
    venv: Path = VENV

    def arguments(self, app: str, port: int, is_waiting: bool, workers: int = 1) -> list[str]:
        """The command line that serves ``app`` (``module:attribute`` in ``bench/apps``) on a loopback port."""
        template = self.waiting if is_waiting and self.waiting else self.command
        binaries = self.venv / "bin"
        facts = {
            "app": app,
            "host": HOST,
            "port": port,
            "bin": binaries,
            "python": binaries / "python",
            "launch": LAUNCH,
            "static": STATIC,
            "workers": workers,
            "program": self.program() or self.debian,
        }
        return [word.format(**facts) for word in template]

    def takes_part(self, workload: str) -> bool:
        """Whether it is measured under the workload of this name."""
        return workload not in self.cannot and (not self.only or workload in self.only)

    def requirement(self) -> str:
        """What pip is given to install it; a path is relative to the project's root."""
        return self.install or (f"{self.package}=={self.version}" if self.version else self.package)

    def program(self) -> Path | None:
        """Where the program of a Debian package is, ``None`` for a distribution or when it is not there."""
        if self.debian is None:
            return None
        unpacked = UNPACKED / "usr" / "sbin" / self.debian
        # Debian keeps servers in /usr/sbin, which is on the PATH of root alone.
        found = shutil.which(self.debian, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        return unpacked if unpacked.exists() else Path(found) if found else None

    def installed_version(self) -> str | None:
        """The version in its environment, ``None`` when it is not installed there."""
        if self.debian is not None:
            program = self.program()
            return _version_of(program) if program else None
        python = self.venv / "bin" / "python"
        code = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))"
        if not python.exists():
            return None
        run = subprocess.run([python, "-c", code, self.package], capture_output=True, text=True, check=False)
        return run.stdout.strip() if run.returncode == 0 else None

    def in_venv(self, name: str, venv: Path) -> Peer:
        """The same server, built in another environment and named for it."""
        return replace(self, name=name, venv=venv.resolve())


def load(path: Path = PEERS) -> dict[str, Peer]:
    """All servers of the file, in its order.

    Raises ValueError with the server's name when a key is missing or unknown.
    """
    peers: dict[str, Peer] = {}
    for name, row in tomllib.loads(path.read_text()).items():
        if unknown := set(row) - KEYS:
            raise ValueError(f"{path.name}: [{name}] has unknown keys: {', '.join(sorted(unknown))}")
        if missing := {"package", "command", "settings"} - set(row):
            raise ValueError(f"{path.name}: [{name}] lacks {', '.join(sorted(missing))}")
        waiting, only = row.pop("waiting", None), tuple(row.pop("only", ()))
        command = tuple(row.pop("command"))
        peers[name] = Peer(name, command=command, waiting=tuple(waiting) if waiting else None, only=only, **row)
    return peers


def _version_of(program: Path) -> str | None:
    """What ``program -v`` says, as "nginx version: nginx/1.22.1" does; ``None`` when it does not even start."""
    run = subprocess.run([program, "-v"], capture_output=True, text=True, check=False)
    found = re.search(r"\d+(\.\d+)+", run.stdout + run.stderr)
    return found[0] if run.returncode == 0 and found else None
