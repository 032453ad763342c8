"""The application under attack: something small, something large, something generated, something read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tests.support.probe import Probe
from tests.support.routing import Environ, Routes, StartResponse, start_octets

LARGE = bytes(8 << 20)
"""More than the kernel's two socket buffers take, so that it waits in the server when the client does not read."""

PIECE = bytes(16 << 10)
PIECES = 128
"""Of the generated stream: 2 MiB."""

LONG_PIECES = 1024
"""Of the long one: 16 MiB, more than the kernel and the server hold together for one client."""

app = Routes()


@app.view
def small(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """What the normal client asks for."""
    start_octets(start_response, ("Content-Length", "5"))
    return [b"hello"]


app.views["/"] = small


@app.view
def large(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """All at hand at once."""
    start_octets(start_response, ("Content-Length", str(len(LARGE))))
    return [LARGE]


@app.view
def stream(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    """Made while it is sent, without a length."""
    start_octets(start_response)
    for _ in range(PIECES):
        yield PIECE


@app.view
def long_stream(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    """The same for so long that its producer has to wait for a slow client."""
    start_octets(start_response)
    for _ in range(LONG_PIECES):
        yield PIECE


@app.view
def endless(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    """One byte after another, for as long as somebody takes them."""
    start_octets(start_response)
    while True:
        yield b"."


@app.view
def opened(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Needs a descriptor of its own."""
    with open("/dev/null", "rb"):
        return small(environ, start_response)


@app.view
def held(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Tells its call and waits for the test."""
    probe = Probe(environ)
    probe.tell("call")
    probe.wait("go")
    return small(environ, start_response)


@app.view
def read(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The number of bytes that were in the request's body."""
    count = 0
    while data := environ["wsgi.input"].read(16 << 10):
        count += len(data)
    body = b"%d" % count
    start_octets(start_response, ("Content-Length", str(len(body))))
    return [body]
