"""Chooses between the short attacks of `make test` and the long ones of `make hostile`."""

from __future__ import annotations

import os

import pytest

LONG_VARIABLE = "DRAGOMAN_TEST_LONG"
"""Not empty: the long attacks run too."""


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marker."""
    config.addinivalue_line("markers", f"long_attack: takes half a minute and more; runs where {LONG_VARIABLE} is set")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves the long attacks out, which pytest's last line then says, unless they are asked for."""
    if os.environ.get(LONG_VARIABLE):
        return
    left_out = [item for item in items if item.get_closest_marker("long_attack")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
