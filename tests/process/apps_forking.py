"""An application that forks without exec, as multiprocessing does by default."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable

from tests.support.routing import Environ, Routes, StartResponse, answer_json, start_octets

app = Routes()
CHILD_LIFE_S = 120
"""A child that no test ends goes by itself."""


def _pause(environ: Environ) -> None:
    signal.alarm(CHILD_LIFE_S)
    time.sleep(CHILD_LIFE_S)


@app.view
def fork_and_leave(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Leaves a child behind that holds copies of whatever it was given; tells its process id."""
    child = os.fork()
    if child == 0:
        try:
            _pause(environ)
        finally:
            os._exit(0)
    return answer_json(start_response, child)


@app.view
def fork_and_return(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Both processes return from the application; the child must not answer a second time."""
    child = os.fork()
    if child == 0:
        start_octets(start_response, ("Content-Length", "5"))
        return [b"child"]
    os.waitpid(child, 0)
    return answer_json(start_response, child)


@app.view
def hello(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The shortest answer."""
    start_octets(start_response, ("Content-Length", "5"))
    return [b"hello"]
