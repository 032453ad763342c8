"""`TrustedHosts`: only requests for names that are this application's own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dragoman.http.hosts import Host, parse_host
from dragoman.http.statuses import status_line
from dragoman.middleware.answer import plain
from dragoman.middleware.layer import Layer
from dragoman.middleware.paths import PathTable, path_of
from dragoman.types import Environ, StartResponse, WSGIApplication

__all__ = ["TrustedHosts"]

STATUSES = (400, 421)


class TrustedHosts(Layer):
    """Refuses requests whose Host is none of `hosts`, before anything builds a link, a redirect or a mail from it.

    hosts    names of the application: ``"shop.example"``, ``".shop.example"`` with its subdomains,
             ``"*.shop.example"`` for the subdomains alone, ``"*"`` for any that is well-formed; with a port, that one
             only, else any
    status   400, or 421, which tells a client to try another connection
    exempt   paths for which any host will do, such as health checks that come by address

    A request without Host is refused like one with a wrong one.
    Raises ValueError for what is no name.
    Source: RFC 9110, sections 7.2, 15.5.20 and 17.1.

        app = TrustedHosts(app, hosts=["shop.example", ".shop.example"])
    """

    def __init__(
        self,
        app: WSGIApplication | None = None,
        *,
        hosts: Sequence[str],
        status: int = 400,
        exempt: Sequence[str] = (),
    ) -> None:
        super().__init__(app)
        if isinstance(hosts, str) or not hosts:
            raise ValueError(f'hosts: want a list of names, such as ["shop.example"], got {hosts!r}')
        if status not in STATUSES:
            raise ValueError(f"status: want 400 or 421, got {status!r}")
        for pattern in hosts:
            check_pattern(pattern, "hosts")
        self.hosts = tuple(hosts)
        # A name without a port is known by a look into a set: the usual case.
        self.exact = frozenset(one.lower() for one in hosts if parse_host(one) is not None)
        self.exempt = PathTable.of(exempt, "exempt")
        self.refusal = plain(status_line(status), "This host is not served here.")

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Refuse the request, or pass it on."""
        value = environ.get("HTTP_HOST", "")
        if value in self.exact or self.is_trusted(value):
            return self.app(environ, start_response)
        if self.exempt and self.exempt.has(path_of(environ)):
            return self.app(environ, start_response)
        return self.refusal(environ, start_response)

    def is_trusted(self, value: str) -> bool:
        """Whether a Host field names one of the hosts."""
        host = parse_host(value)
        return host is not None and any(host.matches(pattern) for pattern in self.hosts)


def check_pattern(pattern: object, what: str) -> None:
    """Raises ValueError for what is no pattern of names."""
    if not isinstance(pattern, str):
        raise ValueError(f"{what}: want names, got {pattern!r}")
    try:
        Host("example.org").matches(pattern)
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from None
