"""`HostRouter`: an application for each host."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dragoman.http.hosts import Host, parse_host
from dragoman.middleware.answer import plain
from dragoman.middleware.layer import Layer
from dragoman.middleware.trusted_hosts import check_pattern
from dragoman.types import Environ, StartResponse, WSGIApplication

__all__ = ["SUBDOMAIN", "HostRouter"]

SUBDOMAIN = "dragoman.subdomain"
"""The environ's key for what stood in front of the name of a pattern with subdomains, ``""`` for the name itself."""

MOST_KNOWN = 1024
"""How many Host fields are remembered."""

MISDIRECTED = plain("421 Misdirected Request", "This host is not served here.")


class HostRouter(Layer):
    """Gives a request to the application of its host; one for another host to `app`.

    hosts   pattern → WSGI application: ``"api.shop.example"``, ``".shop.example"`` with its subdomains,
            ``"*.shop.example"`` for the subdomains alone; with a port, that one only. Exact names are looked at first,
            then patterns in their order

    What stood in front of a pattern's name is ``environ["dragoman.subdomain"]``. Without `app`, and for a Host that
    is none, the answer is 421.
    Raises ValueError for what is no name, TypeError for what is no application.
    Source: RFC 9110, sections 7.2 and 15.5.20.

        app = HostRouter(site, hosts={"api.shop.example": api, "*.shop.example": tenants})
    """

    def __init__(self, app: WSGIApplication | None = None, *, hosts: Mapping[str, WSGIApplication]) -> None:
        super().__init__(app)
        for pattern, application in hosts.items():
            check_pattern(pattern, "hosts")
            if not callable(application):
                raise TypeError(f"hosts: {pattern}: want a WSGI application, got {application!r}")
        parsed = {pattern: parse_host(pattern) for pattern in hosts}
        self.exact = {host: hosts[pattern] for pattern, host in parsed.items() if host is not None}
        # The same few hosts come again and again, and taking one apart costs two microseconds.
        self.known: dict[str, tuple[WSGIApplication | None, str | None]] = {}
        self.patterns = [(pattern, hosts[pattern]) for pattern, host in parsed.items() if host is None]

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Call the application that the host belongs to."""
        value = environ.get("HTTP_HOST", "")
        found = self.known.get(value)
        if found is None:
            found = self.find(value)
            if len(self.known) < MOST_KNOWN:
                self.known[value] = found
        application, in_front = found
        if in_front is not None:
            environ[SUBDOMAIN] = in_front
        return (self.app if application is None else application)(environ, start_response)

    def find(self, value: str) -> tuple[WSGIApplication | None, str | None]:
        """The application of a Host field, None for the one inside, and what stood in front of a pattern's name."""
        host = parse_host(value)
        if host is None:
            return MISDIRECTED, None
        if (application := self.exact.get(host, self.exact.get(Host(host.name)))) is not None:
            return application, None
        for pattern, application in self.patterns:
            if host.matches(pattern):
                return application, subdomain(host.name, pattern)
        return None, None

    def lacking(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """A host that nobody serves."""
        return MISDIRECTED(environ, start_response)


def subdomain(name: str, pattern: str) -> str:
    """What stands in `name`, which fits `pattern`, in front of the pattern's own labels."""
    bare = pattern.lstrip("*.").partition(":")[0].rstrip(".")
    labels = bare.count(".") + 1 if bare else 0
    in_front = name.split(".")
    return ".".join(in_front[: len(in_front) - labels])
