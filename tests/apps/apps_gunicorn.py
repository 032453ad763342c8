"""An application for gunicorn's processes: who answers, under which conditions, and how it ends."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable

from tests.support.routing import Environ, Routes, StartResponse, answer_json
from tests.support.views import held

app = Routes()


@app.view
def facts(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The process, and what the environ says of it."""
    names = ("wsgi.multithread", "wsgi.multiprocess", "SCRIPT_NAME", "SERVER_NAME", "SERVER_SOFTWARE")
    return answer_json(
        start_response,
        {"pid": os.getpid(), "parent": os.getppid(), "env": os.environ.get("RAW"), **{n: environ[n] for n in names}},
    )


app.view(held)


@app.view
def hang(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Holds the interpreter as a loop in an extension module does: no other thread runs."""
    import ctypes

    ctypes.PyDLL(None).sleep(60)
    return answer_json(start_response, None)


@app.view
def sleep(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """A slow request, which lets other threads run."""
    time.sleep(6)
    return answer_json(start_response, os.getpid())


@app.view
def raises(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """An exception and a text for the error log."""
    print("own words", file=environ["wsgi.errors"])
    raise LookupError("inside")
