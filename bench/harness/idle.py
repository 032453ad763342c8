"""Idle keep-alive connections: opened, answered once, and held while something else is measured."""

from __future__ import annotations

import contextlib
import resource
import socket
from collections.abc import Iterator

from harness.peers import HOST
from harness.process import ServerFailed

SPARE_DESCRIPTORS = 512
ANSWER_TIMEOUT_S = 5.0
REQUEST = f"GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()


def allow(connections: int) -> None:
    """Raise the descriptor limit for this process and the servers that it starts; ValueError when it is too low."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + SPARE_DESCRIPTORS
    if wanted > hard:
        raise ValueError(f"{connections} idle connections need {wanted} descriptors; ulimit -Hn allows {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


@contextlib.contextmanager
def held(port: int, count: int) -> Iterator[None]:
    """``count`` connections that each had one answer and stay open until the block ends.

    Raises ServerFailed with the number reached when the server no longer answers.
    """
    with contextlib.ExitStack() as stack:
        for number in range(count):
            try:
                client = socket.create_connection((HOST, port), timeout=ANSWER_TIMEOUT_S)
                stack.enter_context(client)
                client.sendall(REQUEST)
                answer = client.recv(4096)
            except OSError as error:
                raise ServerFailed(f"with {number} of {count} idle connections open: {error}") from error
            if not answer.startswith(b"HTTP/1.1 200 "):
                raise ServerFailed(f"with {number} of {count} idle connections open it answered {answer[:40]!r}")
        yield
