"""An application that forks while it is imported, and hooks that fork in the supervisor."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from tests.support.routing import Environ, Routes, StartResponse, answer_json

app = Routes()
CHILD_LIFE_S = 120
"""A child that no test ends goes by itself."""
CHILDREN_VARIABLE = "DRAGOMAN_TEST_CHILDREN"

HOOKS = """
import multiprocessing
from tests.process.apps_children import note, pause

def {hook}(server):
    child = multiprocessing.get_context("fork").Process(target=pause, name="helper", daemon={is_daemon})
    child.start()
    note(child.pid)
"""

# Without Python's knowledge, as a native library would.
HIDDEN_HOOKS = """
import ctypes, os
from tests.process.apps_children import note, pause

def when_ready(server):
    child = ctypes.PyDLL(None).fork()
    if child == 0:
        pause()
        os._exit(0)
    note(child)
"""


def pause() -> None:
    """The life of a child."""
    signal.alarm(CHILD_LIFE_S)
    time.sleep(CHILD_LIFE_S)


def note(pid: int) -> None:
    """Let the test know of a child: one file, whole or not there."""
    path = Path(os.environ[CHILDREN_VARIABLE], str(pid))
    path.touch()


@app.view
def process(environ: Environ, start_response: StartResponse) -> list[bytes]:
    """Who answers."""
    return answer_json(start_response, {"pid": os.getpid()})


if os.environ.get("DRAGOMAN_TEST_FORKS_AT_IMPORT"):
    _child = os.fork()
    if _child == 0:
        pause()
        os._exit(0)
    note(_child)
