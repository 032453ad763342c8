"""Run in a network namespace of its own: clients whose packets vanish, in both directions, from one moment on.

The argument says who gives them up: the server's own `timers`, or the `kernel`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from tests.faults.kit import cpu_s, eventually
from tests.support import probe
from tests.support.open_files import descriptors
from tests.support.server import Server
from tests.support.wire import Wire, request_bytes

APP = "tests.faults.apps_faults:app"
OWN_TIMES = ("--write-timeout", "--keep-alive", "--head-timeout", "--body-timeout")
FLAGS = {
    "timers": [text for flag in OWN_TIMES for text in (flag, "1")],
    "kernel": [text for flag in OWN_TIMES for text in (flag, "600")]
    + ["--min-write-rate", "0", "--min-body-rate", "0"],
}
FLAGS["kernel"] += ["--vanished-timeout", "2"]
GONE = "127.0.0.2"
"""The address of the clients that will be gone; the others have 127.0.0.1."""


def main() -> None:
    """An assertion that fails is the failure of the test that runs this."""
    ip("link", "set", "lo", "up")
    with tempfile.TemporaryDirectory(prefix="dragoman-") as directory:
        listener = probe.ProbeListener(os.path.join(directory, "probe"))
        os.environ[probe.ADDRESS_VARIABLE] = listener.path
        with Server(APP, *FLAGS[sys.argv[1]], "--drain-linger", "0") as server:
            clients_vanish(server, listener.channel())
        listener.close()


def clients_vanish(server: Server, channel: probe.Channel) -> None:
    """In the middle of a head, a body, a call and a response, and between requests."""
    assert server.request("GET", "/hello").body == b"hello"
    eventually(lambda: descriptors(server.pid) > 0, "the server is there")
    before = descriptors(server.pid)
    idle, head, body, call, response = (from_gone(server) for _ in range(5))
    assert idle.request("GET", "/hello").body == b"hello"
    head.send(b"GET /hello HTTP/1.1\r\nHost: te")
    body.send(request_bytes("POST", "/length", [], b"x" * 100_000)[:50_000])
    call.send(request_bytes("GET", channel.target("/held")))
    channel.expect("call")
    response.send(request_bytes("GET", channel.target("/endless")))
    assert response.read_head().status == 200

    ip("route", "add", "blackhole", f"{GONE}/32", "table", "local")
    spent = cpu_s(server.pid)
    channel.expect("close")
    channel.open("go")
    eventually(lambda: descriptors(server.pid) <= before, "every connection of theirs is given up")
    assert cpu_s(server.pid) - spent < 1, "nobody has spun on them"
    for _ in range(20):
        assert server.request("GET", "/hello").body == b"hello"
    assert "Traceback" not in server.log.text


def from_gone(server: Server) -> Wire:
    """A connection from the address that will be gone, which reads little."""
    return Wire(server.address, receive_buffer=4096, source=(GONE, 0))


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


if __name__ == "__main__":
    main()
