"""The socket pair between the supervisor and a worker: what the worker has to say, and whether the other end lives."""

import socket
from dataclasses import dataclass

__all__ = ["Channel", "Report", "read_report"]

READY, FAILED = b"R", b"F"
# Well within the buffer of a socket pair, so that a worker never waits for a supervisor that is busy.
REPORT_BYTES = 32 * 1024


class Channel:
    """The worker's end. It stays open for the worker's life: end of file on it means that the supervisor is dead."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock

    def ready(self, name: str = "") -> None:
        """The application is loaded, as `name`, and requests are answered."""
        self.send(READY + name.encode("utf-8", "backslashreplace")[: REPORT_BYTES - 1])

    def failed(self, cause: str) -> None:
        """The application cannot be served, and this is why. The worker ends after it."""
        self.send(FAILED + cause.encode("utf-8", "backslashreplace")[: REPORT_BYTES - 1])

    def wait_for_end(self) -> None:
        """Returns when the supervisor is gone. It never writes."""
        try:
            self.socket.recv(1)
        except OSError:
            pass

    def send(self, message: bytes) -> None:
        try:
            self.socket.sendall(message)
        except OSError:
            pass  # the supervisor is gone: wait_for_end() returns


@dataclass(frozen=True)
class Report:
    """What has come from a worker so far."""

    is_ready: bool = False
    name: str = ""
    failure: str = ""


def read_report(sock: socket.socket) -> Report:
    """What is there to read at the supervisor's end, which is non-blocking; an empty report if nothing is."""
    message = b""
    try:
        while len(message) < REPORT_BYTES and (block := sock.recv(REPORT_BYTES)):
            message += block
    except OSError:
        pass  # nothing more now, or the worker was killed
    # A worker says one of the two, once.
    text = message[1:].decode("utf-8", "replace")
    return Report(
        is_ready=message.startswith(READY),
        name=text if message.startswith(READY) else "",
        failure=text if message.startswith(FAILED) else "",
    )
