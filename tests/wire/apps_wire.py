"""The applications behind the wire tests: they show which requests were read, and how."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterable, Iterator
from typing import Any

from tests.support.probe import Probe
from tests.support.routing import Environ, Routes, StartResponse, answer_json, start_octets

BIG = bytes(range(256)) * (16 * 4096)
"""16 MiB in one object."""


def seen(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Answers every request with what was read of it."""
    body = environ["wsgi.input"].read()
    return answer_json(
        start_response,
        {
            "method": environ["REQUEST_METHOD"],
            "target": environ.get("RAW_URI", environ["PATH_INFO"]),
            "path": environ["PATH_INFO"],
            "version": environ["SERVER_PROTOCOL"],
            "length": len(body),
            "digest": hashlib.sha256(body).hexdigest(),
        },
    )


app = Routes()


@app.view
def block(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """As many bytes as the query says, told apart by a seed: `?size=N&seed=S`."""
    parameters = dict(pair.split("=") for pair in environ["QUERY_STRING"].split("&"))
    start_octets(start_response)
    return [filling(int(parameters["size"]), int(parameters["seed"]))]


@app.view
def stream(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    """The same in blocks of a thousand bytes."""
    parameters = dict(pair.split("=") for pair in environ["QUERY_STRING"].split("&"))
    data = filling(int(parameters["size"]), int(parameters["seed"]))
    start_octets(start_response)
    for offset in range(0, len(data), 1000):
        yield data[offset : offset + 1000]


@app.view
def big(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """One object of 16 MiB."""
    start_octets(start_response, ("Content-Length", str(len(BIG))))
    return [BIG]


@app.view
def big_late(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The same from a call that waits first, so that it is not the leading thread that answers."""
    time.sleep(0.05)
    return big(environ, start_response)


@app.view
def big_without_length(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    """The same in chunks of 1 MiB."""
    start_octets(start_response)
    for offset in range(0, len(BIG), 1 << 20):
        yield BIG[offset : offset + (1 << 20)]


@app.view
def echo(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The body comes back."""
    body = environ["wsgi.input"].read()
    start_octets(start_response, ("Content-Length", str(len(body))))
    return [body]


@app.view
def read_slowly(environ: Environ, start_response: StartResponse) -> Any:
    """Tells what reading the body gave or raised."""
    probe = Probe(environ)
    probe.tell("call")
    try:
        probe.tell("read", len(environ["wsgi.input"].read()))
    except OSError as error:
        probe.tell("raised", type(error).__name__)
        raise
    start_octets(start_response)
    return [b"read"]


@app.view
def read_on(environ: Environ, start_response: StartResponse) -> Any:
    """Reads again after a read that failed; tells what the second one gave or raised."""
    probe, body = Probe(environ), environ["wsgi.input"]
    with contextlib.suppress(OSError):
        body.read()
    probe.tell("failed")
    probe.wait("go")
    try:
        probe.tell("second", body.read())
    except OSError as error:
        probe.tell("second", type(error).__name__)
    start_octets(start_response)
    return [b"read"]


@app.view
def endless(environ: Environ, start_response: StartResponse) -> Any:
    """Blocks until the client takes no more; tells when it is closed."""
    probe = Probe(environ)

    class Endless:
        def __iter__(self) -> Iterator[bytes]:
            while True:
                yield b"x" * 65536

        def close(self) -> None:
            probe.tell("close")

    start_octets(start_response)
    return Endless()


@app.view
def held(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Tells its call and waits for the test."""
    probe = Probe(environ)
    probe.tell("call")
    probe.wait("go")
    start_octets(start_response)
    return [b"held"]


@app.view
def hello(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The shortest answer."""
    start_octets(start_response, ("Content-Length", "5"))
    return [b"hello"]


def filling(size: int, seed: int) -> bytes:
    """`size` bytes that differ for each seed."""
    pattern = hashlib.sha256(str(seed).encode()).digest()
    return (pattern * (size // len(pattern) + 1))[:size]
