"""`Metrics`, and what it counts with: a table that processes share, and its totals as Prometheus has them."""

from dragoman.middleware.metrics.part import Metrics

__all__ = ["Metrics"]
