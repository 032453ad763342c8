"""pytest's fixtures: `live_server` and its factory, the real server for one test, and `dragoman_check`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Literal

import pytest

if TYPE_CHECKING:
    from dragoman.check.report import Report
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


@pytest.fixture
def dragoman_check() -> Callable[..., Report]:
    """Fail the test with what `app` does against the WSGI contract: ``dragoman_check(app)``, as ``dragoman check``.

    requests   more of them: ``["/path?a=b", 'POST /path {"a": 1}']``; `openapi` a description's file
    unsafe     use POST, PUT, PATCH and DELETE at the application's own routes
    headers    fields that each request has; `url` where they say that they go
    rules      ids of the only ones to look at, or all but `ignore`
    threads    calls at once in the parallel part; 1: everything runs in the thread of the test
    time       seconds for everything
    fail_on    what fails the test: breaches, or also exceptions and answers of 500
    Returns the report.
    """

    def check_application(
        app: WSGIApplication,
        *,
        requests: Sequence[str] = (),
        openapi: str = "",
        unsafe: bool = False,
        headers: Mapping[str, str] | None = None,
        url: str = "",
        rules: Sequence[str] = (),
        ignore: Sequence[str] = (),
        threads: int = 64,
        time: float = 10.0,
        fail_on: Literal["breach", "error"] = "breach",
    ) -> Report:
        __tracebackhide__ = True
        # Loaded by the first test that asks for it.
        from dragoman.check.command import known_rules, status_of  # noqa: PLC0415
        from dragoman.check.report import as_text  # noqa: PLC0415
        from dragoman.check.run import Options, asked_for, check  # noqa: PLC0415

        options = Options(
            asked=asked_for(requests, openapi),
            url=url,
            headers=tuple((headers or {}).items()),
            is_unsafe=unsafe,
            rules=known_rules("rules", rules),
            ignored=known_rules("ignore", ignore),
            threads=threads,
            time_s=time,
            is_quiet=False,
            # A test's database belongs to its thread.
            is_guarded=False,
        )
        report = check(app, options)
        if status_of(report, fail_on):
            pytest.fail(as_text(report), pytrace=False)
        return report

    return check_application


class LiveServerFixture:
    """The plugin that has `live_server`."""

    @pytest.fixture
    def live_server(self, app: WSGIApplication, live_server_factory: LiveServerFactory) -> LiveServer:
        """A server that serves the fixture ``app``, which a test suite defines (the convention of pytest-flask)."""
        return live_server_factory(app)
