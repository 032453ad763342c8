"""Serves an application in the process of a test: a real server on a free port of the loopback interface."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from socket import create_server
from typing import Any

from dragoman.contract.report import Reporter
from dragoman.log import Log
from dragoman.settings import settings_from
from dragoman.types import WSGIApplication
from dragoman.worker import Worker

__all__ = ["RunningServer", "serve"]


@dataclass
class RunningServer:
    """A server that runs: where it listens, and what it has reported so far."""

    host: str
    port: int
    reports: list[str] = field(default_factory=list)
    """Messages about breaches of the contract: ``"contract: body-not-bytes ..."``."""

    @property
    def url(self) -> str:
        """``"http://127.0.0.1:PORT"``, without a slash at its end."""
        return f"http://{self.host}:{self.port}"


@contextmanager
def serve(application: WSGIApplication, **settings: object) -> Iterator[RunningServer]:
    """Serve `application` until the ``with`` block ends; its requests are drained then.

    settings   those of the command line by name, such as ``threads=1`` or ``root_path="/shop"``
    The error log is standard error. Raises UsageError for a setting that cannot be, AssertionError when a request is
    still inside of the application at the end.

        with serve(app) as server:
            assert urllib.request.urlopen(server.url).status == 200
    """
    listener = create_server(("127.0.0.1", 0))
    with listener:
        listener.setblocking(False)
        running = RunningServer(*listener.getsockname())
        given: Mapping[str, Any] = {"drain_linger": 0, **settings}
        found = settings_from({name: [str(value)] for name, value in given.items()}, {})
        log = Log(2, "warning")

        def report(message: str) -> None:
            running.reports.append(message)
            log.error(message)

        server_port = str(running.port)
        worker = Worker(
            application,
            [{"fd": listener.fileno(), "kind": "tcp", "server_name": running.host, "server_port": server_port}],
            found,
            log=log,
            report=Reporter(report),
        )
        worker.start()
        # Not one of the serving threads: it waits for the engine's events, as the main thread does in a server.
        minder = threading.Thread(target=worker.mind, name="dragoman-minder", daemon=True)
        minder.start()
        try:
            yield running
        finally:
            worker.drain()
            minder.join()
            stuck = worker.join()
        assert not stuck, f"still inside of the application: {', '.join(stuck)}"
