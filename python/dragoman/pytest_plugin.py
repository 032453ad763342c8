"""pytest's fixtures `live_server_factory` and `live_server`: the real server around an application, for one test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from dragoman.testing import LiveServer, LiveServerFactory
    from dragoman.types import WSGIApplication

# pytest-django's and pytest-flask's names among the plugins. Each has a `live_server` of its own, which its tests are
# written for (Django's shares the test's database connection): that one stays, and ours has to be asked for.
OTHERS = ("django", "flask")


def pytest_configure(config: pytest.Config) -> None:
    """Add the fixture `live_server` where no other plugin has one."""
    if not any(config.pluginmanager.hasplugin(name) for name in OTHERS):
        config.pluginmanager.register(LiveServerFixture(), "dragoman_live_server")


@pytest.fixture
def live_server_factory(request: pytest.FixtureRequest) -> Iterator[LiveServerFactory]:
    """Start servers: ``live_server_factory(app, threads=1)`` takes what `dragoman.testing.LiveServer` takes.

    They end after the test, the last one first. What they have logged stands in the report of a test that fails.
    """
    # The engine is loaded by the first test that serves, not at every start of pytest.
    from dragoman.testing import LiveServer  # noqa: PLC0415

    def start(app: WSGIApplication, *, raise_exceptions: bool = False, **settings: object) -> LiveServer:
        server = LiveServer(app, raise_exceptions=raise_exceptions, **settings)
        servers.callback(show_log, request.node, server)
        return servers.enter_context(server)

    with ExitStack() as servers:
        yield start


def show_log(item: pytest.Item, server: LiveServer) -> None:
    """Add what `server` has logged, and what its application has written to wsgi.errors, to the report of `item`."""
    if text := "\n".join([*server.log, server.errors]).rstrip("\n"):
        item.add_report_section("teardown", f"dragoman {server.url}", text)


class LiveServerFixture:
    """The plugin that has `live_server`."""

    @pytest.fixture
    def live_server(self, app: WSGIApplication, live_server_factory: LiveServerFactory) -> LiveServer:
        """A server that serves the fixture ``app``, which a test suite defines (the convention of pytest-flask)."""
        return live_server_factory(app)
