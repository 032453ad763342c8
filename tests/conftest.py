"""Fixtures of the tests over sockets: shared servers and channels into their applications."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator

import pytest

from tests.support import probe
from tests.support.probe import Channel, ProbeListener
from tests.support.server import Serve, ServerPool

# A shell that starts a run in the background has it ignore SIGINT, and every server and command would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def probe_listener() -> Iterator[ProbeListener]:
    """The socket to which the applications under test report."""
    with tempfile.TemporaryDirectory(prefix="dragoman-") as directory:
        listener = ProbeListener(os.path.join(directory, "probe"))
        os.environ[probe.ADDRESS_VARIABLE] = listener.path  # inherited by every server that is started later
        yield listener
        listener.close()


@pytest.fixture
def channel(probe_listener: ProbeListener) -> Channel:
    """A channel into the application for this test alone."""
    return probe_listener.channel()


@pytest.fixture(scope="session")
def serve(probe_listener: ProbeListener) -> Iterator[Serve]:
    """Application and flags to a running server that all tests of the session share."""
    pool = ServerPool()
    yield pool
    pool.stop()
