"""`LiveClient`: the same client over the real server and real sockets."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import quote

from dragoman.contract import Checked
from dragoman.testing import LiveServer
from dragoman.types import Environ, WSGIApplication
from dragoman.web.request import Request
from dragoman.web.testing.client import Client
from dragoman.web.testing.response import TestResponse

__all__ = ["LiveClient"]

Self = TypeVar("Self", bound="LiveClient")

# An answer that has not come by then does not come: the test says so and ends.
TIMEOUT_S = 30
BLOCK_BYTES = 64 << 10
SAFE_IN_PATH = "/!$&'()*+,:;=@~"


class LiveClient(Client):
    """Asks an application over sockets: ``with app.test_client(live=True) as client``. The server runs in this process.

    settings   of the server, as `dragoman.testing.LiveServer` takes them

    It is `Client` in all but this: the environ is the server's, so ``environ_overrides`` and ``environ_base`` of a
    request are refused; handlers run in other threads, so nothing of the last request is kept. Exceptions of the
    application and breaches of PEP 3333 are raised at the request whose answer shows them, at the latest at the end of
    the block.
    """

    server: LiveServer

    def __init__(self, application: WSGIApplication, use_cookies: bool = True, **settings: Any) -> None:
        super().__init__(application, use_cookies)
        checked = Checked(application, self.findings.sieve(is_own_server=True))
        self.server = LiveServer(checked, raise_exceptions=True, **settings)

    @property
    def is_raising(self) -> bool:
        """Whether exceptions of the application are raised here."""
        return self.app is None or self.app.testing

    @property
    def url(self) -> str:
        """Where the server is; empty before it is."""
        return self.server.url

    def __enter__(self: Self) -> Self:
        super().__enter__()
        self.server.start()
        self.base_url = self.server.url + "/"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, traceback)
        if kind is not None:
            # What the test has to say comes first.
            self.findings.waiting.clear()
        if kind is not None or not self.is_raising:
            self.server.exceptions.clear()
        self.server.stop()
        self.findings.told()

    def ask(self, environ: Environ, is_own_environ: bool, is_buffered: bool) -> TestResponse:
        """Make one request over a connection of its own."""
        if not is_own_environ:
            raise TypeError(
                "environ_overrides, environ_base: the environ of a live client is the server's; send fields with"
                " headers=…, or use a client without live=True"
            )
        if environ["wsgi.url_scheme"] != "http":
            raise ValueError(f"a live client asks by http, not {environ['wsgi.url_scheme']}")
        if not self.server.url:
            raise RuntimeError(
                "a live client's server runs in a with block: with app.test_client(live=True) as client:"
            )
        return super().ask(environ, is_own_environ, is_buffered)

    def answered(self, sent: Environ, asked: Request, is_own_environ: bool, is_buffered: bool) -> TestResponse:
        """The answer that comes over the socket."""
        connection = http.client.HTTPConnection(self.server.host, self.server.port, timeout=TIMEOUT_S)
        connection.response_class = FinalResponse
        stream = Received(self, connection)
        try:
            # A body that is refused need not be taken to its end: there is an answer all the same.
            with suppress(BrokenPipeError, ConnectionResetError):
                send(connection, sent)
            stream.received = received = connection.getresponse()
            status = f"{received.status} {received.reason}"
            response = TestResponse(status, received.getheaders(), stream, asked)
        except BaseException:
            connection.close()
            self.told()
            raise
        if is_buffered:
            response.get_data()
            self.told()
        return response

    def told(self) -> None:
        """Raise what has been found, and what the application has raised."""
        if self.server.exceptions:
            first, self.server.exceptions[:] = self.server.exceptions[0], []
            if self.is_raising:
                self.findings.left_to(first)
                raise first
        self.findings.told()


class FinalResponse(http.client.HTTPResponse):
    """The answer behind what comes before it: RFC 9110 §15.2. http.client itself passes over 100 alone."""

    def begin(self) -> None:
        """Read the head."""
        super().begin()
        while 100 <= self.status < 200:
            self.headers = self.msg = None  # type: ignore[assignment]
            super().begin()


class Received:
    """The blocks of an answer as they come over a connection."""

    def __init__(self, client: LiveClient, connection: http.client.HTTPConnection) -> None:
        self.client = client
        self.connection = connection
        self.received: http.client.HTTPResponse | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            block = b"" if self.received is None else self.received.read1(BLOCK_BYTES)
        except http.client.IncompleteRead:
            # An answer that is cut short is what an exception in its midst looks like.
            self.client.told()
            raise
        if not block:
            raise StopIteration
        return block

    def close(self) -> None:
        """Close the connection."""
        if self.received is not None:
            self.received.close()
        self.connection.close()


def send(connection: http.client.HTTPConnection, environ: Environ) -> None:
    """Send the request that an environ is of."""
    path = quote((environ["SCRIPT_NAME"] + environ["PATH_INFO"]).encode("latin-1"), safe=SAFE_IN_PATH)
    query = environ["QUERY_STRING"]
    target = environ.get("RAW_URI") or path + (f"?{query}" if query else "")
    connection.putrequest(environ["REQUEST_METHOD"], target, skip_host=True, skip_accept_encoding=True)
    for key, value in environ.items():
        if key.startswith("HTTP_") or (key == "CONTENT_TYPE" and value):
            connection.putheader(key.removeprefix("HTTP_").replace("_", "-").title(), value.encode("latin-1"))
    body = environ["wsgi.input"]
    length = environ.get("CONTENT_LENGTH")
    if length:
        connection.putheader("Content-Length", length)
        connection.endheaders(body)
    elif first := body.read(BLOCK_BYTES):
        connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders()
        while first:
            connection.send(b"%x\r\n%b\r\n" % (len(first), first))
            first = body.read(BLOCK_BYTES)
        connection.send(b"0\r\n\r\n")
    else:
        connection.endheaders()
