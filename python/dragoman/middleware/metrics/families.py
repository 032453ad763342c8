"""What a table's totals are to Prometheus, and which of its two formats a scraper gets."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from dragoman.http.negotiation import qualities
from dragoman.middleware.extras import lacking
from dragoman.middleware.metrics.table import DROPPED, IN_FLIGHT, Totals

try:
    from prometheus_client import exposition, openmetrics
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
        Metric,
    )
except ImportError as error:
    raise lacking("Metrics", "prometheus-client", "metrics") from error

__all__ = ["DURATION", "EXCEPTION", "STATUS", "Format", "Several", "duration_cells", "families", "format_for", "key"]

log = logging.getLogger("dragoman.middleware")

# Kinds of names, and the labels behind them.
DURATION, STATUS, EXCEPTION = "duration", "status", "exception"


def key(kind: str, *labels: str) -> bytes:
    """The name of a series in the table."""
    return "\0".join((kind, *(label.replace("\0", "\ufffd") for label in labels))).encode("utf-8", "replace")


def duration_cells(bounds: Sequence[float]) -> int:
    """How many cells a method and route have: each bucket, the seconds, the bytes in and out."""
    return len(bounds) + 4


def families(totals: Totals, prefix: str, bounds: Sequence[float]) -> list[Metric]:
    """The families that are shown of the totals."""
    route = ["method", "route"]
    requests = CounterMetricFamily(f"{prefix}_requests", "Requests that have ended.", labels=[*route, "status"])
    seconds = HistogramMetricFamily(
        f"{prefix}_request_duration_seconds", "Time from the call to close(), by method and route.", labels=route
    )
    received = CounterMetricFamily(
        f"{prefix}_request_body_bytes", "Bytes of request bodies, as their Content-Length says.", labels=route
    )
    sent = CounterMetricFamily(f"{prefix}_response_body_bytes", "Bytes of response bodies.", labels=route)
    exceptions = CounterMetricFamily(
        f"{prefix}_exceptions", "Exceptions that left the application.", labels=[*route, "exception"]
    )
    for name in sorted(totals.names):
        kind, *labels = name.decode("utf-8", "replace").split("\0")
        cells = totals.cells[totals.names[name].start : totals.names[name].stop]
        if kind == DURATION:
            *buckets, sum_s, bytes_in, bytes_out = cells
            counted, rows = 0.0, []
            for bound, count in zip([*map(str, bounds), "+Inf"], buckets, strict=True):
                counted += count
                rows.append((bound, counted))
            seconds.add_metric(labels, rows, sum_s)
            received.add_metric(labels, bytes_in)
            sent.add_metric(labels, bytes_out)
        else:
            {STATUS: requests, EXCEPTION: exceptions}[kind].add_metric(labels, cells[0])
    in_flight = GaugeMetricFamily(
        f"{prefix}_requests_in_flight", "Requests that are under way.", totals.cells[IN_FLIGHT]
    )
    processes = GaugeMetricFamily(f"{prefix}_processes", "Processes that count together.", totals.processes)
    uncounted = CounterMetricFamily(
        f"{prefix}_uncounted", "Requests for whose labels there was no room.", totals.cells[DROPPED]
    )
    return [requests, seconds, received, sent, exceptions, in_flight, processes, uncounted]


class Several:
    """Collectors as one. One that fails is left out, and the log says why."""

    def __init__(self, *sources: Callable[[], Iterable[Metric]], names: Sequence[str] = ()) -> None:
        self.sources = sources
        self.names = frozenset(names)

    def collect(self) -> Iterable[Metric]:
        """All families; with names only the samples of these."""
        for source in self.sources:
            try:
                found = list(source())
            except Exception:
                log.exception("metrics: a collector failed, and its metrics are left out")
                continue
            yield from filter(None, map(self.restricted, found)) if self.names else found

    def restricted(self, family: Metric) -> Metric | None:
        samples = [sample for sample in family.samples if sample.name in self.names]
        if not samples:
            return None
        made = Metric(family.name, family.documentation, family.type, family.unit)
        made.samples = samples
        return made


class Format(NamedTuple):
    """A format: what Content-Type says of it, and what writes it."""

    content_type: str
    write: Callable[[Any], bytes]


TEXT = Format("text/plain; version=0.0.4; charset=utf-8", exposition.generate_latest)
OPEN_METRICS = Format(
    "application/openmetrics-text; version=1.0.0; charset=utf-8", openmetrics.exposition.generate_latest
)


def format_for(accept: str | None) -> Format:
    """OpenMetrics for those who name it and like it no less than the text format, which all others get."""
    # By the types alone: of the versions that scrapers name, all that are in use read 1.0.0 and 0.0.4.
    weights = {"application/openmetrics-text": 0.0, "text/plain": 0.0}
    for name, quality in qualities(accept or ""):
        if name in weights:
            weights[name] = max(weights[name], quality)
    openly, text = weights.values()
    return OPEN_METRICS if openly > 0 and openly >= text else TEXT
