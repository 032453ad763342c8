"""`Metrics`: how many requests of which route, how long, how large, counted for all workers of a host together."""

from __future__ import annotations

import os
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from time import perf_counter
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from dragoman.middleware.answer import Answer, plain
from dragoman.middleware.exchange import EXCEPTION as ANSWERED
from dragoman.middleware.exchange import Exchange
from dragoman.middleware.extras import lacking
from dragoman.middleware.insiders import Allow, Insiders
from dragoman.middleware.layer import Layer
from dragoman.middleware.metrics.families import (
    DURATION,
    EXCEPTION,
    STATUS,
    Several,
    duration_cells,
    families,
    format_for,
    key,
)
from dragoman.middleware.metrics.storage import table_of
from dragoman.middleware.metrics.table import DROPPED, IN_FLIGHT, Layout
from dragoman.middleware.paths import PathTable, path_of
from dragoman.middleware.routes import RouteHook, checked_hook
from dragoman.types import Environ, StartResponse, WSGIApplication

try:
    from prometheus_client import REGISTRY, CollectorRegistry
    from prometheus_client.multiprocess import MultiProcessCollector
except ImportError as error:
    raise lacking("Metrics", "prometheus-client", "metrics") from error

__all__ = ["Metrics"]

# The stable semantic conventions of OpenTelemetry have these bounds for http.server.request.duration.
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
# RFC 9110 §9, RFC 5789. Others are one: clients make them up.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"})
OTHER = "other"
NONE = "none"
FAILED = "500"
MOST_ROUTE = 120
# Series beside those of the setting: whatever clients make of routes, "other" has room for each method and status.
SPARE = 200
BODILESS = ("204", "304")
READ_BY = ("GET", "HEAD")


class Metrics(Layer):
    """Counts requests for Prometheus, and answers a path with the counts of all processes.

    path       where they are read; None: nowhere, see `exposition`
    allow      who may read them there: addresses and networks, ``"*"``, or a function of the environ
    token      who sends ``Authorization: Bearer TOKEN`` may read them from everywhere
    route      a function of the environ that gives the route of a request, or None; it is asked when the response has
               begun. Known without it are the rules of Flask and Bottle, and ``environ["dragoman.route"]``
    paths      path prefixes that are routes for what has none, such as ``["/static"]``; all else is ``"other"``
    exempt     paths that are not counted
    buckets    upper bounds of the durations, in seconds
    prefix     of all names
    registry   whose metrics are shown, too: True is that of prometheus-client, False is none
    storage    where is counted: ``"shm://NAME"`` for all processes of this user on this host, ``"memory://"`` for each
               process alone
    series     how many combinations of labels there may be; further ones are not told apart

    Time and bytes are those at close(). Raises ValueError for what cannot be one of these, OSError for a shared file
    that cannot be made.

        app = Metrics(app, allow=["10.0.0.0/8"])
    """

    def __init__(
        self,
        app: WSGIApplication | None = None,
        *,
        path: str | None = "/metrics",
        allow: Allow = ("127.0.0.1", "::1"),
        token: str | None = None,
        route: RouteHook | None = None,
        paths: Iterable[str] = (),
        exempt: Iterable[str] = (),
        buckets: Sequence[float] = BUCKETS,
        prefix: str = "http_server",
        registry: CollectorRegistry | bool = True,
        storage: str = "shm://",
        series: int = 1000,
    ) -> None:
        super().__init__(app)
        if path is not None and not (isinstance(path, str) and path.startswith("/")):
            raise ValueError(f'path: want a path such as "/metrics", or None, got {path!r}')
        checked_hook(route)
        if isinstance(paths, str):
            raise ValueError(f"paths: want a list of paths, got the text {paths!r}")
        if not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", prefix):
            raise ValueError(f"prefix: want letters, digits and _, got {prefix!r}")
        if not isinstance(registry, bool) and not callable(getattr(registry, "collect", None)):
            raise ValueError(f"registry: want True, False or a registry of prometheus-client, got {registry!r}")
        if not 100 <= series <= 100_000:
            raise ValueError(f"series: want 100 to 100000, got {series!r}")
        self.bounds = checked_bounds(buckets)
        self.path = path
        self.insiders = Insiders(allow, token)
        self.route = route
        table = PathTable({one: one.rstrip("/") or "/" for one in paths}, "paths")
        self.paths = table if table else None
        exempted = PathTable.of(exempt, "exempt")
        self.exempt = exempted if exempted else None
        self.prefix = prefix
        self.registry = registry
        cells = duration_cells(self.bounds)
        # Of two series one has buckets at most: there are times where there is a status.
        layout = Layout(series, 2 + (series + SPARE + 1) // 2 * (1 + cells), SPARE)
        self.table = table_of(storage, layout, f"{self.bounds}")
        # Before it serves: so a worker that takes the place of another is there before that one goes.
        self.table.joined()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer the request and count it, or answer with the counts."""
        # Most paths are told apart by their end.
        if self.path is not None and self.path.endswith(environ.get("PATH_INFO", "")) and path_of(environ) == self.path:
            return self.shown(environ)(environ, start_response)
        if self.exempt is not None and self.exempt.has(path_of(environ)):
            return self.app(environ, start_response)
        counting = Counting(environ, start_response, self.route)
        counting.layer = self
        if self.paths is not None:
            counting.path = path_of(environ)
        table = self.table
        cells = table.cells
        if cells is None:
            cells = table.joined()
        # Whoever ends writes it again, within the lock: so it is right at the latest when all have ended.
        table.in_flight.append(None)
        cells[IN_FLIGHT] = len(table.in_flight)
        counting.began = perf_counter()
        try:
            result = self.app(environ, counting.started)
        except BaseException as error:
            counting.ended(error)
            raise
        return counting.follow(result)

    def shown(self, environ: Environ) -> WSGIApplication:
        """What `path` is answered with."""
        if environ.get("REQUEST_METHOD") not in READ_BY:
            return plain("405 Method Not Allowed", "GET and HEAD only", ("Allow", ", ".join(READ_BY)))
        if not self.insiders.have_sent(environ):
            return REFUSED
        names = parse_qs(str(environ.get("QUERY_STRING", ""))).get("name[]", [])
        content_type, body = self.exposition(environ.get("HTTP_ACCEPT"), names)
        return Answer("200 OK", (("Content-Type", content_type), ("Cache-Control", "no-store"), VARY), body)

    def exposition(self, accept: str | None = None, names: Sequence[str] = ()) -> tuple[str, bytes]:
        """The counts as text, and its Content-Type.

        accept   the scraper's Accept field
        names    of the samples that are wanted; none are all
        """
        chosen = format_for(accept)
        sources: list[Callable[[], Iterable[Any]]] = [
            lambda: families(self.table.totals(), self.prefix, self.bounds),
        ]
        if self.registry is not False:
            sources.append(lambda: users_registry(self.registry).collect())
        return chosen.content_type, chosen.write(Several(*sources, names=names))

    def series_of(self, method: str, route: str | None, status: object) -> Series | None:
        """The cells of a request, of this process. None when there is no room, not even for other routes."""
        kept, labels = self.table.kept, labels_of(method, route, status)
        found = kept.get(labels) or self.found_series(labels)
        if found is None and labels.route != OTHER:
            # Not kept under this route: of routes without room there may be any number.
            labels = labels._replace(route=OTHER)
            found = kept.get(labels) or self.found_series(labels)
        elif found is not None and method == labels.method and labels.route in (route, OTHER) and type(status) is str:
            # As requests have them, so that the next one need not ask what its labels are.
            if len(kept) >= 4 * self.table.layout.entries:
                kept.clear()
            kept[method, route, status] = found
        if found is not None:
            kept[labels] = found
        return found

    def found_series(self, labels: Labels) -> Series | None:
        method, route, status = labels
        is_spare = route == OTHER
        times = self.table.find(key(DURATION, method, route), duration_cells(self.bounds), is_spare)
        counts = None if times is None else self.table.find(key(STATUS, method, route, status), 1, is_spare)
        if times is None or counts is None:
            return None
        return Series(counts.start, times.start, times.stop - 3, method == "HEAD" or status in BODILESS)

    def count_exception(self, method: str, route: str, error: BaseException) -> None:
        name = key(EXCEPTION, method, route, type(error).__name__[:MOST_ROUTE])
        found = self.table.find(name, 1)
        if found is None:
            found = self.table.find(key(EXCEPTION, method, OTHER, OTHER), 1, is_spare=True)
        cells = self.table.joined()
        with self.table.lock:
            cells[DROPPED if found is None else found.start] += 1


class Labels(NamedTuple):
    """What a request is counted under."""

    method: str
    route: str
    status: str


def labels_of(method: str, route: str | None, status: object) -> Labels:
    return Labels(
        method if method in METHODS else OTHER,
        OTHER if route is None else route[:MOST_ROUTE],
        status[:3] if type(status) is str else NONE,
    )


class Series(NamedTuple):
    """The cells of a request: its count, the first of its duration's, that of all seconds; whether it has no body."""

    requests: int
    times: int
    sum_s: int
    is_bodiless: bool


class Counting(Exchange):
    """One request under way."""

    layer: Metrics
    path: str
    began: float

    def ended(self, error: BaseException | None) -> None:
        """Count it."""
        seconds = perf_counter() - self.began
        layer = self.layer
        table = layer.table
        route = self.route or self.known_route()
        if route is None and layer.paths is not None:
            route = layer.paths.find(self.path, None)
        # What raises before anything was sent is answered by the server, whatever head had been meant.
        status = self.status if error is None or self.body_bytes else FAILED
        try:
            series: Series | None = table.kept.get((self.method, route, status))
        except TypeError:
            # The status is nothing that could be a key, nor a text.
            series = None
        if series is None:
            series = layer.series_of(self.method, route, status)
        length = self.environ.get("CONTENT_LENGTH")
        cells = table.cells
        if cells is None:
            cells = table.joined()
        lock = table.lock
        # Not by `with`, which costs more than the rest of it.
        lock.acquire()
        try:
            # In a child of fork there is none of its parent's.
            if table.in_flight:
                table.in_flight.pop()
            cells[IN_FLIGHT] = len(table.in_flight)
            if series is None:
                cells[DROPPED] += 1
            else:
                requests, times, sum_s, is_bodiless = series
                cells[requests] += 1
                cells[times + bisect_left(layer.bounds, seconds)] += 1
                cells[sum_s] += seconds
                if length and length.isascii() and length.isdigit() and len(length) < 20:
                    cells[sum_s + 1] += int(length)
                if self.body_bytes and not is_bodiless:
                    cells[sum_s + 2] += self.body_bytes
        finally:
            lock.release()
        if error is not None or ANSWERED in self.environ:
            failure = self.failure(error)
            if failure is not None:
                labels = labels_of(self.method, route, status)
                layer.count_exception(labels.method, labels.route, failure)


REFUSED = plain(
    "403 Forbidden",
    "These are for others: the server's settings say for whom (allow, token). Behind a proxy ProxyHeaders has to stand"
    " outside.",
    ("Cache-Control", "no-store"),
)
VARY = ("Vary", "Accept")


def checked_bounds(buckets: Sequence[float]) -> tuple[float, ...]:
    """Raises ValueError for what are no bounds."""
    problem = f"buckets: want at most 100 numbers above 0, each larger than the one before, got {buckets!r}"
    try:
        bounds = tuple(float(one) for one in buckets)
    except (TypeError, ValueError):
        raise ValueError(problem) from None
    if not 1 <= len(bounds) <= 100 or not bounds[0] > 0 or sorted(set(bounds)) != list(bounds) or bounds[-1] == INF:
        raise ValueError(problem)
    return bounds


INF = float("inf")


def users_registry(registry: CollectorRegistry | bool) -> CollectorRegistry:
    """The one whose metrics are shown beside ours."""
    if not isinstance(registry, bool):
        return registry
    if not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        return REGISTRY
    # prometheus-client's own way for several processes, where it has been set up.
    made = CollectorRegistry()
    MultiProcessCollector(made)  # type: ignore[no-untyped-call]
    return made
