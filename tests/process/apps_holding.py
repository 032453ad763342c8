"""An application whose calls hold the interpreter lock, so that no line of Python runs beside them."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable

from tests.support.probe import Probe
from tests.support.routing import Environ, Routes, StartResponse, answer_json
from tests.support.views import held

app = Routes()
app.view(held)
HOLD_S = 120


@app.view
def holding(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Holds it from the test's word on."""
    probe = Probe(environ)
    probe.tell("call")
    probe.wait("go")
    probe.tell("holds")
    # PyDLL does not give the lock back.
    ctypes.PyDLL(None).sleep(HOLD_S)
    return answer_json(start_response, "held")
