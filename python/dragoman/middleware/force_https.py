"""`ForceHTTPS`: sends requests by http to the same place by https."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dragoman.http.hosts import Host, parse_host
from dragoman.middleware.answer import plain
from dragoman.middleware.layer import Layer
from dragoman.middleware.paths import PathTable, path_of
from dragoman.middleware.targets import redirect, target_of
from dragoman.types import Environ, StartResponse, WSGIApplication

__all__ = ["ForceHTTPS"]

NO_HOST = plain("400 Bad Request", "A Host is needed to say where https is.")
# The two that every client follows as what they are; of another method they would make a GET.
READING = ("GET", "HEAD")


class ForceHTTPS(Layer):
    """Redirects every request that came by http.

    permanent  301 for GET and HEAD and 308 for other methods, which clients remember; else 302 and 307
    host       the host to send everybody to; None: the one that was asked for, which `TrustedHosts` has looked at
    port       the port of https there
    exempt     paths that are answered by http, too, such as health checks

    The scheme is ``wsgi.url_scheme``: behind a proxy that ends TLS let `ProxyHeaders` or the server set it, or each
    answer is a redirect. Browsers are told to stay with https by `SecurityHeaders`.
    Raises ValueError for what is no host, port or path.
    Source: RFC 9110, section 15.4; RFC 6797, section 7.2.

        app = ForceHTTPS(app, exempt=["/livez", "/readyz"])
    """

    def __init__(
        self,
        app: WSGIApplication | None = None,
        *,
        permanent: bool = True,
        host: str | None = None,
        port: int = 443,
        exempt: Sequence[str] = (),
    ) -> None:
        super().__init__(app)
        if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
            raise ValueError(f"port: want 1 to 65535, got {port!r}")
        self.host = None if host is None else parse_host(host)
        if host is not None and (self.host is None or self.host.port is not None):
            raise ValueError(f'host: want a name such as "shop.example", without a port, got {host!r}')
        self.port = port
        self.exempt = PathTable.of(exempt, "exempt")
        self.statuses = (301, 308) if permanent else (302, 307)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Redirect the request, or pass it on."""
        if environ.get("wsgi.url_scheme") == "https":
            return self.app(environ, start_response)
        if self.exempt and self.exempt.has(path_of(environ)):
            return self.app(environ, start_response)
        host = self.host or parse_host(environ.get("HTTP_HOST", ""))
        if host is None:
            return NO_HOST(environ, start_response)
        there = Host(host.name, self.port).authority("https")
        status = self.statuses[environ.get("REQUEST_METHOD") not in READING]
        return redirect(status, f"https://{there}{target_of(environ)}")(environ, start_response)
