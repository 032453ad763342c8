"""An application that takes memory until there is none left."""

from __future__ import annotations

import os

from tests.support.routing import Environ, Routes, StartResponse, answer_json

app = Routes()


@app.view
def process(environ: Environ, start_response: StartResponse) -> list[bytes]:
    """Who answers."""
    return answer_json(start_response, {"pid": os.getpid()})


@app.view
def grow(environ: Environ, start_response: StartResponse) -> list[bytes]:
    """Takes all that there is."""
    taken = []
    while True:
        taken.append(os.urandom(1 << 20))
