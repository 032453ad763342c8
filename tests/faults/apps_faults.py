"""Applications that misbehave as processes do: they die, leave children, fill disks and logs."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator

from tests.support.probe import Probe
from tests.support.routing import Environ, Routes, StartResponse, answer_json, start_octets
from tests.support.views import held
from tests.wire.apps_wire import endless

app = Routes()
CHILD_LIFE_S = 120
"""A child that no test ends goes by itself."""


@app.view
def hello(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The shortest answer."""
    start_octets(start_response, ("Content-Length", "5"))
    return [b"hello"]


@app.view
def pid(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The process that serves."""
    return answer_json(start_response, os.getpid())


app.view(held)


@app.view
def killed(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The worker is killed in the middle of its call."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")


@app.view
def segfault(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """An extension module reads where nothing is."""
    ctypes.string_at(0)
    raise AssertionError("still alive")


@app.view
def aborts(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """A library finds its state broken."""
    os.abort()


@app.view
def exits(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The application ends the process itself, as if all were well."""
    os._exit(0)


@app.view
def exits_in_mid_response(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    """The same when a part of the response is out."""
    start_octets(start_response)
    yield b"begun"
    os._exit(3)


@app.view
def leave_zombies(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Starts processes that fail, and waits for none of them."""
    started = [os.posix_spawn(sys.executable, [sys.executable, "-Sc", "exit(7)"], dict(os.environ)) for _ in range(3)]
    return answer_json(start_response, started)


@app.view
def leave_an_orphan(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Starts a process whose parent ends before it: it becomes a child of whoever takes orphans, and fails there."""
    # A background job's standard input is /dev/null, unless it is told otherwise (POSIX, "Asynchronous Lists").
    script = "exec 3<&0; sh -c 'read line; exit 9' <&3 >/dev/null & echo $!"
    with subprocess.Popen(["sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdin is not None and parent.stdout is not None
        orphan = int(parent.stdout.readline())
        parent.wait()
        parent.stdin.close()  # end of file for the orphan: now it fails
    return answer_json(start_response, orphan)


@app.view
def wait_for_a_child(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Exit status of a process that the application starts and waits for itself."""
    return answer_json(start_response, subprocess.run(["sh", "-c", "exit 7"], check=False).returncode)


@app.view
def fork_and_stay(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Leaves a forked child behind; tells its process id."""
    child = os.fork()
    if child == 0:
        signal.alarm(CHILD_LIFE_S)
        time.sleep(CHILD_LIFE_S)
        os._exit(0)
    return answer_json(start_response, child)


@app.view
def complain(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Writes more to the error log than a pipe holds."""
    for _ in range(100):
        environ["wsgi.errors"].write("x" * 2000 + "\n")
    start_octets(start_response, ("Content-Length", "5"))
    return [b"hello"]


@app.view
def raises(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """An exception, whose traceback goes to the error log."""
    raise RuntimeError("told in the log")


@app.view
def length(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Length of the body."""
    return answer_json(start_response, len(environ["wsgi.input"].read()))


@app.view
def held_length(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The same, after the test has opened the gate."""
    probe = Probe(environ)
    probe.tell("call")
    probe.wait("go")
    return answer_json(start_response, len(environ["wsgi.input"].read()))


@app.view
def stream(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    """4 MiB in blocks of 64 KiB, each of a letter of its own."""
    start_octets(start_response)
    for number in range(64):
        yield bytes([65 + number % 26]) * 65536


@app.view
def wall_clock(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The time of the day as the application sees it."""
    return answer_json(start_response, time.time())


app.view(endless)
