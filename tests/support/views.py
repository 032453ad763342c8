"""Views that more than one application of the tests has."""

from __future__ import annotations

import os
from collections.abc import Iterable

from tests.support.probe import Probe
from tests.support.routing import Environ, StartResponse, start_octets

__all__ = ["held"]


def held(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Tells its process, and waits for the test."""
    probe = Probe(environ)
    probe.tell("call", os.getpid())
    probe.wait("go")
    start_octets(start_response)
    return [b"held"]
