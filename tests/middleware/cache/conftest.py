"""Fixtures of the cache's tests."""

from __future__ import annotations

import pytest

from tests.middleware.cache.support import NOW


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Its one item is the time."""
    now = [NOW]
    monkeypatch.setattr("time.time", lambda: now[0])
    return now
