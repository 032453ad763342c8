"""Back ends of the middleware as real servers: Redis and PostgreSQL, each on a port of its own, stopped by pid."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.wire import DEADLINE_S

__all__ = ["Backend", "PostgreSQL", "Redis", "running"]

NOT_ROOT = "postgres"


class Backend:
    """One server process on a loopback port, with a directory of its own. Its port and data stay over a restart."""

    name = ""
    package = ""

    def __init__(self) -> None:
        self.program = program_of(self.name, self.package, self.find)
        self.directory = Path(tempfile.mkdtemp(prefix=f"dragoman-{self.name}-"))
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        try:
            self.prepare()
            self.start()
        except BaseException:
            self.close()
            raise

    @staticmethod
    def find() -> str | None:
        """The program, when it is there."""
        raise NotImplementedError

    @property
    def url(self) -> str:
        """Where it listens, as its client has it."""
        raise NotImplementedError

    @property
    def command(self) -> Sequence[str]:
        raise NotImplementedError

    def prepare(self) -> None:
        """Once, before the first start."""

    def is_ready(self) -> bool:
        """Whether it answers a question."""
        raise NotImplementedError

    def popen_arguments(self) -> dict[str, object]:
        return {}

    def start(self) -> None:
        """Start it, also again, and wait until it answers."""
        assert self.process is None, f"{self.name} runs already"
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                **self.popen_arguments(),  # type: ignore[call-overload]
            )
        until = time.monotonic() + DEADLINE_S
        while not self.is_ready():
            if self.process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"{self.name} does not answer:\n{(self.directory / 'log').read_text()[-4000:]}")
            time.sleep(0.02)

    def kill(self) -> None:
        """End it at once, as a crash does. `start` brings it back, at the same address."""
        self.end()

    def freeze(self) -> None:
        """It takes connections (the kernel does) and answers nothing."""
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on where it was frozen."""
        self.signal(signal.SIGCONT)

    def signal(self, number: signal.Signals) -> None:
        """To it and to its children, which PostgreSQL has one of for each connection."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        pids = [self.process.pid, *map(int, children.read_text().split())] if self.process.poll() is None else []
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def end(self) -> None:
        if self.process is not None:
            self.signal(signal.SIGKILL)
            process, self.process = self.process, None
            process.wait(DEADLINE_S)

    def close(self) -> None:
        """End it, and remove what it has written."""
        self.end()
        shutil.rmtree(self.directory, ignore_errors=True)


class Redis(Backend):
    """A Redis that keeps nothing on disk: after a restart it is empty."""

    name = "redis"
    package = "redis-server"

    @staticmethod
    def find() -> str | None:
        return shutil.which("redis-server")

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def command(self) -> Sequence[str]:
        options = f"--bind 127.0.0.1 --port {self.port} --save --appendonly no --dir {self.directory} --daemonize no"
        words = options.split()
        words.insert(words.index("--save") + 1, "")
        return [self.program, *words]

    def is_ready(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as connection:
            connection.settimeout(1)
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
        return False


class PostgreSQL(Backend):
    """A PostgreSQL cluster of its own. It refuses to run as root, so root starts it as its package's user."""

    name = "postgresql"
    package = "postgresql"

    @staticmethod
    def find() -> str | None:
        if found := shutil.which("postgres"):
            return os.path.realpath(found)
        # Debian's package puts no program of the server on the PATH.
        return next((str(path) for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))), None)

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://{NOT_ROOT}@127.0.0.1:{self.port}/postgres"

    @property
    def command(self) -> Sequence[str]:
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off"}
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        return [self.program, "-D", str(self.directory / "data"), "-p", str(self.port), *words]

    def popen_arguments(self) -> dict[str, object]:
        if os.geteuid() != 0:
            return {}
        user = pwd.getpwnam(NOT_ROOT)
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "env": {**os.environ, "LC_ALL": "C"}}

    def prepare(self) -> None:
        if os.geteuid() == 0:
            user = pwd.getpwnam(NOT_ROOT)
            os.chown(self.directory, user.pw_uid, user.pw_gid)
        initdb = str(Path(self.program).with_name("initdb"))
        options = ["--auth", "trust", "--username", NOT_ROOT, "--encoding", "UTF8", "--no-sync"]
        subprocess.run(
            [initdb, "-D", str(self.directory / "data"), *options],
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=60,
            cwd=self.directory,
            **self.popen_arguments(),  # type: ignore[call-overload]
        )

    def is_ready(self) -> bool:
        asked = [str(Path(self.program).with_name("pg_isready")), "-h", "127.0.0.1", "-p", str(self.port), "-q"]
        return subprocess.run(asked, check=False, timeout=10).returncode == 0


@contextlib.contextmanager
def running(kind: type[Backend]) -> Iterator[Backend]:
    """A server of that kind until the end of the block."""
    backend = kind()
    try:
        yield backend
    finally:
        backend.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def program_of(name: str, package: str, find: Callable[[], str | None]) -> str:
    """The server's program; root installs Debian's package. Without it a test is skipped, and fails where CI is set."""
    if program := find():
        return program
    if os.geteuid() == 0 and shutil.which("apt-get"):
        install(package)
    if program := find():
        return program
    missing = f"{name} is missing, and tests need it; on Debian and Ubuntu: apt-get install {package}"
    if os.environ.get("CI"):
        raise AssertionError(missing)
    pytest.skip(missing)


def install(package: str) -> None:
    # The package's own service must not be started: RUNLEVEL is what Debian's scripts ask for that.
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for words in (["update"], ["install", "-y", "--no-install-recommends", package]):
        done = subprocess.run(
            ["apt-get", "-qq", *words], env=env, check=False, capture_output=True, text=True, timeout=300
        )
        if done.returncode:
            print(f"apt-get {' '.join(words)}:\n{done.stdout}{done.stderr}", file=sys.stderr)
