"""Applications that show processes and threads from the inside."""

from __future__ import annotations

import ctypes
import os
import tempfile
import threading
from collections.abc import Iterable, Iterator

from tests.support.probe import Probe
from tests.support.routing import Environ, Routes, StartResponse, answer_json, start_octets

app = Routes()


class Inside:
    """How many calls are inside together, now and at most."""

    lock = threading.Lock()
    now = 0
    most = 0


SPINNING = threading.Event()


@app.view
def hello(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The shortest answer."""
    start_octets(start_response, ("Content-Length", "5"))
    return [b"hello"]


@app.view
def held(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Tells its process, and waits for the test; counts how many are inside together."""
    probe = Probe(environ)
    with Inside.lock:
        Inside.now += 1
        Inside.most = max(Inside.most, Inside.now)
    probe.tell("call", os.getpid())
    probe.wait("go")
    with Inside.lock:
        Inside.now -= 1
    start_octets(start_response)
    return [b"held"]


@app.view
def most(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The most calls that were inside together."""
    return answer_json(start_response, Inside.most)


@app.view
def held_stream(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    """A response that has begun, and waits for the test before it goes on."""
    probe = Probe(environ)
    start_octets(start_response)
    yield b"begun "
    probe.tell("call", os.getpid())
    probe.wait("go")
    yield b"and ended"


@app.view
def held_upload(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Reads a body that comes in its own time."""
    Probe(environ).tell("call", os.getpid())
    return answer_json(start_response, len(environ["wsgi.input"].read()))


@app.view
def held_with_memory(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """As `held`, with memory of the C library's taken by this thread."""
    block = ctypes.create_string_buffer(4096)
    probe = Probe(environ)
    probe.tell("call", os.getpid())
    probe.wait("go")
    start_octets(start_response)
    return [b"held" if block.value == b"" else b""]


@app.view
def heaps(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """How many heaps the C library's allocator has made."""
    libc = ctypes.CDLL(None)
    libc.fopen.restype = ctypes.c_void_p
    with tempfile.NamedTemporaryFile() as file:
        stream = ctypes.c_void_p(libc.fopen(file.name.encode(), b"w"))
        libc.malloc_info(0, stream)
        libc.fclose(stream)
        return answer_json(start_response, file.read().count(b"<heap "))


@app.view
def spin(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Holds the GIL as much as Python code can, until /unspin comes."""
    SPINNING.set()
    Probe(environ).tell("spinning")
    turns = 0
    while SPINNING.is_set():
        turns += 1
    return answer_json(start_response, turns)


@app.view
def unspin(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Ends the spinning."""
    SPINNING.clear()
    return answer_json(start_response, True)


@app.view
def process(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Facts of this process and of the environ."""
    return answer_json(
        start_response,
        {
            "pid": os.getpid(),
            "multithread": environ["wsgi.multithread"],
            "multiprocess": environ["wsgi.multiprocess"],
            "directory": os.getcwd(),
            "threads": threading.active_count(),
        },
    )


@app.view
def echo(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The body comes back."""
    body = environ["wsgi.input"].read()
    start_octets(start_response, ("Content-Length", str(len(body))))
    return [body]


@app.view
def stream(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    """The body comes back in blocks."""
    start_octets(start_response)
    while block := environ["wsgi.input"].read(5000):
        yield block


@app.view
def cleared(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Falsifies its environ, which the access log must not believe."""
    environ.update(REQUEST_METHOD="FORGED", PATH_INFO="/forged", RAW_URI="/forged", REMOTE_ADDR="forged")
    environ.clear()
    start_octets(start_response, ("X-Answer", "forty two"))
    return [b"cleared"]
