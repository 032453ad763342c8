"""Fixtures of the middleware's tests: the back ends."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.backends import Backend, PostgreSQL, Redis, running


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Backend]:
    """A Redis that all tests share; who kills it starts it again."""
    with running(Redis) as backend:
        yield backend


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Backend]:
    """A PostgreSQL that all tests share; who kills it starts it again."""
    with running(PostgreSQL) as backend:
        yield backend
