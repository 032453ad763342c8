"""A server process around one application: started, watched through its log, stopped by pid."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO

from tests.support import peers
from tests.support.wire import DEADLINE_S, Address, Response, Wire

REPOSITORY = Path(__file__).resolve().parents[2]

_ADDRESS = re.compile(r"http://(?P<host>\[[^\]\s]+\]|[^\s:/\[\]]+):(?P<port>\d+)|unix:(?P<path>[^\s,;)]+)")


class ServerDidNotStart(AssertionError):
    """The process ended, or said no address, before the deadline. The text holds its log."""


class Stream:
    """What a process writes to one of its outputs, collected by a thread as it comes."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._changed = threading.Condition()
        self._text = ""
        self._ended = False
        self._pipe = pipe
        self._thread = threading.Thread(target=self._collect, name="stream", daemon=True)
        self._thread.start()

    @property
    def text(self) -> str:
        """Everything so far."""
        with self._changed:
            return self._text

    def wait_for(self, pattern: str, since: int = 0, deadline_s: float = DEADLINE_S) -> re.Match[str]:
        """First match of the regular expression at or after offset `since`; waits for it."""
        compiled = re.compile(pattern, re.MULTILINE)
        until = time.monotonic() + deadline_s
        with self._changed:
            while (match := compiled.search(self._text, since)) is None:
                left = until - time.monotonic()
                if self._ended or left <= 0:
                    raise AssertionError(f"{pattern!r} never came in:\n{self._text[since:][-4000:]}")
                self._changed.wait(left)
        return match

    def wait_for_end(self) -> str:
        """The whole text, when every process that held the output has closed it."""
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive(), "the output is still open"
        return self.text

    def _collect(self) -> None:
        with self._pipe:
            for line in self._pipe:
                with self._changed:
                    self._text += line.decode("utf-8", "backslashreplace")
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()


class Server:
    """One running server. A context manager; leaving it checks that TERM ends it with status 0."""

    def __init__(
        self,
        application: str,
        *flags: str,
        binds: Sequence[str] = ("127.0.0.1:0",),
        env: Mapping[str, str] | None = None,
        cwd: Path = REPOSITORY,
        pass_fds: Sequence[int] = (),
        wrapper: Sequence[str] = (),
        address: Address | None = None,
    ) -> None:
        """Starts it, and returns when it listens.

        wrapper   a command that runs the one behind it, such as `unshare --mount`
        address   where it will listen, for servers whose log goes elsewhere; else it is read from the log
        """
        self.application = application
        self.status: int | None = None
        if peers.IS_DRAGOMAN and not {"WEB_CONCURRENCY", "DRAGOMAN_WORKERS"}.intersection(env or ()):
            # One process, unless a test asks for more: the last of a flag wins.
            flags = ("--workers", "0", *flags)
        command = [*wrapper, *peers.command(application, list(binds), list(flags))]
        self._take(start_process(command, env=env, cwd=cwd, pass_fds=pass_fds), address)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if self.status is not None:
            return
        if kind is not None:
            self.kill()
        else:
            assert self.stop() == 0, self.log.text[-4000:]

    @property
    def pid(self) -> int:
        """Process id of the server, of its supervisor if it has workers."""
        return self.process.pid

    def connect(self, deadline_s: float = DEADLINE_S, receive_buffer: int | None = None) -> Wire:
        """A new client connection."""
        return Wire(self.address, deadline_s, receive_buffer)

    def request(
        self,
        method: str = "GET",
        target: str = "/",
        fields: Iterable[tuple[str, str]] = (),
        body: bytes | None = None,
    ) -> Response:
        """One request on a connection of its own."""
        with self.connect() as wire:
            return wire.request(method, target, fields, body)

    def url(self, path: str = "/") -> str:
        """URL of the path on a TCP listener."""
        assert not isinstance(self.address, str)
        host, port = self.address
        return f"http://{f'[{host}]' if ':' in host else host}:{port}{path}"

    def signal(self, number: signal.Signals) -> None:
        """Sends the signal to the server's process."""
        self.process.send_signal(number)

    def wait(self, deadline_s: float = DEADLINE_S) -> int:
        """Exit status, when the process has ended by itself or by an earlier signal."""
        try:
            self.status = self.process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"still running after {deadline_s} s:\n{self.log.text[-4000:]}") from None
        return self.status

    def stop(self) -> int:
        """Sends TERM and gives the exit status."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """Ends the process and its workers by force; they are a process group of their own."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.status = self.process.wait()

    def _take(self, process: subprocess.Popen[bytes], address: Address | None) -> None:
        """The process is this server's; returns when it listens."""
        self.process = process
        assert process.stdout is not None and process.stderr is not None
        self.output = Stream(process.stdout)
        self.log = Stream(process.stderr)
        try:
            self.address = self._await_address() if address is None else self._await_listener(address)
        except BaseException:
            self.kill()
            raise

    def _await_listener(self, address: Address) -> Address:
        until = time.monotonic() + DEADLINE_S
        while True:
            try:
                Wire(address).close()
                return address
            except OSError:
                if self.process.poll() is not None or time.monotonic() >= until:
                    raise ServerDidNotStart(f"status {self.process.poll()}, nobody listens at {address}") from None
                time.sleep(0.01)

    def _await_address(self) -> Address:
        try:
            match = self.log.wait_for(_ADDRESS.pattern)
        except AssertionError:
            status = self.process.poll()
            raise ServerDidNotStart(f"status {status}, no address in:\n{self.log.text}") from None
        if match["path"] is not None:
            return match["path"]
        assert int(match["port"]) > 0, f"port 0 is no address: {match[0]}"
        return match["host"].strip("[]"), int(match["port"])


class Process(Server):
    """Any server's command, as a module of this Python, that says its address in its log."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        self.status = None
        self._take(start_process([sys.executable, "-m", *command], env=env), None)


def start_process(
    command: Sequence[str],
    env: Mapping[str, str] | None = None,
    cwd: Path = REPOSITORY,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Starts the command in a session of its own, without the settings that the caller's environment may hold."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PORT", "WEB_CONCURRENCY") and not (name.startswith("DRAGOMAN_") and "_TEST_" not in name)
    }
    path = os.pathsep.join(filter(None, [str(REPOSITORY), inherited.get("PYTHONPATH")]))
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env={**inherited, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1", **(env or {})},
        pass_fds=pass_fds,
        start_new_session=True,
    )


def run_command(*arguments: str, env: Mapping[str, str] | None = None, cwd: Path = REPOSITORY) -> tuple[int, str]:
    """Exit status and both outputs of `python -m dragoman ARGUMENTS`, for runs that end by themselves."""
    process = start_process([sys.executable, "-m", "dragoman", *arguments], env=env, cwd=cwd)
    try:
        output, errors = process.communicate(timeout=DEADLINE_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, errors = process.communicate()
        raise AssertionError(f"did not end by itself:\n{(output + errors).decode()}") from None
    return process.returncode, (output + errors).decode("utf-8", "backslashreplace")


class ServerPool:
    """Servers that several tests share: one for each application and its flags, stopped at the end of the session."""

    def __init__(self) -> None:
        self._servers: dict[tuple[str, ...], Server] = {}

    def __call__(self, application: str, *flags: str) -> Server:
        """The running server of that application with those flags."""
        server = self._servers.get((application, *flags))
        if server is None or server.process.poll() is not None:
            # One that died has failed its test already; the others get a new one.
            server = self._servers[(application, *flags)] = Server(application, *flags)
        return server

    def stop(self) -> None:
        """TERM to all, then the exit status of each."""
        for server in self._servers.values():
            if server.process.poll() is None:
                server.signal(signal.SIGTERM)
        ends = {key: (server.wait(), server) for key, server in self._servers.items()}
        for key, (status, server) in ends.items():
            assert status == 0, f"{key} ended with status {status}:\n{server.log.text[-4000:]}"


Serve = Callable[..., Server]
"""Type of the `serve` fixture: application and flags to a shared running server."""
