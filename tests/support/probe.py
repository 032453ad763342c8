"""A channel between a test and the application inside the server: events out, gates in.

A test asks for a channel and puts its token into the request's query. The application tells events and waits at gates
under that token. So the tests know what happened inside, and in which order, without guessing by time.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import uuid
from collections.abc import Callable
from typing import Any

from tests.support.wire import DEADLINE_S

ADDRESS_VARIABLE = "DRAGOMAN_TEST_PROBE"


class Probe:
    """The application's end. A request without a token in its query has a probe that does nothing."""

    def __init__(self, environ: dict[str, Any]) -> None:
        parameters = dict(pair.partition("=")[::2] for pair in environ.get("QUERY_STRING", "").split("&"))
        self.token: str | None = parameters.get("probe")

    def tell(self, event: str, value: Any = None) -> None:
        """The test sees the event before this returns."""
        self._call({"tell": event, "value": value})

    def wait(self, gate: str) -> None:
        """Returns when the test has opened the gate, now or earlier."""
        self._call({"wait": gate})

    def _call(self, message: dict[str, Any]) -> None:
        if self.token is None:
            return
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(DEADLINE_S)
            connection.connect(os.environ[ADDRESS_VARIABLE])
            connection.sendall(json.dumps({"token": self.token, **message}).encode() + b"\n")
            if connection.recv(1) != b".":
                raise RuntimeError("the test has ended")


class Channel:
    """The test's end of one token."""

    def __init__(self) -> None:
        self.token = uuid.uuid4().hex
        self._changed = threading.Condition()
        self._events: list[tuple[str, Any]] = []
        self._seen: dict[str, int] = {}
        self._gates: set[str] = set()

    def target(self, path: str) -> str:
        """The path with the token in its query."""
        return f"{path}{'&' if '?' in path else '?'}probe={self.token}"

    def expect(self, event: str) -> Any:
        """Value of the next event of that name that no earlier call has taken; waits for it."""
        with self._changed:
            number = self._seen.get(event, 0)
            self._seen[event] = number + 1
            self._await(lambda: self.count(event) > number, f"event {event!r} number {number + 1}")
            return [value for name, value in self._events if name == event][number]

    def expect_count(self, event: str, count: int) -> None:
        """Waits until the event has been told that many times."""
        with self._changed:
            self._await(lambda: self.count(event) >= count, f"{count} × {event!r}")

    def open(self, gate: str) -> None:
        """Lets everybody through who waits at the gate, and everybody who comes."""
        with self._changed:
            self._gates.add(gate)
            self._changed.notify_all()

    def count(self, event: str) -> int:
        """How often the event has been told so far."""
        return sum(name == event for name, _ in self._events)

    @property
    def events(self) -> list[str]:
        """Names of all events so far, in order."""
        with self._changed:
            return [name for name, _ in self._events]

    def _told(self, event: str, value: Any) -> None:
        with self._changed:
            self._events.append((event, value))
            self._changed.notify_all()

    def _pass(self, gate: str) -> None:
        with self._changed:
            self._await(lambda: gate in self._gates, f"gate {gate!r}")

    def _await(self, is_so: Callable[[], bool], what: str) -> None:
        if not self._changed.wait_for(is_so, DEADLINE_S):
            raise AssertionError(f"{what} never came; events: {self._events}")


class ProbeListener:
    """The test process's socket, to which all applications of the session connect."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._channels: dict[str, Channel] = {}
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(path)
        self._socket.listen(256)
        threading.Thread(target=self._accept, name="probe", daemon=True).start()

    def channel(self) -> Channel:
        """A channel with a token of its own."""
        channel = Channel()
        self._channels[channel.token] = channel
        return channel

    def close(self) -> None:
        """No more events are taken."""
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines:
            message = json.loads(lines.readline() or b"{}")
            channel = self._channels.get(message.get("token", ""))
            if channel is None:
                return
            try:
                if "tell" in message:
                    channel._told(message["tell"], message["value"])
                else:
                    channel._pass(message["wait"])
                connection.sendall(b".")
            except (AssertionError, OSError):
                return  # the application sees the closed socket and raises
