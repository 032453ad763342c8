"""Fixtures of the tests of faults: a preloaded shim, and private file systems of a few KiB."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import shim


@pytest.fixture(scope="session")
def shim_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shared library of the shim, built once."""
    return shim.build(tmp_path_factory.mktemp("shim"))


@pytest.fixture
def fault(shim_library: Path, tmp_path: Path) -> Iterator[shim.Shim]:
    """A shim for one server."""
    one = shim.Shim(shim_library, tmp_path)
    yield one
    one.move_clock(0)
    one.fail_accepts(0)
